"""The same services with native histograms: of each sample every bucket is known."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random

from e2e.harness.histograms import CUSTOM, NativeHistogram
from tests.integration.prometheus.synthetic import DURATION, Service, Target

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper boundaries of custom buckets."""

Shape = tuple[int, tuple[float, ...]]
"""A schema, and the boundaries if it is that of custom buckets."""

SHAPES: dict[str, Shape] = {
    "coarse": (0, ()),
    "as clients have it": (3, ()),
    "fine": (8, ()),
    "custom": (CUSTOM, BOUNDS),
}


def histograms(
    services: Sequence[Service], chance: Random, shape: Callable[[Target, float], Shape]
) -> Iterator[NativeHistogram]:
    """All samples of the latency of all services; every bad event takes a second or more.

    Args:
        services: whose.
        chance: decides which scrapes fail.
        shape: of a target's histograms at a time.
    """
    for service in services:
        for target in service.targets:
            times = target.scrapes(chance)
            for process in target.processes:
                here = times[(times >= process.start) & (times < process.end)]
                counts = zip(process.good.at(here), process.bad.at(here), strict=True)
                for time, (good, bad) in zip(here.tolist(), counts, strict=True):
                    yield _sample(target, time, int(good), int(bad), shape(target, time))


def _sample(target: Target, time: float, good: int, bad: int, shape: Shape) -> NativeHistogram:
    labels = {"__name__": DURATION, "job": target.job, "instance": target.instance}
    if target.replica:
        labels["replica"] = target.replica
    schema, bounds = shape
    # Up to 0.125 s, from 0.25 to 0.5 s, from 1 to 2 s: those next to the threshold are the most.
    counts = {0.125: good // 3, 0.5: good - good // 3, 2.0: bad}
    buckets: Counter[int] = Counter()
    for upper, count in counts.items():
        buckets[_index(upper, shape)] += count
    return NativeHistogram(
        labels,
        time,
        schema,
        tuple((index, count) for index, count in sorted(buckets.items()) if count),
        bounds,
        sum=float(good + bad),
    )


def _index(upper: float, shape: Shape) -> int:
    """The bucket that an event of nearly `upper` seconds, a power of two, falls into."""
    schema, bounds = shape
    if schema == CUSTOM:
        return next(index for index, bound in enumerate((*bounds, 1e9)) if upper <= bound)
    # The least whole number that is not below the exponent in units of the schema.
    return math.ceil(math.log2(upper) * 2.0**schema)
