"""Reads how far counters moved, slice by slice, out of Prometheus.

Two steps: one query for the sums of all plain series, whether there are two or two thousand; and
where it says that series came, went or were reset, their samples, to be counted one by one.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from sluice.api.reasons import Reason
from sluice.budget.account import Origin
from sluice.budget.ledger import SLICE, Flags, Floats, Hours
from sluice.budget.windows import DAY
from sluice.indicators import promql
from sluice.indicators.answers import Answer, Series
from sluice.indicators.exceptions import Exceptions
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.native import told, untold, values_of
from sluice.indicators.origin import find_origin
from sluice.indicators.promql import Part, Selector, Side
from sluice.indicators.sharing import Shareable
from sluice.indicators.source import Source

# Exceptions are asked for in runs of slices, so that many of them do not make many queries.
_LONGEST_RUN = 72
_NEAR = 3
# A source that finds an hour of slices too much is not helped by asking for less.
_SMALLEST = 12
# Scrape intervals seldom divide a slice: the age of a boundary's value comes around in an hour.
_REMEMBERED = 12
# Beyond it a sum of values is not exact to an event: the series are subtracted one by one.
_EXACT = 2.0**53
_PART_NAMED = {str(part): part for part in Part}


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """The movement of one side; `known` tells where there were series at all."""

    moved: Floats
    known: Flags


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counters of an indicator count: all events, and the good or the bad ones.

    Attributes:
        total: selects the counters of all events.
        other: selects the counters of the others.
        side: which these are.
        always: the others are there whenever the total is (a bucket of the same histogram), so
            that without them there are no data; else a series appears with its first event.
    """

    total: Selector
    other: Selector
    side: Side
    always: bool = False

    @property
    def selectors(self) -> dict[Side, Selector]:
        """Both by side."""
        return {Side.TOTAL: self.total, self.side: self.other}

    @property
    def watched(self) -> Side:
        """The side on which a new series shows that must not wait: a first error is on it."""
        return Side.BAD if self.side is Side.BAD else Side.TOTAL

    @property
    def native(self) -> bool:
        """Whether native histograms are counted."""
        return self.total.portion is not None

    @property
    def replicated(self) -> bool:
        """Whether the counters are scraped more than once."""
        return bool(self.total.replica or self.other.replica)

    def count(self, sides: Mapping[Side, Moved]) -> tuple[Floats, Floats, Flags]:
        """All and bad events by the movement of both sides, and where there are data."""
        total, other = sides[Side.TOTAL], sides[self.side]
        covered = total.known
        if self.always:
            covered = covered & (other.known | (total.moved == 0))
        bad = other.moved
        if self.side is Side.GOOD:
            bad = np.maximum(total.moved - other.moved, 0.0)
        return np.where(covered, total.moved, 0.0), np.where(covered, bad, 0.0), covered


@dataclass(frozen=True, slots=True, eq=False)
class GridCounts:
    """Counts of the slices of a grid; one entry of each array a slice.

    Attributes:
        present: the number of series at the end of the last slice, of the side that is watched.
        values: for each side, the sum of the counters at each slice's end; NaN without any.
        start: for each side, the sum of the counters at the grid's start; NaN without any. Empty if
            that was not read.
        restlessness: resets a series had in a slice and five minutes before it, on average, of the
            side that had more.
        until: Unix seconds up to which was read, if that is not the grid's end.
    """

    total: Floats
    bad: Floats
    covered: Flags
    present: float
    values: Mapping[Side, Floats]
    start: Mapping[Side, float]
    restlessness: float
    until: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """Counts of whole hours; of those that are not `sure` slices may tell something else."""

    hours: Hours
    sure: Flags


class _Parts(dict[tuple[Side, Part], Floats]):
    """Values by side and part; NaN where there is none, and all of them of a part without any."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.nothing = np.full(count, np.nan)

    def __missing__(self, key: tuple[Side, Part]) -> Floats:
        return self.nothing


def none_sure(grid: Grid) -> Whole:
    """Hours of which nothing is known as such."""
    nothing, none = np.zeros(grid.count), np.zeros(grid.count, bool)
    return Whole(Hours(grid.start, nothing, nothing, none), none)


class SliceReader(Protocol):
    """Reads the counts of one indicator."""

    @property
    def names(self) -> str:
        """What is read, for messages."""

    async def origin(self, start: float, first: int) -> Origin | Failure:
        """Why there is nothing between `start`, the window's, and the `first` data in it."""

    async def history(self, grid: Grid) -> GridCounts | Failure:
        """The counts of slices more than a day back, of which only whole hours matter."""

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`."""

    async def hours(self, grid: Grid) -> Whole | Failure:
        """The counts of the hours that are the slices of `grid`, if they can be had as such."""

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice, which has not ended yet."""

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """What moves if counts do, at each slice's end, by side; NaN for nothing."""

    async def exists(self, start: int, end: int) -> bool | Failure:
        """Whether there may be anything to read after `start` up to `end`."""


_Read = TypeVar("_Read")


class InParts(Generic[_Read]):
    """Reads in halves what the source finds too much at once.

    As that may have cost a timeout, it is remembered: also if the call fails because of it.

    Args:
        read: reads the counts of all slices of a grid at once.
        joined: the counts of two grids, of which one follows the other, as those of one.
    """

    def __init__(
        self,
        read: Callable[[Grid], Awaitable[_Read | Failure]],
        joined: Callable[[_Read, _Read], _Read],
    ) -> None:
        self._read = read
        self._joined = joined
        self._most = math.inf

    async def __call__(self, grid: Grid) -> _Read | Failure:
        """The counts of all slices of `grid`."""
        most = self._most
        counts = await self._in_parts(grid)
        if grid.count > most and not isinstance(counts, Failure):
            # A source that was overloaded recovers; one that is small is tried again seldom.
            self._most *= 1.125
        return counts

    async def _in_parts(self, grid: Grid) -> _Read | Failure:
        if grid.count <= self._most:
            counts = await self._read(grid)
            if not isinstance(counts, Failure) or grid.count < _SMALLEST:
                return counts
            if counts.divisible or counts.reason is Reason.SOURCE_TIMEOUT:
                self._most = grid.count / 2
            if not counts.divisible:
                return counts
        middle = grid.count // 2
        first = await self._in_parts(grid.part(0, middle))
        if isinstance(first, Failure):
            return first
        second = await self._in_parts(grid.part(middle, grid.count))
        return second if isinstance(second, Failure) else self._joined(first, second)


class Reader:
    """Reads the counters of one indicator."""

    def __init__(self, source: Source, counted: Counted) -> None:
        self._source = source
        self._counted = counted
        self._parts = InParts(self._read, joined)
        self._hours = InParts(self._read_hours, _both)
        self._ages: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def counters(self) -> Selector:
        """Those of all events."""
        return self._counted.total

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return " or ".join(dict.fromkeys(map(str, self._counted.selectors.values())))

    async def origin(self, start: float, first: int) -> Origin | Failure:
        """Whether it is the service or Prometheus' data that begin with the `first` counters."""
        trace = f"count(last_over_time({self._counted.total}[{DAY}s]))"
        return await find_origin(self._source, trace, start, first)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        """All slices: a query gives them at once."""
        return await self.read(grid)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`, in parts if the source finds it too much at once."""
        return await self._parts(grid)

    async def hours(self, grid: Grid) -> Whole | Failure:
        """The counts of hours, sure where all series are plain and always had values."""
        return await self._hours(grid)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice, at a fifth of the price or less.

        Only of plain series: one that came in the meantime, or was reset, waits for `read`. If
        there is none of the total, that is done at once.
        """
        query = promql.tick_query(self._counted.selectors, self._counted.watched, grid.width)
        series = await self._source.instant(Shareable(query, self.names), grid.end)
        if isinstance(series, Failure):
            return series
        problem = untold(series, self._counted.total)
        if problem:
            return problem
        parts = _parts(series, grid, self._counted)
        sides = {side: _ticked(parts, side) for side in self._counted.selectors}
        counts = self._counts(sides, parts)
        return counts if counts.covered[0] else await self.read(grid)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """The sums of the counters at each slice's end, by side; NaN without any."""
        series = await self._range(promql.value_query(self._counted.selectors), grid)
        if isinstance(series, Failure):
            return series
        return _values(_parts(series, grid, self._counted), self._counted)

    async def exists(self, start: int, end: int) -> bool | Failure:
        """Whether the total has any samples after `start` up to `end`."""
        query = promql.existence_query(self._counted.total, end - start)
        found = await self._source.instant(query, end)
        return found if isinstance(found, Failure) else bool(found)

    async def _read(self, grid: Grid) -> GridCounts | Failure:
        parts = await self._ends(grid)
        if isinstance(parts, Failure):
            return parts
        sides: dict[Side, Moved] = {}
        for side in self._counted.selectors:
            exceptional = self._exceptional(parts, side)
            sides[side] = moved = self._plain(parts, side, exceptional)
            for run in runs(exceptional):
                problem = await self._correct(side, moved, grid, run)
                if problem:
                    return problem
        return self._counts(sides, parts)

    async def _read_hours(self, grid: Grid) -> Whole | Failure:
        selectors, other = self._counted.selectors, self._counted.side
        parts = await self._members(promql.hours_query(selectors, grid.width, SLICE), grid)
        if isinstance(parts, Failure):
            return parts
        exceptional = {side: self._exceptional(parts, side) for side in selectors}
        sides = {side: self._plain(parts, side, exceptional[side]) for side in selectors}
        steady = {side: parts[side, Part.STEADY] == grid.width // SLICE for side in selectors}
        even = steady[Side.TOTAL]
        if self._counted.always:
            even = even & (steady[other] | (sides[Side.TOTAL].moved == 0))
        nothing = np.isnan(parts[Side.TOTAL, Part.SEEN])
        sure: Flags = nothing | (even & ~exceptional[Side.TOTAL] & ~exceptional[other])
        counts = self._counts(sides, parts)
        if self._counted.native:
            sure = sure & (nothing | counts.covered)
        covered = counts.covered & sure & ~nothing
        return Whole(Hours(grid.start, counts.total, counts.bad, covered), sure)

    async def _ends(self, grid: Grid) -> _Parts | Failure:
        """Values at the ends of slices, and whether all series are plain.

        Most of its price is in looking back before the slice. So of a single slice that is done
        only as far as it was needed in the last hour, and in full if that proves too little.
        """
        selectors = self._counted.selectors
        full = promql.movement_query(selectors, grid.width)
        if grid.count > 1 or self._counted.replicated:
            return await self._members(full, grid)
        lookback = min(promql.LOOKBACK, max(self._ages, default=promql.LOOKBACK) + 1)
        short = promql.movement_query(selectors, grid.width, lookback)
        oldest = promql.oldest_query(selectors, grid.width)
        parts = await self._members(promql.union(short, oldest), grid)
        if isinstance(parts, Failure):
            return parts
        age = _age(parts, grid)
        self._ages.append(age)
        if lookback == promql.LOOKBACK or age < lookback:
            return parts
        return await self._members(full, grid)

    async def _members(self, query: str, grid: Grid) -> _Parts | Failure:
        series = await self._range(query, grid)
        return series if isinstance(series, Failure) else _parts(series, grid, self._counted)

    def _plain(self, parts: _Parts, side: Side, exceptional: Flags) -> Moved:
        """The movement of a side where all its series are plain."""
        if self._counted.selectors[side].replica:
            moved = parts[side, Part.MOVED]
        else:
            moved = parts[side, Part.VALUE] - parts[side, Part.START_VALUE]
        return Moved(_or_zero(moved), ~np.isnan(moved) & ~exceptional)

    def _exceptional(self, parts: _Parts, side: Side) -> Flags:
        """In which slices not all series of a side were plain."""
        if self._counted.selectors[side].replica:
            return _differ(parts, side, Part.SEEN, Part.MATCHED)
        inexact: Flags = parts[side, Part.VALUE] > _EXACT
        return inexact | _differ(parts, side, Part.SEEN, Part.PRESENT, Part.START_PRESENT)

    async def _correct(
        self, side: Side, moved: Moved, grid: Grid, run: tuple[int, int]
    ) -> Failure | None:
        """Put what really moved in a run of slices in place of what its plain series did."""
        exceptions = Exceptions(self._source, self._counted.selectors[side], self._counted.total)
        exact = await exceptions.read(grid.part(*run))
        if isinstance(exact, Failure):
            return exact
        here = slice(*run)
        told = ~np.isnan(exact.moved)
        moved.moved[here] = np.nan_to_num(exact.moved)
        moved.known[here] = (moved.known[here] | exact.known) & told
        return None

    def _counts(self, sides: Mapping[Side, Moved], parts: _Parts) -> GridCounts:
        total, bad, covered = self._counted.count(sides)
        if self._counted.native:
            ends = (parts[Side.TOTAL, part] for part in (Part.SHAPE, Part.PRESENT))
            covered = covered & told(*ends)
            total, bad = (np.where(covered, row, 0.0) for row in (total, bad))
        return GridCounts(
            total=total,
            bad=bad,
            covered=covered,
            present=float(_or_zero(parts[self._counted.watched, Part.PRESENT])[-1]),
            values=_values(parts, self._counted),
            start={
                side: float(parts[side, Part.START_VALUE][0]) for side in self._counted.selectors
            },
            restlessness=max(_restlessness(parts, side) for side in self._counted.selectors),
        )

    async def _range(self, query: str, grid: Grid) -> Answer:
        shareable = Shareable(query, self.names)
        return await self._source.range(shareable, grid.start + grid.width, grid.end, grid.width)


def _parts(series: list[Series], grid: Grid, counted: Counted) -> _Parts:
    """The members of a union, by side and part."""
    parts = _Parts(grid.count)
    sides = {str(side): side for side in counted.selectors}
    for one in series:
        side = sides.get(one.labels.get(promql.SIDE, ""))
        part = _PART_NAMED.get(one.labels.get(promql.PART, ""))
        if side is None or part is None:
            continue
        values = parts.get((side, part))
        if values is None:
            parts[side, part] = values = parts.nothing.copy()
        _place(*values_of(one, counted.total), grid, values)
    return parts


def _place(times: list[float], found: list[float], grid: Grid, values: Floats) -> None:
    """Set the values of the slices that end at these times; others are left out."""
    if len(times) == 1:
        index = grid.index(times[0])
        if 0 <= index < grid.count:
            values[index] = found[0]
        return
    indexes = np.rint((np.array(times) - grid.start) / grid.width).astype(np.int64) - 1
    inside = (indexes >= 0) & (indexes < grid.count)
    values[indexes[inside]] = np.array(found)[inside]


def _values(parts: _Parts, counted: Counted) -> dict[Side, Floats]:
    return {side: parts[side, Part.VALUE] for side in counted.selectors}


def _or_zero(values: Floats) -> Floats:
    """The values with 0 for NaN."""
    return np.where(np.isnan(values), 0.0, values)


def _ticked(parts: _Parts, side: Side) -> Moved:
    moved, present = parts[side, Part.MOVED], parts[side, Part.PRESENT]
    return Moved(_or_zero(moved), ~np.isnan(moved) | (_or_zero(present) > 0))


def _differ(parts: _Parts, side: Side, *numbers: Part) -> Flags:
    """Where these numbers are not all the same; none counts as zero."""
    rows = _or_zero(np.array([parts[side, part] for part in numbers]))
    different: Flags = (rows != rows[0]).any(axis=0)
    return different


def _age(parts: _Parts, grid: Grid) -> int:
    """Seconds, rounded up, from the oldest value at a grid's start to that start."""
    oldest = [
        float(times[0])
        for (_, part), times in parts.items()
        if part is Part.START_OLDEST and not np.isnan(times[0])
    ]
    return math.ceil(grid.start - min(oldest, default=grid.start))


def _restlessness(parts: _Parts, side: Side) -> float:
    resets, series = np.divmod(_or_zero(parts[side, Part.SEEN]), promql.RESETS_UNIT)
    return float(resets.sum() / max(1.0, series.sum()))


def runs(flags: Flags) -> Iterator[tuple[int, int]]:
    """First and end (excluded) of the runs of true flags; near ones are one, up to a length."""
    start = last = -1
    for index in np.flatnonzero(flags):
        if start >= 0 and (index - last > _NEAR or index - start >= _LONGEST_RUN):
            yield start, last + 1
            start = -1
        start, last = (int(index) if start < 0 else start), int(index)
    if start >= 0:
        yield start, last + 1


def _both(first: Whole, second: Whole) -> Whole:
    rows = (
        np.concatenate([getattr(first.hours, row), getattr(second.hours, row)])
        for row in ("total", "bad", "covered")
    )
    hours = Hours(first.hours.start, *rows)
    return Whole(hours, np.concatenate([first.sure, second.sure]))


def joined(first: GridCounts, second: GridCounts) -> GridCounts:
    """The counts of two grids, of which one follows the other."""
    return GridCounts(
        total=np.concatenate([first.total, second.total]),
        bad=np.concatenate([first.bad, second.bad]),
        covered=np.concatenate([first.covered, second.covered]),
        present=second.present,
        values={
            side: np.concatenate([values, second.values[side]])
            for side, values in first.values.items()
        },
        start=first.start,
        restlessness=max(first.restlessness, second.restlessness),
    )
