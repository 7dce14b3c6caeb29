"""Slots for queries to a source: history, which is long, waits behind what is of now."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

_patient: ContextVar[bool] = ContextVar("patient", default=False)


@contextmanager
def patiently() -> Iterator[None]:
    """In this context, and in tasks that it starts, queries wait behind those of others."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)


@contextmanager
def promptly() -> Iterator[None]:
    """In this context queries do not wait behind those of others, whatever is around it."""
    token = _patient.set(False)
    try:
        yield
    finally:
        _patient.reset(token)


def is_patient() -> bool:
    """Whether queries of this context wait behind those of others."""
    return _patient.get()


class Slots:
    """So many may be under way at once; of those who ask `patiently`, all but one.

    A slot that becomes free goes to who has waited the longest in a hurry, and to who waits
    patiently only if nobody is. Of two slots or more one is always left to either: what is of now
    need not wait for a long query to end, and a source that is busy with it must come to the
    history of new objectives at last.

    Args:
        most: how many slots there are; at least 1.
    """

    def __init__(self, most: int) -> None:
        self._most = {False: most, True: max(1, most - 1)}
        self._under_way = {False: 0, True: 0}
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {False: deque(), True: deque()}

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """A slot, once there is one."""
        patient = is_patient()
        await self._take(patient=patient)
        try:
            yield
        finally:
            self._give_back(patient=patient)

    async def _take(self, *, patient: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[patient].append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            # One that was cancelled while it waited is passed over when its turn comes.
            if not turn.cancelled():
                self._give_back(patient=patient)
            raise

    def _give_back(self, *, patient: bool) -> None:
        self._under_way[patient] -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        for patient in (False, True):
            while self._waiting[patient] and self._may(patient=patient):
                turn = self._waiting[patient].popleft()
                if not turn.done():
                    self._under_way[patient] += 1
                    turn.set_result(None)

    def _may(self, *, patient: bool) -> bool:
        under_way = sum(self._under_way.values())
        if under_way >= self._most[False]:
            return False
        if patient:
            return self._under_way[True] < self._most[True]
        left = bool(self._waiting[True]) and not self._under_way[True] and self._most[False] > 1
        return under_way < self._most[False] - left
