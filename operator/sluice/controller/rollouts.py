"""Watches the Rollouts of Argo Rollouts, which a cluster may have, get or lose at any time.

kopf ends where it is to watch what the API server does not have, and does not look again. So these
are listed and watched apart; without them the list is asked for once a minute, silently.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from sluice.kube.api_server import ApiServer
from sluice.kube.reflector import Reflector
from sluice.kube.resources import ROLLOUTS, Resource

_FIRST_LIST = 10.0
"""Seconds that a start waits for the first list; without the right to it there will be none."""


class Taker(Protocol):
    """Who is told what there is."""

    def take(self, resource: Resource, kind: str | None, body: dict[str, Any]) -> None:
        """An object, and what became of it: `DELETED`, or anything else."""

    def keep(self, resource: Resource, namespace: str | None, names: set[tuple[str, str]]) -> None:
        """All that there are in `namespace`; in all namespaces if it is None."""


class Rollouts:
    """Keeps a `Taker` in step with the Rollouts of the cluster, or of `namespaces`."""

    def __init__(
        self,
        api: ApiServer,
        taker: Taker,
        *,
        namespaces: Collection[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._taker = taker
        self._reflectors = [
            Reflector(api, ROLLOUTS, self, monotonic=monotonic, namespace=namespace, optional=True)
            for namespace in namespaces or (None,)
        ]

    @property
    def served(self) -> bool:
        """Whether the cluster has such objects."""
        return any(one.served for one in self._reflectors)

    def put(self, resource: Resource, body: dict[str, Any]) -> None:
        """Take a Rollout in that is new or has changed."""
        self._taker.take(resource, "MODIFIED", body)

    def drop(self, resource: Resource, body: dict[str, Any]) -> None:
        """Forget a Rollout that is gone."""
        self._taker.take(resource, "DELETED", body)

    def retain(
        self, resource: Resource, namespace: str | None, names: set[tuple[str, str]]
    ) -> None:
        """Forget the Rollouts that are not among `names`."""
        self._taker.keep(resource, namespace, names)

    async def run(self) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as tasks:
            for one in self._reflectors:
                tasks.create_task(one.run())

    async def listed(self) -> None:
        """Wait until it is known what there is, but not for ever."""
        waits = [asyncio.ensure_future(one.synced.wait()) for one in self._reflectors]
        _, late = await asyncio.wait(waits, timeout=_FIRST_LIST)
        for one in late:
            one.cancel()
