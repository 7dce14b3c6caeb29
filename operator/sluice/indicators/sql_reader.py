"""Reads what a query in SQL counts, slice by slice, and values that have no past.

A database answers for any time, but each time is a query of its own. So only the last day is read
by slices of five minutes; what lies behind it by the hour, which is how a ledger keeps it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from sluice.api.indicator import SqlIndicator
from sluice.api.reasons import Reason
from sluice.budget.account import Origin
from sluice.budget.counts import SLICE, Flags, Floats
from sluice.budget.windows import HOUR
from sluice.indicators.counted import GridCounts, Whole, none_sure
from sluice.indicators.database import Database, Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.promql import Side
from sluice.indicators.resolve import keeps_to
from sluice.indicators.statement import Shape, Statement, parse_statement

_BATCH = 12
"""Queries in one transaction, after which others may have their turn."""
_REMEMBERED = 24
"""Values of the latest slices that are kept: those that may be read again."""
# Sums of fractions may differ in the last digit; as that no promise is broken.
_TOLERANCE = 1e-6

_WHERE = "spec.indicator.sql"


def sql_reader(
    indicator: SqlIndicator, source: Database, *, coarse: int, now: Callable[[], float]
) -> "SqlCountsReader | SqlValueReader | Failure":
    """What reads an indicator, or a failure `InvalidQuery`; see the readers for the arguments."""
    statement = stated_sql(indicator)
    if isinstance(statement, Failure):
        return statement
    if indicator.value is None:
        return SqlCountsReader(source, statement, coarse=coarse)
    return SqlValueReader(source, statement, keeps_to(indicator.value), now)


def stated_sql(indicator: SqlIndicator) -> Statement | Failure:
    """The query that an indicator states, or why it cannot be sent."""
    if indicator.value is not None:
        return parse_statement(indicator.value.query, f"{_WHERE}.value.query", Shape.VALUE)
    assert indicator.counts is not None
    return parse_statement(indicator.counts.query, f"{_WHERE}.counts.query", Shape.COUNTS)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What one row counts; not `known` for a gap."""

    total: float = 0.0
    bad: float = 0.0
    known: bool = False


class SqlCountsReader:
    """Reads the counts of a query.

    Args:
        source: where.
        statement: the query; of shape `COUNTS`.
        coarse: seconds, whole slices that divide an hour (or one): of what lies more than a day
            back, so long a time is asked for at once, and its events are spread over its slices.
    """

    def __init__(self, source: Database, statement: Statement, *, coarse: int = HOUR) -> None:
        self._source = source
        self._statement = statement
        self._at_once = coarse // SLICE
        self._answered: dict[Range, Row | None] = {}

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return self._statement.where

    async def origin(self, start: float, first: int) -> Origin | Failure:  # noqa: ARG002 - a protocol's
        """Nothing is known of before the first data: where there were none, a database says 0."""
        return Origin(first, first)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`, a query each."""
        return await self._spread(grid, 1)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        """The counts of slices of which only whole hours matter; in smaller parts if it must be."""
        counts = await self._spread(grid, self._at_once)
        late = isinstance(counts, Failure) and counts.reason is Reason.SOURCE_TIMEOUT
        if not late or self._at_once == 1:
            return counts
        # A database that is small, or a table that is large, is asked for less from now on.
        self._at_once //= 2
        return await self._spread(grid, self._at_once)

    async def hours(self, grid: Grid) -> Whole:
        """None is sure as such: slices are asked for together by `history`."""
        return none_sure(grid)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice."""
        return await self.read(grid)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """What is counted in each slice: it changes when a row comes late, or goes."""
        counts = await self.read(grid)
        return counts if isinstance(counts, Failure) else counts.values

    async def exists(self, start: int, end: int) -> bool | Failure:  # noqa: ARG002 - a protocol's
        """Always: each time is asked for, and a gap tells nothing of another."""
        return True

    async def _spread(self, grid: Grid, slices: int) -> GridCounts | Failure:
        """One query for so many slices, which are then all alike."""
        whole = Grid(grid.start, grid.width * slices, grid.count // slices)
        ranges = [
            (whole.start + number * whole.width, whole.start + (number + 1) * whole.width)
            for number in range(whole.count)
        ]
        rows = await self._ask(ranges)
        if isinstance(rows, Failure):
            return rows
        counted: list[_Counted] = []
        for span, row in zip(ranges, rows, strict=True):
            one = self._counted(row, span)
            if isinstance(one, Failure):
                return one
            counted.extend([one] * slices)
        return _grid_counts(
            np.array([it.total for it in counted]) / slices,
            np.array([it.bad for it in counted]) / slices,
            np.array([it.known for it in counted]),
        )

    async def _ask(self, ranges: Sequence[Range]) -> list[Row | None] | Failure:
        """The rows of all ranges; those before a failure are not asked for again after it."""
        left = [span for span in ranges if span not in self._answered]
        for first in range(0, len(left), _BATCH):
            batch = left[first : first + _BATCH]
            rows = await self._source.rows(self._statement, batch)
            if isinstance(rows, Failure):
                return rows
            self._answered.update(zip(batch, rows, strict=True))
        answered, self._answered = self._answered, {}
        return [answered[span] for span in ranges]

    def _counted(self, row: Row | None, span: Range) -> _Counted | Failure:
        """What a row counts.

        No row, NULL, NaN or an infinite number for the total is a gap; NULL for the others is no
        event, as a sum over nothing is NULL. What cannot be a count at all is a failure.
        """
        if row is None or row["total"] is None:
            return _Counted()
        total = row["total"]
        other = (row["bad"] if "bad" in row else row["good"]) or 0.0
        if not math.isfinite(total) or not math.isfinite(other):
            return _Counted()
        if total < 0 or other < 0 or other > total * (1 + _TOLERANCE):
            return self._impossible(row, span)
        other = min(other, total)
        return _Counted(total, other if "bad" in row else total - other, known=True)

    def _impossible(self, row: Row, span: Range) -> Failure:
        start, end = (datetime.fromtimestamp(time, UTC) for time in span)
        given = " and ".join(
            f"{name} = {value:g}" for name, value in row.items() if value is not None
        )
        return Failure(
            Reason.INVALID_QUERY,
            f"{self._statement.where}: from {start:%Y-%m-%d %H:%M:%S}Z to {end:%H:%M:%S}Z it gives "
            f"{given}: counts are not negative, and good or bad events are a part of the total",
        )


class SqlValueReader:
    """Looks at a value once in a slice, at the slice's end; what was not looked at then is a gap.

    Args:
        source: where.
        statement: the query; of shape `VALUE`.
        keeps: tells for each value whether it keeps to the limit.
        now: the present time in Unix seconds.
    """

    def __init__(
        self,
        source: Database,
        statement: Statement,
        keeps: Callable[[Floats], Flags],
        now: Callable[[], float],
    ) -> None:
        self._source = source
        self._statement = statement
        self._keeps = keeps
        self._now = now
        self._values: dict[int, float] = {}

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return self._statement.where

    async def origin(self, start: float, first: int) -> Origin | Failure:
        """Before it was looked at first the window is as good as new."""
        return Origin(first, start)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The slices of `grid` as they were looked at, that of now included."""
        problem = await self._look()
        if problem is not None:
            return problem
        values = self._seen(grid)
        covered = np.isfinite(values)
        bad = covered & ~self._keeps(np.nan_to_num(values))
        return _grid_counts(covered.astype(np.float64), bad.astype(np.float64), covered, values)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        """The same: of what was, there is no more."""
        return await self.read(grid)

    async def hours(self, grid: Grid) -> Whole:
        """None: there is no past."""
        return none_sure(grid)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """Whether the value is known of late; it is not looked at more than once in a slice."""
        problem = await self._look()
        if problem is not None:
            return problem
        known = np.array([np.isfinite(self._values.get(self._latest(), math.nan))])
        return _grid_counts(np.zeros(grid.count), np.zeros(grid.count), known)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """The values at each slice's end; NaN for none."""
        return {Side.TOTAL: self._seen(grid)}

    async def exists(self, start: int, end: int) -> bool | Failure:
        """Whether any slice of that time was looked at."""
        return any(start < time <= end for time in self._values)

    def _latest(self) -> int:
        """The end of the latest slice that has ended."""
        return int(self._now() // SLICE) * SLICE

    async def _look(self) -> Failure | None:
        end = self._latest()
        if end in self._values:
            return None
        rows = await self._source.rows(self._statement, [(end - SLICE, end)])
        if isinstance(rows, Failure):
            return rows
        value = next(iter(rows[0].values())) if rows[0] else None
        self._values[end] = math.nan if value is None else value
        for time in sorted(self._values)[:-_REMEMBERED]:
            del self._values[time]
        return None

    def _seen(self, grid: Grid) -> Floats:
        ends = (grid.start + (number + 1) * grid.width for number in range(grid.count))
        return np.array([self._values.get(end, math.nan) for end in ends])


def _grid_counts(
    total: Floats, bad: Floats, covered: Flags, values: Floats | None = None
) -> GridCounts:
    if values is None:
        told = {
            Side.TOTAL: np.where(covered, total, np.nan),
            Side.BAD: np.where(covered, bad, np.nan),
        }
    else:
        told = {Side.TOTAL: values}
    return GridCounts(
        total=total, bad=bad, covered=covered, present=0.0, values=told, start={}, restlessness=0.0
    )
