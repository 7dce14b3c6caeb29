"""One counter that several Prometheus have scraped, as one series of samples. Pure.

Replicas of a pair scrape the same target at different phases, and each has gaps of its own. All
their samples are true, so that in order of time they are one denser series. But time stamps are off
by clocks and by the length of scrapes: one replica's last sample of before a reset may come after
the other's first one of after it, and must not be taken for events.
"""

import math
from collections.abc import Sequence

from sluice.indicators.movement import Samples


def merged(replicas: Sequence[Samples]) -> Samples:
    """The samples of one counter, from those of its replicas.

    In order of time, a replica that has not been scraped since the last reset counts only when it
    has shown that reset, too. A sample below the last one is a new reset if it is below the
    replica's own last one as well, which has seen the reset before; else it is late. In doubt a
    sample is left out: the next one tells.

    Args:
        replicas: at least one; their labels differ in the replica's only, and the first's stand
            for all.
    """
    if len(replicas) == 1:
        return replicas[0]
    samples = sorted(
        (time, value, number)
        for number, replica in enumerate(replicas)
        for time, value in zip(replica.times, replica.values, strict=True)
    )
    times: list[float] = []
    values: list[float] = []
    last: dict[int, tuple[float, float]] = {}
    reset_at = -math.inf
    for time, value, number in samples:
        own_time, own_value = last.get(number, (time, value))
        last[number] = (time, value)
        behind, fallen = own_time < reset_at, value < own_value
        if behind and not fallen:
            continue
        if values and value < values[-1]:
            if behind or not fallen:
                continue
            reset_at = time
        times.append(time)
        values.append(value)
    return Samples(replicas[0].labels, times, values)
