"""Periods of the calendar measured in a real Prometheus, compared with what truly happened."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget
from sluice.budget.windows import DAY, RECENT, CalendarWindow, Period
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import END, HOUR, Scenario

pytestmark = pytest.mark.prometheus

_POINTS = 0.1


def declared(scenario: Scenario, period: str, zone: str) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": scenario.target,
            "window": {"calendar": {"period": period, "timeZone": zone}},
            "indicator": INDICATORS["bad"](scenario.service.job),
        }
    )


async def read(meter: Meter, at: float) -> None:
    reading = await meter.advance(at)
    assert isinstance(reading, Reading), reading


async def budget_at(meter: Meter, spec: ServiceLevelObjectiveSpec, at: float) -> Budget:
    await read(meter, at)
    budget = meter.evaluate(objective_of(spec, at), at).budget
    assert isinstance(budget, Budget), budget
    return budget


def consumption(scenario: Scenario, start: float, now: float, end: float, born: float) -> float:
    """Percent of a period's budget, by what happened and the rate of the week before `now`."""
    total, bad = scenario.service.truth(start, now)
    since = max(now - RECENT, born)
    recent, _ = scenario.service.truth(since, now)
    expected = total + recent / (now - since) * (end - now)
    return 100 * bad / (expected * (1 - float(scenario.target) / 100))


@pytest.mark.parametrize(
    ("name", "window", "born"),
    [
        ("steady errors", ("Month", "Europe/Berlin"), 0),
        ("outage at night", ("Month", "America/St_Johns"), 0),
        ("outage at night", ("Week", "Asia/Kathmandu"), 0),
        ("first errors at once", ("Month", "UTC"), 0),
        ("restarts inside slices", ("Day", "Asia/Kolkata"), END - 2 * DAY),
        ("idle for 20 minutes", ("Week", "Australia/Eucla"), END - 2 * DAY),
        ("rolling deploy", ("Day", "Asia/Kathmandu"), END - 2 * DAY),
        ("new service", ("Month", "UTC"), END - DAY),
    ],
)
async def test_a_periods_budget_is_within_a_tenth_of_a_point_of_the_truth(
    scenarios: Mapping[str, Scenario],
    source: Prometheus,
    name: str,
    window: tuple[str, str],
    born: float,
) -> None:
    scenario, (period, zone) = scenarios[name], window
    spec = declared(scenario, period, zone)
    budget = await budget_at(Meter(spec, source), spec, END)
    span = CalendarWindow(Period(period), ZoneInfo(zone)).span(END)
    assert budget.bounds.start == span.start
    truth = consumption(scenario, span.start, END, span.end, born)
    assert float(budget.consumed) == pytest.approx(truth, abs=_POINTS)


async def test_a_quarter_of_which_prometheus_kept_a_month_is_measured_by_that_month(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """One bad event in 2,000 is half of the budget by the end of the quarter: of 82 days so far."""
    spec = declared(scenarios["steady errors"], "Quarter", "UTC")
    budget = await budget_at(Meter(spec, source), spec, END)
    span = CalendarWindow(Period.QUARTER, ZoneInfo("UTC")).span(END)
    passed = (END - span.start) / span.length
    assert float(budget.consumed) == pytest.approx(50 * passed, abs=_POINTS)
    assert float(budget.covered) == pytest.approx(100 * 31 * DAY / (END - span.start), abs=0.1)


async def test_a_day_ends_with_what_truly_failed_in_it_and_the_next_begins_anew(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """Followed live over midnight in Kolkata, which is at half past an hour in UTC."""
    scenario = scenarios["restarts inside slices"]
    spec = declared(scenario, "Day", "Asia/Kolkata")
    window = CalendarWindow(Period.DAY, ZoneInfo("Asia/Kolkata"))
    midnight = window.span(END).start
    assert midnight % HOUR == HOUR // 2
    meter, now = Meter(spec, source), midnight - 600.0
    before = await budget_at(meter, spec, now)
    assert before.bounds.start == midnight - DAY
    while now < midnight + 900:
        now += 60
        budget = await budget_at(meter, spec, now)
        if now <= midnight:
            continue
        assert budget.bounds.start == midnight
        truth = consumption(scenario, midnight, now, midnight + DAY, END - 2 * DAY)
        assert float(budget.consumed) == pytest.approx(truth, abs=_POINTS)
    closing = meter.account.closing(objective_of(spec, midnight - 1), now)
    assert closing is not None
    total, bad = scenario.service.truth(midnight - DAY, midnight)
    assert (closing.bounds.start, closing.bounds.end) == (midnight - DAY, midnight)
    assert float(closing.consumed) == pytest.approx(100 * bad / (total * 0.001), abs=_POINTS)
    assert closing.to_date == closing.remaining


async def test_a_zone_that_moves_by_half_an_hour_is_read_anew(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """The hours that counts are kept by begin with the period; on Lord Howe they move with it."""
    scenario = scenarios["restarts inside slices"]
    spec = declared(scenario, "Day", "Asia/Kolkata")
    meter = Meter(spec, source)
    meter.account.window = CalendarWindow(Period.DAY, ZoneInfo("UTC"))
    await read(meter, END - 60)
    meter.account.window = CalendarWindow(Period.DAY, ZoneInfo("Asia/Kolkata"))
    fresh = await budget_at(Meter(spec, source), spec, END)
    assert (await budget_at(meter, spec, END)).consumed == fresh.consumed
    assert meter.account.ledger.anchor == HOUR // 2
