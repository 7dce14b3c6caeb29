from collections.abc import Callable

import aiohttp
import pytest

from sluice.telemetry.endpoints import serve
from sluice.telemetry.metrics import Metrics


async def ask(
    path: str,
    *,
    unhealthy: Callable[[], str | None] = lambda: None,
    unready: Callable[[], str | None] = lambda: None,
) -> tuple[int, str]:
    runner = await serve(
        address=("127.0.0.1", 0), page=Metrics().page, unhealthy=unhealthy, unready=unready
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
    assert "# TYPE sluice_evaluations_total counter" in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_probe_says_ok(path: str) -> None:
    assert await ask(path) == (200, "ok\n")


async def test_a_probe_that_fails_says_why() -> None:
    assert await ask("/readyz", unready=lambda: "no list yet") == (503, "no list yet\n")
    assert await ask("/healthz", unhealthy=lambda: "stuck") == (503, "stuck\n")
