"""Reads and writes of Kubernetes objects as plain JSON.

The typed classes of the official client would validate and copy every object; what Sluice reads
is either its own kind (validated by `sluice.api`) or passed on as it is. So only the client's
transport is used: TLS, tokens and their renewal, the connection pool.
"""

import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from sluice.kube.resources import Resource
from sluice.kube.server_time import ServerTime

FIELD_MANAGER = "sluice"
_READ_SECONDS = 30
_WRITE_SECONDS = 10
_PAGE = 500
_WATCH_SECONDS = 300
# The API server sends a bookmark about once a minute.
_SILENT = 120
_JSON = "application/json"
# Source: kubernetes.io/docs/reference/using-api/api-concepts, "Metadata-only fetches".
_METADATA = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_REFUSED = 400
_FORBIDDEN = 403
_CONFLICT = 409
_NOT_FOUND = 404
_GONE = 410


class ApiError(Exception):
    """The API server refused a request, or could not be reached (`status` 0)."""

    def __init__(self, *, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def not_found(self) -> bool:
        """Whether the object is not there."""
        return self.status == _NOT_FOUND

    @property
    def forbidden(self) -> bool:
        """Whether it may not be asked for."""
        return self.status == _FORBIDDEN

    @property
    def expired(self) -> bool:
        """Whether a watch would begin at a version that the server remembers no more."""
        return self.status == _GONE

    @property
    def conflict(self) -> bool:
        """Whether somebody else was faster, or the object is another one by now."""
        return self.status == _CONFLICT


class ApiServer:
    """One API server, for one process. Every method raises `ApiError`.

    `fence` is asked before each write for how many seconds nobody else will write: none, for a
    process that has lost the Lease. A write that takes longer is given up: nothing fences it on its
    way. `server_time` is told what the answers say of the time.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        *,
        fence: Callable[[], float] = lambda: math.inf,
        server_time: ServerTime | None = None,
    ) -> None:
        self._client = client.ApiClient(configuration)
        self._fence = fence
        self._server_time = server_time

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> dict[str, Any] | None:
        """The object, or None where there is none."""
        try:
            return await self._request("GET", resource.path(namespace=namespace, name=name))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def served(self, group: str, version: str) -> frozenset[str]:
        """The plurals of the resources that the API server has of a group; none if not that.

        Source: kubernetes.io, "The Kubernetes API", section "Unaggregated discovery".
        """
        try:
            found = await self._request("GET", f"/apis/{group}/{version}")
        except ApiError as error:
            if error.not_found:
                return frozenset()
            raise
        return frozenset(it["name"] for it in found.get("resources") or [] if "/" not in it["name"])

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        """All objects, in pages of 500; `labels` is a label selector."""
        async for page in self.pages(
            resource, namespace=namespace, labels=labels, metadata_only=metadata_only
        ):
            for item in page.get("items") or []:
                yield item

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        """All objects as lists of 500, whose `metadata.resourceVersion` a watch can go on from."""
        query = {"limit": str(_PAGE)}
        if labels:
            query["labelSelector"] = labels
        path = resource.path(namespace=namespace)
        accept = _METADATA_LIST if metadata_only else _JSON
        while True:
            page = await self._request("GET", path, query=query, accept=accept)
            yield page
            proceed = page.get("metadata", {}).get("continue")
            if not proceed:
                return
            query["continue"] = proceed

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        since: str,
        metadata_only: bool = False,
        connected: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The events after resourceVersion `since`, bookmarks too, until the server ends the watch.

        `connected` is told when the server has accepted it. One that is silent for longer than
        there should be a bookmark has lost its connection.
        Source: kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of
        changes".
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        path = f"{resource.path(namespace=namespace)}?{urlencode(query)}"
        with _reported("GET", path):
            response = await self._send(
                "GET",
                path,
                accept=_METADATA if metadata_only else _JSON,
                timeout=aiohttp.ClientTimeout(total=None, connect=_READ_SECONDS, sock_read=_SILENT),
            )
            try:
                if response.status >= _REFUSED:
                    _decode(response.status, await response.read(), "GET", path)
                connected()
                async for line in response.response.content:
                    yield _event(line, path)
            finally:
                response.response.close()

    async def create(
        self,
        resource: Resource,
        body: dict[str, Any],
        *,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Create an object; with `dry_run` only find out what would come of it."""
        complete = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        path = resource.path(namespace=namespace)
        return await self._request("POST", path, body=complete, query=_trial(dry_run))

    async def replace(
        self, resource: Resource, body: dict[str, Any], *, namespace: str | None = None
    ) -> dict[str, Any]:
        """Replace an object; fails with a conflict if its resourceVersion has moved on."""
        path = resource.path(namespace=namespace, name=body["metadata"]["name"])
        return await self._request("PUT", path, body=body)

    async def apply(
        self,
        resource: Resource,
        body: dict[str, Any],
        *,
        subresource: str = "",
        force: bool = True,
        manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Server-side apply as field manager `manager`.

        With `force` fields that somebody else has set are taken over; without it they are a
        conflict, as they must be on objects that are not ours.
        """
        metadata = body["metadata"]
        path = resource.path(
            namespace=metadata.get("namespace"), name=metadata["name"], subresource=subresource
        )
        complete = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        query |= _trial(dry_run)
        return await self._request(
            "PATCH", path, body=complete, query=query, content_type="application/apply-patch+yaml"
        )

    async def merge(
        self,
        resource: Resource,
        name: str,
        body: dict[str, Any],
        *,
        namespace: str | None = None,
        manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """JSON merge patch as field manager `manager`."""
        return await self._request(
            "PATCH",
            resource.path(namespace=namespace, name=name),
            body=body,
            query={"fieldManager": manager, **_trial(dry_run)},
            content_type="application/merge-patch+json",
        )

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        """Delete an object; one that is gone already is no error."""
        try:
            await self._request("DELETE", resource.path(namespace=namespace, name=name))
        except ApiError as error:
            if not error.not_found:
                raise

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, str] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> dict[str, Any]:
        reads = method == "GET"
        left = math.inf if reads else self._fence()
        if left <= 0:
            raise ApiError(
                status=0,
                reason="NotLeading",
                message=f"{method} {path}: not sent, another process holds the Lease",
            )
        if query:
            path = f"{path}?{urlencode(query)}"
        with _reported(method, path):
            response = await self._send(
                method,
                path,
                body=body,
                content_type=content_type,
                accept=accept,
                timeout=_READ_SECONDS if reads else min(_WRITE_SECONDS, left),
            )
            raw = await response.read()
        return _decode(response.status, raw, method, path)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = _JSON,
        accept: str,
        timeout: float | aiohttp.ClientTimeout,  # noqa: ASYNC109 - the client's own
    ) -> Any:
        headers = {"Accept": accept, "Content-Type": content_type}
        verb, url, sent, content, form = await self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        asked = time.monotonic()
        answer = await self._client.call_api(
            verb, url, sent, content, form, _request_timeout=timeout
        )
        if self._server_time is not None:
            self._server_time.heard(answer.getheader("Date"), took=time.monotonic() - asked)
        return answer


def _trial(dry_run: bool) -> dict[str, str]:
    """Source: kubernetes.io/docs/reference/using-api/api-concepts, "Dry-run"."""
    return {"dryRun": "All"} if dry_run else {}


@contextmanager
def _reported(method: str, path: str) -> Iterator[None]:
    """Whatever keeps an answer from coming, as an `ApiError`."""
    try:
        yield
    except ApiException as error:
        raise _refusal(error, method, path) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ApiError(
            status=0,
            reason="Unreachable",
            message=f"{method} {path}: the API server did not answer "
            f"({type(error).__name__}: {error})",
        ) from error


def _event(line: bytes, path: str) -> dict[str, Any]:
    """One event of a watch; an ERROR among them, such as that `since` is too old, is raised."""
    event = _decode(0, line, "GET", path)
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        raise ApiError(
            status=int(status.get("code") or 0),
            reason=str(status.get("reason") or "WatchError"),
            message=f"GET {path}: {status.get('message') or 'the watch failed'}",
        )
    return event


def _decode(status: int, raw: bytes, method: str, path: str) -> dict[str, Any]:
    """The answer's JSON object; the client's transport does not raise on a refusal by itself."""
    try:
        answer = json.loads(raw) if raw else {}
    except ValueError:
        answer = {"message": raw[:200].decode(errors="replace")}
    if not isinstance(answer, dict):
        answer = {"message": "the answer is no JSON object"}
    if status >= _REFUSED:
        raise ApiError(
            status=status,
            reason=str(answer.get("reason") or status),
            message=f"{method} {path}: {answer.get('message') or status}",
        )
    return answer


def _refusal(error: ApiException, method: str, path: str) -> ApiError:
    try:
        answer = json.loads(error.body or "{}")
    except ValueError:
        answer = {}
    return ApiError(
        status=error.status or 0,
        reason=str(answer.get("reason") or error.reason),
        message=f"{method} {path}: {answer.get('message') or error.reason}",
    )
