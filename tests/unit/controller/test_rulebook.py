"""PrometheusRules of a fleet, kept against an API server that forgets, refuses and is edited."""

import copy
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.controller.rule_objects import manifest
from sluice.controller.rulebook import Rulebook
from sluice.indicators.counted import Counted
from sluice.indicators.failure import Failure
from sluice.indicators.promql import Selector, Side
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.recording import Subject, render
from sluice.indicators.sources import Sources
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Cache, Key
from sluice.kube.resources import OBJECTIVES, PROMETHEUS_RULES, SOURCES, Resource

HOME = "sluice-system"
NAME = "sluice-shop.checkout"


class Api:
    """Stands for an API server with PrometheusRules."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []
        self.deleted: list[str] = []
        self.unlisted: ApiError | None = None
        self.refuses: dict[str, ApiError] = {}

    async def list(
        self, resource: Resource, *, namespace: str, labels: str
    ) -> AsyncIterator[dict[str, Any]]:
        assert (resource, namespace) == (PROMETHEUS_RULES, HOME)
        assert labels == "app.kubernetes.io/managed-by=sluice,sluice.dev/objective-uid"
        if self.unlisted is not None:
            raise self.unlisted
        for found in list(self.objects.values()):
            yield copy.deepcopy(found)

    async def apply(self, resource: Resource, body: dict[str, Any]) -> None:
        assert resource is PROMETHEUS_RULES
        name = body["metadata"]["name"]
        if name in self.refuses:
            raise self.refuses[name]
        self.written.append(name)
        self.objects[name] = copy.deepcopy(body)

    async def delete(self, resource: Resource, name: str, *, namespace: str) -> None:
        assert (resource, namespace) == (PROMETHEUS_RULES, HOME)
        self.deleted.append(name)
        del self.objects[name]


def error(status: int, message: str = "no") -> ApiError:
    return ApiError(status=status, reason="", message=message)


class Fleet:
    """A controller's rulebook with one source and its objectives."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.api, self.cache, self.sources = Api(), Cache(), Sources()
        self.told: list[str] = []
        self.versions = 0
        self.sources.put("mimir", Failure(Reason.PROGRESSING, "not asked here"))
        self.rulebook = Rulebook(
            api=self.api,  # type: ignore[arg-type]
            cache=self.cache,
            sources=self.sources,
            namespace=HOME,
            enabled=enabled,
            settle=30,
            clock=lambda: 0.0,
            changed=self.told.append,
        )

    def source(self, engine: str = "Recorded", **labels: str) -> None:
        spec = {"url": "http://mimir", "engine": engine, "ruleLabels": labels}
        self._put(SOURCES, {"metadata": {"name": "mimir"}, "spec": {"prometheus": spec}})

    def objective(self, name: str = "checkout", source: str = "mimir") -> ServiceLevelObjective:
        body = {
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
            "spec": {
                "objective": "99.9",
                "window": {"rolling": "30d"},
                "source": {"name": source},
                "indicator": {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}},
            },
        }
        self._put(OBJECTIVES, body)
        found = self.cache.get(Key(OBJECTIVES.plural, "shop", name))
        assert isinstance(found, ServiceLevelObjective)
        return found

    def measured(self, name: str = "checkout", source: str = "mimir") -> Recorder:
        """An objective of which it is known what is counted."""
        recorder = self.rulebook.recorder(self.objective(name, source))
        found = Counted(Selector("x"), Selector("y"), Side.BAD)
        recorder.reader(None, found)  # type: ignore[arg-type]
        return recorder

    async def kept(self) -> Failure | None:
        self.api.written.clear()
        self.api.deleted.clear()
        await self.rulebook.keep()
        return self.rulebook.problem("mimir")

    def _put(self, resource: Resource, body: dict[str, Any]) -> None:
        self.versions += 1
        body["metadata"]["resourceVersion"] = str(self.versions)
        self.cache.put(resource, body)


async def test_each_objective_of_a_recorded_source_has_an_object_of_its_rules() -> None:
    fleet = Fleet()
    fleet.source(release="prometheus")
    recorder = fleet.measured()
    fleet.measured("elsewhere", source="default")
    assert await fleet.kept() is None
    (found,) = fleet.api.objects.values()
    assert found["metadata"] == {
        "name": NAME,
        "namespace": HOME,
        "labels": {
            "release": "prometheus",
            "app.kubernetes.io/managed-by": "sluice",
            "sluice.dev/objective-uid": "uid-checkout",
        },
        "annotations": {"sluice.dev/objective": "shop/checkout", "sluice.dev/source": "mimir"},
    }
    assert recorder.rules is not None
    assert found["spec"] == recorder.rules.spec()


async def test_nothing_is_written_for_nothing() -> None:
    fleet = Fleet()
    fleet.source()
    fleet.measured()
    await fleet.kept()
    # What others add is none of our business.
    fleet.api.objects[NAME]["metadata"]["labels"]["argocd"] = "x"
    fleet.api.objects[NAME]["spec"]["groups"][0]["limit"] = 0
    assert await fleet.kept() is None
    assert (fleet.api.written, fleet.api.deleted) == ([], [])


def _reworded(found: dict[str, Any]) -> None:
    found["spec"]["groups"][0]["rules"][0]["expr"] = "vector(0)"


def _added(found: dict[str, Any]) -> None:
    found["spec"]["groups"][0]["rules"].append({"record": "a", "expr": "vector(0)"})


def _unlabelled(found: dict[str, Any]) -> None:
    del found["metadata"]["labels"]["release"]


@pytest.mark.parametrize("drift", [_reworded, _added, _unlabelled])
async def test_what_somebody_has_changed_is_set_right(
    drift: Callable[[dict[str, Any]], None],
) -> None:
    fleet = Fleet()
    fleet.source(release="prometheus")
    fleet.measured()
    await fleet.kept()
    before = copy.deepcopy(fleet.api.objects)
    drift(fleet.api.objects[NAME])
    await fleet.kept()
    assert fleet.api.objects == before
    assert fleet.api.written == [NAME]


async def test_an_object_goes_with_its_objective() -> None:
    fleet = Fleet()
    fleet.source()
    fleet.measured()
    await fleet.kept()
    fleet.cache.drop(Key(OBJECTIVES.plural, "shop", "checkout"))
    await fleet.kept()
    assert fleet.api.deleted == [NAME]


async def test_all_objects_go_when_their_source_counts_incrementally() -> None:
    fleet = Fleet()
    fleet.source()
    recorder = fleet.measured()
    await fleet.kept()
    assert recorder.delay > 0
    fleet.source("Incremental")
    await fleet.kept()
    assert recorder.delay == 0
    assert fleet.api.deleted == [NAME]


async def test_an_object_stays_while_it_is_not_known_what_its_objective_wants() -> None:
    """After a restart: not measured yet, and one that this version cannot read."""
    fleet = Fleet()
    fleet.source()
    counted = Counted(Selector("x"), Selector("y"), Side.BAD)
    for name in ("checkout", "odd"):
        rules = render(counted, Subject(f"uid-{name}", "shop", name), settle=30)
        made = manifest(rules, namespace=HOME, source="mimir", labels={})
        fleet.api.objects[made["metadata"]["name"]] = made
    fleet.objective()
    odd = {"name": "odd", "namespace": "shop", "uid": "uid-odd", "resourceVersion": "9"}
    fleet.cache.put(OBJECTIVES, {"metadata": odd, "spec": {"objective": 1}})
    assert await fleet.kept() is None
    assert (fleet.api.written, fleet.api.deleted) == ([], [])


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (404, Reason.RULES_NOT_SERVED, "install the CRDs of the Prometheus Operator"),
        (403, Reason.RULES_REFUSED, "set recordedEngine.enabled in the chart's values"),
    ],
)
async def test_a_cluster_without_rules_is_a_problem_of_the_source_and_stalls(
    status: int, reason: Reason, words: str
) -> None:
    fleet = Fleet()
    fleet.source()
    fleet.measured()
    fleet.api.unlisted = error(status)
    problem = await fleet.kept()
    assert problem is not None
    assert (problem.reason, problem.stalled) == (reason, True)
    assert words in problem.message
    assert fleet.told == ["mimir"]
    fleet.api.unlisted = None
    assert await fleet.kept() is None
    assert fleet.told == ["mimir"] * 2
    assert fleet.api.written == [NAME]


async def test_where_no_source_wants_rules_it_does_not_matter_that_there_are_none() -> None:
    fleet = Fleet()
    fleet.source("Incremental")
    fleet.measured()
    fleet.api.unlisted = error(404)
    assert await fleet.kept() is None
    assert fleet.told == []


async def test_a_refused_object_keeps_the_others_from_nothing() -> None:
    fleet = Fleet()
    fleet.source()
    fleet.measured()
    fleet.measured("payment")
    fleet.api.refuses[NAME] = error(422, "expr: a parse error")
    problem = await fleet.kept()
    assert problem is not None
    assert problem.reason is Reason.RULES_REFUSED
    assert "expr: a parse error" in problem.message
    assert fleet.api.written == ["sluice-shop.payment"]


async def test_an_api_server_that_is_away_says_nothing_of_the_source() -> None:
    fleet = Fleet()
    fleet.source()
    fleet.measured()
    fleet.api.unlisted = error(0)
    with pytest.raises(ApiError):
        await fleet.kept()
    assert fleet.rulebook.problem("mimir") is None


async def test_a_controller_without_the_rights_asks_for_nothing_and_says_so() -> None:
    fleet = Fleet(enabled=False)
    fleet.source()
    recorder = fleet.measured()
    fleet.api.unlisted = error(500, "asked")
    problem = await fleet.kept()
    assert problem is not None
    assert problem.reason is Reason.RULES_REFUSED
    assert "recordedEngine.enabled" in problem.message
    assert recorder.records() is None


async def test_rules_that_are_not_evaluated_are_named() -> None:
    fleet = Fleet()
    fleet.source()
    recorder = fleet.measured()
    fleet.measured("payment")
    for slices in range(1, 6):
        recorder.note(300 * slices, evaluated=False)
        assert await fleet.kept() is None
    recorder.note(1800, evaluated=False)
    problem = await fleet.kept()
    assert problem is not None
    assert (problem.reason, problem.stalled) == (Reason.RULES_NOT_EVALUATED, False)
    assert "the rules of 1 of 2 objectives" in problem.message
    assert "such as those of shop/checkout" in problem.message
    recorder.note(2100, evaluated=True)
    assert await fleet.kept() is None
