"""Whatever stands in a manifest: a condition of one line, and never an exception."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api.source import MetricSourceSpec
from sluice.cli.check_files import Document
from sluice.cli.check_objects import declared
from sluice.controller.applicable import Applicable
from sluice.controller.burning import Burning
from sluice.controller.connections import Connections
from sluice.controller.corrections import Corrections
from sluice.controller.overrides import Overrides
from sluice.controller.sources import MetricSources
from sluice.indicators.credentials import Secrets
from sluice.indicators.failure import Failure
from sluice.indicators.sources import Sources
from sluice.kube.cache import Key, parse, type_of
from sluice.kube.resources import CORRECTIONS, OBJECTIVES, OVERRIDES, POLICIES, SOURCES, Resource
from tests.unit.controller.world import KEY, World
from tests.unit.fuzz.hostile import fuzzed, json_values, one_line, readable
from tests.unit.fuzz.liar import Liar
from tests.unit.fuzz.manifests import KINDS, accepted, bodies
from tests.unit.fuzz.test_answers import Measuring, honest, judge

OF = {it.kind: it for it in (OBJECTIVES, POLICIES, OVERRIDES, CORRECTIONS, SOURCES)}


def conditions(stored: dict[str, Any]) -> list[dict[str, Any]]:
    """The conditions that were written on an object; each can be read, and sent."""
    json.dumps(stored["status"], allow_nan=False)
    found: list[dict[str, Any]] = stored["status"]["conditions"]
    for condition in found:
        assert readable(condition), condition
    return found


async def told(resource: Resource, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What an object's owner reads after it was reconciled."""
    world = World()
    world.policy()
    world.budget(checkout=12, api=90)
    world.put(resource, body) if resource.namespaced else world.cache.put(
        resource, world.api.put(resource, body)
    )
    await RECONCILED[resource.kind](world)
    metadata = body["metadata"]
    return conditions(
        world.api.objects[resource.plural, metadata.get("namespace", ""), metadata["name"]]
    )


async def _policy(world: World) -> None:
    for _ in range(2):
        await world.reconcile()
        world.wait(3600, checkout=90)


async def _override(world: World) -> None:
    api: Any = world.api
    overrides = Overrides(
        api=api,
        cache=world.cache,
        burning=Burning(cache=world.cache, spent=world.spent),
        clock=lambda: world.now,
    )
    await overrides.reconcile(Key(OVERRIDES.plural, "shop", "checkout"))
    await world.reconcile()


async def _correction(world: World) -> None:
    api: Any = world.api
    corrections = Corrections(
        api=api, cache=world.cache, applicable=Applicable(), clock=lambda: world.now
    )
    await corrections.reconcile(Key(CORRECTIONS.plural, "shop", "checkout"))


class _Silent:
    """What stands in for a client once it was made: nothing here may ask the network."""

    def __init__(self, made: Any) -> None:
        self.dedup_label = getattr(made, "dedup_label", "")

    async def probe(self, at: float) -> Failure | None:
        assert at > 0
        return None


async def _source(world: World) -> None:
    api: Any = world.api
    connections = Connections(None, query_timeout=1)  # type: ignore[arg-type]

    def connect(name: str, spec: MetricSourceSpec, secrets: Secrets) -> Any:
        made = connections.connect(name, spec, secrets)
        return made if isinstance(made, Failure) else _Silent(made)

    sources = MetricSources(
        api=api,
        cache=world.cache,
        sources=Sources(),
        connect=connect,
        fallback=None,
        namespace="sluice-system",
        clock=lambda: world.now,
        changed=lambda _: None,
        post=lambda _: None,
    )
    await sources.reconcile(Key(SOURCES.plural, "", "checkout"))


RECONCILED: dict[str, Any] = {
    "ErrorBudgetPolicy": _policy,
    "GateOverride": _override,
    "BudgetCorrection": _correction,
    "MetricSource": _source,
}


@fuzzed
@given(bodies("ServiceLevelObjective"))
def test_an_objective_whatever_it_says_is_measured_or_told_why_not(body: dict[str, Any]) -> None:
    measuring = Measuring(body["spec"], Liar([honest]))
    measuring.cache.put(OBJECTIVES, measuring.api.put(OBJECTIVES, body))
    judge(asyncio.run(measuring.evaluate(1)))


@pytest.mark.parametrize("kind", sorted(RECONCILED))
@fuzzed
@given(st.data())
def test_any_other_object_whatever_it_says_gets_a_condition(kind: str, data: st.DataObject) -> None:
    assert asyncio.run(told(OF[kind], data.draw(bodies(kind))))


@pytest.mark.parametrize(
    ("kind", "spec"), [(kind, spec) for kind in sorted(RECONCILED) for spec in accepted(kind)]
)
async def test_what_the_api_server_takes_in_gets_a_condition(kind: str, spec: Any) -> None:
    metadata: dict[str, Any] = {"name": "checkout", "namespace": "shop", "uid": "u-1"}
    if kind == "MetricSource":
        del metadata["namespace"]
    if kind == "ErrorBudgetPolicy":
        metadata["name"] = KEY.name
    assert await told(OF[kind], {"metadata": metadata, "spec": spec})


@fuzzed
@given(st.lists(json_values() | st.sampled_from(KINDS).flatmap(bodies), max_size=3))
def test_files_whatever_is_in_them_are_read_or_have_findings(found: list[Any]) -> None:
    documents = [Document(f"shop.yaml, document {n}", body) for n, body in enumerate(found, 1)]
    read = declared(documents)
    for finding in read.findings:
        assert one_line(str(finding)), finding
        assert "shop.yaml, document" in finding.where
    ours = len(read.objectives) + len(read.policies) + len(read.overrides) + len(read.corrections)
    assert ours + read.ignored.total() + len({it.where for it in read.findings}) <= len(found)


def test_a_part_of_what_is_drawn_makes_sense() -> None:
    """Else all of it would be refused at the first look, and nothing behind it be tried."""
    seen = [0, 0]

    @settings(max_examples=200)
    @given(st.sampled_from(KINDS).flatmap(bodies))
    def draw(body: dict[str, Any]) -> None:
        resource = OF[body["kind"]]
        seen[isinstance(parse(resource, body), type_of[resource.plural])] += 1

    draw()
    refused, read = seen
    assert read > refused / 20
