"""Looks at closed slices again: samples come late, and for a while a source may err."""

from collections.abc import Mapping

import numpy as np

from sluice.budget.account import Account
from sluice.budget.archive import Boundaries
from sluice.budget.counts import SLICE, Floats
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.counted import GridCounts, SliceReader
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.history import slices_of
from sluice.indicators.promql import Side
from sluice.indicators.revision import far_apart, first_changed, revised

_REREAD = 2
_Values = tuple[float | None, ...]


class SecondLook:
    """The boundaries of the last slices of one account, and what is read again because of them.

    Attributes:
        boundaries: the values that the counters had there.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._doubted: int | None = None
        self.boundaries: dict[int, _Values] = {}

    def resume(self, boundaries: Boundaries) -> None:
        """Forget all and go on with the boundaries that another one had."""
        self.boundaries, self._doubted = dict(boundaries), None

    def remember(self, grid: Grid, counts: GridCounts) -> None:
        """Take in the boundaries of slices that were read."""
        self.boundaries.update(_boundaries(grid, counts.values))
        for time in sorted(self.boundaries)[: -_REREAD - 1]:
            del self.boundaries[time]

    async def look(
        self, reader: SliceReader, before: int, start: Mapping[Side, float]
    ) -> Failure | None:
        """Read the two slices up to `before` again, if late samples have come in.

        Late samples move the counters' values at the boundaries, which are cheap to compare:
        `start` are those at `before`, empty if they were not read. After a failure the next look
        goes back as far.
        """
        grid = Grid(before - _REREAD * SLICE, SLICE, _REREAD)
        problem = await self._look(reader, grid, before, start)
        if problem:
            self._doubt(grid.start)
        return problem

    async def _look(
        self, reader: SliceReader, grid: Grid, before: int, start: Mapping[Side, float]
    ) -> Failure | None:
        if not (start and self._changed(before, _values(start))):
            looked = grid.part(0, 1) if start else grid
            values = await reader.values(looked)
            if isinstance(values, Failure):
                return values
            if not any(self._changed(*boundary) for boundary in _boundaries(looked, values)):
                return None
        return await self._read_again(reader, grid)

    async def _read_again(self, reader: SliceReader, grid: Grid) -> Failure | None:
        """Read slices again; with those before them, as far back as what was told of them is wrong.

        A source that tells something else may be right now, or may have been right before. So it is
        remembered since when, and when it changes again all slices since are read.
        """
        since, earlier = self._suspect(grid), self._earlier(grid)
        changed = await self._revise(reader, grid, since)
        if changed == since and earlier < since:
            deeper = await self._revise(reader, grid, earlier)
            changed = changed if deeper is None else deeper
        if isinstance(changed, Failure):
            return changed
        self._doubted = changed
        return None

    async def _revise(self, reader: SliceReader, grid: Grid, since: int) -> int | Failure | None:
        """Read all slices from `since` on; from where on they are in doubt, None if none is."""
        longer = Grid(since, SLICE, (grid.end - since) // SLICE)
        counts = await reader.read(longer)
        if isinstance(counts, Failure):
            return counts
        read = [(longer.start, _values(counts.start)), *_boundaries(longer, counts.values)]
        if any(self._lost(*boundary) for boundary in read):
            self._doubt(grid.start)
            return self._doubted
        known = self._account.ledger.slices(longer.start, longer.end)
        found = revised(known, slices_of(longer, counts), last=grid.count)
        apart = any(self._apart(*boundary) for boundary in read)
        first = 0 if apart else first_changed(known, found)
        self._account.rewrite(found)
        self.remember(longer, counts)
        return None if first is None else longer.start + first * SLICE

    def _suspect(self, grid: Grid) -> int:
        """From where on a source may have erred that tells something else of `grid` now."""
        since = grid.start if self._doubted is None else self._doubted
        return min(grid.start, max(since, self._oldest(grid)))

    def _earlier(self, grid: Grid) -> int:
        """An hour back, and to the beginning of the gap that there is."""
        oldest = self._oldest(grid)
        covered = self._account.ledger.slices(oldest, grid.end).covered
        first = max(0, len(covered) - HOUR // SLICE)
        while first > 0 and not covered[first - 1]:
            first -= 1
        return oldest + first * SLICE

    def _oldest(self, grid: Grid) -> int:
        """The slice down to which may be read again: of the last day."""
        fine, read = self._account.ledger.fine_since, self._account.oldest
        return max(grid.end - DAY, fine or 0, read or 0)

    def _doubt(self, since: int) -> None:
        """What was read from `since` on may be wrong, but what is there now is no better."""
        self._doubted = since if self._doubted is None else min(self._doubted, since)

    def _changed(self, time: int, values: _Values) -> bool:
        """Whether the counters' values at a boundary are not those that were read before."""
        return self.boundaries.get(time) not in {None, values}

    def _apart(self, time: int, values: _Values) -> bool:
        """Whether a boundary is another one altogether: it tells of more than its two slices."""
        return far_apart(self.boundaries.get(time, ()), values)

    def _lost(self, time: int, values: _Values) -> bool:
        """Whether the source has forgotten what it knew of a boundary: that corrects no count."""
        before = self.boundaries.get(time, ())
        both = zip(before, values, strict=True) if before and values else ()
        return any(was is not None and value is None for was, value in both)


def _boundaries(grid: Grid, values: Mapping[Side, Floats]) -> list[tuple[int, _Values]]:
    """The counters' values at the ends of the last slices."""
    return [
        (
            grid.start + (index + 1) * grid.width,
            _values({side: float(row[index]) for side, row in values.items()}),
        )
        for index in range(max(0, grid.count - _REREAD - 1), grid.count)
    ]


def _values(values: Mapping[Side, float]) -> _Values:
    """To be compared: None for a side without any value."""
    return tuple(None if np.isnan(value) else value for value in values.values())
