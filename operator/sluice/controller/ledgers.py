"""Stores what objectives have counted, and lets those who measure them go on from there.

What a meter has in memory is right and what is stored is behind it, by an hour at most. Only when
this process begins to lead, or a meter is new, does what is stored come first: someone else may
have measured meanwhile. It is read once, before the meter reads anything of its source.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import structlog

from sluice.api.metadata import ObjectMeta
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.budget.archive import Problem, Unusable, decode, encode
from sluice.budget.windows import HOUR
from sluice.indicators.meter import Meter
from sluice.kube import events
from sluice.kube.api_server import ApiError
from sluice.kube.ledgers import Found, LedgerStore, name_of
from sluice.kube.resources import OBJECTIVES
from sluice.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_AT_ONCE = 4
_AT_THE_END = 16
"""Writes under way at once: of those who come when they are due, and when the process ends."""

_FIRST_RETRY = 15.0
_LAST_RETRY = 600.0
_OVERDUE = 2.0 * HOUR
_TELL_AGAIN = 600.0
_FORBIDDEN = 403


@dataclass(slots=True)
class _Entry:
    """A meter, and what of it is stored.

    Attributes:
        key: what it measures; see `encode`.
        descends: whether what it has counted goes on from what was stored, if anything was.
        tried: whether it was looked at since this process began to lead, whatever came of it.
        current: whether nobody else can have stored anything since it was looked at.
        stored: Unix seconds up to which slices are stored; None if none are of this meter.
        cuts: how many of the slices read for corrections are; see `Account.cuts_read`.
        due: monotonic seconds from which on the next hour is stored.
        since: monotonic seconds of the last time when all was well.
    """

    objective: ObjectMeta
    meter: Meter
    key: str
    due: float
    since: float
    tried: bool = False
    descends: bool = False
    current: bool = False
    stored: int | None = None
    cuts: int = 0
    queued: bool = False
    failures: int = 0


class Ledgers:
    """The ledgers of all objectives that this process measures.

    Args:
        store: where they are.
        metrics: are told of reads and writes.
        clock: the present time, with a zone.
        monotonic: seconds.
        post: posts an Event.
        namespaces: those whose objectives this controller measures; empty for all.
    """

    def __init__(
        self,
        *,
        store: LedgerStore,
        metrics: Metrics,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        post: Callable[[events.Event], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._post = post
        self._namespaces = namespaces
        self._entries: dict[str, _Entry] = {}
        self._orphans: dict[str, float] = {}
        self._queue: asyncio.Queue[_Entry | str] = asyncio.Queue()
        self._told = -_TELL_AGAIN

    def begin(self) -> None:
        """This process begins to lead: another may have stored what is newer."""
        for entry in self._entries.values():
            entry.current = entry.tried = False

    def tried(self, uid: str, meter: Meter) -> bool:
        """Whether `take_up` has looked for what is stored for `meter`, since the last `begin`."""
        entry = self._entries.get(uid)
        return entry is not None and entry.meter is meter and entry.tried

    async def take_up(
        self, slo: ServiceLevelObjective, meter: Meter, made_for: tuple[str, ...]
    ) -> None:
        """Let `meter` go on from what is stored, if that is newer or it is a new meter.

        What cannot be read is not written over: as long as the right to read it is missing, or it
        cannot be set aside, the objective is measured without.

        Args:
            slo: the objective.
            meter: measures it.
            made_for: what its counts depend on.

        Raises:
            ApiError: it could not be read; to be tried again.
        """
        entry = self._entry(slo, meter, made_for)
        if entry.current:
            return
        try:
            found = await self._store.read(slo.metadata.uid)
        except ApiError as error:
            self._metrics.ledger_reads.labels("error").inc()
            if error.status != _FORBIDDEN:
                raise
            self._tell("ledger not read: the objective is measured without", entry, error)
            entry.tried = True
            return
        outcome = "none" if found is None else await self._resume(entry, found)
        self._metrics.ledger_reads.labels(outcome).inc()
        entry.tried = True
        if outcome == "error":
            return
        entry.current = entry.descends = True
        entry.since = self._monotonic()
        if entry.stored is not None:
            # Not all at once an hour after a restart.
            entry.due = entry.since + HOUR * random.random()  # noqa: S311 - jitter, not a secret

    def measured(self, uid: str) -> None:
        """A meter has read its source: if an hour has closed since, it will be stored.

        What was read for a correction is stored at once: its source may have it no more tomorrow.
        """
        entry = self._entries.get(uid)
        if entry is None or entry.queued:
            return
        at_once = entry.cuts != entry.meter.account.cuts_read and not entry.failures
        if entry.due > self._monotonic() and not at_once:
            return
        if self._unsaved(entry) and entry.current:
            entry.queued = True
            self._queue.put_nowait(entry)

    def forget(self, uid: str) -> None:
        """The objective is gone, and with it what it has counted."""
        self._entries.pop(uid, None)
        self._queue.put_nowait(name_of(uid))

    async def run(self) -> None:
        """Store and delete what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work())

    async def flush(self, *, seconds: float) -> None:
        """Store what is not stored yet, as far as there is time; what is stored longest ago first.

        The rest is read from its source again: that costs queries, but no counts.
        """
        unsaved = [one for one in self._entries.values() if one.current and self._unsaved(one)]
        waiting = iter(sorted(unsaved, key=lambda one: one.stored or 0))

        async def work() -> None:
            for entry in waiting:
                await self._write(entry)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for _ in range(_AT_THE_END):
                    tasks.create_task(work())

    async def sweep(self, uids: Callable[[], AbstractSet[str]], *, listed: float) -> None:
        """Delete the ledgers of objectives that went while nobody watched.

        One goes when two things have happened, in this order: its objective was found missing, and
        then a full list began that did not have it either.

        Args:
            uids: those of all objectives that there are.
            listed: monotonic seconds at which the last full list of them began.
        """
        seen = self._monotonic()
        try:
            found = [one async for one in self._store.list()]
            known = uids()
            self._entries = {uid: one for uid, one in self._entries.items() if uid in known}
            self._orphans = {
                one.name: self._orphans.get(one.name, seen)
                for one in found
                if one.uid not in known and self._is_ours(one.namespace)
            }
            for name in [name for name, since in self._orphans.items() if since < listed]:
                await self._store.delete(name)
                del self._orphans[name]
                _log.info("ledger deleted: its objective is gone", configmap=name)
        except ApiError as error:
            _log.warning("ledgers of deleted objectives not swept", error=error.message)

    def overdue(self) -> int:
        """How many objectives have counted for long what is not stored."""
        before = self._monotonic() - _OVERDUE
        late = [entry for entry in self._entries.values() if entry.since < before]
        return sum(self._unsaved(entry) for entry in late)

    def _is_ours(self, namespace: str) -> bool:
        return not self._namespaces or namespace in self._namespaces

    def _entry(self, slo: ServiceLevelObjective, meter: Meter, made_for: tuple[str, ...]) -> _Entry:
        entry = self._entries.get(slo.metadata.uid)
        if entry is None or entry.meter is not meter:
            key = sha256("\n".join(made_for).encode()).hexdigest()
            now = self._monotonic()
            entry = _Entry(slo.metadata, meter, key, due=now, since=now)
            self._entries[slo.metadata.uid] = entry
        return entry

    async def _resume(self, entry: _Entry, found: Found) -> str:
        """Go on from what was found; what came of it."""
        archive = decode(found.data, key=entry.key)
        if isinstance(archive, Problem):
            return await self._refuse(entry, found, archive)
        closed = entry.meter.account.ledger.closed
        if entry.descends and closed is not None and closed >= archive.kept.closed:
            return "kept"
        try:
            entry.meter.resume(archive)
        except ValueError as error:
            problem = Problem(Unusable.DAMAGED, f"it is of another window: {error}")
            return await self._refuse(entry, found, problem)
        entry.stored, entry.cuts = archive.kept.closed, entry.meter.account.cuts_read
        return "resumed"

    async def _refuse(self, entry: _Entry, found: Found, problem: Problem) -> str:
        """Begin anew; what may be worth something to somebody is set aside."""
        entry.stored = None
        about = f"{entry.objective.namespace}/{entry.objective.name}"
        if problem.kind is Unusable.OTHER:
            _log.info("measuring starts over", objective=about, reason=problem.message)
            return str(problem.kind)
        try:
            name = await self._store.set_aside(entry.objective, found, problem.message)
        except ApiError as error:
            self._tell("unreadable ledger not set aside, so not written over", entry, error)
            return "error"
        _log.warning("ledger set aside", objective=about, configmap=name, problem=problem.message)
        note = (
            f"What was stored of its counts cannot be used: {problem.message}. It is kept as "
            f"ConfigMap {name} in the controller's namespace; the budget is worked out anew from "
            "what the source still has."
        )
        event = events.Event(
            kind=OBJECTIVES.kind,
            metadata=entry.objective,
            type="Warning",
            reason=Reason.LEDGER_SET_ASIDE,
            action="Measure",
            note=note,
        )
        self._post(event)
        return str(problem.kind)

    def _unsaved(self, entry: _Entry) -> bool:
        """Whether there is more than what is stored, and its window is read as a whole."""
        account = entry.meter.account
        closed = account.ledger.closed
        if closed is None or (closed, account.cuts_read) == (entry.stored, entry.cuts):
            return False
        return account.complete(self._clock().timestamp())

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            if isinstance(job, str):
                await self._delete(job)
                continue
            try:
                await self._write(job)
            finally:
                job.queued = False

    async def _write(self, entry: _Entry) -> None:
        """Store what a meter has; at any time, since a meter never waits with half a slice."""
        archive, cuts = entry.meter.archive(), entry.meter.account.cuts_read
        # While it waited its objective may have gone, or this process have stopped to lead.
        mine = entry.current and self._entries.get(entry.objective.uid) is entry
        if archive is None or not mine:
            return
        try:
            await self._store.write(entry.objective, encode(archive, key=entry.key))
        except Exception as error:  # noqa: BLE001 - measuring goes on, whatever it is
            self._metrics.writes.labels("ledger", "error").inc()
            delay = min(_LAST_RETRY, _FIRST_RETRY * 2.0**entry.failures)
            entry.failures += 1
            self._tell("ledger not stored: it is kept in memory", entry, error)
        else:
            self._metrics.writes.labels("ledger", "ok").inc()
            # Thousands that were read at the same time are not to be stored so every hour.
            first = entry.stored is None
            delay = HOUR * random.random() if first else HOUR  # noqa: S311 - jitter, not a secret
            entry.stored, entry.cuts, entry.failures = archive.kept.closed, cuts, 0
            entry.since = self._monotonic()
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret
        entry.due = self._monotonic() + delay * jitter

    async def _delete(self, name: str) -> None:
        try:
            await self._store.delete(name)
        except ApiError as error:
            # The next sweep finds it.
            _log.warning("ledger not deleted", configmap=name, error=error.message)

    def _tell(self, what: str, entry: _Entry, error: Exception) -> None:
        """Log a failure, but not one a minute for each of thousands."""
        now = self._monotonic()
        if now - self._told < _TELL_AGAIN:
            return
        self._told = now
        about = f"{entry.objective.namespace}/{entry.objective.name}"
        unforeseen = not isinstance(error, ApiError)
        _log.warning(
            what,
            objective=about,
            error=repr(error) if unforeseen else str(error),
            overdue=self.overdue(),
            exc_info=unforeseen,
        )
