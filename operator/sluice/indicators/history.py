"""Reads what was before: slices as far back as they are kept as such, behind that whole hours.

Of an hour in which no counter came, went or was reset, the movement between its ends is what its
slices add up to, at a twelfth of the numbers. Hours in which something happened are read slice by
slice.
"""

from collections.abc import Iterator

import numpy as np

from sluice.budget.account import Account
from sluice.budget.counts import SLICE, SLICES_PER_HOUR, Flags, Slices
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.counted import GridCounts, SliceReader
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid

# With the day that a meter begins with, two of these are all slices that are kept.
_SLICES_AT_ONCE = 25 * SLICES_PER_HOUR
_HOURS_AT_ONCE = 10 * DAY // HOUR
_LONGEST_RUN = 24
# Hours in which something happened are read with those in between if these are no more.
_NEAR = 2


async def read_back(reader: SliceReader, account: Account, start: int) -> Failure | None:
    """Read the time before the oldest that was read, or a part of it, down to `start` at most.

    Args:
        reader: reads the counts.
        account: takes them in; its `oldest` moves to where the part begins.
        start: Unix seconds, where one of the ledger's hours begins.
    """
    assert account.oldest is not None
    fine = account.ledger.fine_from
    if fine is None or account.oldest > fine:
        first = max(start, fine or start, account.oldest - _SLICES_AT_ONCE * SLICE)
        found = await _read_slices(reader, account, first)
    else:
        first = max(start, account.oldest - _HOURS_AT_ONCE * HOUR)
        found = await _read_hours(reader, account, first)
    if isinstance(found, Failure):
        return found
    # Time without data may be the first of much: a new service, or a short retention. If the
    # source finds the question too much there is something, and it is read on.
    if first > start and not found:
        first = start if await reader.exists(start, first) is False else first
    account.oldest = first
    return None


async def _read_slices(reader: SliceReader, account: Account, first: int) -> bool | Failure:
    """Read all slices after `first`; whether there are data."""
    assert account.oldest is not None
    grid = Grid(first, SLICE, (account.oldest - first) // SLICE)
    counts = await reader.history(grid)
    if isinstance(counts, Failure):
        return counts
    account.ledger.put(slices_of(grid, counts))
    return bool(counts.covered.any())


async def _read_hours(reader: SliceReader, account: Account, first: int) -> bool | Failure:
    """Read all hours after `first`; whether there are data."""
    assert account.oldest is not None
    grid = Grid(first, HOUR, (account.oldest - first) // HOUR)
    found = await reader.hours(grid)
    if isinstance(found, Failure):
        return found
    account.ledger.put_hours(found.hours)
    covered = bool(found.hours.covered.any())
    for run in _runs(~found.sure):
        part = grid.part(*run)
        slices = Grid(part.start, SLICE, part.count * SLICES_PER_HOUR)
        counts = await reader.history(slices)
        if isinstance(counts, Failure):
            return counts
        account.ledger.put(slices_of(slices, counts))
        covered |= bool(counts.covered.any())
    return covered


def slices_of(grid: Grid, counts: GridCounts) -> Slices:
    """The counts of a grid of slices as a ledger takes them in."""
    return Slices(grid.start // SLICE, counts.total, counts.bad, counts.covered)


def _runs(unsure: Flags) -> Iterator[tuple[int, int]]:
    """First and end of runs of these hours; near ones are one run, up to a length."""
    first = last = None
    for hour in map(int, np.flatnonzero(unsure)):
        if first is None or last is None:
            first = hour
        elif hour - last > _NEAR or hour - first >= _LONGEST_RUN:
            yield first, last + 1
            first = hour
        last = hour
    if first is not None and last is not None:
        yield first, last + 1
