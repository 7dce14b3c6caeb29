"""The numbers that the examples promise, worked out by the code that measures."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from sluice.api.slo import ServiceLevelObjective, ServiceLevelObjectiveStatus
from sluice.budget.account import Evaluation
from sluice.budget.budget import Measured, Outlook, measure
from sluice.budget.counts import Counts
from sluice.budget.forecast import Forecast
from sluice.budget.windows import RECENT, CalendarWindow
from sluice.controller.objective_status import status_of
from sluice.indicators.declared import objective_of, window_of

EXAMPLES = Path(__file__).parents[3] / "examples" / "objectives"


def published(name: str, now: datetime, total: float, bad: float) -> ServiceLevelObjectiveStatus:
    """The status of an example after these events, at an even rate, in the window so far."""
    manifest = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    slo = ServiceLevelObjective.model_validate(manifest)
    at, window = now.timestamp(), window_of(slo.spec.window)
    bounds, outlook = window.bounds(at), None
    if isinstance(window, CalendarWindow):
        recent = Counts(total / bounds.length * RECENT, 0, RECENT)
        outlook = Outlook(window.span(at).end - at, recent)
    seen = Counts(total, bad, bounds.length)
    measured = Measured(bounds=bounds, seen=seen, newborn=0.0, newest=at, outlook=outlook)
    evaluation = Evaluation(
        measured=measured,
        budget=measure(objective_of(slo.spec, at), measured),
        burn_rates=(),
        forecast=Forecast(None, None),
    )
    return status_of(slo, evaluation, now)


def time_of(status: ServiceLevelObjectiveStatus) -> tuple[str, str, str]:
    assert status.error_budget is not None
    time = status.error_budget.time
    return time.total, time.remaining, time.per_day


def test_three_nines_of_thirty_days_are_43_minutes_and_86_seconds_a_day() -> None:
    """43.2 minutes and 1.44 minutes a day, to the second; of a million requests 1,000."""
    status = published("10-month-of-events", datetime(2026, 8, 20, tzinfo=UTC), 1_000_000, 500)
    assert time_of(status) == ("43m12s", "21m36s", "1m26s")
    assert status.error_budget is not None
    assert status.error_budget.events.allowed == "1000"
    assert status.error_budget.remaining == "50.000"


@pytest.mark.parametrize(
    ("month", "total", "name"),
    [
        (2, "2h9m32s", "2026-Q1"),  # 90 days less the hour that clocks go forward
        (5, "2h11m2s", "2026-Q2"),
        (8, "2h12m28s", "2026-Q3"),
        (11, "2h12m32s", "2026-Q4"),  # 92 days and the hour that they go back
    ],
)
def test_three_nines_of_a_quarter_are_about_two_hours(month: int, total: str, name: str) -> None:
    status = published("20-quarter", datetime(2026, month, 10, tzinfo=UTC), 1_000_000, 0)
    assert status.window is not None
    assert (time_of(status)[0], status.window.name) == (total, name)


def test_three_nines_of_ninety_days_are_2_16_hours() -> None:
    """The same quarter where clocks are not changed: 2,160 hours."""
    text = (EXAMPLES / "20-quarter.yaml").read_text().replace("Europe/Berlin", "UTC")
    slo = ServiceLevelObjective.model_validate(yaml.safe_load(text))
    objective = objective_of(slo.spec, datetime(2026, 2, 10, tzinfo=UTC).timestamp())
    assert float(objective.allowance) * objective.length / 3600 == pytest.approx(2.16)


def test_half_of_a_quarters_budget_in_its_first_half_is_a_quarter_of_it() -> None:
    half = datetime(2026, 8, 15, 22, tzinfo=UTC)
    status = published("20-quarter", half, 1_000_000, 500)
    assert status.error_budget is not None
    assert status.error_budget.consumed == "25.000"
    assert status.error_budget.to_date == "50.000"
    assert status.error_budget.events.allowed == "2000"


def test_a_p95_of_half_a_second_allows_five_percent_of_a_weeks_requests_to_be_slower() -> None:
    status = published("30-latency-p95", datetime(2026, 8, 20, tzinfo=UTC), 1_000_000, 40_000)
    assert status.error_budget is not None
    assert status.error_budget.events.allowed == "50000"
    assert status.error_budget.remaining == "20.000"
    assert status.sli == "96.000"


def test_slices_of_thirty_days_allow_seven_hours_and_twelve_minutes() -> None:
    status = published("40-slices", datetime(2026, 8, 20, tzinfo=UTC), 8_640, 43)
    assert status.error_budget is not None
    assert time_of(status)[0] == "7h12m"
    assert status.error_budget.events.allowed == "86"
