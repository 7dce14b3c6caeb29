"""Brings one ServiceLevelObjective up to date: measure, work the status out, write it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sluice.api.conditions import ConditionType
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective, ServiceLevelObjectiveStatus
from sluice.budget.account import Evaluation
from sluice.controller.complaint import Complaints
from sluice.controller.objective_events import (
    condition,
    level_changed,
    new_period,
    period_closed,
)
from sluice.controller.objective_status import Outcome, noticeable, status_of
from sluice.controller.standings import Standings
from sluice.indicators.declared import indicator_key, objective_of, window_name
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter
from sluice.indicators.sources import Sources
from sluice.kube import events
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import OBJECTIVES
from sluice.policy.objective import ObjectiveState
from sluice.telemetry.metrics import Metrics

_PROGRESS = 5.0
"""Seconds between two status writes while history is being read."""


@dataclass(slots=True)
class _Measuring:
    """A meter and what it was made for."""

    uid: str
    key: tuple[str, str]
    meter: Meter


class Objectives:
    """The reconciler of ServiceLevelObjectives."""

    def __init__(
        self,
        *,
        api: ApiServer,
        cache: Cache,
        sources: Sources,
        standings: Standings,
        metrics: Metrics,
        clock: Callable[[], datetime],
        changed: Callable[[ServiceLevelObjective], None],
        refused: Callable[[str], None],
        interval: float,
        settle: float,
        identity: str,
    ) -> None:
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._sources = sources
        self._standings = standings
        self._metrics = metrics
        self._clock = clock
        self._changed = changed
        self._refused = refused
        self._interval = interval
        self._settle = settle
        self._identity = identity
        self._meters: dict[Key, _Measuring] = {}
        self._closing: dict[Key, ServiceLevelObjective] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Measure and write what came of it; seconds until the objective is due again."""
        slo = self._cache.get(key)
        if isinstance(slo, Malformed):
            self._forget(key)
            await self._complaints.tell(OBJECTIVES, slo, now=self._clock())
        elif isinstance(slo, ServiceLevelObjective) and not slo.metadata.deletion_timestamp:
            await self._publish(slo, await self._measure(key, slo))
        else:
            self._forget(key)
            return None
        return self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret

    def _forget(self, key: Key) -> None:
        self._meters.pop(key, None)
        self._closing.pop(key, None)
        self._standings.drop(key.namespace, key.name)

    async def _measure(self, key: Key, slo: ServiceLevelObjective) -> Outcome:
        meter = self._meter(key, slo)
        if isinstance(meter, Failure):
            return meter
        reading = asyncio.create_task(meter.advance(self._clock().timestamp()))
        try:
            # What was known before a restart stays in status while history is read again.
            while slo.status.error_budget is None and not reading.done():
                await asyncio.wait([reading], timeout=_PROGRESS)
                if not reading.done():
                    now = self._clock()
                    progress = _evaluated(meter, slo, now.timestamp())
                    slo = await self._write(slo, status_of(slo, progress, now))
            advanced = await reading
        finally:
            reading.cancel()
        if isinstance(advanced, Failure):
            self._metrics.source_failures.labels(slo.spec.source.name, advanced.reason).inc()
            if advanced.reason is Reason.SOURCE_UNAUTHORIZED:
                self._refused(slo.spec.source.name)
            return advanced
        return _evaluated(meter, slo, advanced.at)

    def _meter(self, key: Key, slo: ServiceLevelObjective) -> Meter | Failure:
        """The objective's meter; a new one if what is measured has changed."""
        source = self._sources.get(slo.spec.source.name)
        if isinstance(source, Failure):
            return source
        made_for = (indicator_key(slo.spec), source.dedup_label)
        known = self._meters.get(key)
        if known is not None and (known.uid, known.key) == (slo.metadata.uid, made_for):
            return known.meter
        meter = Meter(slo.spec, source, settle=self._settle)
        self._meters[key] = _Measuring(slo.metadata.uid, made_for, meter)
        return meter

    async def _publish(self, slo: ServiceLevelObjective, outcome: Outcome) -> None:
        """Tell policies, Kubernetes and people how the objective stands."""
        # While it was measured the objective may have been written; the newest is what counts.
        current = self._cache.get(_key(slo))
        if isinstance(current, ServiceLevelObjective) and current.metadata.uid == slo.metadata.uid:
            slo = current
        status = status_of(slo, outcome, self._clock())
        state = state_of(slo, status)
        if self._standings.put(slo.metadata.namespace, state) != state:
            self._changed(slo)
        await self._write(slo, status)
        await self._announce(slo, status)

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

    async def _announce(
        self, slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus
    ) -> None:
        """Post Events about what has changed for people."""
        await self._post(level_changed(slo, status))
        if new_period(slo, status):
            self._closing[_key(slo)] = slo
        await self._announce_closing(_key(slo), status)

    async def _announce_closing(self, key: Key, status: ServiceLevelObjectiveStatus) -> None:
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
            await self._post(period_closed(closing, budget))

    async def _post(self, event: events.Event | None) -> None:
        if event is not None:
            await events.post(self._api, event, identity=self._identity, now=self._clock())


def state_of(slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus) -> ObjectiveState:
    """What policies see: made from the status, so that both always say the same."""
    known = condition(status, ConditionType.BUDGET_KNOWN)
    ready = condition(status, ConditionType.READY)
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
    )


def _evaluated(meter: Meter, slo: ServiceLevelObjective, at: float) -> Evaluation:
    return meter.evaluate(objective_of(slo.spec, at), at)


def _key(slo: ServiceLevelObjective) -> Key:
    return Key(OBJECTIVES.plural, slo.metadata.namespace, slo.metadata.name)
