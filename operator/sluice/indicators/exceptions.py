"""Reads the movement of counters where some series came, went or were reset.

The plain series are still summed by Prometheus; the samples of the others are fetched and counted
here. Counters that begin are looked into: whether all they show was counted in the slice depends
on what is known of their targets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sluice.budget.counts import Flags, Floats
from sluice.indicators import promql
from sluice.indicators.answers import Series
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.movement import (
    MEMORY,
    Known,
    Labels,
    Samples,
    counts_from_zero,
    movement,
)
from sluice.indicators.native import counter_of
from sluice.indicators.promql import Fact, Matcher, Selector
from sluice.indicators.replicas import merged
from sluice.indicators.source import Source

# Samples are fetched of so many series and slices at once: 2.5 MB at a scrape interval of 15 s.
_SERIES = 200
_SLICES = 12
_Identity = frozenset[tuple[str, str]]
_FACTS = {str(fact): fact for fact in Fact}


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """The movement in the slices of a grid, and where there were series at all.

    It is NaN where a native histogram does not tell how many events were fast.
    """

    moved: Floats
    known: Flags


@dataclass(frozen=True, slots=True)
class _Birth:
    """A series that begins in a slice of a grid, at a value above zero."""

    labels: Labels
    index: int
    first: float


@dataclass(slots=True)
class _Tally:
    """What was counted of the exceptions so far."""

    moved: Floats
    known: Flags
    births: list[_Birth] = field(default_factory=list)


class Exceptions:
    """Reads the exact movement of the counters that `selector` selects.

    Args:
        source: where.
        selector: the counters.
        total: the counters of all events, of the same targets.
    """

    def __init__(self, source: Source, selector: Selector, total: Selector) -> None:
        self._source = source
        self._selector = selector
        self._total = total

    async def read(self, grid: Grid) -> Exact | Failure:
        """The movement in every slice of `grid`."""
        query = promql.exceptions_query(self._selector, grid.width)
        found = await self._source.range(query, grid.start + grid.width, grid.end, grid.width)
        if isinstance(found, Failure):
            return found
        tally = _Tally(np.zeros(grid.count), np.zeros(grid.count, bool))
        exceptions = [series for series in found if promql.PART not in series.labels]
        for series in found:
            if promql.PART in series.labels:
                for index, moved in grid.within(series.times, series.values).items():
                    tally.known[index] = True
                    tally.moved[index] += moved
        if exceptions:
            problem = await self._count(exceptions, grid, tally)
            if problem:
                return problem
        return Exact(tally.moved, tally.known)

    async def _count(self, exceptions: list[Series], grid: Grid, tally: _Tally) -> Failure | None:
        for first in range(0, grid.count, _SLICES):
            part = range(first, min(first + _SLICES, grid.count))
            for batch in _batches(_exceptional(exceptions, grid, part)):
                problem = await self._count_batch(batch, grid, part, tally)
                if problem:
                    return problem
        return await self._add_beginnings(grid, tally) if tally.births else None

    async def _count_batch(
        self, exceptions: list[Series], grid: Grid, part: range, tally: _Tally
    ) -> Failure | None:
        """Count in a part of the slices; in halves if the source finds that too much at once."""
        selector = self._selector.narrowed(*_narrowing(exceptions))
        here = grid.part(part.start, part.stop)
        seconds = here.end - here.start + int(MEMORY)
        found = await self._source.samples(str(selector), seconds, here.end)
        if isinstance(found, Failure):
            halves = _halves(exceptions, grid, part) if found.divisible else ()
            for half, slices in halves:
                problem = await self._count_batch(half, grid, slices, tally)
                if problem:
                    return problem
            return None if halves else found
        samples: dict[_Identity, list[Samples]] = {}
        for series in found:
            one = self._counter(series)
            samples.setdefault(_identity(one.labels), []).append(one)
        for exception in exceptions:
            replicas = samples.get(_identity(exception.labels))
            if replicas is not None:
                _add(tally, merged(replicas), grid, _within(exception, grid, part))
        return None

    def _counter(self, series: Series) -> Samples:
        """The samples of a counter, without the label of the replica that has scraped it."""
        replica, portion = self._selector.replica, self._selector.portion
        labels = {label: value for label, value in series.labels.items() if label != replica}
        if portion is None:
            return Samples(labels, series.times, series.values)
        return counter_of(labels, series.histograms, portion, scraped_once=not replica)

    async def _add_beginnings(self, grid: Grid, tally: _Tally) -> Failure | None:
        jobs = {birth.labels.get("job", "") for birth in tally.births}
        instances = {birth.labels.get("instance", "") for birth in tally.births}
        query = promql.facts_query(self._total, jobs, instances, grid.width)
        found = await self._source.range(query, grid.start, grid.end, grid.width)
        if isinstance(found, Failure):
            return found
        facts = _facts(found, grid)
        for birth in tally.births:
            start = grid.start + birth.index * grid.width
            around = [*facts.get(birth.index - 1, ()), *facts.get(birth.index, ())]
            if counts_from_zero(birth.labels, around, start, start + grid.width):
                tally.moved[birth.index] += birth.first
        return None


def _within(exception: Series, grid: Grid, part: range) -> list[int]:
    """The slices of `part` in which a series is an exception."""
    return [index for index in grid.within(exception.times, exception.values) if index in part]


def _exceptional(exceptions: list[Series], grid: Grid, part: range) -> list[Series]:
    return [series for series in exceptions if _within(series, grid, part)]


def _batches(series: list[Series]) -> Iterator[list[Series]]:
    """Series in batches that few matchers select: those of one target are next to each other."""
    values = _values(series)
    labels = sorted(values, key=lambda label: len(values[label]), reverse=True)
    near = sorted(series, key=lambda one: [one.labels.get(label, "") for label in labels])
    for first in range(0, len(near), _SERIES):
        yield near[first : first + _SERIES]


def _halves(exceptions: list[Series], grid: Grid, part: range) -> list[tuple[list[Series], range]]:
    """The halves of a batch: of its series, or of its slices if it is one series; none of one."""
    if len(exceptions) > 1:
        middle = len(exceptions) // 2
        return [(exceptions[:middle], part), (exceptions[middle:], part)]
    if len(part) == 1:
        return []
    middle = len(part) // 2
    halves = [
        (_exceptional(exceptions, grid, half), half) for half in (part[:middle], part[middle:])
    ]
    return [(series, half) for series, half in halves if series]


def _add(tally: _Tally, samples: Samples, grid: Grid, indexes: Iterable[int]) -> None:
    for index in indexes:
        start = grid.start + index * grid.width
        moved = movement(samples, start, start + grid.width)
        if moved is None:
            continue
        tally.known[index] = True
        tally.moved[index] += moved.moved
        if moved.first:
            tally.births.append(_Birth(_own(samples.labels), index, moved.first))


def _facts(found: list[Series], grid: Grid) -> dict[int, list[Known]]:
    """What is known, by the index of the slice at whose end it was so; -1 for the first start."""
    facts: dict[int, list[Known]] = {}
    for series in found:
        fact = _FACTS.get(series.labels.get(promql.PART, ""))
        if fact is None:
            continue
        labels = {key: value for key, value in _own(series.labels).items() if key != promql.PART}
        for time, value in zip(series.times, series.values, strict=True):
            facts.setdefault(grid.index(time), []).append(Known(fact, labels, time, value))
    return facts


def _narrowing(series: list[Series]) -> list[Matcher]:
    """Matchers that select these series, and as few others as that can be had for."""
    return [promql.one_of(label, known) for label, known in _values(series).items()]


def _values(series: list[Series]) -> dict[str, set[str]]:
    """The values that each of the series' labels has, in the labels' order."""
    labels = {label for one in series for label in _own(one.labels)}
    return {label: {one.labels.get(label, "") for one in series} for label in sorted(labels)}


def _own(labels: Labels) -> dict[str, str]:
    return {label: value for label, value in labels.items() if label != "__name__"}


def _identity(labels: Labels) -> _Identity:
    return frozenset(_own(labels).items())
