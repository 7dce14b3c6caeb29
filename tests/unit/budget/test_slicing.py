from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.budget.budget import Budget, Measured, Objective, Unit, UnknownBudget, measure
from sluice.budget.counts import SLICE, Counts, Live, Slices
from sluice.budget.ledger import Ledger
from sluice.budget.slicing import Empty, Slicing
from sluice.budget.windows import DAY, HOUR, Bounds

NOON = 500_000 * HOUR
FIRST = NOON // SLICE
MONTH = 30 * DAY
STRICT = Slicing(parts=1, allowance=0.05, empty=Empty.SKIP)


def judged(
    rows: list[tuple[float, float]],
    *,
    parts: int = 1,
    empty: Empty = Empty.SKIP,
    covered: list[int] | None = None,
    known: int | None = None,
) -> list[str]:
    """Slices of 95 % as words."""
    total, bad = (np.array(column, float) for column in zip(*rows, strict=True))
    data = np.array(covered if covered is not None else [1] * len(rows), float)
    slicing = Slicing(parts=parts, allowance=0.05, empty=empty)
    counted, failed = slicing.judge(total, bad, data, known=len(rows) if known is None else known)
    words = {(1, 0): "good", (1, 1): "bad", (0, 0): "not counted"}
    return [words[int(c), int(f)] for c, f in zip(counted, failed, strict=True)]


def test_a_slice_is_good_if_its_share_reaches_its_objective() -> None:
    assert judged([(100, 0), (100, 5), (100, 6), (100, 100)]) == ["good", "good", "bad", "bad"]


@pytest.mark.parametrize(
    ("objective", "total", "bad"),
    [("90", 10, 1), ("99.9", 1000, 1), ("97", 100, 3), ("95", 20_000_020, 1_000_001)],
)
def test_a_share_that_is_met_to_the_last_event_is_good(
    objective: str, total: int, bad: int
) -> None:
    """Also where the fraction is no binary one, and where float32 holds the counts."""
    slicing = Slicing(parts=1, allowance=float(1 - Decimal(objective) / 100), empty=Empty.SKIP)
    for more, failed in ((0, 0), (max(1, bad // 1000), 1)):
        rows = [
            np.array([count], np.float32).astype(np.float64) for count in (total, bad + more, 1)
        ]
        assert slicing.judge(*rows, known=1)[1].tolist() == [failed]


@pytest.mark.parametrize(
    ("empty", "word"), [(Empty.SKIP, "not counted"), (Empty.GOOD, "good"), (Empty.BAD, "bad")]
)
def test_an_empty_slice_is_what_was_chosen(empty: Empty, word: str) -> None:
    assert judged([(0, 0)], empty=empty) == [word]


@pytest.mark.parametrize("empty", Empty)
def test_a_slice_without_data_is_never_counted(empty: Empty) -> None:
    assert judged([(0, 0)], empty=empty, covered=[0]) == ["not counted"]


def test_a_longer_slice_is_judged_as_a_whole_by_the_part_with_data() -> None:
    rows: list[tuple[float, float]] = [(10, 10), (1000, 0), (0, 0), (10, 10)]
    assert judged(rows, parts=2) == ["good", "bad"]
    assert judged(rows, parts=2, covered=[1, 1, 0, 1]) == ["good", "bad"]


def test_a_slice_is_not_judged_before_its_end() -> None:
    rows: list[tuple[float, float]] = [(10, 10), (10, 10), (10, 10), (0, 0)]
    assert judged(rows, parts=2, known=3) == ["bad", "not counted"]


def put(ledger: Ledger, first: int, totals: list[float], bads: list[float]) -> None:
    covered = np.full(len(totals), fill_value=True)
    ledger.put(Slices(first, np.array(totals), np.array(bads), covered))


def test_a_ledger_of_slices_counts_those() -> None:
    ledger = Ledger(DAY, slicing=STRICT)
    put(ledger, FIRST, [100.0, 100, 0, 1], [0, 50, 0, 1])
    assert ledger.between(NOON, NOON + HOUR) == Counts(3, 2, 4 * SLICE)
    assert ledger.between(NOON + SLICE, NOON + 2 * SLICE) == Counts(1, 1, SLICE)
    assert ledger.events(NOON, NOON + HOUR) == (201, 51)


def test_what_is_not_closed_is_no_slice_yet() -> None:
    ledger = Ledger(DAY, slicing=STRICT)
    put(ledger, FIRST, [100.0], [0])
    ledger.tick(Live(NOON + SLICE + 100, 50, 50, covered=True))
    assert ledger.between(NOON, NOON + HOUR) == Counts(1, 0, SLICE + 100)
    assert ledger.newest_covered() == NOON + SLICE + 100
    assert ledger.known_until(NOON + SLICE + 100) == NOON + SLICE


def test_an_hour_long_slice_counts_once_it_is_over() -> None:
    ledger = Ledger(MONTH, anchor=HOUR // 2, slicing=Slicing(12, 0.05, Empty.SKIP))
    for part in range(12):
        assert ledger.between(NOON, NOON + 2 * HOUR).total == 0
        put(ledger, FIRST + 6 + part, [10.0], [10.0 if part == 0 else 0.0])
    end = NOON + HOUR // 2 + HOUR
    assert ledger.known_until(end + 100) == end
    assert ledger.between(NOON, NOON + 2 * HOUR) == Counts(1, 1, HOUR)
    assert ledger.between(end - SLICE, end) == Counts(1 / 12, 1 / 12, SLICE)
    assert ledger.by_hour(end - HOUR, end)[1].tolist() == [1]


ROWS = st.tuples(st.integers(0, 100), st.integers(0, 100), st.booleans())


@given(
    st.lists(ROWS, min_size=1, max_size=1300),
    st.sampled_from([1, 2, 3, 6, 12]),
    st.sampled_from(Empty),
    st.data(),
)
def test_slices_are_those_of_a_plain_list_whatever_the_order_of_writing(
    rows: list[tuple[int, int, bool]], parts: int, empty: Empty, data: st.DataObject
) -> None:
    """Against a model that judges one slice after the other; over three days and more."""
    counts = [(total, min(bad, total)) if there else None for total, bad, there in rows]
    ledger = Ledger(MONTH, slicing=Slicing(parts, 0.05, empty))
    at = 0
    while at < len(counts):
        size = data.draw(st.integers(1, 400))
        piece = counts[at : at + size]
        total, bad = (np.array([float(row[n]) if row else 0.0 for row in piece]) for n in (0, 1))
        there = np.array([row is not None for row in piece])
        ledger.put(Slices(FIRST + at, total, bad, there))
        at += size
    expected = [0, 0]
    for first in range(0, len(counts) // parts * parts, parts):
        known = [row for row in counts[first : first + parts] if row is not None]
        events = sum(total for total, _ in known)
        if not known or (not events and empty is Empty.SKIP):
            continue
        expected[0] += 1
        failed = sum(bad for _, bad in known) * 20 > events
        expected[1] += failed or (not events and empty is Empty.BAD)
    found = ledger.between(NOON, NOON + len(rows) * SLICE)
    assert [found.total, found.bad] == pytest.approx(expected)
    assert found.covered == sum(row is not None for row in counts) * SLICE


def test_a_week_of_minutes_at_99_95_allows_what_openslo_says() -> None:
    """OpenSLO's example: 10,080 slices a week at 99.95 % allow 5 bad ones."""
    promised = Objective(target=Decimal("99.95"), length=7 * DAY, min_events=1, unit=Unit.SLICES)
    seen = Counts(10_080, 5, 7 * DAY)
    week = Measured(bounds=Bounds(0, 7 * DAY), seen=seen, newborn=0.0, newest=7 * DAY)
    budget = measure(promised, week)
    assert isinstance(budget, Budget)
    assert budget.allowed == 5
    assert budget.remaining == Decimal("0.794")


def test_a_budget_of_slices_says_that_it_counts_slices() -> None:
    promised = Objective(target=Decimal("99.95"), length=DAY, min_events=10, unit=Unit.SLICES)
    day = Measured(bounds=Bounds(0, DAY), seen=Counts(9, 0, DAY), newborn=0.0, newest=DAY)
    outcome = measure(promised, day)
    assert isinstance(outcome, UnknownBudget)
    assert outcome.message.startswith("9 slices in the window, 10 are needed")
