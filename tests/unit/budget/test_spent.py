"""What was spent of a budget between two times."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.budget.account import Account, Origin
from sluice.budget.budget import Budget, Objective
from sluice.budget.corrections import Correction, Range
from sluice.budget.counts import SLICE, Slices
from sluice.budget.windows import DAY, HOUR, RollingWindow

WEEK = RollingWindow(7 * DAY)
OBJECTIVE = Objective(target=Decimal(99), length=7 * DAY)
END = 1_700_000_000 // HOUR * HOUR
START = END - 7 * DAY
EVENTS = 100.0
"""In each slice: 2,016 slices of 100 events allow 2,016 bad ones."""


def account(bad: dict[int, float] | None = None) -> Account:
    """A full week with `bad` events by slice."""
    found = Account(WEEK)
    found.begin(END)
    found.oldest = WEEK.needs(END)
    found.origin = Origin(START - DAY, START - DAY)
    count = 7 * DAY // SLICE
    wrong = np.zeros(count)
    for number, events in (bad or {}).items():
        wrong[number] = events
    total = np.full(count, EVENTS)
    found.ledger.put(Slices(START // SLICE, total, wrong, np.ones(count, bool)))
    return found


def spent(of: Account, start: float, end: float) -> Decimal | None:
    return of.spent(OBJECTIVE, START + start, START + end, now=END)


@pytest.mark.parametrize(
    ("start", "end", "points"),
    [
        (6 * DAY, 6 * DAY + HOUR, "1.000"),
        (6 * DAY + SLICE, 6 * DAY + 2 * SLICE, "0.000"),
        (6 * DAY, 6 * DAY + SLICE / 2, "0.500"),
        (-DAY, DAY, "2.000"),
        (5 * DAY, 9 * DAY, "1.000"),
        (-DAY, 9 * DAY, "3.000"),
        (7 * DAY, 8 * DAY, "0.000"),
        (6 * DAY + HOUR, 6 * DAY, "0.000"),
    ],
)
def test_what_went_wrong_between_two_times_counts(start: float, end: float, points: str) -> None:
    week = account({6 * DAY // SLICE: 20.16, 0: 40.32})
    assert spent(week, start, end) == Decimal(points)


def test_the_whole_window_is_what_is_consumed() -> None:
    week = account({3: 50.0, 700: 12.0, 2015: 100.0})
    budget = week.evaluate(OBJECTIVE, END).budget
    assert isinstance(budget, Budget)
    assert spent(week, 0, 7 * DAY) == budget.consumed


def test_what_a_correction_excludes_was_not_spent() -> None:
    week = account({6 * DAY // SLICE: 20.16})
    begins = START + 6 * DAY
    week.correct([Correction("load-test", (Range(begins, begins + HOUR),))], END)
    assert spent(week, 6 * DAY, 7 * DAY) == 0


def test_of_a_budget_that_is_not_known_nothing_is_known_to_be_spent() -> None:
    unread = account()
    unread.oldest = None
    assert spent(unread, 0, DAY) is None
    few = Account(WEEK)
    assert few.spent(OBJECTIVE, START, END, now=END) is None


@given(st.integers(0, 2015), st.integers(0, 2015), st.integers(0, 2015))
def test_parts_add_up(one: int, two: int, three: int) -> None:
    week = account({number: float(number % 7) for number in range(2016)})
    first, second, third = (number * SLICE for number in sorted((one, two, three)))
    parts = (spent(week, first, second), spent(week, second, third))
    whole = spent(week, first, third)
    assert whole is not None
    assert abs(sum(it for it in parts if it is not None) - whole) <= Decimal("0.002")
