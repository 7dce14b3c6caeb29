"""A source that is not asked too much at once, and hardly at all while it fails."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sluice.indicators.answers import Answer
from sluice.indicators.breaker import Breaker
from sluice.indicators.failure import Failure
from sluice.indicators.slots import Slots
from sluice.indicators.source import Source

MOST_CONCURRENT = 4
"""Queries to a source under way at once, if nothing else is said: what its other users notice."""

_Found = TypeVar("_Found")


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
        self._source = source
        self._breaker = Breaker(monotonic)
        self._slots = Slots(most)

    @property
    def dedup_label(self) -> str:
        """See `Source`."""
        return self._source.dedup_label

    async def instant(self, query: str, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(lambda source: source.instant(query, at))

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(lambda source: source.samples(selector, seconds, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """See `Source`."""
        return await self._ask(lambda source: source.range(query, start, end, step))

    async def metric_type(self, metric: str) -> str | Failure | None:
        """See `Source`."""
        return await self._ask(lambda source: source.metric_type(metric))

    async def probe(self, query: str, at: float) -> Answer:
        """An `instant` that waits for nobody; if it is answered all others are let through."""
        return self._recorded(await self._source.instant(query, at))

    async def _ask(self, question: Callable[[Source], Awaitable[_Found]]) -> _Found | Failure:
        async with self._slots.taken():
            # Asked only here: while this query waited the source may have failed others.
            refusal = self._breaker.refusal()
            if refusal is not None:
                return refusal
            return self._recorded(await question(self._source))

    def _recorded(self, answer: _Found) -> _Found:
        self._breaker.record(answer if isinstance(answer, Failure) else None)
        return answer
