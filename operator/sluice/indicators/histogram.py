"""Native histograms, as Prometheus' API writes them: how many events took at most so long. Pure.

Buckets are exponential, of a resolution that may differ between series and change over time, or
have custom boundaries. What lies at a boundary is exact; within a bucket it would be a guess, which
is never made here. Source of the format: prometheus.io/docs/prometheus/latest/querying/api, native
histograms; of schemas: prometheus.io/docs/specs/native_histograms.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure

_COARSEST, _FINEST = -4, 8
# With fewer, boundaries of custom buckets may happen to be those of a schema.
_ENOUGH_TO_TELL = 3
# Boundaries that are no powers of two are rounded to the nearest number there is.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Bucket:
    """Events between two boundaries in seconds; `upper` included, `lower` not."""

    lower: float
    upper: float
    count: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """A native histogram at a time; of its buckets those with events, ordered."""

    count: float
    buckets: tuple[Bucket, ...]

    def parted(self, threshold: float) -> Bucket | None:
        """The bucket that has events on both sides of `threshold`, if one may have."""
        return next((it for it in self.buckets if it.lower < threshold < it.upper), None)

    def up_to(self, threshold: float) -> float:
        """Events of at most `threshold` seconds; NaN where no boundary is there to tell."""
        if self.parted(threshold) is not None:
            return math.nan
        return sum(bucket.count for bucket in self.buckets if bucket.upper <= threshold)

    @property
    def schema(self) -> int | None:
        """The resolution of exponential buckets; None if they are custom or too few to tell."""
        finite = [it for it in self.buckets if 0 < it.lower < it.upper < math.inf]
        if len(finite) < _ENOUGH_TO_TELL:
            return None
        return next(
            (
                schema
                for schema in range(_COARSEST, _FINEST + 1)
                if all(_of_schema(bucket, schema) for bucket in finite)
            ),
            None,
        )

    def nearest(self, threshold: float) -> list[float] | None:
        """The boundaries next to a threshold that is none; None if it is one as far as is known."""
        schema = self.schema
        if schema is not None:
            step = 2.0**-schema
            place = math.log2(threshold) / step
            if place == round(place):
                return None
            return [2.0 ** (math.floor(place) * step), 2.0 ** (math.ceil(place) * step)]
        parted = self.parted(threshold)
        if parted is None:
            return None
        return [bound for bound in (parted.lower, parted.upper) if 0 < bound < math.inf]


def _of_schema(bucket: Bucket, schema: int) -> bool:
    """Whether a bucket's boundaries are neighbours in a schema."""
    places = [math.log2(bound) * 2.0**schema for bound in (bucket.lower, bucket.upper)]
    whole = all(abs(place - round(place)) < _ROUNDING for place in places)
    return whole and round(places[1]) - round(places[0]) == 1


def read_histogram(item: Mapping[str, Any]) -> Histogram:
    """A histogram of an answer.

    Raises:
        ArithmeticError, KeyError, TypeError, ValueError: it is none.
    """
    buckets = tuple(
        Bucket(float(lower), float(upper), float(count))
        for _, lower, upper, count in item.get("buckets", [])
    )
    return Histogram(float(item["count"]), buckets)


@dataclass(frozen=True, slots=True)
class Portion:
    """Which events of native histograms are counted.

    Attributes:
        boundary: seconds that part the fast events from the slow ones.
        fast: only those of at most so many seconds are counted, else all.
    """

    boundary: float
    fast: bool

    def expression(self, vector: str) -> str:
        """PromQL of the counts, for PromQL of the histograms.

        The fraction is of a count, so times that count it is whole but for rounding. Of no events
        at all there is no fraction, and none are fast.
        """
        count = f"histogram_count({vector})"
        if not self.fast:
            return count
        fraction = f"histogram_fraction(-Inf,{self.boundary!r},{vector})"
        return f"(round({fraction}*{count})>=0 or {count})"

    def of(self, histogram: Histogram) -> float:
        """The count; NaN where it is not known."""
        return histogram.up_to(self.boundary) if self.fast else histogram.count


def mixed(name: str) -> Failure:
    """What is said of native histograms that are there and cannot be added up."""
    return Failure(
        Reason.BUCKET_NOT_FOUND,
        f"spec.indicator.latency: {name} selects native histograms with exponential and others "
        "with custom buckets, which Prometheus cannot add up: make the selector narrower",
    )


def no_boundary(name: str, threshold: float, histogram: Histogram) -> Failure:
    """What is said of a threshold at which there is no boundary.

    Args:
        name: what was selected.
        threshold: seconds.
        histogram: one that has no boundary there.
    """
    nearest = histogram.nearest(threshold) or []
    near = " and ".join(f"{bound:g} s" for bound in nearest) or "none"
    schema = histogram.schema
    kind, hint = "", ""
    if schema is not None:
        kind = f" of schema {schema}"
        hint = "; powers of two (250ms, 500ms, 1s, 2s) are boundaries at every resolution from 0 on"
    return Failure(
        Reason.BUCKET_NOT_FOUND,
        f"spec.indicator.latency.threshold: {threshold:g} s is no bucket boundary of {name}, a "
        f"native histogram{kind}; nearest: {near}{hint}",
    )
