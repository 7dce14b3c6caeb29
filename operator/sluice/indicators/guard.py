"""A source that is not asked too much at once, and hardly at all while it fails."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer
from sluice.indicators.breaker import Breaker
from sluice.indicators.database import ProbedDatabase, Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.sharing import Shareable, Sharing
from sluice.indicators.slots import Slots, is_patient
from sluice.indicators.source import Source
from sluice.indicators.statement import Statement

MOST_CONCURRENT = 4
"""Queries to a source under way at once, if nothing else is said: what its other users notice."""

_PROBE = "vector(1)"
# Longer ranges are history, of which one objective's is enough for one request.
_MOST_SHARED = 3
_OF_A_MEMBER = frozenset({Reason.SOURCE_ERROR, Reason.INVALID_RESPONSE})
"""What one member's fault may look like, and the fault of a source as well."""

_Client = TypeVar("_Client")
_Found = TypeVar("_Found")


class _Guard(Generic[_Client]):
    """A bound on the questions under way to `client`, and a circuit breaker."""

    def __init__(self, client: _Client, monotonic: Callable[[], float], most: int) -> None:
        self.client = client
        self._breaker = Breaker(monotonic)
        self._slots = Slots(most)

    async def ask(
        self, question: Callable[[_Client], Awaitable[_Found | Failure]], *, members: int = 1
    ) -> _Found | Failure:
        """What `question`, of so many `members`, comes to in its turn."""
        async with self._slots.taken():
            # Asked only here: while this query waited the source may have failed others.
            refusal = self._breaker.refusal()
            if refusal is not None:
                return refusal
            answer = await question(self.client)
            if members > 1 and not self._breaker.open and _may_be_of_a_member(answer):
                # Its parts will tell of the source.
                return answer
            return self.recorded(answer)

    def recorded(self, answer: _Found) -> _Found:
        """The answer, of which the breaker takes note."""
        self._breaker.record(answer if isinstance(answer, Failure) else None)
        return answer


class GuardedSource:
    """`source`, with shared queries, a bound on those under way, and a circuit breaker.

    Args:
        source: who answers.
        monotonic: the present time in seconds, for the breaker.
        most: queries under way at once; the others wait, those of history behind all others: see
            `sluice.indicators.slots`. Those that share a request are one.
        sharing: lets queries share requests; default: its own defaults.
    """

    def __init__(
        self,
        source: Source,
        *,
        monotonic: Callable[[], float],
        most: int = MOST_CONCURRENT,
        sharing: Sharing | None = None,
    ) -> None:
        self._guard = _Guard(source, monotonic, most)
        self._sharing = sharing or Sharing(monotonic)

    @property
    def dedup_label(self) -> str:
        """See `Source`."""
        return self._guard.client.dedup_label

    async def instant(self, query: str, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(query, (at,), lambda source, text: source.instant(text, at))

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """See `Source`."""
        return await self._guard.ask(lambda source: source.samples(selector, seconds, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """See `Source`."""
        times = (start, end, step) if (end - start) / step < _MOST_SHARED else None
        return await self._ask(
            query, times, lambda source, text: source.range(text, start, end, step)
        )

    async def metric_type(self, metric: str) -> str | Failure | None:
        """See `Source`."""
        return await self._guard.ask(lambda source: source.metric_type(metric))

    async def probe(self, at: float) -> Failure | None:
        """Ask what costs nothing, and wait for nobody; an answer lets all others through."""
        answer = self._guard.recorded(await self._guard.client.instant(_PROBE, at))
        return answer if isinstance(answer, Failure) else None

    async def _ask(
        self,
        query: str,
        times: Hashable | None,
        question: Callable[[Source, str], Awaitable[Answer]],
    ) -> Answer:
        """What `question` comes to; with others of the same `times`, if there are any to share."""

        async def send(text: str, *, members: int) -> Answer:
            return await self._guard.ask(lambda source: question(source, text), members=members)

        # Who waits behind all others must not make these wait, and finds few to share with: an
        # objective's history is several short queries, and each would linger for nobody.
        if times is None or not isinstance(query, Shareable) or is_patient():
            return await send(query, members=1)
        return await self._sharing.ask(query, times, send)


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


def _may_be_of_a_member(answer: object) -> bool:
    return isinstance(answer, Failure) and answer.reason in _OF_A_MEMBER


Guarded = GuardedSource | GuardedDatabase
"""A source of any kind, guarded."""
