from decimal import Decimal

import numpy as np
import pytest

from sluice.budget.budget import Budget, Measured, Objective, Outlook, measure
from sluice.budget.counts import Counts
from sluice.budget.forecast import Forecast, History, forecast, period_forecast
from sluice.budget.windows import DAY, HOUR, Bounds, RollingWindow

WEEK = 7 * DAY
OBJECTIVE = Objective(target=Decimal(99), length=WEEK)
NOW = 10_000 * HOUR + 600


def history(
    bad_by_hours_ago: dict[int, float],
    *,
    last_hour: Counts | None = None,
    newborn_hours: int = 0,
) -> History:
    """A week with 1,000 events an hour, bad ones where said; the present hour is 10 minutes old."""
    bounds = RollingWindow(WEEK).bounds(NOW)
    hours = int(-(-(NOW - bounds.start) // HOUR))
    total = np.full(hours, 1000.0)
    total[:newborn_hours] = 0
    bad = np.zeros(hours)
    for ago, count in bad_by_hours_ago.items():
        bad[hours - 1 - ago] = count
    seen = Counts(float(total.sum()), float(bad.sum()), bounds.length - newborn_hours * HOUR)
    measured = Measured(bounds=bounds, seen=seen, newborn=newborn_hours * float(HOUR), newest=NOW)
    return History(
        objective=OBJECTIVE,
        measured=measured,
        hours=(total, bad),
        last_hour=last_hour or Counts(1000, 0, HOUR),
    )


def test_a_steady_burn_empties_what_is_left_at_its_rate() -> None:
    """1,690 of 169,000 events allowed; 100 an hour, after none: empty in about 17 hours."""
    ahead = forecast(history({}, last_hour=Counts(1000, 100, HOUR)))
    assert ahead.exhausted_at == pytest.approx(NOW + 16.9 * HOUR, abs=0.2 * HOUR)
    assert ahead.recovered_at is None


def test_a_burn_that_the_window_forgets_in_time_never_empties_it() -> None:
    """One bad event in 125 for ever is 80 % of the budget for ever."""
    steady = history(dict.fromkeys(range(168), 8.0), last_hour=Counts(1000, 8, HOUR))
    assert forecast(steady).exhausted_at is None


def test_an_old_incident_that_leaves_before_the_budget_is_spent_is_taken_into_account() -> None:
    """1,500 bad events leave in three hours; at 40 an hour 190 are not reached before that."""
    leaving = history({165: 1500.0}, last_hour=Counts(1000, 40, HOUR))
    staying = history({100: 1500.0}, last_hour=Counts(1000, 40, HOUR))
    assert forecast(staying).exhausted_at == pytest.approx(NOW + 4.5 * HOUR, abs=HOUR)
    later = forecast(leaving).exhausted_at
    assert later is not None
    assert later > NOW + 24 * HOUR


def test_an_exhausted_budget_is_back_when_the_incident_leaves_the_window() -> None:
    exhausted = history({100: 3000.0})
    begin = (NOW // HOUR - 100) * HOUR
    ahead = forecast(exhausted)
    assert ahead.recovered_at == begin + HOUR + WEEK
    assert ahead.exhausted_at is None


def test_an_incident_of_this_very_hour_leaves_as_the_last() -> None:
    ahead = forecast(history({0: 3000.0}))
    assert ahead.recovered_at == (NOW // HOUR + 1) * HOUR + WEEK


def test_recovery_to_a_higher_threshold_takes_longer() -> None:
    incidents = history({120: 1200.0, 60: 800.0})
    positive = forecast(incidents).recovered_at
    above_half = forecast(incidents, threshold=60).recovered_at
    assert positive == (NOW // HOUR - 119) * HOUR + WEEK
    assert above_half == (NOW // HOUR - 59) * HOUR + WEEK


def test_a_budget_that_is_left_and_not_being_spent_has_no_forecast() -> None:
    ahead = forecast(history({50: 100.0}))
    assert (ahead.exhausted_at, ahead.recovered_at) == (None, None)


def test_a_new_service_recovers_by_growing_into_its_window() -> None:
    """20 hours old with 3 % errors so far: the hours to come will make up for them."""
    young = history(dict.fromkeys(range(15, 20), 400.0), newborn_hours=149)
    outcome = measure(OBJECTIVE, young.measured)
    assert isinstance(outcome, Budget)
    assert outcome.remaining < 0
    recovered = forecast(young).recovered_at
    assert recovered is not None
    assert recovered > NOW


def half_a_week(bad: float, last_hour: float, *, covered: float = 1.0) -> Forecast:
    """The forecast on a Thursday noon at 1,000 events an hour, of which 1,680 a week may fail."""
    elapsed = WEEK / 2
    measured = Measured(
        bounds=Bounds(0, elapsed),
        seen=Counts(84_000 * covered, bad * covered, elapsed * covered),
        newborn=0.0,
        newest=elapsed,
        outlook=Outlook(elapsed, Counts(168_000, 0, WEEK)),
    )
    return period_forecast(OBJECTIVE, measured, Counts(1000, last_hour, HOUR))


@pytest.mark.parametrize("covered", [1.0, 0.25])
def test_a_periods_budget_runs_out_when_what_is_left_has_failed(covered: float) -> None:
    """680 of 1,680 are left; at 40 an hour they last for 17 hours, gaps before or not."""
    ahead = half_a_week(1000, 40, covered=covered)
    assert ahead.exhausted_at == pytest.approx(WEEK / 2 + 17 * HOUR)
    assert ahead.recovered_at is None


def test_a_budget_that_lasts_for_its_period_does_not_run_out() -> None:
    assert half_a_week(1000, 8).exhausted_at is None
    assert half_a_week(1000, 0).exhausted_at is None


def test_an_exhausted_period_recovers_with_the_next_one() -> None:
    assert half_a_week(1681, 40) == Forecast(exhausted_at=None, recovered_at=WEEK)
