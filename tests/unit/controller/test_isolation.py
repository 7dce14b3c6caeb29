"""A source that hangs, and the objectives of another one beside it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.controller.dispatcher import Dispatcher, Lane
from sluice.indicators.guard import GuardedSource
from sluice.indicators.prometheus import Prometheus
from sluice.kube.cache import Key
from sluice.telemetry.metrics import Metrics

INTERVAL = 0.2
SLOW, GOOD = 100, 10
LONG = 4.0
OFTEN = 6
"""Evaluations in that time, of twenty on an idle machine: behind the slow source there were none,
as its objectives take twelve seconds to fail once each."""


class Backend:
    """Answers after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.requests = 0
        self.url = ""

    async def handle(self, _: web.Request) -> web.Response:
        self.requests += 1
        await asyncio.sleep(self.delay)
        body = {"status": "success", "data": {"resultType": "vector", "result": []}}
        return web.Response(text=json.dumps(body), content_type="application/json")


@pytest.fixture
async def backends() -> AsyncIterator[dict[str, Backend]]:
    found = {"slow": Backend(1.0), "good": Backend(0.0)}
    servers = []
    for backend in found.values():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", backend.handle)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        backend.url = str(servers[-1].make_url(""))
    yield found
    for server in servers:
        await server.close()


async def test_objectives_of_a_good_source_keep_their_turns_beside_a_slow_one(
    backends: dict[str, Backend],
) -> None:
    ended: Counter[Key] = Counter()
    async with aiohttp.ClientSession() as session:
        sources = {
            name: GuardedSource(
                Prometheus(name, backend.url, session, timeout=0.5), monotonic=time.monotonic
            )
            for name, backend in backends.items()
        }

        async def reconcile(key: Key) -> float:
            await sources[key.namespace].instant("x", 0)
            ended[key] += 1
            return INTERVAL

        made = Dispatcher(
            {"things": Lane(reconcile, 64, queue=lambda key: key.namespace)},
            metrics=Metrics(),
            monotonic=time.monotonic,
        )
        for source, count in (("slow", SLOW), ("good", GOOD)):
            for number in range(count):
                made.now(Key("things", source, str(number)))
        running = asyncio.create_task(made.run())
        await asyncio.sleep(LONG)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    good = [turns for key, turns in ended.items() if key.namespace == "good"]
    assert len(good) == GOOD
    assert min(good) >= OFTEN
    assert backends["slow"].requests <= 20
