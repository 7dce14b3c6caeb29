from decimal import Decimal

import pytest

from sluice.budget.alerts import Alert, AlertState, alerts
from sluice.budget.budget import Objective, Unit
from sluice.budget.burnrate import WINDOWS
from sluice.budget.counts import Counts
from sluice.budget.windows import DAY, HOUR


def evaluated(
    ratios: dict[int, float],
    *,
    target: str = "99.9",
    length: int = 30 * DAY,
    rate: float = 10.0,
    unit: Unit = Unit.EVENTS,
) -> tuple[Alert, ...]:
    """The tiers if so large a share was bad over the last so many seconds; `rate` a second."""

    last = {
        seconds: Counts(rate * seconds, rate * seconds * ratios.get(seconds, 0.0), seconds)
        for seconds in WINDOWS
    }
    return alerts(Objective(target=Decimal(target), length=length, unit=unit), last)


def states(found: tuple[Alert, ...]) -> list[AlertState]:
    return [alert.state for alert in found]


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, [14.4, 6, 3, 1]),
        (28, [13.44, 5.6, 2.8, 0.933]),
        (7, [3.36, 1.4, 0.7, 0.233]),
    ],
)
def test_factors_are_scaled_to_the_window(days: int, factors: list[float]) -> None:
    found = [alert.factor for alert in evaluated({}, length=days * DAY)]
    assert found == pytest.approx(factors, abs=0.001)


@pytest.mark.parametrize(
    ("tier", "long", "short", "ratio"),
    [
        (0, HOUR, 300, 0.0145),
        (1, 6 * HOUR, 1800, 0.0061),
        (2, DAY, 2 * HOUR, 0.0031),
        (3, 3 * DAY, 6 * HOUR, 0.0011),
    ],
)
def test_a_tier_fires_if_both_its_times_burn_faster_than_its_factor(
    tier: int, long: int, short: int, ratio: float
) -> None:
    assert states(evaluated({long: ratio, short: ratio}))[tier] is AlertState.FIRING
    assert states(evaluated({long: ratio}))[tier] is AlertState.INACTIVE
    assert states(evaluated({short: ratio}))[tier] is AlertState.INACTIVE
    below = ratio - 0.0002
    assert states(evaluated({long: below, short: below}))[tier] is AlertState.INACTIVE


def test_a_few_bad_events_alert_nobody() -> None:
    """Two requests a minute: four bad ones of 120 are a burn rate of 33 and no trend."""
    four = {HOUR: 4 / 120, 300: 1 / 10}
    five = {HOUR: 5 / 120, 300: 1 / 10}
    assert states(evaluated(four, rate=1 / 30))[0] is AlertState.INACTIVE
    assert states(evaluated(five, rate=1 / 30))[0] is AlertState.FIRING


def test_two_bad_slices_are_enough_and_one_is_not() -> None:
    one = {HOUR: 1 / 12, 300: 1.0}
    two = {HOUR: 2 / 12, 300: 1.0}
    assert states(evaluated(one, rate=1 / 300, unit=Unit.SLICES))[0] is AlertState.INACTIVE
    assert states(evaluated(two, rate=1 / 300, unit=Unit.SLICES))[0] is AlertState.FIRING


def test_a_tier_that_no_outage_can_reach_is_said_to_be_so() -> None:
    """Where one event in ten may be bad the burn rate is ten at most."""
    first, second = evaluated({HOUR: 1.0, 300: 1.0, 6 * HOUR: 1.0, 1800: 1.0}, target="90")[:2]
    assert first.state is AlertState.UNREACHABLE
    assert first.message == "if everything failed the burn rate would be 10.00, no more"
    assert second.state is AlertState.FIRING


def test_a_tier_that_would_fire_at_a_sustainable_rate_does_not_apply() -> None:
    found = evaluated(dict.fromkeys((DAY, 2 * HOUR, 3 * DAY, 6 * HOUR), 1.0), length=7 * DAY)
    assert states(found)[2:] == [AlertState.NOT_APPLICABLE] * 2
    assert found[2].message.startswith("at a burn rate of 0.70 the budget outlasts its window")


def test_without_data_nothing_is_said() -> None:
    objective = Objective(target=Decimal("99.9"), length=30 * DAY)
    found = alerts(objective, dict.fromkeys(WINDOWS, Counts()))
    assert set(states(found)) == {AlertState.UNKNOWN}
