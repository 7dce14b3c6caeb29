"""The gate's HTTP on a port of its own."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from sluice.gate.metrics import GateMetrics
from sluice.gate.server import Api
from sluice.gate.throttle import Throttle
from tests.unit.gate.objects import Known


@asynccontextmanager
async def serving(
    known: Known, *, unready: str | None = None, rate: float = 1000.0
) -> AsyncIterator[tuple[str, GateMetrics]]:
    """The URL of an API over what is known."""
    metrics = GateMetrics()
    throttle = Throttle(rate=rate, burst=rate, monotonic=time.monotonic)
    app = web.Application()
    api = Api(known.judge, metrics, throttle=throttle, unready=lambda: unready)
    app.router.add_routes(api.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    try:
        yield f"http://{host}:{port}", metrics
    finally:
        await runner.cleanup()
