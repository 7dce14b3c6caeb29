"""Queries of many objectives as one: those that ask about the same time share a request.

A query that stands with others is a member of a union, and its series carry the member's number.
What cannot be answered together is asked in parts, until who is at fault is alone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol, Self, TypeVar

from sluice.api.reasons import Reason
from sluice.indicators import promql
from sluice.indicators.answers import Answer, Series
from sluice.indicators.failure import Failure

LARGEST = 8
"""Members of a shared query: see docs/adr/0010-shared-queries.md for what others cost."""

_LINGER = 0.25
_ALONE = 600.0
_MEMBER = "sluice_member"
_OF_ALL = frozenset({Reason.SOURCE_UNREACHABLE, Reason.SOURCE_UNAUTHORIZED})
"""Failures that every other query would meet as well."""
_T = TypeVar("_T")


class Shareable(str):
    """A query that may share a request.

    It must be a whole expression by construction, as those are that are built of parsed selectors:
    text that is none could close the brackets around it, and pass its series off as another's. Of
    its series all labels must be ours.

    Attributes:
        asker: what it asks about, whatever the time: who asks the same is the same.
    """

    __slots__ = ("asker",)
    asker: str

    def __new__(cls, text: str, asker: str) -> Self:
        """`text`, asked by `asker`."""
        query = super().__new__(cls, text)
        query.asker = asker
        return query


class Send(Protocol):
    """Sends a query that holds so many `members`, all about the same time."""

    def __call__(self, text: str, *, members: int) -> Coroutine[None, None, Answer]:
        """The source's answer."""


@dataclass(slots=True, eq=False)
class _Batch:
    """Queries that wait to be sent together, and who waits for the answer of each."""

    send: Send
    waiting: dict[Shareable, list[asyncio.Future[Answer]]] = field(default_factory=dict)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def join(self, query: Shareable) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(query, []).append(answer)
        return answer

    def wanted(self) -> list[Shareable]:
        """The queries for whose answers anybody waits still."""
        return [
            query
            for query, waiting in self.waiting.items()
            if not all(answer.done() for answer in waiting)
        ]

    def left(self) -> list[asyncio.Future[Answer]]:
        """Who waits still."""
        return [it for waiting in self.waiting.values() for it in waiting if not it.done()]


class Sharing:
    """Lets the queries to one source share requests.

    A query waits for others only while others ask: one that nobody else asks near to is sent at
    once. Whoever failed alone after a shared query had failed goes alone for ten minutes.

    Args:
        monotonic: the present time in seconds.
        linger: seconds for which a query waits for others.
        largest: queries that are sent together.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        linger: float = _LINGER,
        largest: int = LARGEST,
    ) -> None:
        self._monotonic = monotonic
        self._linger = linger
        self._largest = largest
        self._open: dict[Hashable, _Batch] = {}
        self._asked: dict[str, float] = {}
        self._alone: dict[str, float] = {}

    async def ask(self, query: Shareable, times: Hashable, send: Send) -> Answer:
        """The answer of `query`, as if it had been sent alone.

        Args:
            query: what to ask.
            times: only queries of the same may be sent together.
            send: how; the first's is used for all that are sent together.
        """
        now = self._monotonic()
        if not self._in_company(query.asker, now) or self._alone.get(query.asker, now) > now:
            return await send(query, members=1)
        batch = self._open.get(times) or self._opened(times, send)
        answer = batch.join(query)
        if len(batch.waiting) >= self._largest:
            self._close(times, batch)
        try:
            return await answer
        except asyncio.CancelledError:
            if not batch.left():
                self._close(times, batch)
                if batch.task is not None:
                    batch.task.cancel()
            raise

    def _in_company(self, asker: str, now: float) -> bool:
        """Whether somebody else has asked just now."""
        self._asked.pop(asker, None)
        self._asked[asker] = now
        while self._asked[first := next(iter(self._asked))] < now - self._linger:
            del self._asked[first]
        return len(self._asked) > 1

    def _opened(self, times: Hashable, send: Send) -> _Batch:
        batch = self._open[times] = _Batch(send)
        batch.task = asyncio.create_task(self._run(times, batch))
        return batch

    def _close(self, times: Hashable, batch: _Batch) -> None:
        """Let nobody join any more."""
        batch.closed.set()
        if self._open.get(times) is batch:
            del self._open[times]

    async def _run(self, times: Hashable, batch: _Batch) -> None:
        alarm = asyncio.get_running_loop().call_later(self._linger, self._close, times, batch)
        try:
            await batch.closed.wait()
            queries = batch.wanted()
            for query, answer in zip(queries, await self._sent(queries, batch), strict=True):
                for waiting in batch.waiting[query]:
                    if not waiting.done():
                        waiting.set_result(answer)
        except Exception as error:  # noqa: BLE001 - whoever waits is to meet it, not this task
            for waiting in batch.left():
                waiting.set_exception(error)
        finally:
            alarm.cancel()
            self._close(times, batch)
            for waiting in batch.left():
                waiting.cancel()

    async def _sent(self, queries: Sequence[Shareable], batch: _Batch) -> list[Answer]:
        """The answers, of which who is at fault is remembered."""
        if not queries:
            return []
        together = await _together(queries, batch.send)
        if not isinstance(together, Failure) or together.reason in _OF_ALL:
            return _each(together, len(queries))
        answers = await _in_parts(queries, together, batch.send)
        failed = [
            query.asker
            for query, answer in zip(queries, answers, strict=True)
            if isinstance(answer, Failure)
        ]
        if len(failed) < len(queries):
            # Where nobody is at fault they were too much together.
            self._part(failed or [query.asker for query in queries])
        return answers

    def _part(self, askers: Sequence[str]) -> None:
        """Let them go alone for a while."""
        now = self._monotonic()
        self._alone = {asker: until for asker, until in self._alone.items() if until > now}
        self._alone.update(dict.fromkeys(askers, now + _ALONE))


async def _in_parts(queries: Sequence[Shareable], failure: Failure, send: Send) -> list[Answer]:
    """The answers of queries that together met `failure`.

    In halves; but after a timeout each alone: nobody is to wait for more than two.
    """
    if len(queries) == 1:
        return [failure]
    half = 1 if failure.reason is Reason.SOURCE_TIMEOUT else (len(queries) + 1) // 2
    parts = (_part_answers(part, send) for part in _split(queries, half))
    return list(chain(*await asyncio.gather(*parts)))


async def _part_answers(queries: Sequence[Shareable], send: Send) -> list[Answer]:
    together = await _together(queries, send)
    if not isinstance(together, Failure) or together.reason in _OF_ALL:
        return _each(together, len(queries))
    return await _in_parts(queries, together, send)


async def _together(queries: Sequence[Shareable], send: Send) -> Answer:
    query = queries[0] if len(queries) == 1 else joined(queries)
    return await send(query, members=len(queries))


def joined(queries: Sequence[str]) -> str:
    """One query for the series of all, each labelled with its query's number.

    As a tree: in a chain of unions each looks at all before it, which costs the square.
    """
    members = [
        promql.labelled(query, **{_MEMBER: str(number)}) for number, query in enumerate(queries)
    ]
    while len(members) > 1:
        members = [f"({promql.union(*pair)})" for pair in _split(members, 2)]
    return members[0]


def _split(whole: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [whole[index : index + size] for index in range(0, len(whole), size)]


def _each(answer: Answer, count: int) -> list[Answer]:
    """The answer of each member; a failure is everybody's."""
    if isinstance(answer, Failure) or count == 1:
        return [answer] * count
    members: defaultdict[str, list[Series]] = defaultdict(list)
    for series in answer:
        labels = dict(series.labels)
        members[labels.pop(_MEMBER, "")].append(replace(series, labels=labels))
    return [members[str(number)] for number in range(count)]
