"""When an objective's counts are kept, and when measuring starts over."""

import asyncio
import base64
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.budget.archive import encode
from sluice.budget.windows import HOUR
from sluice.controller.applicable import Applicable
from sluice.controller.dispatcher import Dispatcher, Lane
from sluice.controller.ledgers import Ledgers
from sluice.controller.objectives import HISTORIES, Objectives
from sluice.controller.standings import Standings
from sluice.indicators.answers import Answer, Series
from sluice.indicators.declared import indicator_key
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import PART, SIDE, Part, Side
from sluice.indicators.sources import Sources
from sluice.kube.cache import Cache, Key
from sluice.kube.ledgers import LedgerStore, name_of
from sluice.kube.resources import CONFIG_MAPS, CORRECTIONS, OBJECTIVES, Resource
from sluice.telemetry.metrics import Metrics

KEY = Key("servicelevelobjectives", "shop", "checkout")


def objective(uid: str = "u-1", **spec: Any) -> ServiceLevelObjective:
    indicator = {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}}
    return ServiceLevelObjective.model_validate(
        {
            "metadata": {"name": "checkout", "namespace": "shop", "uid": uid},
            "spec": {
                "objective": "99.9",
                "window": {"rolling": "30d"},
                "indicator": indicator,
                **spec,
            },
        }
    )


def source(session: aiohttp.ClientSession, url: str, label: str = "") -> Prometheus:
    return Prometheus("default", url, session, dedup_label=label)


@pytest.fixture
def sources() -> Sources:
    return Sources()


class Nothing:
    """An API server in which no ledger is."""

    async def get(self, resource: Resource, name: str, *, namespace: str) -> None:
        assert resource is CONFIG_MAPS
        assert (name, namespace) != ("", "")


@pytest.fixture
def objectives(sources: Sources) -> Objectives:
    metrics = Metrics()
    ledgers = Ledgers(
        store=LedgerStore(Nothing(), namespace="sluice-system"),  # type: ignore[arg-type]
        metrics=metrics,
        clock=lambda: datetime(2026, 8, 20, tzinfo=UTC),
        monotonic=lambda: 0.0,
        post=lambda _: None,
    )
    return Objectives(
        api=None,  # type: ignore[arg-type]
        cache=Cache(),
        sources=sources,
        standings=Standings(monotonic=lambda: 0.0, lasts=1.0),
        ledgers=ledgers,
        metrics=metrics,
        applicable=Applicable(),
        clock=lambda: datetime(2026, 8, 20, tzinfo=UTC),
        changed=lambda *_: None,
        refused=lambda _: None,
        corrected=lambda *_: None,
        interval=60,
        settle=30,
        post=lambda _: None,
    )


async def test_counts_stay_while_a_source_moves_or_is_away(
    objectives: Objectives, sources: Sources
) -> None:
    async with aiohttp.ClientSession() as session:
        sources.put("default", source(session, "http://one:9090", "replica"))
        first = objectives._meter(KEY, objective())
        assert isinstance(first, Meter)
        sources.put("default", Failure(Reason.SECRET_NOT_FOUND, "away"))
        assert objectives._meter(KEY, objective()) is first
        sources.drop("default")
        missing = objectives._meter(KEY, objective())
        assert isinstance(missing, Failure)
        assert missing.reason is Reason.SOURCE_NOT_FOUND
        sources.put("default", source(session, "http://two:9090", "replica"))
        assert objectives._meter(KEY, objective(objective="99")) is first


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(objective(window={"rolling": "7d"}), id="window"),
        pytest.param(objective(source={"name": "other"}), id="source"),
        pytest.param(objective("u-2"), id="another object of the same name"),
    ],
)
async def test_measuring_starts_over_when_the_objective_means_something_else(
    objectives: Objectives, sources: Sources, changed: ServiceLevelObjective
) -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("default", "other"):
            sources.put(name, source(session, "http://one:9090"))
        first = objectives._meter(KEY, objective())
        assert objectives._meter(KEY, changed) is not first


async def test_measuring_starts_over_when_replicas_are_counted_in_another_way(
    objectives: Objectives, sources: Sources
) -> None:
    async with aiohttp.ClientSession() as session:
        sources.put("default", source(session, "http://one:9090"))
        first = objectives._meter(KEY, objective())
        sources.put("default", source(session, "http://one:9090", "replica"))
        second = objectives._meter(KEY, objective())
        assert isinstance(second, Meter)
        assert second is not first


class Counters:
    """A source of two counters that move evenly and have for a day; tells how it was asked."""

    dedup_label = ""

    def __init__(self) -> None:
        self.steps: list[float] = []

    async def instant(self, query: str, at: float) -> Answer:
        return await self.range(query, at, at, 0) if "sluice_side" in query else []

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        raise AssertionError((selector, seconds, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        del query
        self.steps.append(step)
        times = [start + n * step for n in range(int((end - start) / (step or 1)) + 1)]
        parts = {
            Part.SEEN: 1.0,
            Part.PRESENT: 1.0,
            Part.START_PRESENT: 1.0,
            Part.STEADY: 12.0,
            Part.MOVED: 60.0,
        }
        return [
            *(
                Series({SIDE: side, PART: part}, times, [value] * len(times))
                for side in (Side.TOTAL, Side.BAD)
                for part, value in parts.items()
            ),
            *(
                Series({SIDE: side, PART: part}, times, [pace * (at - back) for at in times])
                for side, pace in ((Side.TOTAL, 1.0), (Side.BAD, 0.0))
                for part, back in ((Part.VALUE, 0), (Part.START_VALUE, step))
            ),
        ]

    async def metric_type(self, metric: str) -> str | Failure | None:
        del metric
        return "counter"


class Written:
    """An API server that takes what is applied."""

    def __init__(self) -> None:
        self.levels: list[str | None] = []

    async def apply(self, resource: Resource, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        del resource
        self.levels.append(body["status"].get("level"))
        return {**objective().model_dump(mode="json", by_alias=True), **body}


async def test_the_newest_day_is_read_first_then_the_rest_and_then_only_what_is_new(
    objectives: Objectives, sources: Sources
) -> None:
    api, counters = Written(), Counters()
    objectives._api = api  # type: ignore[assignment]
    sources.put("default", counters)
    body = objective().model_dump(mode="json", by_alias=True, exclude_none=True)
    objectives._cache.put(OBJECTIVES, body)
    assert objectives.behind(KEY) is None
    assert await objectives.reconcile(KEY) == 0.0
    assert (counters.steps, api.levels) == ([], [])
    assert objectives.behind(KEY) == 0
    assert await objectives.reconcile(KEY) == 0.0
    assert (counters.steps, api.levels) == ([300], [])
    assert objectives.behind(KEY) == 1
    assert await objectives.reconcile(KEY) > 0  # type: ignore[operator]
    assert counters.steps.count(3600) == 3
    assert api.levels == ["Ok"]
    assert objectives.behind(KEY) is None


async def test_an_objective_that_cannot_be_measured_must_not_wait_behind(
    objectives: Objectives,
) -> None:
    body = objective().model_dump(mode="json", by_alias=True, exclude_none=True)
    objectives._cache.put(OBJECTIVES, body)
    assert objectives.behind(KEY) is None
    assert objectives.behind(Key(KEY.plural, "shop", "gone")) is None


async def test_objectives_that_wait_for_others_say_how_far_they_are(
    objectives: Objectives, sources: Sources
) -> None:
    api = Written()
    objectives._api = api  # type: ignore[assignment]
    sources.put("default", Counters())
    body = objective().model_dump(mode="json", by_alias=True, exclude_none=True)
    for number in range(HISTORIES):
        other = {**body, "metadata": {**body["metadata"], "name": f"other-{number}"}}
        objectives._cache.put(OBJECTIVES, other)
        objectives.behind(Key(KEY.plural, "shop", f"other-{number}"))
    objectives._cache.put(OBJECTIVES, body)
    await objectives.reconcile(KEY)
    await objectives.reconcile(KEY)
    assert api.levels == ["Unknown"]


async def test_who_leads_again_looks_for_a_ledger_before_it_waits_for_history(
    objectives: Objectives, sources: Sources
) -> None:
    sources.put("default", Counters())
    body = objective().model_dump(mode="json", by_alias=True, exclude_none=True)
    objectives._cache.put(OBJECTIVES, body)
    await objectives.reconcile(KEY)
    assert objectives.behind(KEY) == 0
    objectives._ledgers.begin()
    assert objectives.behind(KEY) is None


class Stored(Written):
    """An API server that has ledgers by name, and takes any status."""

    def __init__(self, ledgers: dict[str, bytes]) -> None:
        super().__init__()
        self.ledgers = ledgers
        self.told: dict[str, str | None] = {}

    async def get(self, resource: Resource, name: str, *, namespace: str) -> dict[str, Any] | None:
        assert (resource, namespace) == (CONFIG_MAPS, "sluice-system")
        await asyncio.sleep(0.001)
        data = self.ledgers.get(name)
        if data is None:
            return None
        binary = {"ledger": base64.b64encode(data).decode()}
        return {"metadata": {"name": name}, "binaryData": binary}

    async def apply(self, resource: Resource, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        assert resource is OBJECTIVES
        meta = body["metadata"]
        self.told[meta["name"]] = body["status"].get("level")
        whole = objective().model_dump(mode="json", by_alias=True)
        return {**whole, "metadata": {**whole["metadata"], **meta}, "status": body["status"]}


class HistoryHangs(Counters):
    """It answers whom it knows, and never who asks for a day or more."""

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        if end - start > HOUR:
            await asyncio.Event().wait()
        return await super().range(query, start, end, step)


async def test_objectives_that_are_stored_are_known_again_while_the_history_of_new_ones_hangs(
    objectives: Objectives, sources: Sources
) -> None:
    now = objectives._clock().timestamp()
    before = Meter(objective().spec, Counters())
    assert not isinstance(await before.advance(now - 600), Failure)
    archive = before.archive()
    assert archive is not None
    key = sha256("\n".join((indicator_key(objective().spec), "")).encode()).hexdigest()
    data = encode(archive, key=key)
    old, new = [f"old-{n}" for n in range(200)], [f"new-{n}" for n in range(50)]
    api = Stored({name_of(name): data for name in old})
    objectives._api = objectives._ledgers._store._api = api  # type: ignore[assignment]
    sources.put("default", HistoryHangs())
    lane = Lane(objectives.reconcile, 64, behind=objectives.behind, behind_at_once=HISTORIES)
    made = Dispatcher({KEY.plural: lane}, metrics=Metrics(), monotonic=time.monotonic)
    body = objective().model_dump(mode="json", by_alias=True, exclude_none=True)
    # Those without a ledger are due first.
    for name in (*new, *old):
        meta = {**body["metadata"], "name": name, "uid": name}
        objectives._cache.put(OBJECTIVES, {**body, "metadata": meta})
        made.now(Key(KEY.plural, "shop", name))
    running = asyncio.create_task(made.run())
    async with asyncio.timeout(20):
        while not set(old) <= {name for name, level in api.told.items() if level == "Ok"}:
            assert not running.done()
            await asyncio.sleep(0.02)
    assert set(new).isdisjoint(name for name, level in api.told.items() if level == "Ok")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        pytest.param("2026-08-19T10:02:00Z", "2026-08-19T11:00:00Z", [], id="recent"),
        pytest.param("2026-08-01T10:00:00Z", "2026-08-02T11:00:00Z", [], id="whole hours"),
        pytest.param("2026-08-01T10:30:00Z", "2026-08-02T11:00:00Z", [300], id="a cut hour"),
    ],
)
async def test_a_correction_asks_the_source_for_nothing_but_the_hours_that_it_cuts(
    objectives: Objectives, sources: Sources, start: str, end: str, asked: list[float]
) -> None:
    api, counters = Written(), Counters()
    told: list[tuple[str, set[str]]] = []
    objectives._api = api  # type: ignore[assignment]
    objectives._corrected = lambda *it: told.append(it)
    sources.put("default", counters)
    body = objective().model_dump(mode="json", by_alias=True, exclude_none=True)
    objectives._cache.put(OBJECTIVES, body)
    for _ in range(3):
        await objectives.reconcile(KEY)
    counters.steps.clear()
    found = {
        "metadata": {"name": "move", "namespace": "shop", "uid": "c-1"},
        "spec": {
            "objectives": {"selector": {}},
            "effect": "Exclude",
            "once": {"start": start, "end": end},
            "reason": "the data centre moved",
            "createdBy": "alice",
        },
    }
    objectives._cache.put(CORRECTIONS, found)
    objectives.recount(KEY)
    due = await objectives.reconcile(KEY)
    assert due is not None
    assert due > 50  # when the counters would have been read again
    assert counters.steps == asked
    assert told == [("shop", {"move"})]
    state = objectives._standings.get("shop", "checkout")
    assert state is not None
    assert state.corrections == 1
