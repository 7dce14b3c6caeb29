"""Reads how far counters moved, slice by slice, out of Prometheus.

Two steps: one query for the sums of all plain series, whether there are two or two thousand; and
where it says that series came, went or were reset, their samples, to be counted one by one.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping

import numpy as np

from sluice.budget.account import Origin
from sluice.budget.counts import SLICE, Flags, Floats, Hours
from sluice.budget.windows import DAY
from sluice.indicators import promql
from sluice.indicators.answers import Answer, Series
from sluice.indicators.counted import Counted, GridCounts, Moved, Whole, both, joined
from sluice.indicators.exceptions import Exceptions
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.in_parts import InParts
from sluice.indicators.native import told, untold, values_of
from sluice.indicators.origin import find_origin
from sluice.indicators.promql import Part, Selector, Side
from sluice.indicators.sharing import Shareable
from sluice.indicators.source import Source

# Exceptions are asked for in runs of slices, so that many of them do not make many queries.
_LONGEST_RUN = 72
_NEAR = 3
# Scrape intervals seldom divide a slice: the age of a boundary's value comes around in an hour.
_REMEMBERED = 12
# Beyond it a sum of values is not exact to an event: the series are subtracted one by one.
_EXACT = 2.0**53
_PART_NAMED = {str(part): part for part in Part}


class _Parts(dict[tuple[Side, Part], Floats]):
    """Values by side and part; NaN where there is none, and all of them of a part without any."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.nothing = np.full(count, np.nan)

    def __missing__(self, key: tuple[Side, Part]) -> Floats:
        return self.nothing


class Reader:
    """Reads the counters of one indicator."""

    def __init__(self, source: Source, counted: Counted) -> None:
        self._source = source
        self._counted = counted
        self._parts = InParts(self._read, joined)
        self._hours = InParts(self._read_hours, both)
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
    indexes = np.rint((np.array(times) - grid.start) / grid.width) - 1
    inside = (indexes >= 0) & (indexes < grid.count)
    values[indexes[inside].astype(np.int64)] = np.array(found)[inside]


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
