from collections.abc import Callable

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from sluice.telemetry.endpoints import serve


async def ask(
    path: str,
    *,
    unhealthy: Callable[[], str | None] = lambda: None,
    unready: Callable[[], str | None] = lambda: None,
) -> tuple[int, str]:
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc()
    runner = await serve(
        address=("127.0.0.1", 0), registry=registry, unhealthy=unhealthy, unready=unready
    )
    try:
        host, port = runner.addresses[0]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{host}:{port}{path}") as response,
        ):
            return response.status, await response.text()
    finally:
        await runner.cleanup()


async def test_metrics_are_exposed() -> None:
    status, text = await ask("/metrics")
    assert status == 200
    assert "things_total 1.0" in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_probe_says_ok(path: str) -> None:
    assert await ask(path) == (200, "ok\n")


async def test_a_probe_that_fails_says_why() -> None:
    assert await ask("/readyz", unready=lambda: "no list yet") == (503, "no list yet\n")
    assert await ask("/healthz", unhealthy=lambda: "stuck") == (503, "stuck\n")
