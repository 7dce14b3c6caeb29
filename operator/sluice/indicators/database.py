"""What measuring needs of a source of counts that speaks SQL."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from sluice.indicators.failure import Failure
from sluice.indicators.statement import Statement

Row = Mapping[str, float | None]
"""Values by the names of their columns; None for NULL."""

Range = tuple[int, int]
"""Unix seconds: a time after the first up to and including the second."""


@runtime_checkable
class Database(Protocol):
    """Answers SQL. Nothing raises: every failure is a value."""

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        """What a query gives for each of some times, asked one by one in one transaction.

        None where it gives no row. More than one, or other columns than `statement` must give,
        is a failure `InvalidQuery`.
        """
        ...


class ProbedDatabase(Database, Protocol):
    """A database that can be asked whether it answers at all."""

    async def probe(self) -> Failure | None:
        """Why it does not; None if it does."""
        ...
