"""From a declared indicator to the counters that are read, checked against the source."""

import math
import re
from dataclasses import replace

from sluice.api.durations import parse_duration
from sluice.api.reasons import Reason
from sluice.api.slo import Indicator, LatencyIndicator
from sluice.indicators import promql
from sluice.indicators.answers import Series
from sluice.indicators.failure import Failure
from sluice.indicators.promql import Matcher, Selector, Side, parse_selector
from sluice.indicators.reader import Counted
from sluice.indicators.source import Source

_NO_COUNTERS = frozenset({"gauge", "info", "stateset"})
_LOOK_BACK = 86_400
_LOOKS = 96
_POSITION = re.compile(r"[0-9]+:[0-9]+: .+")
"""Line and column, and what is wrong there, in the words of Prometheus' parser."""


async def resolve(indicator: Indicator, source: Source, now: float) -> Counted | Failure:
    """The counters that `indicator` means.

    Returns:
        The counters; or a failure: `InvalidQuery` for what is no selector, `NotACounter` for a
        metric that says it is a gauge, `BucketNotFound` for a threshold that is no bucket boundary,
        `NoData` for a histogram that had no series for a day, or one of the source's.
    """
    selectors = await _selectors(indicator, source, now)
    if isinstance(selectors, Failure):
        return selectors
    if indicator.latency is not None:
        counted = await _latency(indicator.latency, selectors[0], source, now)
    else:
        total, other = selectors
        assert indicator.ratio is not None
        counted = Counted(total, other, Side.GOOD if indicator.ratio.bad is None else Side.BAD)
    if isinstance(counted, Failure):
        return counted
    for selector in counted.selectors.values():
        problem = await _check_type(selector.metric, source)
        if problem:
            return problem
    return counted


def stated(indicator: Indicator) -> dict[str, str]:
    """The selectors that `indicator` states, by field; that of all events is the first.

    A histogram's stands for the counter of all its events.
    """
    where = "spec.indicator"
    if indicator.latency is not None:
        metric, matchers = indicator.latency.metric, indicator.latency.selector
        return {f"{where}.latency.selector": f"{metric}_count{{{matchers}}}"}
    assert indicator.ratio is not None
    sides = {Side.BAD: indicator.ratio.bad, Side.GOOD: indicator.ratio.good}
    return {f"{where}.ratio.total.metric": indicator.ratio.total.metric} | {
        f"{where}.ratio.{side}.metric": counter.metric
        for side, counter in sides.items()
        if counter is not None
    }


async def _selectors(indicator: Indicator, source: Source, now: float) -> list[Selector] | Failure:
    """What `stated` gives, parsed; one failure for all that is no selector."""
    selectors, problems = [], []
    for where, text in stated(indicator).items():
        selector = parse_selector(text, where)
        if isinstance(selector, Selector):
            selectors.append(replace(selector, replica=source.dedup_label))
        else:
            problems.append(await _explained(selector, text, where, source, now))
    return Failure(Reason.INVALID_QUERY, "; ".join(problems)) if problems else selectors


async def _explained(failure: Failure, text: str, where: str, source: Source, now: float) -> str:
    """What is wrong with `text`, with the position if it is no PromQL: Prometheus' parser knows it.

    A query that is wrong costs nothing; one that is right is not sent.
    """
    if promql.is_expression(text):
        return failure.message
    said = await source.instant(text, now)
    found = _POSITION.search(said.message) if isinstance(said, Failure) else None
    return failure.message if found is None else f"{where}: {text!r}: {found[0]}"


async def _latency(
    latency: LatencyIndicator, total: Selector, source: Source, now: float
) -> Counted | Failure:
    buckets = replace(total, metric=f"{latency.metric}_bucket")
    if any(matcher.label == "le" for matcher in buckets.matchers):
        where = "spec.indicator.latency.selector"
        return Failure(Reason.INVALID_QUERY, f"{where}: leave le out: threshold chooses the bucket")
    boundary = await _boundary(latency, buckets, source, now)
    if isinstance(boundary, Failure):
        return boundary
    return Counted(total, buckets.narrowed(boundary), Side.GOOD, always=True)


async def _boundary(
    latency: LatencyIndicator, buckets: Selector, source: Source, now: float
) -> Matcher | Failure:
    """A matcher of the bucket up to the threshold, however its exporters write the number."""
    found = await _boundaries(buckets, source, now)
    if isinstance(found, Failure):
        return found
    if not found:
        return Failure(
            Reason.NO_DATA,
            f"spec.indicator.latency: {buckets} selected no series for a day: check the metric's "
            "name (without _bucket) and the selector, and that it is a classic histogram",
        )
    threshold = parse_duration(latency.threshold).total_seconds()
    same = {text for text, bound in found.items() if bound == threshold}
    if same:
        return promql.one_of("le", same)
    return Failure(
        Reason.BUCKET_NOT_FOUND,
        f"spec.indicator.latency.threshold: {latency.threshold} ({threshold:g} s) is no bucket "
        f"boundary of {buckets.metric}; {_nearest(threshold, set(found.values()) - {math.inf})}",
    )


def _nearest(threshold: float, bounds: set[float]) -> str:
    below = max((bound for bound in bounds if bound < threshold), default=None)
    above = min((bound for bound in bounds if bound > threshold), default=None)
    near = [f"{bound:g} s" for bound in (below, above) if bound is not None]
    return f"nearest: {' and '.join(near)}" if near else "it has no other than +Inf"


async def _boundaries(buckets: Selector, source: Source, now: float) -> dict[str, float] | Failure:
    """The values of `le`, as text and in seconds: those of now, or if none, of the last day."""
    query = promql.boundaries_query(buckets)
    found = await source.instant(query, now)
    if not found:
        step = _LOOK_BACK / _LOOKS
        found = await source.range(query, now - _LOOK_BACK, now, step)
    return found if isinstance(found, Failure) else _numbers(found)


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
