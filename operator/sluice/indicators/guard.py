"""A source that is not asked too much at once, and hardly at all while it fails."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sluice.indicators.answers import Answer
from sluice.indicators.breaker import Breaker
from sluice.indicators.database import ProbedDatabase, Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.slots import Slots
from sluice.indicators.source import Source
from sluice.indicators.statement import Statement

MOST_CONCURRENT = 4
"""Queries to a source under way at once, if nothing else is said: what its other users notice."""

_PROBE = "vector(1)"
_Client = TypeVar("_Client")
_Found = TypeVar("_Found")


class _Guard(Generic[_Client]):
    """A bound on the questions under way to `client`, and a circuit breaker."""

    def __init__(self, client: _Client, monotonic: Callable[[], float], most: int) -> None:
        self.client = client
        self._breaker = Breaker(monotonic)
        self._slots = Slots(most)

    async def ask(
        self, question: Callable[[_Client], Awaitable[_Found | Failure]]
    ) -> _Found | Failure:
        """What `question` comes to, in its turn."""
        async with self._slots.taken():
            # Asked only here: while this query waited the source may have failed others.
            refusal = self._breaker.refusal()
            if refusal is not None:
                return refusal
            return self.recorded(await question(self.client))

    def recorded(self, answer: _Found) -> _Found:
        """The answer, of which the breaker takes note."""
        self._breaker.record(answer if isinstance(answer, Failure) else None)
        return answer


class GuardedSource:
    """`source`, with a bound on the queries under way and a circuit breaker.

    Args:
        source: who answers.
        monotonic: the present time in seconds, for the breaker.
        most: queries under way at once; the others wait, those of history behind all others: see
            `sluice.indicators.slots`.
    """

    def __init__(
        self, source: Source, *, monotonic: Callable[[], float], most: int = MOST_CONCURRENT
    ) -> None:
        self._guard = _Guard(source, monotonic, most)

    @property
    def dedup_label(self) -> str:
        """See `Source`."""
        return self._guard.client.dedup_label

    async def instant(self, query: str, at: float) -> Answer:
        """See `Source`."""
        return await self._guard.ask(lambda source: source.instant(query, at))

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """See `Source`."""
        return await self._guard.ask(lambda source: source.samples(selector, seconds, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """See `Source`."""
        return await self._guard.ask(lambda source: source.range(query, start, end, step))

    async def metric_type(self, metric: str) -> str | Failure | None:
        """See `Source`."""
        return await self._guard.ask(lambda source: source.metric_type(metric))

    async def probe(self, at: float) -> Failure | None:
        """Ask what costs nothing, and wait for nobody; an answer lets all others through."""
        answer = self._guard.recorded(await self._guard.client.instant(_PROBE, at))
        return answer if isinstance(answer, Failure) else None


class GuardedDatabase:
    """The same for a database.

    Args:
        database: who answers.
        monotonic: the present time in seconds, for the breaker.
        most: transactions, and so connections, under way at once; the others wait in order.
    """

    def __init__(
        self,
        database: ProbedDatabase,
        *,
        monotonic: Callable[[], float],
        most: int = MOST_CONCURRENT,
    ) -> None:
        self._guard = _Guard(database, monotonic, most)

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        """See `Database`."""
        return await self._guard.ask(lambda database: database.rows(statement, ranges))

    async def probe(self, at: float) -> Failure | None:  # noqa: ARG002 - it is asked for no time
        """Ask what costs nothing, and wait for nobody; an answer lets all others through."""
        return self._guard.recorded(await self._guard.client.probe())


Guarded = GuardedSource | GuardedDatabase
"""A source of any kind, guarded."""
