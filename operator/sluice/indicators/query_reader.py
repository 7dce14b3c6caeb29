"""Reads what the queries of an indicator count, slice by slice.

Each slice is what the query gives at its end, with `$window` as the slice's length. How exact that
is lies with the query: `increase` extrapolates.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sluice.api.reasons import Reason
from sluice.budget.ledger import SLICE, Floats
from sluice.budget.windows import DAY
from sluice.indicators import promql
from sluice.indicators.answers import Series
from sluice.indicators.expressions import Answered, Expression, sides_query
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import Side
from sluice.indicators.reader import GridCounts, in_parts


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


_Members = Mapping[tuple[Side, Answered], Floats]


class QueryReader:
    """Reads the queries of one indicator; like a `Reader` of counters."""

    def __init__(self, source: Prometheus, queried: Queried) -> None:
        self._source = source
        self._queried = queried

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return " or ".join(it.text for it in self._queried.expressions.values())

    def trace(self) -> str:
        """PromQL that gives something if there were events in the last day."""
        return f"count(({self._queried.total.over(DAY)}\n))"

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`, in parts if the source finds it too much at once."""
        return await in_parts(self._read, grid)

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

    async def _read(self, grid: Grid) -> GridCounts | Failure:
        members = await self._ask(grid)
        return members if isinstance(members, Failure) else self._counts(members, 1.0)

    async def _ask(self, grid: Grid) -> _Members | Failure:
        query = sides_query(self._queried.expressions, grid.width)
        start = grid.start + grid.width
        return self._members(await self._source.range(query, start, grid.end, grid.width), grid)

    def _members(self, answer: list[Series] | Failure, grid: Grid) -> _Members | Failure:
        if isinstance(answer, Failure):
            return answer
        members = {
            (side, part): np.full(grid.count, np.nan)
            for side in self._queried.expressions
            for part in Answered
        }
        named = {(str(side), str(part)): row for (side, part), row in members.items()}
        for series in answer:
            row = named[series.labels[promql.SIDE], series.labels[promql.PART]]
            placed = grid.within(series.times, series.values)
            row[[*placed]] = [*placed.values()]
        return self._ambiguous(members) or members

    def _ambiguous(self, members: _Members) -> Failure | None:
        for side, expression in self._queried.expressions.items():
            most = float(np.nan_to_num(members[side, Answered.SERIES]).max(initial=0.0))
            if most > 1:
                return Failure(
                    Reason.INVALID_QUERY,
                    f"{expression.where}: {expression.text!r} gives {most:.0f} series, and one "
                    "is needed: add them up with sum(...)",
                )
        return None

    def _counts(self, members: _Members, share: float) -> GridCounts:
        """Counts; where a query gives what is no count (NaN, infinite, negative) nothing is known.

        Without any series of the good or the bad events, there were none.
        """
        total, other = (
            members[Side.TOTAL, Answered.VALUE],
            members[self._queried.side, Answered.VALUE],
        )
        absent = ~(members[self._queried.side, Answered.SERIES] > 0)
        covered = (total >= 0) & (absent | (other >= 0))
        total = np.where(covered, np.nan_to_num(total), 0.0) * share
        other = np.minimum(np.where(covered, np.nan_to_num(other), 0.0) * share, total)
        return GridCounts(
            total=total,
            bad=total - other if self._queried.side is Side.GOOD else other,
            covered=covered,
            present={},
            values=_values(members),
            restlessness=0.0,
        )


def _values(members: _Members) -> dict[Side, Floats]:
    return {side: row for (side, part), row in members.items() if part is Answered.VALUE}
