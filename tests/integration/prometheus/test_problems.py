"""What a meter says of an indicator or a source that is no good, against a real Prometheus."""

import random
import time
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import aiohttp
import pytest

from e2e.first_ten.handbook import advice
from e2e.harness.polling import wait_until
from e2e.harness.prometheus_programs import Version
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget, UnknownBudget, UnknownReason
from sluice.budget.counts import SLICE
from sluice.indicators.answers import Answer
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.scenarios import DAY, END, HOUR, Scenario
from tests.integration.prometheus.synthetic import DURATION, history
from tests.integration.prometheus.test_truth import spec

pytestmark = pytest.mark.prometheus


def of(indicator: Mapping[str, Any], window: str = "1d") -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {"objective": "99.9", "window": {"rolling": window}, "indicator": indicator}
    )


def ratio(total: str, bad: str) -> dict[str, Any]:
    return {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}}


def latency(threshold: str, metric: str = DURATION, job: str = "idle") -> dict[str, Any]:
    selector = f'job="{job}"'
    return {"latency": {"metric": metric, "selector": selector, "threshold": threshold}}


@pytest.mark.parametrize(
    ("indicator", "reason", "words"),
    [
        (ratio("rate(x[5m])", "x"), Reason.INVALID_QUERY, "ratio.total.metric: 'rate(x[5m])'"),
        (ratio("x", "x{"), Reason.INVALID_QUERY, "spec.indicator.ratio.bad.metric: 'x{'"),
        (latency("400ms"), Reason.BUCKET_NOT_FOUND, "400ms (0.4 s) is no bucket boundary"),
        (latency("400ms"), Reason.BUCKET_NOT_FOUND, "nearest: 0.5 s"),
        (latency("1s", "nothing_seconds"), Reason.NO_DATA, 'nothing_seconds_bucket{job="idle"}'),
        (latency("1s", job='a"} or x{a="'), Reason.INVALID_QUERY, "latency.selector"),
    ],
)
async def test_an_indicator_that_cannot_be_measured_says_why(
    source: Prometheus, indicator: dict[str, Any], reason: Reason, words: str
) -> None:
    failure = await Meter(of(indicator), source).advance(END)
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert words in failure.message


async def test_a_metric_that_does_not_exist_is_no_data(source: Prometheus) -> None:
    declared = of(ratio("no_such_metric_total", "no_such_metric_total"))
    meter = Meter(declared, source)
    assert isinstance(await meter.advance(END), Reading)
    budget = meter.evaluate(objective_of(declared, END), END).budget
    assert isinstance(budget, UnknownBudget)
    assert budget.reason is UnknownReason.NO_DATA


async def test_a_service_whose_targets_are_gone_is_stale(source: Prometheus) -> None:
    declared = of(latency("500ms"), "30d")
    meter = Meter(declared, source)
    assert isinstance(await meter.advance(END + HOUR), Reading)
    budget = meter.evaluate(objective_of(declared, END), END + HOUR).budget
    assert isinstance(budget, UnknownBudget)
    assert budget.reason is UnknownReason.STALE_DATA


class Flaky(Prometheus):
    """A source that fails after some range queries."""

    failing_after: int = 10**9

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        self.failing_after -= 1
        if self.failing_after < 0:
            return Failure(Reason.SOURCE_UNREACHABLE, "gone")
        return await super().range(query, start, end, step)


async def test_a_backfill_that_breaks_off_goes_on_where_it_stopped(
    server: Server, scenarios: Mapping[str, Scenario]
) -> None:
    declared = spec(scenarios["steady errors"])
    objective = objective_of(declared, END)
    told: list[float] = []
    async with aiohttp.ClientSession() as session:
        source = Flaky("default", server.url, session)
        meter = Meter(declared, source, progress=told.append)
        source.failing_after = 4
        assert isinstance(await meter.advance(END - 120), Failure)
        partial = meter.evaluate(objective, END - 120).budget
        source.failing_after = 10**9
        assert isinstance(await meter.advance(END), Reading)
    assert isinstance(partial, UnknownBudget)
    assert partial.reason is UnknownReason.BACKFILLING
    assert "43% are read" in partial.message
    assert told == sorted(told)
    assert len(told) == 6
    budget = meter.evaluate(objective, END).budget
    assert isinstance(budget, Budget)
    assert float(budget.consumed) == pytest.approx(50, abs=0.1)


async def test_slices_missed_while_the_source_was_away_are_read_when_it_is_back(
    server: Server, scenarios: Mapping[str, Scenario]
) -> None:
    declared = spec(scenarios["idle for 20 minutes"])
    async with aiohttp.ClientSession() as session:
        source = Flaky("default", server.url, session)
        meter, back = Meter(declared, source), Meter(declared, source)
        assert isinstance(await meter.advance(END - 5 * HOUR), Reading)
        source.failing_after = 0
        assert isinstance(await meter.advance(END - 4 * HOUR), Failure)
        source.failing_after = 10**9
        assert isinstance(await meter.advance(END), Reading)
        assert isinstance(await back.advance(END), Reading)
    closed = (END - 30) // SLICE * SLICE
    for start in range(int(closed - 8 * HOUR), int(closed), SLICE):
        assert meter.account.counts(start, start + SLICE) == back.account.counts(
            start, start + SLICE
        )


@pytest.fixture(scope="module")
def limited(scenarios: Mapping[str, Scenario], version: Version) -> Iterator[Server]:
    """A Prometheus that loads few samples for a query, has a restless gauge, and scrapes itself."""
    idle = scenarios["idle for 20 minutes"].service
    chance = random.Random(1)
    noise = (
        f'queue_depth{{job="idle"}} {chance.random()} {END - DAY + second:.3f}'
        for second in range(0, DAY, 30)
    )
    lines = chain(noise, history([idle], chance))
    with prometheus(history=lines, flags=["--query.max-samples=2000"], version=version) as running:
        running.reload([("self", running.url.removeprefix("http://"))])
        wait_until(
            lambda: bool(running.api("metadata", metric="prometheus_tsdb_head_series")),
            timeout=30,
            what="Prometheus has scraped itself",
        )
        yield running


async def test_a_query_that_is_too_much_is_asked_in_parts(
    limited: Server, source: Prometheus, scenarios: Mapping[str, Scenario]
) -> None:
    declared = spec(scenarios["idle for 20 minutes"])
    async with aiohttp.ClientSession() as session:
        small = Prometheus("small", limited.url, session)
        refused = await small.range('up{job="idle"}', END - DAY, END, 30)
        assert isinstance(refused, Failure)
        assert refused.divisible
        parts, whole = Meter(declared, small), Meter(declared, source)
        assert isinstance(await parts.advance(END), Reading)
        assert isinstance(await whole.advance(END), Reading)
    assert parts.account.counts(END - DAY, END) == whole.account.counts(END - DAY, END)


@pytest.mark.parametrize(
    ("metric", "at", "words"),
    [
        ("prometheus_tsdb_head_series", None, "... is a gauge"),
        ("queue_depth", END, "goes down"),
    ],
)
async def test_a_gauge_is_refused_by_its_type_or_by_how_it_moves(
    limited: Server, metric: str, at: float | None, words: str
) -> None:
    async with aiohttp.ClientSession() as session:
        meter = Meter(of(ratio(metric, metric)), Prometheus("small", limited.url, session))
        failure = await meter.advance(at or time.time())
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.NOT_A_COUNTER
    advice(6).assert_quotes(failure.message, words)
