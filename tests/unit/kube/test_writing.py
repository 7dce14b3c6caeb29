"""Writes against a server of HTTP that does not answer."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio import client

from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import CONFIG_MAPS

LEFT = 0.2


@pytest.fixture
async def silent() -> AsyncIterator[client.Configuration]:
    """The address of a server that takes requests and answers none."""

    async def handle(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found = client.Configuration()
    host, port = runner.addresses[0]
    found.host = f"http://{host}:{port}"
    yield found
    await runner.cleanup()


async def test_a_write_is_given_up_when_another_process_may_lead(
    silent: client.Configuration,
) -> None:
    api = ApiServer(silent, fence=lambda: LEFT)
    began = time.monotonic()
    with pytest.raises(ApiError, match="the API server did not answer"):
        await api.delete(CONFIG_MAPS, "a", namespace="shop")
    assert time.monotonic() - began < 5
    await api.close()


@pytest.mark.parametrize("left", [0.0, -1.0, -math.inf])
async def test_nothing_is_sent_by_a_process_that_may_not_write(left: float) -> None:
    nowhere = client.Configuration()
    nowhere.host = "http://127.0.0.1:1"
    api = ApiServer(nowhere, fence=lambda: left)
    with pytest.raises(ApiError) as refused:
        await api.delete(CONFIG_MAPS, "a", namespace="shop")
    assert refused.value.reason == "NotLeading"
    await api.close()
