"""A source that errs for a while: what it tells later is what counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.budget.corrections import Correction, Range
from sluice.budget.counts import SLICE, Counts
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.meter import SETTLE, Meter, Reading
from sluice.indicators.promql import Side
from tests.unit.indicators.counters import Counters, spec

NOON = 500_000 * HOUR
BEGIN = NOON + 1000.0
EVERY = 100

ERRORS = {
    "zero": lambda _, _side: 0.0,
    "nothing": lambda _, _side: math.nan,
    "no bad ones": lambda value, side: math.nan if side is Side.BAD else value,
    "a thousand times as much": lambda value, _: 1000 * value,
    "bad ones that grow too fast": lambda value, side: 70 * value if side is Side.BAD else value,
}


class Erring(Counters):
    """Counters that are told wrongly between two times, by a rule; or that stand still then."""

    def __init__(self, error: str, since: float, until: float) -> None:
        super().__init__()
        self.error, self.since, self.until = error, since, until

    @property
    def errs(self) -> bool:
        return self.since <= self.now < self.until

    def counter(self, time: float, side: Side) -> float:
        if not self.errs:
            return super().counter(time, side)
        if self.error == "what it was":
            return super().counter(min(time, self.since), side)
        return ERRORS[self.error](super().counter(time, side), side)


def meter_of(counters: Counters) -> Meter:
    meter = Meter(spec(), counters)
    meter._reader = counters
    return meter


async def follow(counters: Counters, *, until: float) -> Meter:
    meter, now = meter_of(counters), BEGIN
    while now <= until:
        counters.now = now
        assert isinstance(await meter.advance(now), Reading)
        now += EVERY
    return meter


def by_slice(meter: Meter, until: float) -> list[Counts]:
    last = int(until // SLICE) * SLICE
    slices = range(NOON - DAY, last, SLICE)
    return [meter.account.counts(start, start + SLICE) for start in slices]


@pytest.mark.parametrize("error", [*ERRORS, "what it was"])
@pytest.mark.parametrize("minutes", [2, 5, 12, 47])
async def test_slices_that_were_told_wrongly_are_right_two_slices_after_the_source_is(
    error: str, minutes: int
) -> None:
    since = BEGIN + 1130
    until = since + minutes * 60
    later = until + 2 * SLICE
    meter = await follow(Erring(error, since, until), until=later)
    assert by_slice(meter, later) == by_slice(await follow(Counters(), until=later), later)


@pytest.mark.parametrize("error", ERRORS)
async def test_they_are_right_also_after_half_a_day(error: str) -> None:
    since = BEGIN + 1130
    until = since + DAY / 2
    later = until + 2 * SLICE
    meter = await follow(Erring(error, since, until), until=later)
    assert by_slice(meter, later) == by_slice(await follow(Counters(), until=later), later)


@given(
    error=st.sampled_from([*ERRORS, "what it was"]),
    begins=st.integers(0, 1200),
    seconds=st.integers(1, 3300),
)
async def test_whenever_and_however_it_errs_for_less_than_an_hour_nothing_is_left_of_it(
    error: str, begins: int, seconds: int
) -> None:
    since = BEGIN + 700 + begins
    later = since + seconds + 2 * SLICE
    meter = await follow(Erring(error, since, since + seconds), until=later)
    assert by_slice(meter, later) == by_slice(await follow(Counters(), until=later), later)


async def test_what_a_tick_told_wrongly_is_over_when_its_slice_is_closed() -> None:
    """Whatever ticks there are between the slice's end and its closing."""
    since = BEGIN + 320
    counters = Erring("a thousand times as much", since, since + 1)
    right, meter = meter_of(Counters()), meter_of(counters)
    for second in range(0, 1200, 10):
        counters.now = BEGIN + second
        assert isinstance(await meter.advance(counters.now), Reading)
        assert isinstance(await right.advance(counters.now), Reading)
        closed = int(since // SLICE + 1) * SLICE
        found = meter.account.counts(closed - SLICE, counters.now)
        truth = right.account.counts(closed - SLICE, counters.now)
        if since <= counters.now < closed + SETTLE:
            assert found.total > 100 * truth.total
        else:
            assert found == truth


class Vanished(Counters):
    """What a series had counted that is gone is not in the sum of those that are there."""

    async def tick(self, grid: Grid) -> object:
        counts = await super().tick(grid)
        if self.now >= BEGIN + 830:
            counts.total[0] = 0.0
        return counts


async def test_what_a_series_counted_that_is_gone_stays_counted_when_its_slice_is_closed() -> None:
    counters, boundary = Vanished(), NOON + 6 * SLICE
    meter = meter_of(counters)
    for second in (0, 500, 820, 840):
        counters.now = BEGIN + second
        assert isinstance(await meter.advance(counters.now), Reading)
    assert meter.account.ledger.closed == boundary
    counted = counters.counter(BEGIN + 840, Side.TOTAL) - counters.counter(boundary, Side.TOTAL)
    assert meter.account.counts(boundary, BEGIN + 840).total == counted > 0


async def test_a_source_that_was_emptied_takes_nothing_back_when_late_samples_come() -> None:
    counters = Counters()
    meter, now = meter_of(counters), BEGIN
    while now <= BEGIN + 2 * HOUR:
        counters.now = now
        counters.begins = 0.0 if now < BEGIN + 1000 else BEGIN + 1000
        late = int((BEGIN + HOUR) // SLICE * SLICE)
        counters.late, counters.late_until = {late: 40.0}, late + SLICE
        assert isinstance(await meter.advance(now), Reading)
        now += EVERY
    right = await follow(Counters(), until=BEGIN + 2 * HOUR)
    lost = int((BEGIN + 1000) // SLICE * SLICE)
    for start in range(NOON - DAY, int((BEGIN + 2 * HOUR) // SLICE) * SLICE, SLICE):
        if start != lost:
            found = meter.account.counts(start, start + SLICE)
            assert found == right.account.counts(start, start + SLICE), start - NOON


async def test_a_failure_while_it_is_looked_again_is_made_up_for_by_the_next_look() -> None:
    since, until = BEGIN + 1130, BEGIN + 1130 + 700
    later = until + 3 * SLICE
    counters = Erring("zero", since, until)
    failed = 0
    reading = counters.read

    async def read(grid: Grid) -> object:
        nonlocal failed
        # The first slices that are read again after it is right are not those at the end.
        if counters.now >= until and grid.start < counters.now - 2 * SLICE and not failed:
            failed += 1
            return Failure("SourceTimeout", "not now")
        return await reading(grid)

    counters.read = read
    meter, now = meter_of(counters), BEGIN
    while now <= later:
        counters.now = now
        await meter.advance(now)
        now += EVERY
    assert failed == 1
    assert by_slice(meter, later) == by_slice(await follow(Counters(), until=later), later)


async def test_a_source_that_does_not_err_is_read_again_by_no_more_than_two_slices() -> None:
    counters = Counters()
    late = int((BEGIN + HOUR) // SLICE * SLICE)
    counters.late, counters.late_until = {late: 4.0}, late + SLICE
    meter, now = meter_of(counters), BEGIN
    while now <= BEGIN + 2 * HOUR:
        counters.now = now
        counters.asked.clear()
        assert isinstance(await meter.advance(now), Reading)
        if now > BEGIN:
            assert min(counters.asked) >= now - 4 * SLICE
        now += EVERY


async def test_hours_that_corrections_cut_are_as_they_were_read_again() -> None:
    since = BEGIN + 1130
    until, later = since + 47 * 60, since + 3 * HOUR
    cut = Correction("load test", (Range(NOON + 2400, NOON + 3300),))
    found = []
    for counters in (Erring("zero", since, until), Counters()):
        meter, now = meter_of(counters), BEGIN
        while now <= later:
            counters.now = now
            assert isinstance(await meter.advance(now), Reading)
            assert await meter.correct([cut], now) is None
            now += EVERY
        found.append(meter.account.cuts())
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) == 1
    for hour, rows in found[0].items():
        assert rows.total.tolist() == found[1][hour].total.tolist()
