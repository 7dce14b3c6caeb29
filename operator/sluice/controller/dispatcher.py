"""Runs what is due: a bounded number of evaluations at once, and never two of one object."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from sluice.controller.lifting import NotLiftedError
from sluice.controller.schedule import Schedule
from sluice.controller.waiting import Place, Waiting
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Key
from sluice.telemetry.metrics import Metrics
from sluice.telemetry.worst import Worst

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one object up to date; seconds until it is due again, None if it is gone."""

_log = structlog.get_logger(__name__)
_FIRST_RETRY = 1.0
_LAST_RETRY = 120.0
_IDLE = 5.0
_BEHIND = "behind"


def _one_queue(_: Key) -> str:
    return ""


def _always() -> bool:
    return True


def _on_time(_: Key) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Lane:
    """How objects of one kind are worked on.

    Attributes:
        reconcile: does it.
        at_once: how many of a queue may be under way. Each lane has slots of its own: objectives
            that wait for a source that hangs must not keep a policy from thawing.
        one_a_namespace: objects of a namespace wait for each other, outside of the slots.
        queue: whose slots an object waits for, asked when it is due: those who wait for one source
            keep nobody waiting who is measured in another. Default: one queue for all.
        behind: the rank of an object that waits behind all others, in slots of its own, the lowest
            first; asked when it is due. None for those that must be on time. Default: all must.
        behind_at_once: how many of a queue's objects that wait behind may be under way.
    """

    reconcile: Reconcile
    at_once: int
    one_a_namespace: bool = False
    queue: Callable[[Key], str] = _one_queue
    behind: Callable[[Key], int | None] = _on_time
    behind_at_once: int = 1

    def place(self, key: Key) -> Place:
        """Where `key` waits for a slot."""
        queue, rank = (key.plural, self.queue(key)), self.behind(key)
        if rank is not None:
            return Place((*queue, _BEHIND), self.behind_at_once, rank)
        turn = (key.plural, key.namespace) if self.one_a_namespace else ()
        return Place(queue, self.at_once, turn=turn)


class Dispatcher:
    """The schedule and those who work it off.

    `ready` is asked before each evaluation: without it one waits for a second.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        *,
        metrics: Metrics,
        monotonic: Callable[[], float],
        ready: Callable[[], bool] = _always,
    ) -> None:
        self._lanes = lanes
        self._ready = ready
        self._waiting: Waiting[Key] = Waiting()
        self._metrics = metrics
        self._monotonic = monotonic
        self._schedule: Schedule[Key] = Schedule()
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self._lag = Worst(monotonic)
        self.alive_at = monotonic()
        """When the loop last turned, monotonic seconds."""

    @property
    def lag(self) -> float:
        """Seconds between the due time of an evaluation and its beginning.

        At the worst of the last minute or two, and of those that have not begun yet; not of those
        that wait behind.
        """
        first, now = self._waiting.first_due(), self._monotonic()
        return max(self._lag.value, 0.0 if first is None else now - first)

    def now(self, key: Key, *, after: float = 0.0) -> None:
        """Make `key` due in `after` seconds, at the latest."""
        place = self._waiting.place(key)
        if place is not None and after <= 0:
            if place.rank is None:
                return
            # What waits behind may have become urgent: it is placed anew.
            self._waiting.withdraw(key)
            self._schedule.done(key)
        self._schedule.put(key, self._monotonic() + after)
        self._wake.set()

    def try_again(self) -> None:
        """Evaluate now all that failed the last time: what was in the way is gone."""
        for key in list(self._failures):
            del self._failures[key]
            self.now(key)

    async def run(self) -> None:
        """Work the schedule off, for ever; cancelled, it cancels what is under way.

        Whatever waits, waits outside of this loop: it turns on.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self.alive_at = self._monotonic()
                    while due := self._schedule.pop(self._monotonic()):
                        key, since = due
                        self._waiting.join(key, self._lanes[key.plural].place(key), since)
                    while taken := self._waiting.take():
                        tasks.create_task(self._work(*taken), name=str(taken[0]))
                    await self._sleep()
        finally:
            for key in self._waiting.clear():
                self._schedule.done(key)

    async def _sleep(self) -> None:
        due = self._schedule.next_due()
        delay = _IDLE if due is None else min(_IDLE, due - self._monotonic())
        self._wake.clear()
        alarm = asyncio.get_running_loop().call_later(max(0.0, delay), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()

    async def _work(self, key: Key, place: Place, since: float) -> None:
        again = None
        try:
            if place.rank is None:
                self._lag.take(self._monotonic() - since)
            again = await self._reconcile(self._lanes[key.plural], key)
        finally:
            self._waiting.leave(place)
            self._schedule.done(key)
            self._wake.set()
        if again is not None:
            self.now(key, after=again)

    async def _reconcile(self, lane: Lane, key: Key) -> float | None:
        if not self._ready():
            return _FIRST_RETRY
        started = self._monotonic()
        outcome = "ok"
        try:
            again = await lane.reconcile(key)
            self._failures.pop(key, None)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of an extension is none of Exception
            outcome, again = "error", self._retry(key)
            unforeseen = not isinstance(error, ApiError | NotLiftedError)
            message = repr(error) if unforeseen else str(error)
            _log.warning("evaluation failed", key=str(key), error=message, exc_info=unforeseen)
        self._metrics.evaluations.labels(key.plural, outcome).inc()
        self._metrics.duration.labels(key.plural).observe(self._monotonic() - started)
        return again

    def _retry(self, key: Key) -> float:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        delay = min(_LAST_RETRY, _FIRST_RETRY * 2.0 ** (failures - 1))
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
