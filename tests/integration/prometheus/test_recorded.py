"""Counts that rules have recorded in a real Prometheus, against those read from its samples."""

import random
import time
from collections.abc import Mapping

import aiohttp
import pytest
import yaml

from e2e.harness.polling import wait_until
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.indicators.answers import Answer
from sluice.indicators.counted import Counted, GridCounts
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.meter import SETTLE, Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import Matcher, Part, Selector, Side
from sluice.indicators.reader import Reader
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.recording import Subject, ended, render
from sluice.indicators.records import DELAY, Records
from tests.integration.prometheus.recorded import STAYS, declared, pairs, subject
from tests.integration.prometheus.scenarios import END, HOUR, SEED, Scenario, build
from tests.integration.prometheus.synthetic import (
    REQUESTS,
    Events,
    Process,
    Service,
    Target,
    history,
)

# What rules record is evaluated once for all tests, by the first.
pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

_POINTS = 0.1
PAIRS = pairs(build(SEED))


class Watched(Prometheus):
    """A source that notes what it is asked for besides what rules have recorded."""

    raw: list[str]
    recorded: list[str]

    async def _query(self, path: str, kind: str, **parameters: str) -> Answer:
        query = parameters["query"]
        (self.recorded if "sluice:" in query else self.raw).append(query)
        return await super()._query(path, kind, **parameters)


class Clock:
    now = END

    def __call__(self) -> float:
        return self.now


def watched(server: Server, session: aiohttp.ClientSession) -> Watched:
    source = Watched("default", server.url, session)
    source.raw, source.recorded = [], []
    return source


def meter_of(
    scenario: Scenario, name: str, kind: str, source: Prometheus, clock: Clock
) -> tuple[Meter, Recorder]:
    records = Records(source, settle=int(SETTLE), clock=clock)
    recorder = Recorder(subject(name, kind), settle=int(SETTLE), records=lambda: records)
    return Meter(declared(scenario, kind), source, recorder=recorder), recorder


async def advance(meter: Meter, at: float) -> float:
    """Read up to `at`; up to when there are data."""
    reading = await meter.advance(at)
    assert isinstance(reading, Reading), reading
    return reading.at


@pytest.mark.parametrize(("name", "kind"), PAIRS)
async def test_both_engines_count_the_same(
    scenarios: Mapping[str, Scenario], recorded: Server, name: str, kind: str
) -> None:
    scenario = scenarios[name]
    async with aiohttp.ClientSession() as session:
        source = watched(recorded, session)
        from_rules, recorder = meter_of(scenario, name, kind, source, Clock())
        at = await advance(from_rules, END)
        incremental = Meter(declared(scenario, kind), source)
        await advance(incremental, at)
    closed = from_rules.account.ledger.closed
    assert closed is not None
    assert recorder.missed == 0
    for start in range(closed - scenario.length, closed, SLICE):
        assert from_rules.account.counts(start, start + SLICE) == incremental.account.counts(
            start, start + SLICE
        ), (start - END) // SLICE
    promised = objective_of(declared(scenario, kind), END)
    one, other = from_rules.evaluate(promised, at).budget, incremental.evaluate(promised, at).budget
    assert isinstance(one, Budget)
    assert isinstance(other, Budget)
    assert abs(one.consumed - other.consumed) <= _POINTS
    if kind in {"bad", "good", "latency"}:
        # At the end of a minute the newest samples may be as old as the scrape interval.
        interval = max(target.interval for target in scenario.service.targets)
        counts = [scenario.service.truth(one.bounds.start, end) for end in (at - interval, at)]
        truths = [100 * bad / (total * (1 - float(scenario.target) / 100)) for total, bad in counts]
        assert min(truths) - _POINTS <= float(one.consumed) <= max(truths) + _POINTS


async def test_only_what_is_recorded_is_read_of_a_service_that_stays(
    scenarios: Mapping[str, Scenario], recorded: Server
) -> None:
    """An hour of it, a tick a minute; and its live counts are those of whole minutes."""
    name = STAYS
    clock = Clock()
    async with aiohttp.ClientSession() as session:
        source = watched(recorded, session)
        meter, recorder = meter_of(scenarios[name], name, "bad", source, clock)
        clock.now = END - HOUR
        await advance(meter, clock.now)
        source.raw.clear()
        source.recorded.clear()
        while clock.now < END:
            clock.now += 60
            await advance(meter, clock.now)
            closed = meter.account.ledger.closed
            live = meter.account.ledger.live
            assert closed is not None
            assert live is not None
            assert clock.now - SETTLE - DELAY - SLICE < closed <= clock.now - SETTLE - DELAY
            assert clock.now - live.until <= 60 + SETTLE + 60
            true, _ = scenarios[name].service.truth(closed, live.until)
            # Either end is off by a scrape interval at most: 50 events a second.
            assert abs(live.total - true) <= 15 * 50
    assert source.raw == []
    assert recorder.missed == 0
    slices = [query for query in source.recorded if "sluice:slice_events" in query]
    assert len(slices) == 2 * HOUR // SLICE


async def test_a_running_prometheus_records_what_a_reader_of_its_samples_counts() -> None:
    """Live: the rules are in its configuration, evaluated every second in place of five minutes."""
    # Not across the end of a minute: what settled before the rules were there is not recorded.
    wait_until(lambda: (time.time() - SETTLE) % 60 < 40, timeout=30, what="most of a minute")
    chance, start = random.Random(SEED), time.time() - 2 * HOUR
    good, bad = Events(start), Events(start)
    for minute in range(1, 121):
        good.until(start + 60 * minute, chance.uniform(1, 20))
        bad.until(start + 60 * minute, chance.uniform(0.05, 1))
    target = Target("live", "a", [Process(start, start + 2 * HOUR, good, bad)], interval=15.0)
    total, failed = Selector(REQUESTS), Selector(REQUESTS, (Matcher("code", "=~", "5.."),))
    counted = Counted(total, failed, Side.BAD)
    rules = render(counted, Subject("uid", "shop", "live"), settle=int(SETTLE))
    spec = rules.spec()
    for group in spec["groups"]:
        group["interval"] = "1s"
    lines = history([Service("live", [target])], chance)
    with prometheus(history=lines, rules=yaml.safe_dump(spec)) as server:
        wait_until(
            lambda: len(server.query('{__name__=~"sluice:.*"}')) == 6, timeout=30, what="records"
        )
        async with aiohttp.ClientSession() as session:
            source = Prometheus("default", server.url, session)
            end = ended(time.time(), SLICE, int(SETTLE))
            records = Records(source, settle=int(SETTLE), clock=time.time)
            grid = Grid(end - SLICE, SLICE, 1)
            members = await records.slices(rules.id, grid)
            read = await Reader(source, counted).read(grid)
            minute = Grid(ended(time.time(), 60, int(SETTLE)) - 60, 60, 1)
            minutes = await records.minutes(rules.id, minute)
            of_minute = await Reader(source, counted).read(minute)
    assert isinstance(read, GridCounts)
    assert isinstance(of_minute, GridCounts)
    assert not isinstance(members, Failure)
    assert not isinstance(minutes, Failure)
    for side, counts, minute_counts in (
        (Side.TOTAL, read.total, of_minute.total),
        (Side.BAD, read.bad, of_minute.bad),
    ):
        assert counts[0] > 0
        assert list(members[side, Part.DOUBT]) == [0.0]
        assert list(members[side, Part.MOVED]) == list(counts)
        assert list(minutes[side, Part.MOVED]) == list(minute_counts)
