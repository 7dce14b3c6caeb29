"""Brings one ServiceLevelObjective up to date: measure, work the status out, write it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sluice.api.conditions import ConditionType, find_condition
from sluice.api.reasons import Reason
from sluice.api.slo import (
    ServiceLevelObjective,
    ServiceLevelObjectiveSpec,
    ServiceLevelObjectiveStatus,
)
from sluice.budget.account import Evaluation
from sluice.controller.applicable import Applicable
from sluice.controller.complaint import Complaints
from sluice.controller.ledgers import Ledgers
from sluice.controller.objective_events import (
    corrections_changed,
    level_changed,
    new_period,
    period_closed,
)
from sluice.controller.objective_status import Outcome, noticeable, status_of
from sluice.controller.standings import Standings
from sluice.indicators.declared import indicator_key, objective_of, window_name
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.slots import patiently
from sluice.indicators.sources import Sources
from sluice.kube import events
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import OBJECTIVES
from sluice.policy.objective import ObjectiveState
from sluice.telemetry.metrics import Metrics

_PROGRESS = 5.0
"""Seconds between two status writes while history is being read."""

HISTORIES = 4
"""Objectives of one source whose history is being read at once."""

_TO_BEGIN, _TO_COMPLETE = 0, 1
"""Ranks: the newest day of all objectives is read before more than that of any."""


Changed = Callable[[ServiceLevelObjective, ObjectiveState | None, ObjectiveState], None]
"""Is told how an objective stood before, if that is known, and how it stands now."""


@dataclass(slots=True)
class _Measuring:
    """A meter and what it was made for.

    `spec` is the latest that means the same, `reading` how far it has read; None after a failure.
    """

    uid: str
    key: tuple[str, str]
    spec: ServiceLevelObjectiveSpec
    meter: Meter
    reading: Reading | None = None


class Objectives:
    """The reconciler of ServiceLevelObjectives."""

    def __init__(
        self,
        *,
        api: ApiServer,
        cache: Cache,
        sources: Sources,
        standings: Standings,
        ledgers: Ledgers,
        applicable: Applicable,
        metrics: Metrics,
        clock: Callable[[], datetime],
        changed: Changed,
        refused: Callable[[str], None],
        corrected: Callable[[str, set[str]], None],
        interval: float,
        settle: float,
        post: Callable[[events.Event], None],
        recorder: Callable[[ServiceLevelObjective], Recorder] | None = None,
    ) -> None:
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._sources = sources
        self._standings = standings
        self._ledgers = ledgers
        self._applicable = applicable
        self._metrics = metrics
        self._clock = clock
        self._changed = changed
        self._refused = refused
        self._corrected = corrected
        self._interval = interval
        self._settle = settle
        self._post = post
        self._recorder = recorder
        self._meters: dict[Key, _Measuring] = {}
        self._unread: set[Key] = set()
        self._closing: dict[Key, ServiceLevelObjective] = {}
        self._recount: set[Key] = set()

    def recount(self, key: Key) -> None:
        """Work out the objective's numbers with other corrections when it is due next.

        From what is counted already: nothing is asked of its source but what a correction needs.
        """
        self._recount.add(key)

    def spent(self, key: Key, start: datetime, end: datetime) -> Decimal | None:
        """Points of the objective's budget spent between two times; None if that is not known."""
        known = self._meters.get(key)
        if known is None or known.reading is None:
            return None
        at = known.reading.at
        objective, account = objective_of(known.spec, at), known.meter.account
        return account.spent(objective, start.timestamp(), end.timestamp(), now=at)

    def behind(self, key: Key) -> int | None:
        """The rank of an objective whose history is to be read, and may wait; None of others.

        Objectives that are known keep their interval while the history of others is read. Who may
        have a ledger stored, and so be known at once, waits for no history either.
        """
        slo = self._cache.get(key)
        if not isinstance(slo, ServiceLevelObjective) or slo.metadata.deletion_timestamp:
            return None
        meter = self._meter(key, slo)
        if isinstance(meter, Failure) or meter.complete(self._clock().timestamp()):
            return None
        if not self._ledgers.tried(slo.metadata.uid, meter):
            return None
        return _TO_COMPLETE if meter.begun else _TO_BEGIN

    async def reconcile(self, key: Key) -> float | None:
        """Measure and write what came of it; seconds until the objective is due again."""
        slo = self._cache.get(key)
        interval = self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret
        if isinstance(slo, Malformed):
            self._forget(key)
            await self._complaints.tell(OBJECTIVES, slo, now=self._clock())
        elif isinstance(slo, ServiceLevelObjective) and not slo.metadata.deletion_timestamp:
            recounted = await self._recounted(key, slo)
            if recounted is not None:
                await self._publish(slo, recounted)
                # The counters are read again when they would have been.
                age = self._clock().timestamp() - recounted.measured.bounds.end
                return min(interval, max(0.0, interval - age))
            outcome = await self._measure(key, slo)
            if outcome is None:
                return 0.0
            await self._publish(slo, outcome)
        else:
            if key in self._meters:
                self._ledgers.forget(self._meters[key].uid)
            self._forget(key)
            return None
        return interval

    def _forget(self, key: Key) -> None:
        self._meters.pop(key, None)
        self._unread.discard(key)
        self._closing.pop(key, None)
        self._recount.discard(key)
        self._corrected(key.namespace, self._applicable.drop(key.namespace, key.name))
        self._standings.drop(key.namespace, key.name)

    async def _recounted(self, key: Key, slo: ServiceLevelObjective) -> Evaluation | None:
        """The numbers with the corrections of now, if only these have changed."""
        if key not in self._recount:
            return None
        self._recount.discard(key)
        meter, known = self._meter(key, slo), self._meters.get(key)
        if known is None or known.reading is None or known.meter is not meter:
            return None
        return await self._evaluate(known.meter, slo, known.reading.at)

    async def _measure(self, key: Key, slo: ServiceLevelObjective) -> Outcome | None:
        """What came of measuring; None if it is to be gone on with when there is a slot for it."""
        meter = self._meter(key, slo)
        if isinstance(meter, Failure):
            return meter
        tried = self._ledgers.tried(slo.metadata.uid, meter)
        await self._ledgers.take_up(slo, meter, self._meters[key].key)
        if not (tried or meter.complete(self._clock().timestamp())):
            return None  # it waits behind from now on
        if meter.complete(self._clock().timestamp()):
            read = await meter.advance(self._clock().timestamp())
            return await self._outcome(slo, meter, read)
        with patiently():
            return await self._read_history(slo, meter)

    async def _read_history(self, slo: ServiceLevelObjective, meter: Meter) -> Outcome | None:
        """Read the newest day, or if that was read, the rest of the window."""
        now, begins = self._clock().timestamp(), not meter.begun
        reading: asyncio.Task[Reading | Failure | None] = asyncio.create_task(
            meter.begin(now) if begins else meter.advance(now)
        )
        try:
            # What was known before a restart stays in status while history is read again.
            while slo.status.error_budget is None and not reading.done():
                await asyncio.wait([reading], timeout=_PROGRESS)
                if not reading.done():
                    slo = await self._tell_progress(slo, meter)
            read = await reading
        finally:
            reading.cancel()
        if read is None:
            if slo.status.error_budget is None and len(self._unread) > HISTORIES:
                await self._tell_progress(slo, meter)  # it will wait for others
            return None
        return await self._outcome(slo, meter, read)

    async def _tell_progress(
        self, slo: ServiceLevelObjective, meter: Meter
    ) -> ServiceLevelObjective:
        now = self._clock()
        progress = _evaluated(meter, slo, now.timestamp())
        return await self._write(slo, status_of(slo, progress, now))

    async def _outcome(
        self, slo: ServiceLevelObjective, meter: Meter, read: Reading | Failure
    ) -> Outcome:
        known = self._meters.get(_key(slo))
        if known is not None and known.meter is meter:
            known.reading = None if isinstance(read, Failure) else read
        if not isinstance(read, Failure):
            self._unread.discard(_key(slo))
            return await self._evaluate(meter, slo, read.at)
        self._metrics.source_failures.labels(slo.spec.source.name, read.reason).inc()
        if read.reason is Reason.SOURCE_UNAUTHORIZED:
            self._refused(slo.spec.source.name)
        return read

    async def _evaluate(self, meter: Meter, slo: ServiceLevelObjective, at: float) -> Evaluation:
        """The budget at `at`, with the corrections that there are."""
        corrections = self._cache.corrections(slo.metadata.namespace)
        problem = await meter.correct(self._applicable.of(slo, corrections, at), at)
        if problem is not None:
            self._metrics.source_failures.labels(slo.spec.source.name, problem.reason).inc()
        self._ledgers.measured(slo.metadata.uid)
        evaluation = _evaluated(meter, slo, at)
        effects = evaluation.corrected.effects if evaluation.corrected is not None else ()
        changed = self._applicable.put(slo, effects)
        if changed:
            self._corrected(slo.metadata.namespace, changed)
        return evaluation

    def _meter(self, key: Key, slo: ServiceLevelObjective) -> Meter | Failure:
        """The objective's meter; a new one if what is measured has changed."""
        source = self._sources.get(slo.spec.source.name)
        if isinstance(source, Failure):
            return source
        known, uid = self._meters.get(key), slo.metadata.uid
        same = known is not None and known.spec is slo.spec
        declared = known.key[0] if known is not None and same else indicator_key(slo.spec)
        made_for = (declared, source.dedup_label)
        if known is not None and (known.uid, known.key) == (uid, made_for):
            known.spec = slo.spec
            return known.meter
        if known is not None and known.uid != slo.metadata.uid:
            self._ledgers.forget(known.uid)
        recorder = None if self._recorder is None else self._recorder(slo)
        meter = Meter(slo.spec, source, settle=self._settle, recorder=recorder)
        self._meters[key] = _Measuring(uid, made_for, slo.spec, meter)
        self._unread.add(key)
        return meter

    async def _publish(self, slo: ServiceLevelObjective, outcome: Outcome) -> None:
        """Tell policies, Kubernetes and people how the objective stands."""
        # While it was measured the objective may have been written; the newest is what counts.
        current = self._cache.get(_key(slo))
        if isinstance(current, ServiceLevelObjective) and current.metadata.uid == slo.metadata.uid:
            slo = current
        status = status_of(slo, outcome, self._clock())
        state = state_of(slo, status)
        before = self._standings.put(slo.metadata.namespace, state)
        if before != state:
            self._changed(slo, before, state)
        await self._write(slo, status)
        self._announce(slo, status)

    async def _write(
        self, slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus
    ) -> ServiceLevelObjective:
        if not noticeable(slo.status, status):
            return slo
        meta = slo.metadata
        metadata = {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}
        body = {"metadata": metadata, "status": status.to_json()}
        stored = await self._api.apply(OBJECTIVES, body, subresource="status")
        self._metrics.writes.labels("status", "ok").inc()
        _, found = self._cache.put(OBJECTIVES, stored)
        return found if isinstance(found, ServiceLevelObjective) else slo

    def _announce(self, slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus) -> None:
        """Post Events about what has changed for people."""
        self._tell(level_changed(slo, status))
        reasons = {
            one.metadata.name: one.spec.reason
            for one in self._cache.corrections(slo.metadata.namespace)
        }
        self._tell(corrections_changed(slo, status, reasons))
        if new_period(slo, status):
            self._closing[_key(slo)] = slo
        self._announce_closing(_key(slo), status)

    def _announce_closing(self, key: Key, status: ServiceLevelObjectiveStatus) -> None:
        """Post what the last period closed with, as soon as its last slice is closed."""
        closing, known = self._closing.get(key), self._meters.get(key)
        if closing is None or known is None or status.window is None:
            return
        if indicator_key(closing.spec) != known.key[0]:
            del self._closing[key]  # what is measured now is something else
            return
        began = status.window.start.timestamp()
        if known.meter.account.settled(began):
            del self._closing[key]
            budget = known.meter.account.closing(objective_of(closing.spec, began - 1), began)
            self._tell(period_closed(closing, budget))

    def _tell(self, event: events.Event | None) -> None:
        if event is not None:
            self._post(event)


def state_of(slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus) -> ObjectiveState:
    """What policies see: made from the status, so that both always say the same."""
    known = find_condition(status.conditions, ConditionType.BUDGET_KNOWN)
    ready = find_condition(status.conditions, ConditionType.READY)
    about = known or ready
    budget = status.error_budget
    return ObjectiveState(
        name=slo.metadata.name,
        known=known is not None and known.status == "True",
        level=status.level,
        remaining=None if budget is None else Decimal(budget.remaining),
        burn_rates={rate.window: Decimal(rate.value) for rate in status.burn_rates},
        window=status.window.name if status.window else window_name(slo.spec.window, None),
        recovered_at=status.forecast.recovered_at if status.forecast else None,
        reason=Reason(about.reason) if about else Reason.NO_DATA,
        message=about.message if about else "",
        corrections=status.corrections.applied if status.corrections is not None else 0,
    )


def _evaluated(meter: Meter, slo: ServiceLevelObjective, at: float) -> Evaluation:
    return meter.evaluate(objective_of(slo.spec, at), at)


def _key(slo: ServiceLevelObjective) -> Key:
    return Key(OBJECTIVES.plural, slo.metadata.namespace, slo.metadata.name)
