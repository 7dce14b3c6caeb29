"""Each version of Prometheus is the one that was asked for, and takes native histograms."""

import json
import time
from collections.abc import Iterator

import pytest

from e2e.harness import prometheus
from e2e.harness.histograms import CUSTOM, NativeHistogram
from e2e.harness.prometheus_programs import Version

pytestmark = [pytest.mark.prometheus, pytest.mark.usefixtures("prometheus_binary")]


@pytest.mark.parametrize(("version", "beginning"), [("debian", "2."), ("3", "3.")])
def test_the_version_that_was_asked_for_runs(version: Version, beginning: str) -> None:
    with prometheus(version=version, history=[f"up 1 {time.time() - 60:.3f}"]) as server:
        assert server.api("status/buildinfo")["version"].startswith(beginning)
        assert server.value("last_over_time(up[5m])") == 1


def growing(start: float, schema: int, bounds: tuple[float, ...] = ()) -> Iterator[NativeHistogram]:
    """Each minute two events of the second bucket, one of the fourth."""
    labels = {"__name__": "latency", "schema": str(schema)}
    for minute in range(30):
        buckets = ((1, 2 * minute), (3, minute)) if minute else ()
        yield NativeHistogram(labels, start + 60 * minute, schema, buckets, bounds, sum=minute)


def test_native_histograms_are_stored_as_they_were_written() -> None:
    start = time.time() - 3600
    samples = [*growing(start, 0), *growing(start, CUSTOM, (0.1, 0.2, 0.4, 0.8))]
    with prometheus(version="3", histograms=samples) as server:
        found = server.api("query", query="latency", time=start + 600)["result"]
        shown = {it["metric"]["schema"]: json.dumps(it["histogram"][1]["buckets"]) for it in found}
        assert shown == {
            "0": '[[0, "1", "2", "20"], [0, "4", "8", "10"]]',
            str(CUSTOM): '[[0, "0.1", "0.2", "20"], [0, "0.4", "0.8", "10"]]',
        }
        moved = "sum(histogram_count(latency) - histogram_count(latency offset 5m))"
        assert server.value(moved, start + 600) == 2 * 15


def test_a_histogram_that_makes_no_sense_is_refused() -> None:
    wrong = NativeHistogram({"__name__": "latency"}, time.time(), CUSTOM, ((0, 1),), (2.0, 1.0))
    with (
        pytest.raises(ValueError, match=r"line 1: .*custom"),
        prometheus(version="3", histograms=[wrong]),
    ):
        pass
