from decimal import Decimal

from sluice.budget.budget import Objective
from sluice.budget.burnrate import WINDOWS, BurnRate, burn_rates
from sluice.budget.counts import Counts
from sluice.budget.windows import DAY, HOUR

OBJECTIVE = Objective(target=Decimal("99.9"), length=30 * DAY)


def test_a_total_outage_of_an_hour_burns_a_thousandfold() -> None:
    """By the definition: all events bad, where one in a thousand is allowed."""

    last = {seconds: Counts(seconds, min(seconds, HOUR), seconds) for seconds in WINDOWS}
    rates = {rate.window: round(rate.value, 6) for rate in burn_rates(OBJECTIVE, last)}
    assert rates == {
        300: 1000,
        1800: 1000,
        HOUR: 1000,
        2 * HOUR: 500,
        6 * HOUR: 166.666667,
        DAY: 41.666667,
        3 * DAY: 13.888889,
    }


def test_a_time_without_events_burns_nothing() -> None:
    rates = burn_rates(OBJECTIVE, {seconds: Counts(0, 0, seconds) for seconds in WINDOWS})
    assert {rate.value for rate in rates} == {0.0}


def test_a_time_without_data_has_no_burn_rate() -> None:
    last = {it: Counts(1000, 1, HOUR) if it > 2 * HOUR else Counts() for it in WINDOWS}
    rates = burn_rates(OBJECTIVE, last)
    assert [rate.window for rate in rates] == [6 * HOUR, DAY, 3 * DAY]


def test_no_burn_rate_looks_back_further_than_the_window() -> None:
    short = Objective(target=Decimal(99), length=HOUR)
    rates = burn_rates(short, {seconds: Counts(100, 1, seconds) for seconds in WINDOWS})
    assert rates[-1] == BurnRate(HOUR, (1 / 100) / float(1 - Decimal("0.99")))
