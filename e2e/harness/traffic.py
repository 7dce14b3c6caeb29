"""What a simulated service counts, and how it exposes that: the same for history and live."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add, mul, sub

REQUESTS = "http_requests_total"
DURATION = "http_request_duration_seconds"
STARTED = "process_start_time_seconds"

# Upper bounds of the latency histogram's buckets; one more without a bound follows.
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5)
_TYPICAL = (0.05, 0.175, 0.375, 0.75, 1.75, 5.0)  # how long a request in each bucket took


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of a service: requests by outcome, and by latency bucket.

    Attributes:
        good: requests answered with code 200.
        bad: requests answered with code 500.
        latency: requests by the bucket they fall in (not cumulative), one more than bounds.
    """

    good: int
    bad: int
    latency: tuple[int, ...]

    @property
    def total(self) -> int:
        """All requests."""
        return self.good + self.bad

    def slower_than(self, bound: float) -> int:
        """Requests that took longer than a bucket's upper bound."""
        return sum(self.latency[BOUNDS.index(bound) + 1 :])

    def __add__(self, other: "Counts") -> "Counts":
        latency = tuple(map(add, self.latency, other.latency))
        return Counts(self.good + other.good, self.bad + other.bad, latency)

    def __sub__(self, other: "Counts") -> "Counts":
        latency = tuple(map(sub, self.latency, other.latency))
        return Counts(self.good - other.good, self.bad - other.bad, latency)


NOTHING = Counts(0, 0, (0,) * (len(BOUNDS) + 1))


def events(total: int, bad: int = 0, slow: int = 0) -> Counts:
    """Events where all but `slow` ones took less than 0.1 s, and those between 1 and 2.5 s."""
    return Counts(total - bad, bad, (total - slow, *(0,) * (len(BOUNDS) - 2), slow, 0))


def series(labels: str) -> tuple[str, ...]:
    """The names of a target's series, in the order of `samples`.

    Args:
        labels: labels that all of them have, as `job="shop",instance="a"`; may be empty.
    """
    more = f"{labels}," if labels else ""
    alone = f"{{{labels}}}" if labels else ""
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    return (
        *(f'{REQUESTS}{{{more}code="{code}"}}' for code in ("200", "500")),
        *(f'{DURATION}_bucket{{{more}le="{bound}"}}' for bound in bounds),
        f"{DURATION}_count{alone}",
        f"{DURATION}_sum{alone}",
        f"{STARTED}{alone}",
    )


def samples(names: Sequence[str], counts: Counts, started: float) -> Iterator[str]:
    """A target's samples as text, without timestamps.

    A code's series appears with its first request, as client libraries do it.
    """
    good, bad, *rest = names
    if counts.good:
        yield f"{good} {counts.good}"
    if counts.bad:
        yield f"{bad} {counts.bad}"
    buckets = [*accumulate(counts.latency)]
    duration = sum(map(mul, counts.latency, _TYPICAL))
    for name, value in zip(rest, [*buckets, buckets[-1], duration, started], strict=True):
        yield f"{name} {value!r}"
