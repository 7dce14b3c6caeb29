"""Runs what is due: a bounded number of evaluations at once, and never two of one object."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from sluice.controller.schedule import Schedule
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Key
from sluice.telemetry.metrics import Metrics

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one object up to date; seconds until it is due again, None if it is gone."""

_log = structlog.get_logger(__name__)
_FIRST_RETRY = 1.0
_LAST_RETRY = 120.0
_IDLE = 5.0


def _one_queue(_: Key) -> str:
    return ""


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
    """

    reconcile: Reconcile
    at_once: int
    one_a_namespace: bool = False
    queue: Callable[[Key], str] = _one_queue


class Dispatcher:
    """The schedule and those who work it off."""

    def __init__(
        self, lanes: Mapping[str, Lane], *, metrics: Metrics, monotonic: Callable[[], float]
    ) -> None:
        self._lanes = lanes
        self._slots: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._metrics = metrics
        self._monotonic = monotonic
        self._schedule: Schedule[Key] = Schedule()
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self.lag = 0.0
        """Seconds between the time at which the latest evaluation was due and its beginning."""
        self.alive_at = monotonic()
        """When the loop last turned, monotonic seconds."""

    def now(self, key: Key, *, after: float = 0.0) -> None:
        """Make `key` due in `after` seconds, at the latest."""
        self._schedule.put(key, self._monotonic() + after)
        self._wake.set()

    async def run(self) -> None:
        """Work the schedule off, for ever; cancelled, it cancels what is under way.

        Whatever waits, for a turn or for a slot, waits in a task of its own: the loop turns on.
        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                self.alive_at = self._monotonic()
                due = self._schedule.pop(self._monotonic())
                if due is None:
                    await self._sleep()
                    continue
                key, since = due
                tasks.create_task(self._work(key, since), name=str(key))

    async def _sleep(self) -> None:
        due = self._schedule.next_due()
        delay = _IDLE if due is None else min(_IDLE, due - self._monotonic())
        self._wake.clear()
        # Not `wait_for`: in Python 3.11 it can swallow a cancellation that meets the wake-up.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, delay)):
                await self._wake.wait()

    async def _work(self, key: Key, since: float) -> None:
        lane = self._lanes[key.plural]
        again = None
        try:
            async with self._turn(lane, key), self._slot(lane, key):
                self.lag = max(0.0, self._monotonic() - since)
                again = await self._reconcile(lane, key)
        finally:
            self._schedule.done(key)
            self._wake.set()
        if again is not None:
            self.now(key, after=again)

    def _turn(self, lane: Lane, key: Key) -> contextlib.AbstractAsyncContextManager[None]:
        return self._turns[key.namespace] if lane.one_a_namespace else contextlib.nullcontext()

    def _slot(self, lane: Lane, key: Key) -> asyncio.Semaphore:
        queue = key.plural, lane.queue(key)
        if queue not in self._slots:
            self._slots[queue] = asyncio.Semaphore(lane.at_once)
        return self._slots[queue]

    async def _reconcile(self, lane: Lane, key: Key) -> float | None:
        started = self._monotonic()
        outcome = "ok"
        try:
            again = await lane.reconcile(key)
            self._failures.pop(key, None)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of an extension is none of Exception
            outcome, again = "error", self._retry(key)
            message = error.message if isinstance(error, ApiError) else repr(error)
            unforeseen = not isinstance(error, ApiError)
            _log.warning("evaluation failed", key=str(key), error=message, exc_info=unforeseen)
        self._metrics.evaluations.labels(key.plural, outcome).inc()
        self._metrics.duration.labels(key.plural).observe(self._monotonic() - started)
        return again

    def _retry(self, key: Key) -> float:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        delay = min(_LAST_RETRY, _FIRST_RETRY * 2.0 ** (failures - 1))
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
