"""How long an evaluation waits for a source that does not answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer
from sluice.indicators.database import Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.source import AnySource
from sluice.indicators.statement import Statement

_TIMEOUTS = 2
"""One for a query that was too much, and one for half of it."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Patient:
    """A source that is asked no more once two requests have timed out, until `renew`.

    So an evaluation loses at most two timeouts to a source that accepts requests and never answers,
    however many requests it would make. Requests that are answered may take their time.

    Args:
        source: who is asked.
    """

    def __init__(self, source: AnySource) -> None:
        self._source = source
        self._left = _TIMEOUTS
        self._given_up: Failure | None = None

    @property
    def dedup_label(self) -> str:
        """See `Source`."""
        return self._source.dedup_label

    def renew(self) -> None:
        """Forget what has timed out: an evaluation begins."""
        self._left = _TIMEOUTS
        self._given_up = None

    async def instant(self, query: str, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(self._source.instant, query, at)

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(self._source.samples, selector, seconds, at)

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """See `Source`."""
        return await self._ask(self._source.range, query, start, end, step)

    async def metric_type(self, metric: str) -> str | Failure | None:
        """See `Source`."""
        return await self._ask(self._source.metric_type, metric)

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        """See `Database`."""
        return await self._ask(self._source.rows, statement, ranges)

    async def _ask(
        self,
        question: Callable[_P, Awaitable[_T | Failure]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T | Failure:
        if self._given_up is not None:
            return self._given_up
        answer = await question(*args, **kwargs)
        if not isinstance(answer, Failure) or answer.reason is not Reason.SOURCE_TIMEOUT:
            return answer
        self._left -= 1
        if self._left:
            return answer
        self._given_up = replace(answer, divisible=False)
        return self._given_up
