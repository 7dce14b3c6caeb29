"""The parts of a running controller and how they are wired together."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import aiohttp
import structlog
from kubernetes.aio import client

from sluice.api.conditions import ConditionType, find_condition
from sluice.api.correction import BudgetCorrection
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.slo import AlertState, ServiceLevelObjective
from sluice.controller.applicable import Applicable, selects
from sluice.controller.burning import Burning
from sluice.controller.connections import Connections
from sluice.controller.corrections import Corrections
from sluice.controller.dispatcher import Dispatcher, Lane
from sluice.controller.ledgers import Ledgers
from sluice.controller.objectives import HISTORIES, Objectives
from sluice.controller.overrides import Overrides
from sluice.controller.policies import Policies
from sluice.controller.policy_writer import PolicyWriter
from sluice.controller.rollouts import Rollouts
from sluice.controller.rulebook import Rulebook
from sluice.controller.settings import Settings
from sluice.controller.sources import MetricSources
from sluice.controller.standings import Standings
from sluice.indicators.guard import GuardedSource
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import DEFAULT, Sources
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import WATCHED, Cache, Key, Malformed, Workload, key_of
from sluice.kube.event_recorder import EventRecorder
from sluice.kube.kill_switch import KillSwitch, Unread
from sluice.kube.ledgers import LedgerStore
from sluice.kube.resources import (
    CORRECTIONS,
    OBJECTIVES,
    OPTIONAL,
    OVERRIDES,
    POLICIES,
    SOURCES,
    WORKLOADS,
    Resource,
)
from sluice.kube.server_time import ServerTime
from sluice.policy.objective import ObjectiveState
from sluice.policy.relevance import asks_anew
from sluice.policy.selection import Labelled, select_objectives
from sluice.telemetry.metrics import Metrics, PolicyReading, ProcessReading
from sluice.telemetry.objective_samples import ObjectiveReading, Shown

_log = structlog.get_logger(__name__)
_FRESH = 300.0
"""Seconds that an evaluation of an objective may be decided upon, at the least."""

_AFTER_REFUSAL = 5.0
"""Seconds after which a source's credentials are read again when it has refused them."""

_AT_A_SOURCE = 64
"""Evaluations under way of objectives of one source; most of them wait for it to answer."""

_COALESCE = 0.2
"""Seconds that changes of objectives and workloads are collected before policies are evaluated."""


class Assembly:
    """Everything that `sluice run` keeps between two evaluations."""

    def __init__(
        self,
        settings: Settings,
        api: ApiServer,
        configuration: client.Configuration,
        *,
        leading: Callable[[], bool],
        server_time: ServerTime | None = None,
    ) -> None:
        self.api = api
        self.server_time = server_time or ServerTime()
        self.configuration = configuration
        self.leading = leading
        self.metrics = Metrics()
        self.cache = Cache()
        self.events = EventRecorder(
            api,
            identity=settings.identity,
            clock=_utc_now,
            monotonic=time.monotonic,
            dropped=lambda why: self.metrics.events_dropped.labels(why).inc(),
        )
        self.synced = False
        self.listed_anew = asyncio.Event()
        """Set when a watch has begun anew with a list."""
        self.watched = [it for it in WATCHED if it.namespaced or settings.scope == "cluster"]
        self._settings = settings
        self._switch: KillSwitch | Unread | None = Unread()
        self._standings = Standings(
            monotonic=time.monotonic, lasts=max(_FRESH, 3 * settings.interval)
        )
        # A cookie that one source sets is not for another of the same host.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        sources = Sources()
        self._rulebook = Rulebook(
            api=api,
            cache=self.cache,
            sources=sources,
            namespace=settings.namespace,
            enabled=settings.prometheus_rules,
            settle=math.ceil(settings.settle),
            clock=time.time,
            changed=self._recording_changed,
        )
        self._sources = MetricSources(
            api=api,
            cache=self.cache,
            sources=sources,
            connect=Connections(self._session, query_timeout=settings.query_timeout).connect,
            fallback=self._fallback(),
            namespace=settings.namespace,
            clock=_utc_now,
            changed=self._source_changed,
            post=self.events.post,
            recording=self._rulebook.problem,
        )
        self._listed = 0.0
        self.ledgers = Ledgers(
            store=LedgerStore(api, namespace=settings.namespace),
            metrics=self.metrics,
            clock=_utc_now,
            monotonic=time.monotonic,
            post=self.events.post,
            namespaces=settings.watch_namespaces,
        )
        applicable = Applicable()
        self._objectives = Objectives(
            api=api,
            cache=self.cache,
            sources=sources,
            standings=self._standings,
            ledgers=self.ledgers,
            applicable=applicable,
            metrics=self.metrics,
            clock=_utc_now,
            changed=self._objective_changed,
            refused=self._source_refused,
            corrected=self._effects_changed,
            interval=settings.interval,
            settle=settings.settle,
            post=self.events.post,
            recorder=self._rulebook.recorder,
        )
        self._writer = PolicyWriter(
            api=api,
            cache=self.cache,
            metrics=self.metrics,
            post=self.events.post,
            namespaces=settings.watch_namespaces,
            sees_gates=settings.scope == "cluster",
        )
        burning = Burning(cache=self.cache, spent=self._objectives.spent)
        self.rollouts = (
            Rollouts(api, self, namespaces=settings.watch_namespaces)
            if settings.argo_rollouts
            else None
        )
        self._policies = Policies(
            settings=settings,
            served=self._served,
            api=api,
            cache=self.cache,
            standings=self._standings,
            burning=burning,
            writer=self._writer,
            clock=_utc_now,
            monotonic=time.monotonic,
            kill_switch=lambda: self._switch,
        )
        corrections = Corrections(api=api, cache=self.cache, applicable=applicable, clock=_utc_now)
        overrides = Overrides(api=api, cache=self.cache, burning=burning, clock=_utc_now)
        # One workload may be governed by several policies of its namespace: they take turns.
        self.dispatcher = Dispatcher(
            {
                SOURCES.plural: Lane(self._sources.reconcile, 1, queue=lambda key: key.name),
                OBJECTIVES.plural: Lane(
                    self._objectives.reconcile,
                    _AT_A_SOURCE,
                    queue=self._source_of,
                    behind=self._objectives.behind,
                    behind_at_once=HISTORIES,
                ),
                POLICIES.plural: Lane(
                    self._policies.reconcile, settings.concurrency, one_a_namespace=True
                ),
                OVERRIDES.plural: Lane(overrides.reconcile, settings.concurrency),
                CORRECTIONS.plural: Lane(corrections.reconcile, settings.concurrency),
            },
            metrics=self.metrics,
            monotonic=time.monotonic,
            ready=leading,
        )
        self.metrics.watch(self._objectives_shown, self._policy_readings, self._process)

    async def close(self) -> None:
        """Give connections back."""
        await self._session.close()

    async def sweep(self) -> None:
        """Delete what was enforced for policies that went while nobody watched."""
        if self.synced and self.leading():
            await self._writer.sweep()

    async def sweep_ledgers(self) -> None:
        """Delete what was counted for objectives that went while nobody watched."""
        if self.synced and self.leading():
            await self.ledgers.sweep(self._objective_uids, listed=self._listed)

    async def keep_rules(self) -> float:
        """Have recorded what is to be; seconds until that is to be looked at again."""
        return await self._rulebook.keep()

    async def begin(self) -> None:
        """Connect to the sources and make every object due, for a process that begins to lead."""
        self._standings.clear()
        self._policies.begin()
        self.ledgers.begin()
        await self._sources.prepare()
        for resource in (SOURCES, CORRECTIONS, OBJECTIVES, OVERRIDES, POLICIES):
            for key in self.cache.keys(resource):
                self.dispatcher.now(key)

    async def take_list(self, resource: Resource, *, names_only: bool = False) -> None:
        """Take a full list of `resource` in, and evaluate what it shows to be new or gone.

        With `names_only` it is only looked at what is gone.
        """
        listed, began, since = set(), self.cache.stamp, time.monotonic()
        namespaces = self._settings.watch_namespaces if resource.namespaced else ()
        for namespace in namespaces or (None,):
            async for body in self.api.list(
                resource, namespace=namespace, metadata_only=names_only
            ):
                if not names_only:
                    self.take(resource, None, body)
                listed.add(key_of(resource, body))
        for key in self.cache.retain(resource, listed, began=began):
            self._gone(resource, key)
        if resource is OBJECTIVES:
            self._listed = since

    async def observe(self, resource: Resource, kind: str | None, body: dict[str, Any]) -> None:
        """Take in what a watch tells: one event, or an object (`kind` None) of its first list."""
        if kind is None:
            self.listed_anew.set()
        self.take(resource, kind, body)

    def keep(self, resource: Resource, namespace: str | None, names: set[tuple[str, str]]) -> None:
        """Take a full list of names in, and evaluate what it shows to be gone."""
        for key in self.cache.keys(resource):
            listed = (key.namespace, key.name) in names
            if not listed and namespace in {None, key.namespace}:
                self._gone(resource, key, self.cache.drop(key))

    def take(self, resource: Resource, kind: str | None, body: dict[str, Any]) -> None:
        """Take one watch event in, and evaluate what it concerns."""
        key = key_of(resource, body)
        if kind == "DELETED":
            self._gone(resource, key, self.cache.drop(key))
            return
        before, after = self.cache.put(resource, body)
        if resource is SOURCES:
            self._sources.appeared(key.name)
        if isinstance(after, Workload):
            if before != after:
                self._policies_of(key.namespace, after=_COALESCE)
            return
        if before is None or _asked(before) != _asked(after):
            self.dispatcher.now(key)
            if resource is CORRECTIONS:
                self._recount(key.namespace, before, after)
                return
            if resource is OBJECTIVES:
                self._corrections_of(key.namespace)
            if resource is POLICIES:
                self._overrides_of(key.namespace)
            else:
                self._policies_of(key.namespace)

    def switch(self, switch: KillSwitch | None) -> None:
        """Take the kill switch's state in; a change concerns every policy."""
        if switch == self._switch:
            return
        known = not isinstance(self._switch, Unread)
        self._switch = switch
        if known or switch is not None:
            _log.warning("kill switch", engaged=switch is not None, reason=switch and switch.reason)
        for key in self.cache.keys(POLICIES):
            self.dispatcher.now(key)

    def _gone(self, resource: Resource, key: Key, was: object = None) -> None:
        if resource.kind not in WORKLOADS:
            self.dispatcher.now(key)
        if key.plural == CORRECTIONS.plural:
            self._recount(key.namespace, was)
            return
        if key.plural == OBJECTIVES.plural:
            self._corrections_of(key.namespace)
        if key.plural == POLICIES.plural:
            self._overrides_of(key.namespace)
        self._policies_of(key.namespace, after=_COALESCE)

    def _recount(self, namespace: str, *versions: object) -> None:
        """Evaluate the objectives that a correction is about, or was; all if that is not known."""
        known = [one for one in versions if isinstance(one, BudgetCorrection)]
        for objective in self.cache.objectives(namespace):
            if not known or any(selects(one, objective) for one in known):
                key = Key(OBJECTIVES.plural, namespace, objective.metadata.name)
                self._objectives.recount(key)
                self.dispatcher.now(key)

    def _corrections_of(self, namespace: str) -> None:
        """Bring a namespace's corrections up to date: they say how many objectives they select."""
        names = {one.metadata.name for one in self.cache.corrections(namespace)}
        self._effects_changed(namespace, names)

    def _effects_changed(self, namespace: str, corrections: set[str]) -> None:
        """Bring corrections up to date: an objective's numbers contain them now, or no longer."""
        for name in corrections:
            self.dispatcher.now(Key(CORRECTIONS.plural, namespace, name), after=_COALESCE)

    def _objective_changed(
        self,
        objective: ServiceLevelObjective,
        before: ObjectiveState | None,
        after: ObjectiveState,
    ) -> None:
        """Evaluate the policies that an objective asks for something else than before."""
        meta = objective.metadata
        for policy in self.cache.policies(meta.namespace):
            named = [Labelled(meta.name, meta.labels)]
            selects = select_objectives(policy.spec.objectives, named).names
            if selects and asks_anew(policy.spec, before, after):
                key = Key(POLICIES.plural, meta.namespace, policy.metadata.name)
                self.dispatcher.now(key, after=_COALESCE)

    def _source_changed(self, name: str) -> None:
        """Evaluate the objectives that are measured in a source."""
        for key in self.cache.keys(OBJECTIVES):
            found = self.cache.get(key)
            if isinstance(found, ServiceLevelObjective) and found.spec.source.name == name:
                self.dispatcher.now(key)

    def _recording_changed(self, name: str) -> None:
        """Say on a source what is amiss with its rules, or that nothing is any more."""
        self.dispatcher.now(Key(SOURCES.plural, "", name))

    def _source_refused(self, name: str) -> None:
        """Read the Secrets of a source again, soon but not as often as it is asked."""
        key = Key(SOURCES.plural, "", name)
        if self.cache.get(key) is not None:
            self.dispatcher.now(key, after=_AFTER_REFUSAL)

    def _fallback(self) -> GuardedSource | None:
        """The source that the command line names; a password may stand in its URL."""
        url, timeout = self._settings.prometheus_url, self._settings.query_timeout
        if url is None:
            return None
        source = Prometheus(DEFAULT, url, self._session, timeout=timeout)
        return GuardedSource(source, monotonic=time.monotonic)

    def _source_of(self, key: Key) -> str:
        """The name of the source that an objective is measured in; empty if there is none."""
        found = self.cache.get(key)
        return found.spec.source.name if isinstance(found, ServiceLevelObjective) else ""

    def _policies_of(self, namespace: str, *, after: float = 0.0) -> None:
        for policy in self.cache.policies(namespace):
            key = Key(POLICIES.plural, namespace, policy.metadata.name)
            self.dispatcher.now(key, after=after)

    def _overrides_of(self, namespace: str) -> None:
        """Bring a namespace's overrides up to date: their policy says how long they may last."""
        for override in self.cache.overrides(namespace):
            self.dispatcher.now(Key(OVERRIDES.plural, namespace, override.metadata.name))

    def _served(self) -> frozenset[str]:
        """The kinds of workloads that there are, or may be."""
        served = self.rollouts is not None and self.rollouts.served
        return frozenset(WORKLOADS) - (frozenset() if served else OPTIONAL)

    def _objective_uids(self) -> set[str]:
        return {self.cache.uid(key) for key in self.cache.keys(OBJECTIVES)}

    def _objectives_shown(self) -> Iterator[tuple[Key, Shown]]:
        for key in self.cache.keys(OBJECTIVES):
            state, found = self._standings.get(key.namespace, key.name), self.cache.get(key)
            if state is not None:
                yield key, Shown((state, found), partial(_objective_reading, key, state, found))

    def _policy_readings(self) -> Iterator[PolicyReading]:
        for key in self.cache.keys(POLICIES):
            found = self.cache.get(key)
            if isinstance(found, ErrorBudgetPolicy):
                frozen = find_condition(found.status.conditions, ConditionType.FROZEN)
                yield PolicyReading(
                    namespace=key.namespace,
                    name=key.name,
                    stage=found.status.stage or "",
                    frozen=frozen is not None and frozen.status == "True",
                    governed=found.status.workloads.governed,
                    overrides=Counter(one.effect for one in found.status.overrides),
                )

    def _process(self) -> ProcessReading:
        return ProcessReading(
            leading=self.leading(),
            synced=self.synced,
            killed=isinstance(self._switch, KillSwitch),
            lag=self.dispatcher.lag,
            clock_offset=self.server_time.offset,
            ledgers_overdue=self.ledgers.overdue() if self.leading() else 0,
        )


def _objective_reading(key: Key, state: ObjectiveState, found: object) -> ObjectiveReading:
    told = found.status if isinstance(found, ServiceLevelObjective) else None
    sli = None if told is None else told.sli
    return ObjectiveReading(
        namespace=key.namespace,
        name=key.name,
        known=state.known,
        remaining=None if state.remaining is None else float(state.remaining) / 100,
        sli=None if sli is None else float(Decimal(sli) / 100),
        burn_rates={window: float(rate) for window, rate in state.burn_rates.items()},
        alerts={
            (alert.severity.value, alert.long): alert.state is AlertState.FIRING
            for alert in (() if told is None else told.alerts)
            if alert.state in {AlertState.FIRING, AlertState.INACTIVE}
        },
        corrections=state.corrections,
    )


def _asked(found: object) -> tuple[Any, ...]:
    """What the object asks for: a status that was written, by us, asks for nothing."""
    if isinstance(found, Workload | Malformed):
        return (found,)
    meta = found.metadata  # type: ignore[attr-defined]
    return (meta.uid, meta.generation, meta.labels, meta.deletion_timestamp)


def _utc_now() -> datetime:
    return datetime.now(UTC)
