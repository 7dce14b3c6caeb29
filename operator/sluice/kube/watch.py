"""kopf as the source of watch events, and of nothing else.

Only `on.event`, startup and login handlers are registered, peering and event posting are off: so
kopf writes nothing to any object. Handlers of other kinds would store annotations or finalizers
on users' objects. What kopf misses (deletions during a relist) a list of names after each
relist repairs, see `sluice.controller.app`.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any

import kopf
from kubernetes.aio import client

from sluice.kube.connection import kopf_connection
from sluice.kube.resources import Resource

Observer = Callable[[Resource, str | None, dict[str, Any]], Awaitable[None]]
"""Told of each object: its resource, `ADDED`, `MODIFIED`, `DELETED` or None when listed, itself."""


class _EndlessBackoffs:
    """Delays between retries, for ever: kopf gives an error up, and ends, when they run out."""

    def __iter__(self) -> Iterator[float]:
        first = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0)
        for delay in itertools.chain(first, itertools.repeat(30.0)):
            yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret


def settings() -> kopf.OperatorSettings:
    """Kopf's settings for production: bounded requests, endless retries, no writes."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.networking.connect_timeout = 10
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = _EndlessBackoffs()
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 310
    chosen.watching.connect_timeout = 30
    chosen.watching.reconnect_backoff = 2
    chosen.watching.chunk_size = 500
    chosen.process.ultimate_exiting_timeout = 30
    return chosen


def registry(
    resources: Sequence[Resource], observer: Observer, configuration: client.Configuration
) -> kopf.OperatorRegistry:
    """A registry of its own, whose handlers pass every event of `resources` to `observer`."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf_connection(configuration)

    for resource in resources:
        _subscribe(found, resource, observer)
    return found


def _subscribe(found: kopf.OperatorRegistry, resource: Resource, observer: Observer) -> None:
    @kopf.on.event(
        resource.group, resource.version, resource.plural, id=resource.plural, registry=found
    )
    async def on_event(event: Any, **_: Any) -> None:
        await observer(resource, event["type"], event["object"])


async def run(
    resources: Sequence[Resource],
    observer: Observer,
    configuration: client.Configuration,
    *,
    namespaces: Collection[str],
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Watch until `stop`; all namespaces if `namespaces` is empty. `ready`: kopf is up.

    Raises whatever ends kopf: an unusable login, resources that the API server does not have.
    """
    # One line for each event of each object is noise at INFO.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    await kopf.operator(
        registry=registry(resources, observer, configuration),
        settings=settings(),
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        ready_flag=ready,
        stop_flag=stop,
    )
