"""What has been counted since the last closed slice. Pure."""

from sluice.budget.counts import Live
from sluice.indicators.counted import GridCounts
from sluice.indicators.grid import Grid


def live_of(grid: Grid, counts: GridCounts, before: Live | None) -> Live:
    """The live counts, not below those `before`: what a series that is gone had counted stays."""
    total, bad = float(counts.total[0]), float(counts.bad[0])
    if before is not None:
        total, bad = max(total, before.total), max(bad, before.bad)
    until = float(grid.end) if counts.until is None else counts.until
    return Live(until, total, bad, bool(counts.covered[0]))


def left(live: Live, total: float, bad: float) -> Live:
    """What had been counted after the slices that are closed now.

    Args:
        live: what had been counted.
        total: all events of the slices that are closed now.
        bad: the bad ones of them.
    """
    return Live(live.until, max(0.0, live.total - total), max(0.0, live.bad - bad), live.covered)


def falls(counts: GridCounts, before: Live | None) -> bool:
    """Whether less was counted in a grid's only slice than had been before."""
    if before is None:
        return False
    return float(counts.total[0]) < before.total or float(counts.bad[0]) < before.bad
