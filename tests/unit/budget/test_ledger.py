from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.budget.burnrate import WINDOWS
from sluice.budget.counts import SLICE, Counts, Hours, Live, Slices
from sluice.budget.ledger import Ledger
from sluice.budget.slicing import Empty, Slicing
from sluice.budget.windows import DAY, HOUR

MONTH = 30 * DAY
NOON = 500_000 * HOUR
FIRST = NOON // SLICE


def slices(
    first: int, totals: list[float], bads: list[float] | None = None, covered: bool = True
) -> Slices:
    total = np.array(totals, float)
    bad = np.array(bads, float) if bads is not None else np.zeros(len(totals))
    return Slices(first, total, bad, np.full(len(totals), covered))


def test_an_empty_ledger_has_no_counts_and_no_data() -> None:
    ledger = Ledger(DAY)
    assert ledger.between(0, NOON) == Counts()
    assert ledger.closed is None
    assert ledger.newest_covered() is None
    assert ledger.first_covered(0) is None


def test_slices_add_up_to_what_was_put() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10, 20, 30], [1, 0, 2]))
    assert ledger.between(NOON, NOON + 3 * SLICE) == Counts(60, 3, 3 * SLICE)


def test_a_slice_that_is_partly_inside_counts_in_proportion() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10, 20, 30]))
    half = ledger.between(NOON + SLICE / 2, NOON + 2 * SLICE)
    assert half == Counts(25, 0, 1.5 * SLICE)


def test_a_slice_that_is_put_again_is_replaced() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10, 20, 30]))
    ledger.put(slices(FIRST + 1, [25, 31], [5, 0]))
    assert ledger.between(NOON, NOON + HOUR) == Counts(66, 5, 3 * SLICE)


def test_slices_left_out_are_a_gap_and_not_zero() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10])).put(slices(FIRST + 4, [10]))
    assert ledger.between(NOON, NOON + 5 * SLICE).covered == 2 * SLICE


def test_a_slice_without_data_is_not_covered() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10])).put(slices(FIRST + 1, [0], covered=False))
    assert ledger.newest_covered() == NOON + SLICE
    assert ledger.between(NOON, NOON + 2 * SLICE).covered == SLICE


@pytest.mark.parametrize("count", [2.0**54, 1e39, 1e300, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("bad", [False, True])
def test_a_slice_with_counts_that_are_no_events_is_a_gap(count: float, bad: bool) -> None:
    totals, bads = ([20.0], [count]) if bad else ([count], [20.0])
    ledger = Ledger(MONTH).put(slices(FIRST, [10.0] * 12, [1.0] * 12))
    ledger.put(slices(FIRST + 12, totals, bads)).put(slices(FIRST + 13, [30.0], [3.0]))
    assert ledger.between(NOON, NOON + 2 * HOUR) == Counts(150, 15, 13 * SLICE)
    old = FIRST - 5 * DAY // SLICE
    ledger.put(slices(old, [10.0] * 11 + totals, [1.0] * 11 + bads))
    assert ledger.between(NOON - 5 * DAY, NOON - 4 * DAY) == Counts(110, 11, 11 * SLICE)


@pytest.mark.parametrize(("total", "bad"), [(1e39, 0), (np.inf, 0), (10, np.nan), (10, np.inf)])
def test_live_counts_that_are_no_events_are_no_data(total: float, bad: float) -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10]))
    ledger.tick(Live(NOON + SLICE + 100, total, bad, covered=True))
    assert ledger.between(NOON, NOON + HOUR) == Counts(10, 0, SLICE)
    assert ledger.newest_covered() == NOON + SLICE


def test_history_may_be_put_newest_first() -> None:
    day = DAY // SLICE
    ledger = Ledger(MONTH)
    for back in range(1, 31):
        ledger.put(slices(FIRST - back * day, [2.0] * day, [1.0] * day))
    assert ledger.between(NOON - MONTH, NOON) == Counts(60 * day, 30 * day, MONTH)


def test_old_slices_that_make_no_whole_hours_are_refused() -> None:
    ledger = Ledger(MONTH).put(slices(FIRST, [1]))
    with pytest.raises(ValueError, match="whole hours"):
        ledger.put(slices(FIRST - 5 * DAY // SLICE + 1, [1.0] * 11))


def test_events_behind_the_window_are_gone() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10.0] * 12))
    ledger.put(slices(FIRST + 40 * 12, [1.0] * 12))
    assert ledger.between(0, NOON + 41 * HOUR) == Counts(12, 0, HOUR)


def test_a_month_without_any_slice_leaves_nothing_behind() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10.0] * 12))
    later = FIRST + 40 * DAY // SLICE
    ledger.put(slices(later, [1]))
    assert ledger.between(0, (later + 1) * SLICE) == Counts(1, 0, SLICE)


def test_hours_behind_three_days_still_count() -> None:
    ledger = Ledger(MONTH)
    for hour in range(20 * 24):
        ledger.put(slices(FIRST + hour * 12, [3.0] * 12, [1.0] * 12))
    assert ledger.between(NOON, NOON + 20 * DAY) == Counts(20 * 24 * 36, 20 * 24 * 12, 20 * DAY)


def test_live_counts_are_added_until_their_slice_is_closed() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10]))
    ledger.tick(Live(NOON + SLICE + 100, 4, 1, covered=True))
    assert ledger.between(NOON, NOON + SLICE + 100) == Counts(14, 1, SLICE + 100)
    assert ledger.between(NOON, NOON + SLICE + 50) == Counts(12, 0.5, SLICE + 50)
    assert ledger.newest_covered() == NOON + SLICE + 100
    ledger.put(slices(FIRST + 1, [5]))
    assert ledger.between(NOON, NOON + 2 * SLICE) == Counts(15, 0, 2 * SLICE)


def test_live_counts_are_not_counted_again_when_a_slice_of_them_is_closed() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10]))
    ledger.tick(Live(NOON + 2 * SLICE + 100, 9, 0, covered=True))
    ledger.put(slices(FIRST + 1, [5]))
    assert ledger.between(NOON, NOON + HOUR) == Counts(15, 0, 2 * SLICE)


def test_an_hour_that_has_just_begun_holds_nothing_of_the_one_three_days_ago() -> None:
    ledger = Ledger(MONTH)
    for hour in range(80):
        ledger.put(slices(FIRST + hour * 12, [3.0] * 12))
    ledger.put(slices(FIRST + 80 * 12, [1.0]))
    total, _ = ledger.by_hour(NOON + 79 * HOUR, NOON + 81 * HOUR)
    assert total.tolist() == [36, 1]


def test_putting_old_slices_again_keeps_the_live_counts() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [10, 10]))
    ledger.tick(Live(NOON + 2 * SLICE + 60, 4, 1, covered=True))
    ledger.put(slices(FIRST, [11]))
    assert ledger.between(NOON, NOON + HOUR).total == 25


@pytest.mark.parametrize("back", [SLICE, 2 * HOUR + SLICE, 5 * DAY])
def test_the_first_data_are_found_to_the_slice_or_behind_three_days_to_the_hour(back: int) -> None:
    ledger = Ledger(MONTH).put(slices(FIRST, [1]))
    first = (NOON - back) // SLICE
    aligned = first // 12 * 12
    run = [0.0] * (FIRST - aligned)
    covered = np.arange(aligned, FIRST) >= first
    ledger.put(Slices(aligned, np.array(run), np.array(run), covered))
    assert ledger.first_covered(NOON - MONTH) == (first if back < 3 * DAY else aligned) * SLICE


def test_hours_are_given_from_any_hour_on() -> None:
    ledger = Ledger(DAY).put(slices(FIRST, [1.0] * 12 + [2.0] * 6, [0.5] * 18))
    total, bad = ledger.by_hour(NOON - 2 * HOUR, NOON + 2 * HOUR)
    assert total.tolist() == [0, 0, 12, 12]
    assert bad.tolist() == [0, 0, 6, 3]


@pytest.mark.parametrize("minutes", [0, 15, 30, 45])
def test_hours_begin_with_the_anchor(minutes: int) -> None:
    """Twenty days of one event a slice and one bad event, in the last slice of an hour's own."""
    anchor = minutes * 60
    start = NOON + anchor
    ledger = Ledger(MONTH, anchor=anchor)
    for day in reversed(range(20)):
        bad = [0.0] * 288
        bad[11] = 1.0 if day == 0 else 0.0
        ledger.put(slices((start + day * DAY) // SLICE, [1.0] * 288, bad))
    assert ledger.between(start, start + HOUR) == Counts(12, 1, HOUR)
    assert ledger.between(start + HOUR, start + 20 * DAY).bad == 0
    assert ledger.closed == start + 20 * DAY
    assert ledger.newest_covered() == start + 20 * DAY
    assert ledger.first_covered(start - DAY) == start
    assert ledger.by_hour(start, start + 2 * HOUR)[1].tolist() == [1, 0]
    ledger.tick(Live(start + 20 * DAY + 100, 7, 0, covered=True))
    assert ledger.between(start + 20 * DAY, start + 21 * DAY) == Counts(7, 0, 100)


def test_hours_that_begin_inside_a_slice_are_refused() -> None:
    with pytest.raises(ValueError, match="would split slices"):
        Ledger(DAY, anchor=100)


def test_a_quarter_takes_less_than_32_kib() -> None:
    ledger = Ledger(92 * DAY)
    rings = (ledger._fine, ledger._hours)
    size = sum(r._total.nbytes + r._bad.nbytes + r._covered.nbytes for r in rings)
    assert size <= 32 * 1024


counts = st.floats(0, 1e12, allow_nan=False).map(lambda x: float(np.float64(x)))


@given(
    st.lists(st.tuples(counts, st.booleans()), min_size=1, max_size=1500),
    st.integers(0, 30),
    st.data(),
)
def test_sums_are_those_of_a_plain_list_whatever_the_order_of_writing(
    rows: list[tuple[float, bool]], offset: int, data: st.DataObject
) -> None:
    """Against a model that keeps everything: put in pieces, then asked for any whole hours."""
    start = FIRST - FIRST % 12 + offset
    phase = data.draw(st.sampled_from([0, 3, 6, 9]))
    ledger = Ledger(MONTH, anchor=phase * SLICE)
    at = 0
    while at < len(rows):
        size = data.draw(st.integers(1, 200))
        piece = rows[at : at + size]
        total = np.array([count if there else 0.0 for count, there in piece])
        ledger.put(Slices(start + at, total, total / 2, np.array([there for _, there in piece])))
        at += size
    first = data.draw(st.integers(-20, 130)) * 12 + FIRST - FIRST % 12 + phase
    end = first + data.draw(st.integers(0, 130)) * 12
    expected = [count for n, (count, there) in enumerate(rows, start) if there and first <= n < end]
    found = ledger.between(first * SLICE, end * SLICE)
    assert found.total == pytest.approx(sum(expected), rel=1e-6)
    assert found.bad == pytest.approx(sum(expected) / 2, rel=1e-6)
    assert found.covered == len(expected) * SLICE


def hours(start: int, totals: list[float], bads: list[float], covered: list[bool]) -> Hours:
    return Hours(start, np.array(totals, float), np.array(bads, float), np.array(covered))


COUNT = st.integers(0, 10**6).map(float)


@given(st.lists(st.tuples(COUNT, COUNT, st.booleans()), min_size=1, max_size=60))
def test_hours_that_are_put_are_what_their_slices_would_have_been(
    rows: list[tuple[float, float, bool]],
) -> None:
    end = NOON - 4 * DAY
    start = end - len(rows) * HOUR
    whole, sliced = (Ledger(MONTH).put(slices(FIRST, [1])) for _ in range(2))
    whole.put_hours(hours(start, *map(list, zip(*rows, strict=True))))  # type: ignore[arg-type]
    for number, (total, bad, covered) in enumerate(rows):
        each = slices((start + number * HOUR) // SLICE, [total] + [0.0] * 11, [bad] + [0.0] * 11)
        none = slices((start + number * HOUR) // SLICE, [0.0] * 12, covered=False)
        sliced.put(each if covered else none)
    for at in range(start, end, HOUR):
        assert whole.between(at, at + HOUR) == sliced.between(at, at + HOUR)


def test_hours_of_the_last_three_days_are_refused() -> None:
    ledger = Ledger(MONTH).put(slices(FIRST, [1]))
    fine = ledger.fine_from
    assert fine is not None
    assert fine <= NOON - 3 * DAY
    with pytest.raises(ValueError, match="put as slices"):
        ledger.put_hours(hours(fine, [1], [0], [True]))
    with pytest.raises(ValueError, match="put as slices"):
        Ledger(MONTH).put_hours(hours(0, [1], [0], [True]))


def test_hours_before_the_window_are_dropped_and_those_without_numbers_are_gaps() -> None:
    ledger = Ledger(5 * DAY).put(slices(FIRST, [1]))
    start = NOON - 6 * DAY
    totals = [7.0] * 24 + [np.inf, np.nan, 2.0**54, 5.0]
    ledger.put_hours(hours(start, totals, [0.0] * 28, [True] * 28))
    found = ledger.between(start, start + 28 * HOUR)
    assert found == Counts(5 + 7, 0, 2 * HOUR)


def test_time_slices_are_never_put_as_hours() -> None:
    ledger = Ledger(MONTH, slicing=Slicing(parts=1, allowance=0.05, empty=Empty.SKIP))
    assert ledger.put(slices(FIRST, [1])).fine_from is None


RECENT = st.lists(st.tuples(COUNT, st.booleans()), min_size=1, max_size=80)


@given(RECENT, st.integers(-30, 400), st.booleans(), st.integers(0, 10**5).map(float))
def test_the_last_times_in_one_go_are_what_each_is_by_itself(
    rows: list[tuple[float, bool]], ahead: int, ticked: bool, live: float
) -> None:
    ledger = Ledger(MONTH)
    for number, (count, covered) in enumerate(rows):
        ledger.put(slices(FIRST + number, [count], [count / 3], covered=covered))
    closed = NOON + len(rows) * SLICE
    until = float(closed + ahead)
    if ticked:
        ledger.tick(Live(until, live, live / 2, covered=True))
    found = ledger.last(WINDOWS, until)
    for length, counts in zip(WINDOWS, found, strict=True):
        alone = ledger.between(until - length, until)
        for one, other in zip(astuple(counts), astuple(alone), strict=True):
            assert one == pytest.approx(other, rel=1e-6, abs=1e-6)
            assert (one == 0) == (other == 0)


def test_of_an_empty_ledger_the_last_times_hold_nothing() -> None:
    assert Ledger(MONTH).last((300, DAY), NOON) == (Counts(), Counts())
