"""Reads in halves what a source finds too much at once."""

import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid

# A source that finds an hour of slices too much is not helped by asking for less.
_SMALLEST = 12

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
