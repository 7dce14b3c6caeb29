"""The movement of a counter, sample by sample: for series that came, went or were reset.

Pure. Samples are pairs of Unix seconds and value, ordered by time, finite.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from sluice.indicators.promql import Fact

Labels = Mapping[str, str]

MEMORY = 3600.0
"""For so many seconds a series that is gone is remembered: if it comes back, what it counted in
the meantime counts where it reappears. Beyond that it is taken for a new one."""

# A process is often older than its first scrape: by discovery, and by one scrape interval.
_DISCOVERY = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The samples of one series."""

    labels: Labels
    times: list[float]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Movement:
    """What one series moved in a slice.

    Attributes:
        moved: from the value before the slice, or if there is none, from the first one inside.
        first: that first value, of a series that has none before; else 0.
    """

    moved: float
    first: float = 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a target at a time: one series of the answer to `facts_query`."""

    fact: Fact
    labels: Labels
    time: float
    value: float


def movement(samples: Samples, start: float, end: float) -> Movement | None:
    """What the counter moved after `start` up to `end`; None if it has no sample there.

    A value below the one before it is a reset: the counter began again at zero.
    """
    first, last = bisect_right(samples.times, start), bisect_right(samples.times, end)
    if first == last:
        return None
    if first and samples.times[first - 1] > start - MEMORY:
        return Movement(_climbed(samples.values[first - 1 : last]))
    values = samples.values[first:last]
    return Movement(_climbed(values), values[0])


def _climbed(values: list[float]) -> float:
    return sum(after - before if after >= before else after for before, after in pairwise(values))


def counts_from_zero(labels: Labels, facts: Iterable[Known], start: float, end: float) -> bool:
    """Whether all that a new series has counted, it has counted in the slice up to `end`.

    It has if its process started only then. It also has if its target was up at `start` without
    it and has come to expose more since: a new error code, say, and not an old series that our
    scraping dropped and lets in again. Where it is not known how much a target exposes, it is
    enough that the metric was there with other labels. In doubt the series has not counted from
    zero: then only the movement that was seen counts.
    """
    known: dict[tuple[Fact, bool], float] = {}
    for fact in facts:
        if _describes(fact, labels):
            known[fact.fact, fact.time > start] = fact.value
    started = known.get((Fact.STARTED, True))
    if started is not None and start - _DISCOVERY <= started <= end:
        return True
    if known.get((Fact.UP, False)) != 1:
        return False
    before, after = known.get((Fact.EXPOSED, False)), known.get((Fact.EXPOSED, True))
    if before is None or after is None:
        return (Fact.SIBLING, False) in known
    return after > before


def _describes(fact: Known, labels: Labels) -> bool:
    """Whether a fact is about the target of a series: all its labels are the series' too."""
    return all(labels.get(label) == value for label, value in fact.labels.items())
