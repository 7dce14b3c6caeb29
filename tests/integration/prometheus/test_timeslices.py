"""Budgets by time slices measured in a real Prometheus, compared with what truly happened."""

from collections.abc import Mapping

import pytest

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Evaluation
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import DAY, END, HOUR, Scenario

pytestmark = pytest.mark.prometheus

CLOSED = int((END - 30) // SLICE * SLICE)


def declared(
    scenario: Scenario, window: dict[str, object] | None = None, **slices: object
) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99",
            "window": window or {"rolling": scenario.window},
            "budgeting": {"timeslices": {"objective": "95", **slices}},
            "indicator": INDICATORS["bad"](scenario.service.job),
        }
    )


async def evaluated(
    meter: Meter, spec: ServiceLevelObjectiveSpec, at: float = END
) -> tuple[Evaluation, Budget]:
    reading = await meter.advance(at)
    assert isinstance(reading, Reading), reading
    evaluation = meter.evaluate(objective_of(spec, at), at)
    assert isinstance(evaluation.budget, Budget), evaluation.budget
    return evaluation, evaluation.budget


def true_slices(scenario: Scenario, start: int, length: int) -> tuple[int, int]:
    """Slices that have ended since `start`, and those in which more than 5 % have truly failed."""
    counts = [
        scenario.service.truth(first, first + length)
        for first in range(start, CLOSED - length + 1, length)
    ]
    return len(counts), sum(bad > 0.05 * total for total, bad in counts)


@pytest.mark.parametrize(("length", "seconds"), [("5m", 300), ("10m", 600), ("1h", 3600)])
async def test_two_hours_of_outage_are_their_slices_by_night_as_by_day(
    scenarios: Mapping[str, Scenario], source: Prometheus, length: str, seconds: int
) -> None:
    """By events this outage at a thousandth of the traffic would be nothing."""
    scenario = scenarios["outage at night"]
    spec = declared(scenario, length=length)
    evaluation, budget = await evaluated(Meter(spec, source), spec)
    total, bad = true_slices(scenario, budget.bounds.start, seconds)
    assert bad >= 2 * HOUR // seconds
    assert (budget.total, budget.bad) == (total, bad)
    assert float(budget.consumed) == pytest.approx(100 * bad / (0.01 * total), abs=0.001)
    assert {rate.value for rate in evaluation.burn_rates} == {0.0}


async def test_a_burning_service_burns_by_its_slices(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """One event in 500 is too many where 99.9 % of a slice must be good: every slice is bad."""
    spec = declared(scenarios["new service"], objective="99.9")
    evaluation, budget = await evaluated(Meter(spec, source), spec)
    assert budget.bad == budget.total
    assert budget.total == pytest.approx(DAY / SLICE, abs=2)
    assert [rate.value for rate in evaluation.burn_rates[:5]] == pytest.approx([100.0] * 5)
    # All bad for one day in thirty, and one in a hundred may be.
    assert float(budget.consumed) == pytest.approx(100 * 100 / 30, abs=1.5)


@pytest.mark.parametrize(
    ("empty", "skipped", "bad"), [("Skip", 3, 0), ("Good", 0, 0), ("Bad", 0, 3)]
)
async def test_twenty_minutes_without_an_event_are_three_slices(
    *,
    scenarios: Mapping[str, Scenario],
    source: Prometheus,
    empty: str,
    skipped: int,
    bad: int,
) -> None:
    scenario = scenarios["idle for 20 minutes"]
    spec = declared(scenario, empty=empty)
    _, budget = await evaluated(Meter(spec, source), spec)
    ended = (CLOSED - budget.bounds.start) // SLICE
    assert (budget.total, budget.bad) == (ended - skipped, bad)


async def test_slices_without_data_are_not_counted(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """Scrapes failed for 20 minutes: Prometheus knows nothing of the three slices inside."""
    spec = declared(scenarios["unscraped for 20 minutes"], empty="Bad")
    _, budget = await evaluated(Meter(spec, source), spec)
    ended = (CLOSED - budget.bounds.start) // SLICE
    assert (budget.total, budget.bad) == (ended - 3, 0)


async def test_a_month_of_slices_is_held_against_the_slices_to_come(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """30 days of 288 slices, of which one in a hundred may be bad: 86.4."""
    scenario = scenarios["outage at night"]
    spec = declared(scenario, {"calendar": {"period": "Month"}})
    _, budget = await evaluated(Meter(spec, source), spec)
    total, bad = true_slices(scenario, budget.bounds.start, SLICE)
    assert (budget.total, budget.bad, budget.allowed) == (total, bad, 86)
    assert float(budget.consumed) == pytest.approx(100 * bad / 86.4, abs=0.1)


async def test_following_live_gives_the_same_slices_as_reading_back(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """A slice is judged when it has ended, and not before."""
    spec = declared(scenarios["scraped every 15 s, phase 0"], objective="99.9")
    live, back = Meter(spec, source), Meter(spec, source)
    now = END - HOUR
    while now <= END:
        _, followed = await evaluated(live, spec, now)
        assert followed.total == ((now - 30) // SLICE * SLICE - followed.bounds.start) // SLICE
        now += 60
    _, read = await evaluated(back, spec)
    _, followed = await evaluated(live, spec)
    assert (followed.total, followed.bad) == (read.total, read.bad)
    assert followed.consumed == read.consumed
    assert read.bad > 0
