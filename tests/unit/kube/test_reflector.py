"""List and watch against a server of HTTP that does what API servers do when things go wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from sluice.kube import reflector
from sluice.kube.api_server import ApiServer
from sluice.kube.reflector import Reflector
from sluice.kube.resources import DEPLOYMENTS, Resource

GONE = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "_FIRST_DELAY", 0.01)


def named(name: str, version: int = 1) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version)}}


class Server:
    """One collection."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 1
        self.status = 200
        self.lists = 0
        self.watched_since: list[str] = []
        self.accepted: set[str] = set()
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.accepted.add(request.headers["Accept"])
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        if "watch" in request.query:
            return await self._watch(request)
        self.lists += 1
        start = int(request.query.get("continue", "0"))
        page, rest = self.items[start : start + 2], self.items[start + 2 :]
        metadata = {"resourceVersion": str(self.version)}
        if rest:
            metadata["continue"] = str(start + 2)
        return web.json_response({"metadata": metadata, "items": page})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watched_since.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await self.events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        self.events.put_nowait({"type": kind, "object": body})


class Kept:
    """A sink that remembers names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def put(self, resource: Resource, body: dict[str, Any]) -> None:
        assert resource is DEPLOYMENTS
        self.names.add(body["metadata"]["name"])

    def drop(self, resource: Resource, body: dict[str, Any]) -> None:
        assert resource is DEPLOYMENTS
        self.names.discard(body["metadata"]["name"])

    def retain(
        self, resource: Resource, namespace: str | None, names: set[tuple[str, str]]
    ) -> None:
        assert (resource, namespace) == (DEPLOYMENTS, None)
        self.names &= {name for _, name in names}


@asynccontextmanager
async def running(server: Server, sink: Kept, **options: Any) -> AsyncIterator[Reflector]:
    app = web.Application()
    app.router.add_get("/apis/apps/v1/deployments", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    configuration = client.Configuration()
    configuration.host = f"http://{host}:{port}"
    api = ApiServer(configuration, fence=lambda: False)
    clock = asyncio.get_running_loop().time
    found = Reflector(api, DEPLOYMENTS, sink, monotonic=clock, **options)
    task = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.events.put_nowait(None)  # the server does not notice who has gone
        await api.close()
        await runner.cleanup()


async def until(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_it_lists_all_pages_and_then_follows_from_there() -> None:
    server, kept = Server(), Kept()
    server.items, server.version = [named("a"), named("b"), named("c")], 7
    async with running(server, kept) as found:
        await found.synced.wait()
        assert kept.names == {"a", "b", "c"}
        server.tell("ADDED", named("d", 8))
        server.tell("DELETED", named("a", 9))
        await until(lambda: kept.names == {"b", "c", "d"})
    assert server.watched_since == ["7"]


async def test_a_watch_that_ends_is_taken_up_where_it_was_without_a_list() -> None:
    server, kept = Server(), Kept()
    async with running(server, kept) as found:
        server.tell("ADDED", named("a", 5))
        server.tell("BOOKMARK", {"metadata": {"resourceVersion": "6"}})
        server.events.put_nowait(None)
        await until(lambda: len(server.watched_since) == 2)
        assert found.lost_for == 0
    assert server.watched_since == ["1", "6"]
    assert (server.lists, kept.names) == (1, {"a"})


async def test_what_went_while_nobody_watched_is_gone_after_the_next_list() -> None:
    server, kept = Server(), Kept()
    server.items = [named("a"), named("b")]
    async with running(server, kept) as found:
        await found.synced.wait()
        server.items = [named("b")]
        server.events.put_nowait(GONE)
        await until(lambda: kept.names == {"b"})
    assert server.lists == 2


async def test_it_knows_for_how_long_it_has_been_cut_off() -> None:
    server, kept = Server(), Kept()
    async with running(server, kept) as found:
        await found.synced.wait()
        await until(lambda: server.watched_since)
        assert found.lost_for == 0
        server.status = 500
        server.events.put_nowait(None)
        await until(lambda: found.lost_for > 0.05)
        server.status = 200
        await until(lambda: found.lost_for == 0)
    assert server.lists == 1


async def test_it_is_not_in_step_before_the_first_list() -> None:
    server = Server()
    server.status = 403
    async with running(server, Kept()) as found:
        await until(lambda: found.lost_for > 0.03)
        assert not found.synced.is_set()


async def test_a_kind_that_is_not_served_is_one_without_objects_if_it_is_optional() -> None:
    server, kept = Server(), Kept()
    server.status = 404
    async with running(server, kept, optional=True) as found:
        await found.synced.wait()
        assert found.lost_for == 0
    async with running(server, kept) as found:
        await until(lambda: found.lost_for > 0.03)
        assert not found.synced.is_set()


async def test_a_kind_may_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "_NOT_SERVED", 0.01)
    server, kept = Server(), Kept()
    server.status, server.items = 404, [named("a")]
    async with running(server, kept, optional=True) as found:
        await found.synced.wait()
        assert not found.served
        server.status = 200
        await until(lambda: kept.names == {"a"} and found.served)
        server.status = 404
        server.events.put_nowait(None)
        await until(lambda: kept.names == set() and not found.served)
        server.status = 200
        await until(lambda: kept.names == {"a"} and found.served)
    assert server.lists == 2


async def test_metadata_alone_is_asked_for_where_that_is_enough() -> None:
    server = Server()
    async with running(server, Kept(), metadata_only=True) as found:
        await found.synced.wait()
        await until(lambda: server.watched_since)
    assert server.accepted == {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    }
