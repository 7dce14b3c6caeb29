from decimal import Decimal

from sluice.budget.budget import Objective
from sluice.budget.burnrate import BurnRate, burn_rates
from sluice.budget.ledger import Counts
from sluice.budget.windows import DAY, HOUR

OBJECTIVE = Objective(target=Decimal("99.9"), length=30 * DAY)


def test_a_total_outage_of_an_hour_burns_a_thousandfold() -> None:
    """By the definition: all events bad, where one in a thousand is allowed."""

    def between(start: float, end: float) -> Counts:
        return Counts(end - start, min(end - start, HOUR), end - start)

    rates = {
        rate.window: round(rate.value, 6) for rate in burn_rates(OBJECTIVE, between, 100 * DAY)
    }
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
    rates = burn_rates(OBJECTIVE, lambda start, end: Counts(0, 0, end - start), DAY)
    assert {rate.value for rate in rates} == {0.0}


def test_a_time_without_data_has_no_burn_rate() -> None:
    def between(start: float, end: float) -> Counts:
        return Counts(1000, 1, HOUR) if end - start > 2 * HOUR else Counts()

    rates = burn_rates(OBJECTIVE, between, DAY)
    assert [rate.window for rate in rates] == [6 * HOUR, DAY, 3 * DAY]


def test_no_burn_rate_looks_back_further_than_the_window() -> None:
    short = Objective(target=Decimal(99), length=HOUR)
    rates = burn_rates(short, lambda start, end: Counts(100, 1, end - start), DAY)
    assert rates[-1] == BurnRate(HOUR, (1 / 100) / float(1 - Decimal("0.99")))
