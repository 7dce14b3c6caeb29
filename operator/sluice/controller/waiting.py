"""Who is due and waits for a slot, and who goes first; no clock, no tasks."""

import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key waits.

    Attributes:
        queue: those of one queue share its slots.
        slots: how many of the queue may be under way at once.
        rank: None for those that must be on time. Others wait in queues apart, without a turn, and
            there the lowest go first.
        turn: those of one turn follow each other, and wait for that outside of the queue; empty
            for none.
    """

    queue: tuple[str, ...]
    slots: int
    rank: int | None = None
    turn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class _Entry(Generic[K]):
    """The lowest goes first: of a rank, who has been due the longest."""

    rank: int
    due: float
    number: int
    key: K = field(compare=False)
    place: Place = field(compare=False)


@dataclass(slots=True)
class _Queue(Generic[K]):
    entries: list[_Entry[K]] = field(default_factory=list)
    under_way: int = 0


class Waiting(Generic[K]):
    """Keys that are due, until they get a slot, which they give back by `leave`.

    Who waits costs an entry here and no more: ten thousand that are due at once are not ten
    thousand tasks.
    """

    def __init__(self) -> None:
        self._entries: dict[K, _Entry[K]] = {}
        self._queues: dict[tuple[str, ...], _Queue[K]] = {}
        self._turns: dict[tuple[str, ...], deque[_Entry[K]]] = {}
        self._moved: dict[tuple[str, ...], None] = {}
        self._numbers = itertools.count()

    def join(self, key: K, place: Place, due: float) -> None:
        """Let `key`, due since `due`, wait at `place`."""
        entry = _Entry(place.rank or 0, due, next(self._numbers), key, place)
        self._entries[key] = entry
        if place.turn in self._turns:
            self._turns[place.turn].append(entry)
            return
        if place.turn:
            self._turns[place.turn] = deque()
        self._queue(entry)

    def place(self, key: K) -> Place | None:
        """Where a key waits; None if it does not."""
        entry = self._entries.get(key)
        return None if entry is None else entry.place

    def withdraw(self, key: K) -> None:
        """Let a key that waits without a turn wait no more."""
        # Its entry stays in its queue and is passed over.
        del self._entries[key]

    def take(self) -> tuple[K, Place, float] | None:
        """Give somebody a slot: who, where it waited, since when it was due; None if none can."""
        while self._moved:
            name = next(iter(self._moved))
            queue = self._queues[name]
            self._pass_over_withdrawn(queue)
            if queue.entries and queue.under_way < queue.entries[0].place.slots:
                entry = heapq.heappop(queue.entries)
                queue.under_way += 1
                del self._entries[entry.key]
                return entry.key, entry.place, entry.due
            del self._moved[name]
            if not queue.entries and not queue.under_way:
                del self._queues[name]
        return None

    def leave(self, place: Place) -> None:
        """One that had a slot at `place` is done: the next of its turn may queue."""
        self._queues[place.queue].under_way -= 1
        self._moved[place.queue] = None
        following = self._turns.get(place.turn)
        if following:
            self._queue(following.popleft())
        elif following is not None:
            del self._turns[place.turn]

    def clear(self) -> list[K]:
        """Send all away who wait, when nobody is under way; who they were."""
        keys = [*self._entries]
        for kept in (self._entries, self._queues, self._turns, self._moved):
            kept.clear()
        return keys

    def first_due(self) -> float | None:
        """Since when somebody who must be on time has been waiting in a queue; None if nobody."""
        heads = (queue.entries[0] for queue in self._queues.values() if queue.entries)
        return min((head.due for head in heads if head.place.rank is None), default=None)

    def _queue(self, entry: _Entry[K]) -> None:
        queue = self._queues.setdefault(entry.place.queue, _Queue())
        heapq.heappush(queue.entries, entry)
        self._moved[entry.place.queue] = None

    def _pass_over_withdrawn(self, queue: _Queue[K]) -> None:
        while queue.entries and self._entries.get(queue.entries[0].key) is not queue.entries[0]:
            heapq.heappop(queue.entries)
