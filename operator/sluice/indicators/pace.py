"""How often counters are scraped: what the precision of a budget depends on."""

from sluice.budget.windows import HOUR
from sluice.indicators import promql
from sluice.indicators.failure import Failure
from sluice.indicators.promql import Selector
from sluice.indicators.source import Source

# As Prometheus is usually told: a few failed scrapes and late ones are no other interval.
_USUAL = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 600, 900, 1800, 3600)
_NEAR = 0.15


async def find_pace(source: Source, counters: Selector, now: float) -> int | None:
    """About how many seconds lie between two samples of a counter, in the last hour.

    Returns:
        Seconds of the series that has most samples; None if none has been there for an hour, or
        the source does not say.
    """
    found = await source.instant(promql.density_query(counters, HOUR), now)
    if isinstance(found, Failure):
        return None
    most = max((value for series in found for value in series.values), default=0.0)
    return _usual(HOUR / most) if most >= 1 else None


def _usual(seconds: float) -> int:
    near = [it for it in _USUAL if abs(seconds - it) <= _NEAR * it]
    return min(near, key=lambda it: abs(seconds - it)) if near else max(1, round(seconds))
