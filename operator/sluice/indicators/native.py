"""Counters out of native histograms, and where they cannot be had. Pure."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sluice.budget.counts import Flags, Floats
from sluice.indicators.answers import Series
from sluice.indicators.failure import Failure
from sluice.indicators.histogram import Histogram, Portion, mixed, no_boundary
from sluice.indicators.movement import MEMORY, Labels, Samples
from sluice.indicators.promql import PART, Part, Selector


def counter_of(
    labels: Labels,
    histograms: Sequence[tuple[float, Histogram]],
    portion: Portion,
    *,
    scraped_once: bool,
) -> Samples:
    """The samples of one portion's counter.

    A restart may not show in all portions: not in those that have passed their old count since.
    It is seen here if it shows in any, and the counter then goes on from what was counted before,
    so that all portions count the same events; unless the series had been forgotten by then.

    Args:
        labels: the series'.
        histograms: by time.
        portion: what is counted.
        scraped_once: whether this series is all there is of the counter. Its replicas are merged
            by their values, which must be those that the process has shown.
    """
    times = [time for time, _ in histograms]
    counts = [portion.of(histogram) for _, histogram in histograms]
    if scraped_once:
        counts = _gone_on(histograms, counts, portion)
    return Samples(labels, times, counts)


def _gone_on(
    histograms: Sequence[tuple[float, Histogram]], counts: Sequence[float], portion: Portion
) -> list[float]:
    base, gone_on = 0.0, [*counts[:1]]
    for number, ((before, old), (after, new)) in enumerate(pairwise(histograms), 1):
        if after - before >= MEMORY:
            base = 0.0
        elif _restarted(old, new, portion.boundary):
            base += counts[number - 1]
        gone_on.append(base + counts[number])
    return gone_on


def _restarted(old: Histogram, new: Histogram, boundary: float) -> bool:
    """Whether the events on either side of a boundary have become fewer."""
    fast_before, fast = old.up_to(boundary), new.up_to(boundary)
    fewer_slow = new.count - fast < old.count - fast_before
    return new.count < old.count or fast < fast_before or fewer_slow


def values_of(member: Series, total: Selector) -> tuple[list[float], list[float]]:
    """Times and values of a member of an answer; of histograms whether they tell what is fast."""
    portion = total.portion
    if portion is None or not member.histograms:
        return member.times, member.values
    whole = [float(shape.parted(portion.boundary) is None) for _, shape in member.histograms]
    return [time for time, _ in member.histograms], whole


def told(shape: Floats, present: Floats) -> Flags:
    """In which slices native histograms tell at both ends how many events were fast.

    They do not where there are some and they cannot be added up: exponential and custom buckets.

    Args:
        shape: whether both ends together tell it, as one and zero; NaN without any.
        present: how many series there are at the end.
    """
    flags: Flags = (shape == 1) | (np.isnan(shape) & ~(present > 0))
    return flags


def untold(answer: list[Series], total: Selector) -> Failure | None:
    """A failure if there are native histograms and they do not tell any more what is fast."""
    portion = total.portion
    if portion is None:
        return None
    shapes = [shape for member in answer for _, shape in member.histograms]
    present = [member for member in answer if member.labels.get(PART) == Part.PRESENT]
    if not shapes and any(any(member.values) for member in present):
        return mixed(str(total))
    wrong = next((it for it in shapes if it.parted(portion.boundary)), None)
    return None if wrong is None else no_boundary(str(total), portion.boundary, wrong)
