"""Reads what the queries of an indicator count, slice by slice.

Each slice is what the query gives at its end, with `$window` as the slice's length. How exact that
is lies with the query: `increase` extrapolates.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sluice.api.reasons import Reason
from sluice.budget.account import Origin
from sluice.budget.counts import SLICE, Flags, Floats
from sluice.budget.windows import DAY
from sluice.indicators import promql
from sluice.indicators.answers import Series
from sluice.indicators.counted import GridCounts, Whole, joined, none_sure
from sluice.indicators.expressions import Answered, Expression, sides_query
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.in_parts import InParts
from sluice.indicators.origin import find_origin
from sluice.indicators.promql import Side
from sluice.indicators.source import Source

Members = Mapping[tuple[Side, Answered], Floats]
"""What the queries gave at each slice's end, by side and part; NaN for nothing."""

_Counts = tuple[Floats, Floats, Flags]
"""All and bad ones, and where there are data."""


@dataclass(frozen=True, slots=True)
class Queried:
    """What the queries of an indicator count: all events, and the good or the bad ones."""

    total: Expression
    other: Expression
    side: Side

    @property
    def expressions(self) -> dict[Side, Expression]:
        """Both by side."""
        return {Side.TOTAL: self.total, self.side: self.other}

    def count(self, members: Members) -> _Counts:
        """Events; where a query gives what is no count (NaN, infinite, negative), no data.

        Without any series of the good or the bad events, there were none.
        """
        total, other = (members[side, Answered.VALUE] for side in self.expressions)
        absent = ~(members[self.side, Answered.SERIES] > 0)
        covered = (total >= 0) & (absent | (other >= 0))
        total = np.where(covered, np.nan_to_num(total), 0.0)
        other = np.minimum(np.where(covered, np.nan_to_num(other), 0.0), total)
        return total, total - other if self.side is Side.GOOD else other, covered


@dataclass(frozen=True, slots=True)
class Limited:
    """A value that must keep to a limit; `keeps` tells for each value whether it does."""

    expression: Expression
    keeps: Callable[[Floats], Flags]

    @property
    def expressions(self) -> dict[Side, Expression]:
        """The only one, as that of all values."""
        return {Side.TOTAL: self.expression}

    def count(self, members: Members) -> _Counts:
        """One value a slice, that at its end; where there is none or NaN, no data."""
        value = members[Side.TOTAL, Answered.VALUE]
        covered: Flags = np.isfinite(value)
        return (
            covered.astype(np.float64),
            (covered & ~self.keeps(np.nan_to_num(value))).astype(np.float64),
            covered,
        )


class QueryReader:
    """Reads the queries of one indicator; like a `Reader` of counters."""

    def __init__(self, source: Source, queried: Queried | Limited) -> None:
        self._source = source
        self._queried = queried
        self._parts = InParts(self._read, joined)

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return " or ".join(it.text for it in self._queried.expressions.values())

    async def origin(self, start: float, first: int) -> Origin | Failure:
        """Whether it is the service or Prometheus' data that begin with the `first` answer."""
        trace = f"count(({self._queried.expressions[Side.TOTAL].over(DAY)}\n))"
        return await find_origin(self._source, trace, start, first)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        """All slices: a query gives them at once."""
        return await self.read(grid)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`, in parts if the source finds it too much at once."""
        return await self._parts(grid)

    async def hours(self, grid: Grid) -> Whole:
        """None is sure: what a query gives for an hour may be another thing than what slices do."""
        return none_sure(grid)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice; of a short one at the rate of five minutes.

        A query over less than a scrape interval or two would find nothing.
        """
        seconds = max(grid.width, SLICE)
        query = sides_query(self._queried.expressions, seconds)
        members = self._members(await self._source.instant(query, grid.end), grid)
        if isinstance(members, Failure):
            return members
        return self._counts(members, grid.width / seconds)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """What the queries give at each slice's end, by side; NaN for nothing."""
        members = await self._ask(grid)
        return members if isinstance(members, Failure) else _values(members)

    async def exists(self, start: int, end: int) -> bool | Failure:  # noqa: ARG002 - a protocol's
        """Always: a query may tell of single moments, and only all of them tell of nothing."""
        return True

    async def _read(self, grid: Grid) -> GridCounts | Failure:
        members = await self._ask(grid)
        return members if isinstance(members, Failure) else self._counts(members, 1.0)

    async def _ask(self, grid: Grid) -> Members | Failure:
        query = sides_query(self._queried.expressions, grid.width)
        start = grid.start + grid.width
        return self._members(await self._source.range(query, start, grid.end, grid.width), grid)

    def _members(self, answer: list[Series] | Failure, grid: Grid) -> Members | Failure:
        if isinstance(answer, Failure):
            return answer
        members = {
            (side, part): np.full(grid.count, np.nan)
            for side in self._queried.expressions
            for part in Answered
        }
        named = {(str(side), str(part)): row for (side, part), row in members.items()}
        for series in answer:
            labels = series.labels
            row = named.get((labels.get(promql.SIDE, ""), labels.get(promql.PART, "")))
            if row is None:
                continue  # something between us and Prometheus answers what was not asked
            placed = grid.within(series.times, series.values)
            row[[*placed]] = [*placed.values()]
        return self._ambiguous(members) or members

    def _ambiguous(self, members: Members) -> Failure | None:
        for side, expression in self._queried.expressions.items():
            most = float(np.nan_to_num(members[side, Answered.SERIES]).max(initial=0.0))
            if most > 1:
                return Failure(
                    Reason.INVALID_QUERY,
                    f"{expression.where}: {expression.text!r} gives {most:.0f} series, and one "
                    "is needed: add them up with sum(...)",
                )
        return None

    def _counts(self, members: Members, share: float) -> GridCounts:
        total, bad, covered = self._queried.count(members)
        return GridCounts(
            total=total * share,
            bad=bad * share,
            covered=covered,
            present=0.0,
            values=_values(members),
            start={},
            restlessness=0.0,
        )


def _values(members: Members) -> dict[Side, Floats]:
    return {side: row for (side, part), row in members.items() if part is Answered.VALUE}
