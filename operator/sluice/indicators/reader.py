"""Reads how far counters moved, slice by slice, out of Prometheus.

Two steps: one query for the sums of all plain series, whether there are two or two thousand; and
where it says that series came, went or were reset, their samples, to be counted one by one.
"""

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sluice.api.reasons import Reason
from sluice.budget.ledger import Flags, Floats
from sluice.budget.windows import DAY
from sluice.indicators import promql
from sluice.indicators.answers import Answer, Series
from sluice.indicators.exceptions import Exceptions
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.promql import Part, Selector, Side
from sluice.indicators.source import Source

# Exceptions are asked for in runs of slices, so that many of them do not make many queries.
_LONGEST_RUN = 72
_NEAR = 3
# A source that finds an hour of slices too much is not helped by asking for less.
_SMALLEST = 12


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


@dataclass(frozen=True, slots=True, eq=False)
class GridCounts:
    """Counts of the slices of a grid; one entry of each array a slice.

    Attributes:
        present: for each side, the number of series at the end of the last slice.
        values: for each side, the sum of the counters at each slice's end; NaN without any.
        restlessness: resets a series had in a slice and five minutes before it, on average, of the
            side that had more.
    """

    total: Floats
    bad: Floats
    covered: Flags
    present: Mapping[Side, float]
    values: Mapping[Side, Floats]
    restlessness: float


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """The movement of one side; `known` tells where there were series at all."""

    moved: Floats
    known: Flags


_Parts = Mapping[tuple[Side, Part], Floats]


class SliceReader(Protocol):
    """Reads the counts of one indicator."""

    @property
    def names(self) -> str:
        """What is read, for messages."""

    def trace(self) -> str:
        """PromQL that gives something if there was something to read in the last day."""

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`."""

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice, which has not ended yet."""

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """What moves if counts do, at each slice's end, by side; NaN for nothing."""


class InParts:
    """Reads in halves what the source finds too much at once.

    As that may have cost a timeout, it is remembered: also if the call fails because of it.

    Args:
        read: reads the counts of all slices of a grid at once.
    """

    def __init__(self, read: Callable[[Grid], Awaitable[GridCounts | Failure]]) -> None:
        self._read = read
        self._most = math.inf

    async def __call__(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`."""
        most = self._most
        counts = await self._in_parts(grid)
        if grid.count > most and not isinstance(counts, Failure):
            # A source that was overloaded recovers; one that is small is tried again seldom.
            self._most *= 1.125
        return counts

    async def _in_parts(self, grid: Grid) -> GridCounts | Failure:
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
        return second if isinstance(second, Failure) else _joined(first, second)


class Reader:
    """Reads the counters of one indicator."""

    def __init__(self, source: Source, counted: Counted) -> None:
        self._source = source
        self._counted = counted
        self._parts = InParts(self._read)

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return " or ".join(str(selector) for selector in self._counted.selectors.values())

    def trace(self) -> str:
        """PromQL that gives something if there were counters in the last day."""
        return f"count(last_over_time({self._counted.total}[{DAY}s]))"

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`, in parts if the source finds it too much at once."""
        return await self._parts(grid)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice, at about a tenth of the price.

        Only of plain series: one that came in the meantime, or was reset, waits for `read`.
        """
        query = promql.tick_query(self._counted.selectors, grid.width)
        series = await self._source.instant(query, grid.end)
        if isinstance(series, Failure):
            return series
        parts = _parts(series, grid, self._counted)
        return self._counts(
            {side: _plain(parts, side, Part.PRESENT) for side in self._counted.selectors}, parts
        )

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """The sums of the counters at each slice's end, by side; NaN without any."""
        series = await self._range(promql.value_query(self._counted.selectors), grid)
        if isinstance(series, Failure):
            return series
        return _values(_parts(series, grid, self._counted))

    async def _read(self, grid: Grid) -> GridCounts | Failure:
        query = promql.movement_query(self._counted.selectors, grid.width)
        series = await self._range(query, grid)
        if isinstance(series, Failure):
            return series
        parts = _parts(series, grid, self._counted)
        sides: dict[Side, _Moved] = {}
        for side in self._counted.selectors:
            sides[side] = moved = _plain(parts, side, Part.MATCHED)
            for run in _runs(_exceptional(parts, side)):
                problem = await self._correct(side, moved, grid, run)
                if problem:
                    return problem
        return self._counts(sides, parts)

    async def _correct(
        self, side: Side, moved: _Moved, grid: Grid, run: tuple[int, int]
    ) -> Failure | None:
        """Put what really moved in a run of slices in place of what its plain series did."""
        exceptions = Exceptions(self._source, self._counted.selectors[side], self._counted.total)
        exact = await exceptions.read(grid.part(*run))
        if isinstance(exact, Failure):
            return exact
        here = slice(*run)
        moved.moved[here] = exact.moved
        moved.known[here] |= exact.known
        return None

    def _counts(self, sides: Mapping[Side, _Moved], parts: _Parts) -> GridCounts:
        total, other = sides[Side.TOTAL], sides[self._counted.side]
        covered = total.known
        if self._counted.always:
            covered = covered & (other.known | (total.moved == 0))
        bad = other.moved
        if self._counted.side is Side.GOOD:
            bad = np.maximum(total.moved - other.moved, 0.0)
        return GridCounts(
            total=np.where(covered, total.moved, 0.0),
            bad=np.where(covered, bad, 0.0),
            covered=covered,
            present={
                side: float(np.nan_to_num(parts[side, Part.PRESENT])[-1])
                for side in self._counted.selectors
            },
            values=_values(parts),
            restlessness=max(_restlessness(parts, side) for side in self._counted.selectors),
        )

    async def _range(self, query: str, grid: Grid) -> Answer:
        return await self._source.range(query, grid.start + grid.width, grid.end, grid.width)


def _parts(series: list[Series], grid: Grid, counted: Counted) -> _Parts:
    """The members of a union, by side and part; NaN where there is no value."""
    parts = {
        (side, part): np.full(grid.count, np.nan) for side in counted.selectors for part in Part
    }
    members = {(str(side), str(part)): values for (side, part), values in parts.items()}
    for one in series:
        values = members.get((one.labels.get(promql.SIDE, ""), one.labels.get(promql.PART, "")))
        if values is not None:
            placed = grid.within(one.times, one.values)
            values[[*placed]] = [*placed.values()]
    return parts


def _values(parts: _Parts) -> dict[Side, Floats]:
    return {side: values for (side, part), values in parts.items() if part is Part.VALUE}


def _plain(parts: _Parts, side: Side, there: Part) -> _Moved:
    return _Moved(np.nan_to_num(parts[side, Part.MOVED]), np.nan_to_num(parts[side, there]) > 0)


def _exceptional(parts: _Parts, side: Side) -> Flags:
    """In which slices not all series were plain."""
    seen = np.nan_to_num(parts[side, Part.SEEN])
    exceptional: Flags = seen != np.nan_to_num(parts[side, Part.MATCHED])
    return exceptional


def _restlessness(parts: _Parts, side: Side) -> float:
    resets, series = np.divmod(np.nan_to_num(parts[side, Part.SEEN]), promql.RESETS_UNIT)
    return float(resets.sum() / max(1.0, series.sum()))


def _runs(flags: Flags) -> Iterator[tuple[int, int]]:
    """First and end of the runs of true flags; near ones are one run, up to a length."""
    start = last = -1
    for index in np.flatnonzero(flags):
        if start >= 0 and (index - last > _NEAR or index - start >= _LONGEST_RUN):
            yield start, last + 1
            start = -1
        start, last = (int(index) if start < 0 else start), int(index)
    if start >= 0:
        yield start, last + 1


def _joined(first: GridCounts, second: GridCounts) -> GridCounts:
    return GridCounts(
        total=np.concatenate([first.total, second.total]),
        bad=np.concatenate([first.bad, second.bad]),
        covered=np.concatenate([first.covered, second.covered]),
        present=second.present,
        values={
            side: np.concatenate([values, second.values[side]])
            for side, values in first.values.items()
        },
        restlessness=max(first.restlessness, second.restlessness),
    )
