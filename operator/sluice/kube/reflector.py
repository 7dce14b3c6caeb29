"""List, then watch: every object of a collection, from now on, in order.

For a process that answers from memory and writes nothing. Unlike kopf's watch it tells of objects
that went while it was disconnected, starts no task for each object and keeps nothing of them.
Source: kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes".
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import Resource

_log = structlog.get_logger(__name__)
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_NOT_SERVED = 60.0
"""Seconds until it is asked again for a kind that the API server does not have."""


class Sink(Protocol):
    """Takes in what a collection holds."""

    def put(self, resource: Resource, body: dict[str, Any]) -> None:
        """An object that is new or has changed."""

    def drop(self, resource: Resource, body: dict[str, Any]) -> None:
        """An object that is gone."""

    def retain(
        self, resource: Resource, namespace: str | None, names: set[tuple[str, str]]
    ) -> None:
        """The namespaces and names that there are; all others in `namespace` are gone."""


class Reflector:
    """Keeps a sink in step with one collection."""

    def __init__(
        self,
        api: ApiServer,
        resource: Resource,
        sink: Sink,
        *,
        monotonic: Callable[[], float],
        namespace: str | None = None,
        metadata_only: bool = False,
        optional: bool = False,
    ) -> None:
        """Make a reflector of the objects of `resource`, of all namespaces if none is given.

        With `metadata_only` bodies have no spec and status. What is `optional` the API server need
        not serve.
        """
        self.resource = resource
        self.synced = asyncio.Event()
        """Set from the first complete list on."""
        self._api = api
        self._sink = sink
        self._monotonic = monotonic
        self._namespace = namespace
        self._metadata_only = metadata_only
        self._optional = optional
        self._served = False
        self._lost_at: float | None = monotonic()
        self._failures = 0
        self._version = ""

    @property
    def served(self) -> bool:
        """Whether the API server was last seen to have such objects at all."""
        return self._served

    @property
    def lost_for(self) -> float:
        """Seconds since it last knew to be up to date; 0 while it does."""
        return 0.0 if self._lost_at is None else self._monotonic() - self._lost_at

    async def run(self) -> None:
        """List and watch for ever."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
                delay = _FIRST_DELAY
            except ApiError as error:
                if error.expired:
                    self._version = ""
                if self._lost_at is None:
                    self._lost_at = self._monotonic()
                delay = self._delay(error)
            await asyncio.sleep(delay)

    def _delay(self, error: ApiError) -> float:
        """Seconds until the next attempt."""
        if self._optional and error.not_found:
            self._failures, self._lost_at, self._served = 0, None, False
            self._version = ""
            self._sink.retain(self.resource, self._namespace, set())
            self.synced.set()
            return _NOT_SERVED
        self._failures += 1
        delay = min(_FIRST_DELAY * 2.0 ** min(self._failures - 1, 10), _LONGEST_DELAY)
        _log.warning("watch failed", resource=self.resource.plural, error=error.message)
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret

    async def _list(self) -> None:
        version, names = "", set()
        pages = self._api.pages(
            self.resource, namespace=self._namespace, metadata_only=self._metadata_only
        )
        async for page in pages:
            for body in page.get("items") or []:
                self._sink.put(self.resource, body)
                names.add(_name(body))
            version = str(page["metadata"].get("resourceVersion", ""))
        self._sink.retain(self.resource, self._namespace, names)
        self._version = version
        self._arrived()
        self.synced.set()

    async def _follow(self) -> None:
        """Take events in until the watch ends.

        Every event moves the version on, so that a watch that breaks is taken up where it was.
        """
        events = self._api.watch(
            self.resource,
            namespace=self._namespace,
            since=self._version,
            metadata_only=self._metadata_only,
            connected=self._arrived,
        )
        async for event in events:
            body = event["object"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._sink.put(self.resource, body)
                case "DELETED":
                    self._sink.drop(self.resource, body)
            self._version = str(body["metadata"]["resourceVersion"])

    def _arrived(self) -> None:
        self._failures, self._lost_at, self._served = 0, None, True


def _name(body: dict[str, Any]) -> tuple[str, str]:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
