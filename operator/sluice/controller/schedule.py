"""What is due when: a heap of times, one for each key; no clock, no tasks."""

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Schedule(Generic[K]):
    """Keys and the monotonic times, in seconds, at which they are due.

    A key that is being worked on is not given out again until `done`; if it became due meanwhile
    it is given out right after. An earlier time always wins: "now" beats the next interval.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._running: set[K] = set()
        self._again: dict[K, float] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._due.keys() | self._again.keys() | self._running)

    def put(self, key: K, due: float) -> None:
        """Make `key` due at `due`, or keep the time it has if that is earlier."""
        waiting = self._again if key in self._running else self._due
        if key in waiting and waiting[key] <= due:
            return
        waiting[key] = due
        if waiting is self._due:
            heapq.heappush(self._heap, (due, next(self._order), key))

    def drop(self, key: K) -> None:
        """Forget `key`."""
        self._due.pop(key, None)
        self._again.pop(key, None)

    def pop(self, now: float) -> tuple[K, float] | None:
        """The key that has been due the longest, and since when; None if none is due."""
        next_due = self.next_due()
        if next_due is None or next_due > now:
            return None
        due, _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._running.add(key)
        return key, due

    def done(self, key: K) -> None:
        """The work on `key` has ended."""
        self._running.discard(key)
        again = self._again.pop(key, None)
        if again is not None:
            self.put(key, again)

    def next_due(self) -> float | None:
        """When something that is not being worked on is due next; None if nothing is."""
        # An entry whose time is not the key's any more was dropped or made due earlier.
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
