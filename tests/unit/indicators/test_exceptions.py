"""Exceptional series fetched from a source that holds and refuses as much as it is told to."""

import re
from dataclasses import replace

import pytest

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer, Series
from sluice.indicators.exceptions import Exact, Exceptions
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.promql import Selector, parse_selector

GRID = Grid(1_800_000_000, 300, 24)
CODES = 10
INTERVAL = 60


class Rollout:
    """Pods that restart one after the other, each with a counter for each of many codes.

    Args:
        pods: how many there are.
        most: so many samples are too many for an answer.
    """

    dedup_label = ""

    def __init__(self, pods: int, most: int) -> None:
        self.most = most
        self.answered: list[int] = []
        self.series = [
            Series({"__name__": "x", "pod": f"p{pod}", "code": f"{code}"}, *self._samples(pod))
            for pod in range(pods)
            for code in range(CODES)
        ]

    @staticmethod
    def restart(pod: int) -> int:
        """The slice in which a pod restarts."""
        return pod % GRID.count

    def _samples(self, pod: int) -> tuple[list[float], list[float]]:
        restart = GRID.start + 300 * self.restart(pod) + 150
        times = range(GRID.start - 3600, GRID.end + 1, INTERVAL)
        values = [(time - (GRID.start - 7200) if time < restart else 0) / 10 for time in times]
        return [float(time) for time in times], values

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        assert "resets(x" in query
        assert (start, end, step) == (GRID.start + 300, GRID.end, 300)
        return [
            replace(series, times=[start + 300 * index], values=[1.0])
            for series in self.series
            if (index := self.restart(int(series.labels["pod"][1:]))) >= 0
        ]

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        parsed = parse_selector(selector, "selector")
        assert isinstance(parsed, Selector)
        found = [series for series in self.series if _matches(parsed, series)]
        cut = [_cut(series, at - seconds, at) for series in found]
        count = sum(len(series.times) for series in cut)
        if count > self.most:
            return Failure(Reason.SOURCE_ERROR, "too many samples", divisible=True)
        self.answered.append(count)
        return cut

    async def instant(self, query: str, at: float) -> Answer:
        raise AssertionError((query, at))

    async def metric_type(self, metric: str) -> str | Failure | None:
        raise AssertionError(metric)


def _matches(selector: Selector, series: Series) -> bool:
    return all(
        re.fullmatch(matcher.value, series.labels.get(matcher.label, ""))
        for matcher in selector.matchers
    )


def _cut(series: Series, start: float, end: float) -> Series:
    pairs = zip(series.times, series.values, strict=True)
    inside = [(time, value) for time, value in pairs if start < time <= end]
    return replace(series, times=[t for t, _ in inside], values=[v for _, v in inside])


@pytest.mark.parametrize(("pods", "most"), [(96, 10**6), (96, 10_000), (24, 100)])
async def test_a_rollout_is_counted_in_answers_that_are_not_too_large(pods: int, most: int) -> None:
    source = Rollout(pods, most)
    counted = Selector("x")
    exact = await Exceptions(source, counted, counted).read(GRID)
    assert isinstance(exact, Exact)
    # Until its restart a counter climbs by 6 a minute; two of the slice's minutes are before it.
    restarts = pods / GRID.count
    assert exact.moved.tolist() == pytest.approx([12 * CODES * restarts] * GRID.count)
    assert exact.known.all()
    assert max(source.answered) <= 24_000


async def test_a_single_series_that_is_too_much_for_one_slice_is_a_failure() -> None:
    counted = Selector("x")
    failure = await Exceptions(Rollout(pods=24, most=10), counted, counted).read(GRID)
    assert isinstance(failure, Failure)
    assert failure.message == "too many samples"
