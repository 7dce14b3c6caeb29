"""Posts Events beside the work that they tell of: what is slow or refused there delays nothing.

What the API server does not take for now is tried again every ten seconds, for two minutes, as
Kubernetes' own components do (client-go, tools/record: 12 tries, 10 seconds apart, of a bounded
queue). What is told of one object for one reason meanwhile becomes one Event with a count.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice
from typing import Any

import structlog

from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.events import Event, home, manifest
from sluice.kube.resources import EVENTS

_log = structlog.get_logger(__name__)
RETRY = 10.0
"""Seconds between two tries, give or take a fifth."""
LASTS = 120.0
"""Seconds after which an Event is given up."""
MOST = 10_000
"""Events that wait at most; as many objectives may change their level at once."""
_AT_ONCE = 8
_LATER = frozenset({0, 408, 429})
"""No answer, and answers that ask for another try; 5xx is one, too."""
_BROKEN = 500

Subject = tuple[str, str, str, str]
"""What Events that are alike are about: kind, name and uid of the object, and the reason."""


@dataclass(slots=True)
class _Waiting:
    """An Event that waits. `told` is how often, `since` when it was told first, monotonic."""

    subject: Subject
    body: dict[str, Any]
    namespace: str
    since: float
    told: int = 1


class EventRecorder:
    """A queue of Events, and who posts them.

    `dropped` is told why an Event was given up: `refused` by the API server, `late` after two
    minutes, or `full` where too many wait.
    """

    def __init__(
        self,
        api: ApiServer,
        *,
        identity: str,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        dropped: Callable[[str], None],
    ) -> None:
        self._api = api
        self._identity = identity
        self._clock = clock
        self._monotonic = monotonic
        self._dropped = dropped
        self._numbers = count()
        self._waiting: dict[int, _Waiting] = {}
        self._alike: dict[Subject, _Waiting] = {}
        self._away = False
        self._wake = asyncio.Event()

    def post(self, event: Event) -> None:
        """Have an Event posted; nobody waits for that, and no decision depends on it."""
        body = manifest(event, identity=self._identity, now=self._clock())
        subject = (event.kind, event.metadata.name, event.metadata.uid, event.reason)
        alike = self._alike.get(subject) if self._away else None
        if alike is not None:
            _join(alike, body)
            return
        if len(self._waiting) >= MOST:
            self._drop(next(iter(self._waiting)), "full")
        one = _Waiting(subject, body, home(event), self._monotonic())
        self._waiting[next(self._numbers)] = self._alike[subject] = one
        self._wake.set()

    async def run(self) -> None:
        """Post what is told, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self._post_all():
                self._wake.set()
                await asyncio.sleep(RETRY * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def flush(self, *, seconds: float) -> None:
        """Try once more, before the end, for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._post_all()
        except TimeoutError:
            pass
        if self._waiting:
            _log.warning("events not posted before the end", events=len(self._waiting))

    async def _post_all(self) -> bool:
        """Post all that waits, the oldest first; whether nothing has to be tried again.

        An Event stays in the queue while it is on its way: a try that is cut off is made again.
        """
        while batch := dict(islice(self._waiting.items(), _AT_ONCE)):
            for one in batch.values():
                self._alike.pop(one.subject, None)
            answers = await asyncio.gather(*(self._send(one) for one in batch.values()))
            for (number, one), problem in zip(batch.items(), answers, strict=True):
                if self._waiting.pop(number, None) is not None and problem is not None:
                    self._put_back(one)
            problems = [one for one in answers if one is not None]
            if problems:
                if not self._away:
                    _log.warning("events not posted; trying again", error=problems[0])
                self._away = True
                self._give_up()
                return not self._waiting
        self._away = False
        return True

    async def _send(self, one: _Waiting) -> str | None:
        """Post an Event; why it is to be tried again, None if it is not."""
        try:
            await self._api.create(EVENTS, one.body, namespace=one.namespace)
        except ApiError as error:
            if error.conflict:
                return None  # an earlier try came through, and its answer did not
            if error.status in _LATER or error.status >= _BROKEN:
                return error.message
            _log.warning("event refused", reason=one.body["reason"], error=error.message)
            self._dropped("refused")
        return None

    def _put_back(self, one: _Waiting) -> None:
        """Behind the others: what is wrong may be this one alone."""
        self._waiting[next(self._numbers)] = one
        self._alike.setdefault(one.subject, one)

    def _give_up(self) -> None:
        now = self._monotonic()
        late = [number for number, one in self._waiting.items() if now - one.since >= LASTS]
        for number in late:
            self._drop(number, "late")
        if late:
            _log.warning("events given up", events=len(late))

    def _drop(self, number: int, why: str) -> None:
        one = self._waiting.pop(number)
        if self._alike.get(one.subject) is one:
            del self._alike[one.subject]
        self._dropped(why)


def _join(earlier: _Waiting, body: dict[str, Any]) -> None:
    """Make one Event of two that are alike: the last note, the first time, and how many.

    Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1, `EventSeries`.
    """
    earlier.told += 1
    series = {"count": earlier.told, "lastObservedTime": body["eventTime"]}
    earlier.body = {**body, "eventTime": earlier.body["eventTime"], "series": series}
