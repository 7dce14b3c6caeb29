"""Since when a service has existed, and since when Prometheus has data at all.

The two look alike, a window that begins with nothing, but say opposite things: a service that did
not exist had no events, while of a time before Prometheus' first data nothing is known.
"""

from sluice.budget.account import Origin
from sluice.indicators.failure import Failure
from sluice.indicators.source import Source

_LOOKS = 100
_FINEST = 300.0


async def find_origin(
    source: Source, trace: str, start: float, first_sample: int
) -> Origin | Failure:
    """Why there is nothing between `start` and `first_sample`.

    Args:
        source: where.
        trace: PromQL that gives something if the service was there in the day before.
        start: where the window begins.
        first_sample: the first sample of the service in it.
    """
    existed = await source.instant(trace, start)
    if isinstance(existed, Failure):
        return existed
    if existed:
        return Origin(first_sample, first_sample)
    step = max(_FINEST, (first_sample - start) / _LOOKS)
    ups = await source.range("count(up)", start, first_sample, step)
    if isinstance(ups, Failure):
        return ups
    times = [time for series in ups for time in series.times]
    return Origin(first_sample, min(times, default=first_sample))
