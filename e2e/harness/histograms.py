"""Native histograms as history for Prometheus."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from e2e.harness.gotools import HISTOGRAMS, NoGoError, built
from e2e.harness.prometheus_programs import NoPrometheus

CUSTOM = -53
"""The schema of custom buckets, as Prometheus numbers it."""


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """One sample of a native histogram.

    Attributes:
        labels: the series', `__name__` included.
        time: Unix seconds.
        schema: its resolution; each bucket's upper boundary is 2^(2^-schema) times its lower one.
        buckets: pairs of index and count, ordered by index; the bucket with index 0 ends at 1, or
            if buckets are custom at the first of the bounds.
        bounds: the upper boundaries of custom buckets.
        zero_threshold: what is not above it is counted in the zero bucket.
    """

    labels: Mapping[str, str]
    time: float
    schema: int
    buckets: tuple[tuple[int, int], ...]
    bounds: tuple[float, ...] = ()
    zero_threshold: float = 0.0
    zero_count: int = 0
    sum: float = 0.0

    def line(self) -> str:
        """As our Go program reads it."""
        fields = asdict(self)
        fields["zeroThreshold"] = fields.pop("zero_threshold")
        fields["zeroCount"] = fields.pop("zero_count")
        return json.dumps(fields)


def write_histograms(samples: Iterable[NativeHistogram], data: Path) -> None:
    """Write samples as a block into Prometheus' data directory; those of a series in time order.

    Raises:
        NoPrometheus: without Go, with whose help they are written.
        ValueError: when Prometheus' database does not accept one.
    """
    lines = "\n".join(sample.line() for sample in samples)
    if not lines:
        return
    try:
        program = built(HISTOGRAMS)
    except NoGoError as error:
        raise NoPrometheus(f"native histograms are written by a Go program: {error}") from error
    data.mkdir(exist_ok=True)
    done = subprocess.run([program, data], input=lines, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"the histograms are not accepted: {done.stderr.strip()}")
