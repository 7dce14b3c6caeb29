"""What is stored of the counts, when, and what becomes of whatever is found in its place."""

import asyncio
import base64
import copy
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from sluice.api.slo import ServiceLevelObjective
from sluice.budget.archive import MAGIC, Archive, decode
from sluice.budget.corrections import Correction, Range
from sluice.budget.windows import DAY, HOUR
from sluice.controller.ledgers import Ledgers
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter
from sluice.kube.api_server import ApiError
from sluice.kube.events import Event
from sluice.kube.ledgers import LedgerStore, name_of
from sluice.kube.resources import CONFIG_MAPS, Resource
from sluice.telemetry.metrics import Metrics
from tests.unit.indicators.counters import Counters, spec

NOON = 500_000 * HOUR
HOME = "sluice-system"
NAME = name_of("u-1")
ASIDE = f"{NAME}-set-aside"
MADE_FOR = ("indicator", "")


class ConfigMaps:
    """An API server that knows ConfigMaps, takes Events, and refuses what it is told to."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.asked: list[tuple[str, str]] = []
        self.refused: dict[str, int] = {}

    def _ask(self, verb: str, name: str) -> None:
        self.asked.append((verb, name))
        if verb in self.refused:
            message = f"{verb} {name} refused"
            raise ApiError(status=self.refused[verb], reason="", message=message)

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> dict[str, Any] | None:
        assert (resource, namespace) == (CONFIG_MAPS, HOME)
        self._ask("get", name)
        return copy.deepcopy(self.stored.get(name))

    async def apply(self, resource: Resource, body: dict[str, Any]) -> None:
        assert (resource, body["metadata"]["namespace"]) == (CONFIG_MAPS, HOME)
        name = body["metadata"]["name"]
        self._ask("apply", name)
        await asyncio.sleep(0)
        self.stored[name] = copy.deepcopy(body)

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        assert (resource, namespace) == (CONFIG_MAPS, HOME)
        self._ask("delete", name)
        self.stored.pop(name, None)

    async def list(
        self, resource: Resource, *, namespace: str, labels: str, metadata_only: bool
    ) -> AsyncIterator[dict[str, Any]]:
        assert (resource, namespace, metadata_only) == (CONFIG_MAPS, HOME, True)
        self._ask("list", labels)
        for body in list(self.stored.values()):
            if labels in body["metadata"].get("labels", {}):
                yield {"metadata": body["metadata"]}


class Controller:
    """One process: its meters, its ledgers and its clock."""

    def __init__(self, api: Any, **more: Any) -> None:
        self.api = api
        self.now = NOON + 1000.0
        self.elapsed = 0.0
        self.counters = Counters()
        self.metrics = Metrics()
        self.ledgers = Ledgers(
            store=LedgerStore(api, namespace=HOME),
            metrics=self.metrics,
            clock=lambda: datetime.fromtimestamp(self.now, UTC),
            monotonic=lambda: self.elapsed,
            post=api.events.append,
            **more,
        )
        self.meters: dict[str, Meter] = {}

    def meter(self, uid: str = "u-1") -> Meter:
        if uid not in self.meters:
            self.meters[uid] = Meter(spec(), self.counters)
            self.meters[uid]._reader = self.counters
        return self.meters[uid]

    async def evaluate(self, uid: str = "u-1", made_for: tuple[str, ...] = MADE_FOR) -> None:
        meter = self.meter(uid)
        await self.ledgers.take_up(objective(uid), meter, made_for)
        assert not isinstance(await meter.advance(self.now), Failure)
        self.ledgers.measured(uid)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.elapsed += seconds

    def count(self, metric: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0

    def reads(self, outcome: str) -> float:
        return self.count("sluice_ledger_reads_total", outcome=outcome)

    @property
    def first_counted(self) -> int:
        """Down to which time the objective has counts."""
        first = self.meter().account.ledger.first_covered(0)
        assert first is not None
        return first


def objective(uid: str = "u-1") -> ServiceLevelObjective:
    metadata = {"name": "checkout", "namespace": "shop", "uid": uid}
    declared = spec().model_dump(mode="json", exclude_none=True)
    return ServiceLevelObjective.model_validate({"metadata": metadata, "spec": declared})


@pytest.fixture
def api() -> ConfigMaps:
    return ConfigMaps()


@contextmanager
def running(controller: Controller) -> Iterator[Controller]:
    task = asyncio.get_running_loop().create_task(controller.ledgers.run())
    yield controller
    task.cancel()


def content(api: ConfigMaps, name: str = NAME) -> bytes:
    return base64.b64decode(api.stored[name]["binaryData"]["ledger"])


def put(api: ConfigMaps, data: bytes) -> None:
    binary = {"ledger": base64.b64encode(data).decode()}
    api.stored[NAME] = {"metadata": {"name": NAME}, "binaryData": binary}


def closed(api: ConfigMaps) -> int:
    archive = decode(content(api), key=sha256("\n".join(MADE_FOR).encode()).hexdigest())
    assert isinstance(archive, Archive), archive
    return archive.kept.closed


async def test_the_whole_window_is_stored_once_it_is_read_and_then_by_the_hour(
    api: ConfigMaps,
) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
        assert closed(api) == NOON + 900
        for _ in range(5 * 10):
            one.wait(360)
            await one.evaluate()
            assert one.now - closed(api) <= 1.1 * HOUR + 900
    # The second time comes at random, so that thousands do not come together.
    assert 5 <= api.asked.count(("apply", NAME)) <= 8
    assert api.asked.count(("get", NAME)) == 1


async def test_a_ledger_that_was_stored_is_not_stored_again_at_once(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
        for _ in range(20):
            await one.evaluate()
    assert api.asked.count(("apply", NAME)) == 1


async def test_what_was_read_for_a_correction_is_stored_at_once_and_once(api: ConfigMaps) -> None:
    declared = spec(window={"rolling": "30d"})
    begin = NOON - 20 * DAY
    cutting = [Correction("maintenance", (Range(begin + 600, begin + 2100),))]

    def started() -> Controller:
        controller = Controller(api)
        controller.meters["u-1"] = Meter(declared, controller.counters)
        controller.meters["u-1"]._reader = controller.counters
        return controller

    with running(started()) as one:
        await one.evaluate()
        for _ in range(3):
            assert await one.meter().correct(cutting, one.now) is None
            await one.evaluate()
    assert api.asked.count(("apply", NAME)) == 2
    with running(started()) as other:
        await other.evaluate()
        other.counters.asked.clear()
        assert await other.meter().correct(cutting, other.now) is None
        await other.evaluate()
        assert min(other.counters.asked) > NOON
    assert api.asked.count(("apply", NAME)) == 2


async def test_what_was_read_for_a_correction_waits_after_a_write_that_failed(
    api: ConfigMaps,
) -> None:
    cutting = [Correction("maintenance", (Range(NOON - 20 * DAY + 600, NOON - 20 * DAY + 2100),))]
    with running(Controller(api)) as one:
        one.meters["u-1"] = Meter(spec(window={"rolling": "30d"}), one.counters)
        one.meters["u-1"]._reader = one.counters
        await one.evaluate()
        api.refused["apply"] = 500
        assert await one.meter().correct(cutting, one.now) is None
        for _ in range(5):
            await one.evaluate()
        assert api.asked.count(("apply", NAME)) == 2
        del api.refused["apply"]
        one.wait(30)
        await one.evaluate()
        assert api.asked.count(("apply", NAME)) == 3


async def test_a_ledger_tells_people_what_it_is_of(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    metadata = api.stored[NAME]["metadata"]
    assert metadata["annotations"] == {"sluice.dev/objective": "shop/checkout"}
    assert metadata["labels"] == {
        "app.kubernetes.io/managed-by": "sluice",
        "sluice.dev/ledger": "current",
        "sluice.dev/objective-uid": "u-1",
    }


async def test_what_is_not_read_as_a_whole_is_not_stored(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.ledgers.take_up(objective(), one.meter(), MADE_FOR)
        one.ledgers.measured("u-1")
        await one.settle()
        await one.ledgers.flush(seconds=1)
    assert api.stored == {}


async def test_another_process_reads_only_what_has_happened_since(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    other = Controller(api)
    other.now = one.now + 1800
    other.counters.begins = other.now - HOUR
    await other.evaluate()
    assert other.reads("resumed") == 1
    assert min(other.counters.asked) >= NOON
    assert other.first_counted <= NOON - 3 * DAY + HOUR


async def test_at_the_end_everything_that_is_closed_is_stored(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
        one.now += 1200  # the hour is not over
        await one.evaluate()
    assert closed(api) == NOON + 900
    await one.ledgers.flush(seconds=1)
    assert closed(api) == NOON + 2100
    writes = len(api.asked)
    await one.ledgers.flush(seconds=1)
    assert len(api.asked) == writes


async def test_a_process_that_leads_again_goes_on_from_what_the_other_has_stored(
    api: ConfigMaps,
) -> None:
    with running(Controller(api)) as one, running(Controller(api)) as other:
        await one.evaluate()
        other.now = NOON + 7 * HOUR
        await other.evaluate()
        other.wait(2 * HOUR)
        await other.evaluate()
        stored = closed(api)
        assert stored > NOON + 8 * HOUR
        one.ledgers.begin()
        one.now, one.elapsed = other.now, other.elapsed
        one.counters.begins = one.now - HOUR
        one.counters.asked.clear()
        await one.evaluate()
        assert one.reads("resumed") == 1
        assert min(one.counters.asked) >= stored - 600
        assert one.meter().account.counts(NOON, stored) == other.meter().account.counts(
            NOON, stored
        )


async def test_a_process_that_leads_again_keeps_what_is_newer_than_what_is_stored(
    api: ConfigMaps,
) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
        one.wait(1200)
        await one.evaluate()
        one.ledgers.begin()
        await one.evaluate()
        assert one.reads("kept") == 1
        assert one.meter().account.ledger.closed == NOON + 2100


async def test_what_waits_to_be_stored_is_not_once_another_may_lead(api: ConfigMaps) -> None:
    one = Controller(api)
    await one.evaluate()
    one.ledgers.begin()
    with running(one):
        await one.settle()
        await one.ledgers.flush(seconds=1)
        assert api.stored == {}
        await one.evaluate()
        await one.evaluate()
        assert closed(api) == NOON + 900


def damaged(api: ConfigMaps) -> None:
    data = content(api)
    put(api, data[:100] + bytes([data[100] ^ 1]) + data[101:])


def cut(api: ConfigMaps) -> None:
    put(api, content(api)[:-1])


def foreign(api: ConfigMaps) -> None:
    api.stored[NAME] = {"metadata": {"name": NAME}, "data": {"reason": "mine"}}


def empty(api: ConfigMaps) -> None:
    api.stored[NAME] = {"metadata": {"name": NAME}}


@pytest.mark.parametrize("harm", [damaged, cut, foreign, empty])
async def test_what_cannot_be_read_is_set_aside_reported_and_built_anew(
    api: ConfigMaps, harm: Any
) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    harm(api)
    found = copy.deepcopy(api.stored[NAME])
    with running(Controller(api)) as other:
        await other.evaluate()
        assert other.reads("damaged") == 1
        assert closed(api) == NOON + 900
    aside = api.stored[ASIDE]
    for part in ("data", "binaryData"):
        assert aside.get(part) == found.get(part)
    assert aside["metadata"]["labels"]["sluice.dev/ledger"] == "set-aside"
    assert aside["metadata"]["annotations"]["sluice.dev/problem"]
    [event] = api.events
    assert (event.type, event.reason) == ("Warning", "LedgerSetAside")
    assert event.metadata.name == "checkout"
    assert ASIDE in event.note


async def test_a_ledger_of_another_window_is_set_aside(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    other = Controller(api)
    other.meters["u-1"] = Meter(spec(window={"rolling": "5d"}), other.counters)
    other.meters["u-1"]._reader = other.counters
    await other.evaluate()
    assert other.reads("damaged") == 1
    assert ASIDE in api.stored


async def test_what_cannot_be_set_aside_is_not_written_over_and_measuring_goes_on(
    api: ConfigMaps,
) -> None:
    put(api, MAGIC + b"damaged")
    api.refused["apply"] = 403
    with running(Controller(api)) as one:
        for _ in range(3):
            await one.evaluate()
            one.wait(60)
        assert one.meter().account.complete(one.now)
        assert content(api) == MAGIC + b"damaged"
        assert {name for verb, name in api.asked if verb == "apply"} == {ASIDE}
        assert api.events == []
        del api.refused["apply"]
        await one.evaluate()
        assert closed(api) == NOON + 900
        assert len(api.events) == 1


async def test_counts_of_something_else_start_over_without_a_complaint(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate(made_for=("another indicator", ""))
    before = content(api)
    with running(Controller(api)) as other:
        await other.evaluate()
        assert other.reads("other") == 1
        assert content(api) != before
        assert closed(api) == NOON + 900
    assert list(api.stored) == [NAME]
    assert api.events == []


async def test_an_api_server_that_fails_is_asked_again_before_anything_is_read(
    api: ConfigMaps,
) -> None:
    api.refused["get"] = 500
    one = Controller(api)
    with pytest.raises(ApiError):
        await one.evaluate()
    assert one.counters.asked == []


async def test_without_the_right_to_read_it_is_measured_but_nothing_is_written_over(
    api: ConfigMaps,
) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    api.refused["get"] = 403
    with running(Controller(api)) as other:
        other.now += HOUR
        other.counters.begins = other.now - 6 * HOUR
        await other.evaluate()
        assert other.first_counted >= other.counters.begins - 300
        await other.ledgers.flush(seconds=1)
        assert closed(api) == NOON + 900
        del api.refused["get"]
        other.wait(60)
        await other.evaluate()
        # Who has measured from nothing knows less than what was stored, however new it is.
        assert other.reads("resumed") == 1
        assert other.first_counted < NOON - 2 * DAY


async def test_a_write_that_fails_disturbs_nothing_and_is_tried_again_less_and_less_often(
    api: ConfigMaps,
) -> None:
    api.refused["apply"] = 403
    with running(Controller(api)) as one:
        for _ in range(4 * 20):
            await one.evaluate()
            one.wait(180)
        failed = one.count("sluice_writes_total", target="ledger", outcome="error")
        assert 15 < failed < 45
        assert one.ledgers.overdue() == 1
        assert one.meter().account.settled(one.now - 600)
        del api.refused["apply"]
        one.wait(700)
        await one.evaluate()
        assert one.count("sluice_writes_total", target="ledger", outcome="ok") == 1
        assert one.ledgers.overdue() == 0


async def test_a_ledger_that_cannot_be_written_down_ends_no_process(
    api: ConfigMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("unforeseen")

    with running(Controller(api)) as one, monkeypatch.context() as broken:
        broken.setattr("sluice.controller.ledgers.encode", panic)
        await one.evaluate()
        assert one.count("sluice_writes_total", target="ledger", outcome="error") == 1
        broken.undo()
        one.wait(60)
        await one.evaluate()
        assert closed(api) == NOON + 900


async def test_the_ledger_goes_with_its_objective(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate("u-1")
        await one.evaluate("u-2")
        one.ledgers.forget("u-1")
        await one.settle()
        assert list(api.stored) == [name_of("u-2")]
        await one.ledgers.flush(seconds=1)
        assert list(api.stored) == [name_of("u-2")]


async def test_a_sweep_deletes_only_what_a_later_list_did_not_have_either(
    api: ConfigMaps,
) -> None:
    with running(Controller(api)) as one:
        await one.evaluate("u-1")
        await one.evaluate("u-2")
        api.stored[ASIDE] = copy.deepcopy(api.stored[NAME])
        api.stored[ASIDE]["metadata"]["name"] = ASIDE
    api.stored["kill-switch"] = {"metadata": {"name": "kill-switch"}}
    other = Controller(api)
    other.elapsed = 50.0
    known = {"u-2"}
    await other.ledgers.sweep(lambda: known, listed=40.0)
    other.elapsed = 60.0
    await other.ledgers.sweep(lambda: known, listed=50.0)
    assert len(api.stored) == 4
    await other.ledgers.sweep(lambda: known, listed=55.0)
    assert set(api.stored) == {name_of("u-2"), "kill-switch"}


async def test_an_objective_that_turns_up_in_time_keeps_its_ledger(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    other = Controller(api)
    other.elapsed = 50.0
    await other.ledgers.sweep(set, listed=0.0)
    await other.ledgers.sweep(lambda: {"u-1"}, listed=60.0)
    other.elapsed = 80.0
    await other.ledgers.sweep(set, listed=70.0)
    assert list(api.stored) == [NAME]


async def test_a_sweep_leaves_the_ledgers_of_other_namespaces_alone(api: ConfigMaps) -> None:
    with running(Controller(api)) as one:
        await one.evaluate()
    elsewhere = Controller(api, namespaces=("bank",))
    for elapsed in (10.0, 20.0):
        elsewhere.elapsed = elapsed
        await elsewhere.ledgers.sweep(set, listed=elapsed + 1)
    assert list(api.stored) == [NAME]


async def test_a_sweep_that_is_refused_is_no_failure(api: ConfigMaps) -> None:
    api.refused["list"] = 403
    await Controller(api).ledgers.sweep(set, listed=0.0)
    assert api.asked == [("list", "sluice.dev/ledger")]
