"""Brings one MetricSource up to date: read its Secrets, connect, ask it, say how it is."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from sluice.api.reasons import Reason
from sluice.api.source import MetricSource, MetricSourceSpec
from sluice.controller.complaint import Complaints
from sluice.controller.source_secrets import read_secrets
from sluice.controller.source_status import ready_changed, status_of
from sluice.indicators.credentials import Secrets
from sluice.indicators.failure import Failure
from sluice.indicators.guard import Guarded, GuardedSource
from sluice.indicators.sources import DEFAULT, Sources
from sluice.kube import events
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import SOURCES

_log = structlog.get_logger(__name__)
_INTERVAL = 180.0
"""Seconds between two probes of a source that answers; its Secrets are read again, too."""
_RETRY = 20.0
"""The same for one that does not."""

Connect = Callable[[str, MetricSourceSpec, Secrets], Guarded | Failure]
"""Makes the client of a source from its name, what is declared, and what its Secrets hold."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """A client, and what it was made from."""

    declared: MetricSourceSpec
    secrets: Secrets
    client: Guarded


class MetricSources:
    """The reconciler of MetricSources.

    Args:
        api: reads Secrets and writes status.
        cache: the MetricSources.
        sources: where objectives look their sources up.
        connect: makes clients.
        fallback: the source called `DEFAULT` unless there is a MetricSource of that name.
        namespace: the controller's own, in which the Secrets are.
        clock: the present time, with a zone.
        changed: is told the name of a source that appeared, vanished, failed or answers again.
        post: posts an Event.
        recording: why not all that should be is recorded in a source; None if nothing is amiss.
    """

    def __init__(
        self,
        *,
        api: ApiServer,
        cache: Cache,
        sources: Sources,
        connect: Connect,
        fallback: GuardedSource | None,
        namespace: str,
        clock: Callable[[], datetime],
        changed: Callable[[str], None],
        post: Callable[[events.Event], None],
        recording: Callable[[str], Failure | None] = lambda _: None,
    ) -> None:
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._sources = sources
        self._connect = connect
        self._fallback = fallback
        self._namespace = namespace
        self._clock = clock
        self._changed = changed
        self._post = post
        self._recording = recording
        self._connections: dict[str, _Connection] = {}
        self._said: dict[str, Reason | None] = {}
        self._met: set[str] = set()
        if fallback is not None:
            sources.put(DEFAULT, fallback)

    def appeared(self, name: str) -> None:
        """There is a MetricSource of this name: from now on objectives must not use another."""
        if name not in self._met:
            self._met.add(name)
            message = f"source {name!r} is being set up"
            self._sources.put(name, Failure(Reason.PROGRESSING, message))

    async def prepare(self) -> None:
        """Connect to all sources, unprobed, so that no objective begins with a failure."""
        for key in self._cache.keys(SOURCES):
            found = self._cache.get(key)
            if isinstance(found, MetricSource):
                try:
                    await self._connected(key.name, found.spec)
                except ApiError as error:
                    _log.warning("source not set up", source=key.name, error=error.message)

    async def reconcile(self, key: Key) -> float | None:
        """Connect, probe and write what came of it; seconds until the source is due again."""
        found = self._cache.get(key)
        if isinstance(found, Malformed):
            problem: Failure | None = Failure(Reason.INVALID_SPEC, found.problem)
            self._unusable(key.name, Reason.INVALID_SPEC)
            await self._complaints.tell(SOURCES, found, now=self._clock())
        elif isinstance(found, MetricSource) and not found.metadata.deletion_timestamp:
            problem = await self._probe(key.name, found.spec) or self._recording(key.name)
            await self._write(found, problem)
        else:
            self._forget(key.name)
            return None
        self._tell(key.name, problem)
        interval = _INTERVAL if problem is None else _RETRY
        return interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret

    async def _probe(self, name: str, declared: MetricSourceSpec) -> Failure | None:
        """Ask the source, as it is declared now, something that costs nothing."""
        client = await self._connected(name, declared)
        if isinstance(client, Failure):
            return client
        return await client.probe(self._clock().timestamp())

    async def _connected(self, name: str, declared: MetricSourceSpec) -> Guarded | Failure:
        """The client of the source, a new one if what it is made from has changed."""
        found = await read_secrets(self._api, declared, namespace=self._namespace)
        if isinstance(found, Failure):
            self._unusable(name, found.reason)
            return found
        known = self._connections.get(name)
        if known is not None and (known.declared, known.secrets) == (declared, found):
            return known.client
        client = self._connect(name, declared, found)
        if isinstance(client, Failure):
            self._unusable(name, client.reason)
            return client
        self._connections[name] = _Connection(declared, found, client)
        self._sources.put(name, client)
        _log.info("source connected", source=name, address=declared.address)
        return client

    def _unusable(self, name: str, reason: Reason) -> None:
        """Let every query fail; teams need not read which Secrets the platform has."""
        self._connections.pop(name, None)
        message = f"source {name!r} cannot be used ({reason}): "
        message += f"`kubectl describe metricsource {name}` tells why"
        # Of an objective that reason would say that it is the objective's own fault.
        of_objective = Reason.SOURCE_ERROR if reason is Reason.INVALID_SPEC else reason
        self._sources.put(name, Failure(of_objective, message))

    def _forget(self, name: str) -> None:
        if name not in self._met:
            return
        self._met.discard(name)
        self._connections.pop(name, None)
        self._said.pop(name, None)
        if self._fallback is not None and name == DEFAULT:
            self._sources.put(name, self._fallback)
        else:
            self._sources.drop(name)
        self._changed(name)

    def _tell(self, name: str, problem: Failure | None) -> None:
        reason = None if problem is None else problem.reason
        if name not in self._said or self._said[name] is not reason:
            self._said[name] = reason
            _log.info("source probed", source=name, reason=reason or Reason.RECONCILED)
            self._changed(name)

    async def _write(self, source: MetricSource, problem: Failure | None) -> None:
        meta, before = source.metadata, source.status
        status = status_of(
            before.conditions, problem, generation=meta.generation, now=self._clock()
        )
        if status != before:
            body = {"metadata": {"name": meta.name, "uid": meta.uid}, "status": status.to_json()}
            await self._api.apply(SOURCES, body, subresource="status")
        event = ready_changed(source, status)
        if event is not None:
            self._post(event)
