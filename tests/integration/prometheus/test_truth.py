"""Budgets measured in a real Prometheus, compared with what truly happened."""

from collections.abc import Mapping

import aiohttp
import pytest

from e2e.harness.prometheus_server import Prometheus as Server
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.api.window import Window
from sluice.budget.account import Evaluation
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.indicators.answers import Answer
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import END, HOUR, SEED, Scenario, build

pytestmark = pytest.mark.prometheus

# Points of budget that a measured budget may be off, and the least share of events found.
_POINTS = 0.1
NAMES = tuple(build(SEED))
SHORT = tuple(name for name, scenario in build(SEED).items() if scenario.length <= 168 * HOUR)


def spec(scenario: Scenario, kind: str = "bad") -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": scenario.target,
            "window": {"rolling": scenario.window},
            "indicator": INDICATORS[kind](scenario.service.job),
        }
    )


async def advance(meter: Meter, at: float) -> None:
    reading = await meter.advance(at)
    assert isinstance(reading, Reading), reading


async def measured(scenario: Scenario, source: Prometheus, kind: str = "bad") -> Evaluation:
    meter = Meter(spec(scenario, kind), source)
    await advance(meter, END)
    return meter.evaluate(objective_of(spec(scenario), END), END)


def true_consumption(scenario: Scenario, start: float) -> float:
    """Percent of the budget, by what happened after `start`."""
    total, bad = scenario.service.truth(start, END)
    expected = total if scenario.rate is None else scenario.rate * (END - start)
    return 100 * bad / (expected * (1 - float(scenario.target) / 100))


@pytest.mark.parametrize("kind", INDICATORS)
@pytest.mark.parametrize("name", NAMES)
async def test_a_budget_is_within_a_tenth_of_a_point_of_the_truth(
    scenarios: Mapping[str, Scenario], source: Prometheus, name: str, kind: str
) -> None:
    scenario = scenarios[name]
    budget = (await measured(scenario, source, kind)).budget
    assert isinstance(budget, Budget), budget
    truth = true_consumption(scenario, budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(truth, abs=_POINTS)


async def test_a_new_service_and_a_short_retention_are_told_apart(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    new = (await measured(scenarios["new service"], source)).measured
    short = (await measured(scenarios["short retention"], source)).measured
    assert new.newborn == pytest.approx(29 * 24 * HOUR, abs=HOUR + SLICE)
    assert short.newborn == 0
    assert float(short.covered) == pytest.approx(100 * 31 / 60, abs=0.1)


class Counting(Prometheus):
    """A client that counts the ranges that it asks for."""

    ranges = 0

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        self.ranges += 1
        return await super().range(query, start, end, step)


async def test_days_before_the_first_data_are_not_read(
    scenarios: Mapping[str, Scenario], server: Server
) -> None:
    async with aiohttp.ClientSession() as session:
        source = Counting("default", server.url, session)
        await measured(scenarios["new service"], source)
    assert source.ranges < 15


async def test_data_before_days_without_any_are_read(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    found = (await measured(scenarios["unscraped for three days"], source)).measured
    assert float(found.covered) == pytest.approx(100 * 4 / 7, abs=0.5)


@pytest.mark.parametrize("name", SHORT)
async def test_following_live_gives_the_same_counts_as_reading_back(
    scenarios: Mapping[str, Scenario], source: Prometheus, name: str
) -> None:
    """Two hours of ticks and closed slices against one backfill of the same window."""
    scenario = scenarios[name]
    objective = objective_of(spec(scenario), END)
    live, back = Meter(spec(scenario), source), Meter(spec(scenario), source)
    now, before = END - 2 * HOUR, 0.0
    begin = (now - HOUR) // SLICE * SLICE
    while now <= END:
        await advance(live, now)
        seen = live.account.counts(begin, now)
        # What the first boundary's value lacks, as it is that of the scrape before.
        total, _ = scenario.service.truth(begin - SLICE, now)
        assert seen.total >= before - 1e-6
        assert seen.total <= total + 1
        before = seen.total
        now += 60
    await advance(back, END)
    closed = (END - 30) // SLICE * SLICE
    for start in range(int(closed - 6 * HOUR), int(closed), SLICE):
        assert live.account.counts(start, start + SLICE) == back.account.counts(
            start, start + SLICE
        )
    followed, read = live.evaluate(objective, END), back.evaluate(objective, END)
    assert isinstance(followed.budget, Budget)
    assert isinstance(read.budget, Budget)
    assert followed.budget.consumed == read.budget.consumed


async def test_an_outage_pages_while_it_lasts_and_not_after(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """Two hours by night in which everything fails: before, half an hour in, and an hour after.

    Over six hours it is outweighed by the busy hours before it, at a thousand times the traffic.
    """
    scenario = scenarios["outage at night"]
    began = END - 31 * 24 * HOUR + 20 * 24 * HOUR + 15 * HOUR
    for at, states in (
        (began - 600, ["Inactive"] * 2),
        (began + 1800, ["Firing", "Inactive"]),
        (began + 3 * HOUR, ["Inactive", "Inactive"]),
    ):
        promised = spec(scenario).model_copy(update={"window": Window(rolling="14d")})
        meter = Meter(promised, source)
        await advance(meter, at)
        found = meter.evaluate(objective_of(promised, at), at).alerts
        assert [alert.state.value for alert in found[:2]] == states
