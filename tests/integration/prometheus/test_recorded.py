"""Counts that rules have recorded in a real Prometheus, against those read from its samples."""

from collections.abc import Mapping

import aiohttp
import pytest

from e2e.harness.prometheus_server import Prometheus as Server
from sluice.budget.budget import Budget
from sluice.budget.ledger import SLICE
from sluice.indicators.answers import Answer
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import SETTLE, Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.records import DELAY, Records
from tests.integration.prometheus.recorded import STAYS, declared, pairs, subject
from tests.integration.prometheus.scenarios import END, HOUR, SEED, Scenario, build

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
        total, bad = scenario.service.truth(one.bounds.start, at)
        truth = 100 * bad / (total * (1 - float(scenario.target) / 100))
        assert abs(float(one.consumed) - truth) <= _POINTS


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
