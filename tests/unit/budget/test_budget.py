from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sluice.api.base import Percent
from sluice.api.reasons import Reason
from sluice.api.slo import Level as ApiLevel
from sluice.budget.budget import (
    Budget,
    Level,
    Measured,
    Objective,
    Outlook,
    UnknownBudget,
    UnknownReason,
    measure,
    percent,
)
from sluice.budget.counts import Counts
from sluice.budget.windows import DAY, HOUR, Bounds

MONTH = 30 * DAY
BOUNDS = Bounds(0, MONTH)


def objective(target: str = "99.9", **more: object) -> Objective:
    return Objective(target=Decimal(target), length=MONTH, **more)  # type: ignore[arg-type]


def measured(
    total: float,
    bad: float,
    *,
    covered: float = MONTH,
    newborn: float = 0.0,
    newest: float | None = MONTH,
) -> Measured:
    return Measured(bounds=BOUNDS, seen=Counts(total, bad, covered), newborn=newborn, newest=newest)


def known(outcome: Budget | UnknownBudget) -> Budget:
    assert isinstance(outcome, Budget)
    return outcome


def test_the_numbers_of_the_documentation() -> None:
    budget = known(measure(objective(), measured(1_234_567, 714)))
    assert budget.sli == Decimal("99.942")
    assert budget.consumed == Decimal("57.834")
    assert budget.remaining == Decimal("42.166")
    assert budget.to_date == Decimal("42.166")
    assert (budget.total, budget.bad, budget.allowed) == (1_234_567, 714, 1234)
    assert budget.time_total == pytest.approx(43.2 * 60)
    assert budget.time_remaining == pytest.approx(43.2 * 60 * 0.42166)
    assert budget.time_per_day == pytest.approx(86.4)
    assert budget.covered == 100


def test_an_overspent_budget_stays_negative() -> None:
    assert known(measure(objective(), measured(100_000, 250))).remaining == -150


@pytest.mark.parametrize(
    ("bad", "consumed"), [(1, "0.001"), (0.49, "0.000"), (0.5, "0.001"), (1.5, "0.002")]
)
def test_percentages_are_rounded_half_up(bad: float, consumed: str) -> None:
    assert known(measure(objective("99"), measured(10_000_000, bad))).consumed == Decimal(consumed)


@pytest.mark.parametrize(
    ("bad", "level"),
    [
        (0, Level.OK),
        (50, Level.OK),
        (51, Level.WARNING),
        (80, Level.WARNING),
        (81, Level.CRITICAL),
        (300, Level.CRITICAL),
    ],
)
def test_the_level_follows_what_remains(bad: int, level: Level) -> None:
    assert known(measure(objective(), measured(100_000, bad))).level is level


@pytest.mark.parametrize(("bad", "level"), [(400, Level.CRITICAL), (401, Level.PAGE)])
def test_the_level_is_page_when_the_agreement_is_at_risk(bad: int, level: Level) -> None:
    promised = objective(agreement=Decimal("99.5"))
    assert known(measure(promised, measured(100_000, bad))).level is level


def test_a_new_service_has_the_rest_of_its_window_before_it() -> None:
    """20 bad events in the first hour of a month are not a spent budget."""
    hour = measured(10_000, 20, covered=3600, newborn=MONTH - 3600)
    budget = known(measure(objective(), hour))
    assert budget.consumed == Decimal("0.278")
    assert budget.allowed == 7200
    assert budget.to_date == -100
    assert budget.covered == Decimal("0.139")


def test_time_without_data_is_stood_for_by_the_rest() -> None:
    budget = known(measure(objective(), measured(50_000, 25, covered=MONTH / 2)))
    assert budget.consumed == 50
    assert budget.covered == 50


def test_gaps_in_a_new_service_do_not_change_what_is_expected() -> None:
    whole = measured(20_000, 10, covered=MONTH / 2, newborn=MONTH / 2)
    gaps = measured(10_000, 5, covered=MONTH / 4, newborn=MONTH / 2)
    assert known(measure(objective(), whole)).consumed == known(measure(objective(), gaps)).consumed


QUARTER = 92 * DAY
WEEK_BEFORE = Counts(1_640_000, 0, 7 * DAY)


def so_far(
    total: float,
    bad: float,
    *,
    elapsed: float,
    recent: Counts = WEEK_BEFORE,
    covered: float = 1.0,
    newborn: float = 0.0,
) -> Measured:
    """A quarter of which some seconds have passed."""
    return Measured(
        bounds=Bounds(0, elapsed),
        seen=Counts(total, bad, covered * elapsed),
        newborn=newborn,
        newest=elapsed,
        outlook=Outlook(QUARTER - elapsed, recent),
    )


def quarter(measured: Measured, **more: object) -> Budget | UnknownBudget:
    promised = Objective(target=Decimal("99.9"), length=QUARTER, **more)  # type: ignore[arg-type]
    return measure(promised, measured)


def test_twenty_bad_events_in_the_first_hour_of_a_quarter_are_a_tenth_of_a_percent() -> None:
    """10,000 an hour go on to be 22.08 million in 2,208 hours, of which 22,080 may fail."""
    rate = Counts(7 * 24 * 10_000, 0, 7 * DAY)
    budget = known(quarter(so_far(10_000, 20, elapsed=HOUR, recent=rate)))
    assert budget.consumed == Decimal("0.091")
    assert budget.allowed == 22_080
    assert budget.to_date == -100
    assert budget.covered == 100
    assert budget.time_total == pytest.approx(0.001 * QUARTER)
    assert budget.level is Level.OK


def test_at_a_periods_end_only_what_was_seen_counts() -> None:
    budget = known(quarter(so_far(1_000_000, 250, elapsed=QUARTER)))
    assert (budget.consumed, budget.to_date, budget.allowed) == (25, 75, 1000)


def test_a_new_period_begins_with_a_full_budget() -> None:
    """Before its first event too: the days before say how many are to come."""
    budget = known(quarter(so_far(0, 0, elapsed=0, covered=0)))
    assert (budget.remaining, budget.to_date, budget.sli) == (100, 100, 100)
    assert budget.allowed == 1_640_000 * 92 // 7 // 1000


def test_a_period_of_too_few_events_is_unknown_however_few_have_passed() -> None:
    rare = Counts(7, 0, 7 * DAY)
    outcome = quarter(so_far(10, 0, elapsed=10 * DAY, recent=rare))
    assert isinstance(outcome, UnknownBudget)
    assert outcome.reason is UnknownReason.TOO_FEW_EVENTS
    assert outcome.message.startswith("92 events in the window, 5000 are needed")


def test_a_rate_of_less_than_a_day_is_no_evidence_of_enough_events() -> None:
    guess = Counts(4_000, 0, DAY - 1)
    outcome = quarter(so_far(4_000, 0, elapsed=DAY - 1, recent=guess))
    assert isinstance(outcome, UnknownBudget)
    assert isinstance(
        quarter(so_far(5_000, 0, elapsed=DAY - 1, recent=Counts(5_000, 0, DAY - 1))), Budget
    )


@pytest.mark.parametrize("covered", [1.0, 0.5, 0.1])
def test_a_periods_time_without_data_is_stood_for_by_the_rest(covered: float) -> None:
    """Half of a period with half of its budget's bad events in it: a quarter of it is spent."""
    rate = Counts(7 * DAY, 0, 7 * DAY)
    seconds = QUARTER / 2 * covered
    counts = so_far(seconds, seconds * 0.0005, elapsed=QUARTER / 2, recent=rate, covered=covered)
    budget = known(quarter(counts))
    assert budget.consumed == 25
    assert budget.allowed == int(QUARTER * covered * 0.001)


def test_a_service_that_is_younger_than_its_period_had_no_events_before() -> None:
    rate = Counts(7 * DAY, 0, 7 * DAY)
    young = so_far(
        7 * DAY, 604.8, elapsed=QUARTER / 2, recent=rate, covered=14 / 92, newborn=39 * DAY
    )
    assert known(quarter(young)).consumed == percent(
        Decimal(60_480) / (Decimal("0.001") * 53 * DAY)
    )


@given(
    st.floats(0, QUARTER - 1),
    st.floats(0, 1e12),
    st.floats(0, 1),
    st.floats(1, 1e12),
    st.floats(0, 1),
)
def test_a_periods_budget_is_never_worse_than_to_date_and_always_a_number(
    elapsed: float, total: float, share: float, before: float, covered: float
) -> None:
    recent = Counts(before, 0, 7 * DAY)
    counts = so_far(total, total * share, elapsed=elapsed, recent=recent, covered=covered)
    budget = quarter(counts, min_events=1)
    if isinstance(budget, Budget):
        assert budget.consumed + budget.remaining == 100
        assert budget.consumed >= 0
        assert budget.to_date <= budget.remaining
        assert 0 <= budget.covered <= 100


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (measured(0, 0, covered=0, newest=None), UnknownReason.NO_DATA),
        (measured(9e9, 0, newest=MONTH - 901), UnknownReason.STALE_DATA),
        (measured(4_999, 0), UnknownReason.TOO_FEW_EVENTS),
        (measured(0, 0), UnknownReason.TOO_FEW_EVENTS),
    ],
)
def test_a_budget_that_nothing_can_be_said_of_is_unknown(
    counts: Measured, reason: UnknownReason
) -> None:
    outcome = measure(objective(), counts)
    assert isinstance(outcome, UnknownBudget)
    assert outcome.reason is reason
    assert outcome.message


@pytest.mark.parametrize(
    ("target", "events"), [("99.9", 5000), ("99", 500), ("50", 10), ("99.999999", 500_000_000)]
)
def test_by_default_enough_events_are_needed_for_five_bad_ones(target: str, events: int) -> None:
    assert objective(target).enough_events == events


def test_the_least_number_of_events_can_be_chosen() -> None:
    assert known(measure(objective(min_events=10), measured(10, 0))).remaining == 100


def test_every_reason_and_level_is_one_of_the_api() -> None:
    assert {reason.value for reason in UnknownReason} <= {reason.value for reason in Reason}
    assert {level.value for level in Level} == {level.value for level in ApiLevel} - {"Unknown"}


@given(
    st.floats(1, 1e15),
    st.floats(0, 1),
    st.floats(0, MONTH - 1),
    st.decimals("0.000001", "99.999999", places=6),
)
def test_what_is_consumed_and_what_remains_make_the_whole(
    total: float, share: float, newborn: float, target: Decimal
) -> None:
    promised = Objective(target=target, length=MONTH, min_events=1)
    budget = known(measure(promised, measured(total, total * share, newborn=newborn)))
    assert budget.consumed + budget.remaining == 100
    assert budget.consumed >= 0
    assert 0 <= budget.sli <= 100
    assert budget.to_date <= budget.remaining


@pytest.mark.parametrize("target", ["99.999999", "99.9", "0.000001"])
@pytest.mark.parametrize("bad", [0, 1e9, 1e15, 1e30])
def test_the_api_can_hold_a_budget_however_far_it_is_overspent(target: str, bad: float) -> None:
    budget = known(measure(objective(target), measured(1e9, bad)))
    for number in (budget.consumed, budget.remaining, budget.to_date, budget.sli):
        TypeAdapter(Percent).validate_python(f"{number:f}")
