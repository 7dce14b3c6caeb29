"""What is counted of an indicator, and the counts of it that a reader gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sluice.budget.account import Origin
from sluice.budget.counts import Flags, Floats, Hours
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.promql import Selector, Side


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


def none_sure(grid: Grid) -> Whole:
    """Hours of which nothing is known as such."""
    nothing, none = np.zeros(grid.count), np.zeros(grid.count, bool)
    return Whole(Hours(grid.start, nothing, nothing, none), none)


def both(first: Whole, second: Whole) -> Whole:
    """The hours of two grids, of which one follows the other."""
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
