"""From a declared indicator to what is read, checked against the source."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sluice.api.durations import parse_duration
from sluice.api.indicator import (
    Counter,
    HistogramKind,
    Indicator,
    LatencyIndicator,
    Operator,
    SqlValue,
    ThresholdIndicator,
)
from sluice.api.reasons import Reason
from sluice.budget.counts import SLICE, Flags, Floats
from sluice.budget.windows import DAY
from sluice.indicators import promql
from sluice.indicators.answers import Answer, Series
from sluice.indicators.counted import Counted
from sluice.indicators.expressions import Expression, parse_expression
from sluice.indicators.failure import Failure
from sluice.indicators.histogram import Histogram, Portion, mixed, no_boundary
from sluice.indicators.promql import Matcher, Selector, Side, parse_selector
from sluice.indicators.query_reader import Limited, Queried
from sluice.indicators.source import Source

_NO_COUNTERS = frozenset({"gauge", "info", "stateset"})
_LOOK_BACK = 86_400
_LOOKS = 96
_LONGEST = 30 * DAY
_LONG_LOOKS = 720
_COMPARISONS: Mapping[Operator, Callable[[Floats, float], Flags]] = {
    Operator.LESS_THAN: np.less,
    Operator.LESS_OR_EQUAL: np.less_equal,
    Operator.GREATER_THAN: np.greater,
    Operator.GREATER_OR_EQUAL: np.greater_equal,
}
_POSITION = re.compile(r"[0-9]+:[0-9]+: .+")
"""Line and column, and what is wrong there, in the words of Prometheus' parser."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What stands in a field of an indicator, and what it means or why it means nothing."""

    where: str
    promql: str
    parsed: Selector | Expression | Failure


async def resolve(
    indicator: Indicator, source: Source, now: float
) -> Counted | Queried | Limited | Failure:
    """The counters or the queries that `indicator` means.

    Returns:
        What is to be read; or a failure: `InvalidQuery` for what is no PromQL of the kind that is
        needed, `NotACounter` for a metric that says it is a gauge, `BucketNotFound` for a threshold
        that is no bucket boundary, `NoData` for a histogram that had no series for a day, or one
        of the source's.
    """
    fields = stated(indicator)
    problems = [
        await _explained(it, it.parsed, source, now)
        for it in fields
        if isinstance(it.parsed, Failure)
    ]
    if problems:
        return Failure(Reason.INVALID_QUERY, "; ".join(problems))
    parsed = [_of_source(it.parsed, source) for it in fields]
    found = await _found(indicator, parsed, source, now)
    if not isinstance(found, Counted):
        return found
    for selector in found.selectors.values():
        problem = await _check_type(selector.metric, source)
        if problem:
            return problem
    return found


def _of_source(
    parsed: Selector | Expression | Failure, source: Source
) -> Selector | Expression | Failure:
    """What is read of a source whose replicas are one; a query must take care of that itself."""
    if isinstance(parsed, Selector):
        return replace(parsed, replica=source.dedup_label)
    return parsed


async def _found(
    indicator: Indicator,
    parsed: list[Selector | Expression | Failure],
    source: Source,
    now: float,
) -> Counted | Queried | Limited | Failure:
    if indicator.latency is not None:
        total = parsed[0]
        assert isinstance(total, Selector)
        return await _latency(indicator.latency, total, source, now)
    if indicator.threshold is not None:
        expression = parsed[0]
        assert isinstance(expression, Expression)
        return Limited(expression, keeps_to(indicator.threshold))
    assert indicator.ratio is not None
    side = Side.GOOD if indicator.ratio.bad is None else Side.BAD
    match parsed:
        case [Selector() as total, Selector() as other]:
            return Counted(total, other, side)
        case [Expression() as total, Expression() as other]:
            return Queried(total, other, side)
        case _:
            raise AssertionError("the models let no other through")


def stated(indicator: Indicator) -> list[Stated]:
    """What `indicator` states, parsed; that of all events is the first.

    A histogram's selector stands for the counter of all its events.
    """
    where = "spec.indicator"
    if indicator.latency is not None:
        return [_histogram(indicator.latency, f"{where}.latency.selector")]
    if indicator.threshold is not None:
        return [_query(indicator.threshold.query, f"{where}.threshold.query")]
    assert indicator.ratio is not None
    sides = {
        Side.TOTAL: indicator.ratio.total,
        Side.BAD: indicator.ratio.bad,
        Side.GOOD: indicator.ratio.good,
    }
    return [_counter(it, f"{where}.ratio.{side}") for side, it in sides.items() if it is not None]


def _histogram(latency: LatencyIndicator, where: str) -> Stated:
    suffix = "" if latency.histogram is HistogramKind.NATIVE else "_count"
    return _selector(f"{latency.metric}{suffix}{{{latency.selector}}}", where)


def _counter(counter: Counter, where: str) -> Stated:
    if counter.query is None:
        return _selector(counter.metric or "", f"{where}.metric")
    return _query(counter.query, f"{where}.query")


def _query(text: str, where: str) -> Stated:
    return Stated(where, Expression(text, where).over(SLICE), parse_expression(text, where))


def keeps_to(limit: ThresholdIndicator | SqlValue) -> Callable[[Floats], Flags]:
    """Tells for each value whether it keeps to a limit."""
    compare, bound = _COMPARISONS[limit.operator], float(limit.value)
    return lambda values: compare(values, bound)


def _selector(text: str, where: str) -> Stated:
    return Stated(where, text, parse_selector(text, where))


async def _explained(stated: Stated, failure: Failure, source: Source, now: float) -> str:
    """What is wrong, with the position if it is no PromQL: Prometheus' parser knows it.

    A query that is wrong costs nothing; one that is right is not sent.
    """
    if promql.is_expression(stated.promql):
        return failure.message
    said = await source.instant(stated.promql, now)
    found = _POSITION.search(said.message) if isinstance(said, Failure) else None
    return failure.message if found is None else f"{stated.where}: {stated.promql!r}: {found[0]}"


async def _latency(
    latency: LatencyIndicator, total: Selector, source: Source, now: float
) -> Counted | Failure:
    if any(matcher.label == "le" for matcher in total.matchers):
        where = "spec.indicator.latency.selector"
        return Failure(Reason.INVALID_QUERY, f"{where}: leave le out: threshold chooses the bucket")
    if latency.histogram is HistogramKind.NATIVE:
        return await _native(latency, total, source, now)
    buckets = replace(total, metric=f"{latency.metric}_bucket")
    boundary = await _boundary(latency, buckets, source, now)
    if isinstance(boundary, Failure):
        return boundary
    fast = buckets.narrowed(boundary)
    if not fast.replica and await _respelt(latency, buckets, source, now):
        # One counter, whose label has another value from the upgrade on.
        fast = replace(fast, replica="le")
    return Counted(total, fast, Side.GOOD, always=True)


async def _respelt(
    latency: LatencyIndicator, buckets: Selector, source: Source, now: float
) -> bool:
    """Whether a whole boundary was written as before Prometheus 3 of late, or still is.

    Once it is written as since, with which nothing was before, that stays so.
    """
    threshold = parse_duration(latency.threshold).total_seconds()
    if not threshold.is_integer():
        return False
    old = buckets.narrowed(Matcher("le", "=", f"{threshold:.0f}"))
    step = _LONGEST / _LONG_LOOKS
    found = await source.range(promql.boundaries_query(old), now - _LONGEST, now, step)
    # Without an answer it may have been: that costs more and counts the same.
    return isinstance(found, Failure) or bool(found)


async def _native(
    latency: LatencyIndicator, histograms: Selector, source: Source, now: float
) -> Counted | Failure:
    newest = await _newest(latency, histograms, source, now)
    if isinstance(newest, Failure):
        return newest
    boundary = parse_duration(latency.threshold).total_seconds()
    if newest.nearest(boundary) is not None:
        return no_boundary(str(histograms), boundary, newest)
    total, fast = (
        replace(histograms, portion=Portion(boundary, fast=fast)) for fast in (False, True)
    )
    return Counted(total, fast, Side.GOOD, always=True)


async def _newest(
    latency: LatencyIndicator, histograms: Selector, source: Source, now: float
) -> Histogram | Failure:
    """The newest of a day, all of them added up."""
    found = await _of_late(promql.shape_query(histograms), source, now)
    if isinstance(found, Failure):
        return found
    shapes = [shape for series in found for shape in series.histograms]
    if shapes:
        return max(shapes, key=lambda shape: shape[0])[1]
    if found:
        return Failure(
            Reason.INVALID_RESPONSE,
            f"spec.indicator.latency: {histograms} gives numbers in place of native histograms: "
            "it selects none, or the source is older than Prometheus 3.0, which is needed",
        )
    stored = await _of_late(promql.stored_query(histograms), source, now)
    if isinstance(stored, Failure):
        return stored
    return mixed(str(histograms)) if stored else await _absent(latency, histograms, source, now)


async def _absent(
    latency: LatencyIndicator, selector: Selector, source: Source, now: float
) -> Failure:
    """What is said of a histogram that is not there, or only as one of the other kind."""
    buckets = replace(selector, metric=f"{latency.metric}_bucket")
    native = replace(selector, metric=latency.metric)
    if latency.histogram is HistogramKind.NATIVE:
        tried, other = native, HistogramKind.CLASSIC
        found = await _of_late(promql.boundaries_query(buckets), source, now)
        there = not isinstance(found, Failure) and bool(found)
    else:
        tried, other = buckets, HistogramKind.NATIVE
        found = await _of_late(promql.shape_query(native), source, now)
        there = not isinstance(found, Failure) and any(series.histograms for series in found)
    kind, where = latency.histogram.value.lower(), "spec.indicator.latency"
    if there:
        return Failure(
            Reason.NO_DATA,
            f"{where}.histogram: {tried} selected no {kind} histogram for a day, but "
            f"{latency.metric} is stored as a {other.value.lower()} one: set histogram: {other}",
        )
    return Failure(
        Reason.NO_DATA,
        f"{where}: {tried} selected no {kind} histogram for a day: check the metric's name "
        "(without _bucket), the selector, and that Prometheus stores it",
    )


async def _boundary(
    latency: LatencyIndicator, buckets: Selector, source: Source, now: float
) -> Matcher | Failure:
    """A matcher of the bucket up to the threshold, however its exporters write the number."""
    series = await _of_late(promql.boundaries_query(buckets), source, now)
    if isinstance(series, Failure):
        return series
    found = _numbers(series)
    if not found:
        return await _absent(latency, buckets, source, now)
    threshold = parse_duration(latency.threshold).total_seconds()
    same = {text for text, bound in found.items() if bound == threshold}
    if same:
        return promql.one_of("le", same | _spellings(threshold))
    return Failure(
        Reason.BUCKET_NOT_FOUND,
        f"spec.indicator.latency.threshold: {latency.threshold} ({threshold:g} s) is no bucket "
        f"boundary of {buckets.metric}; {_nearest(threshold, set(found.values()) - {math.inf})}",
    )


def _spellings(bound: float) -> set[str]:
    """How a whole number was written before Prometheus 3, and how it is since."""
    return {f"{bound:.0f}", f"{bound:.1f}"} if bound.is_integer() else set()


def _nearest(threshold: float, bounds: set[float]) -> str:
    below = max((bound for bound in bounds if bound < threshold), default=None)
    above = min((bound for bound in bounds if bound > threshold), default=None)
    near = [f"{bound:g} s" for bound in (below, above) if bound is not None]
    return f"nearest: {' and '.join(near)}" if near else "it has no other than +Inf"


async def _of_late(query: str, source: Source, now: float) -> Answer:
    """What `query` gives now, or if that is nothing, what it gave in the last day."""
    found = await source.instant(query, now)
    if found or isinstance(found, Failure):
        return found
    return await source.range(query, now - _LOOK_BACK, now, _LOOK_BACK / _LOOKS)


def _numbers(found: list[Series]) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for series in found:
        text = series.labels.get("le", "")
        try:
            bounds[text] = float(text)
        except ValueError:
            continue
    return bounds


async def _check_type(metric: str, source: Source) -> Failure | None:
    """A failure if targets say that `metric` is no counter.

    Remote backends know no types, and OpenMetrics states them without the suffix.
    """
    for name in dict.fromkeys([metric, metric.removesuffix("_total")]):
        kind = await source.metric_type(name)
        if isinstance(kind, Failure) or kind is None:
            continue
        if kind in _NO_COUNTERS:
            return Failure(
                Reason.NOT_A_COUNTER,
                f"{metric} is a {kind}, and events can be counted only by a counter, whose value "
                "never decreases",
            )
        return None
    return None
