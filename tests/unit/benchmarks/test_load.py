"""What the gate's benchmark says of requests: waits are counted, and differences have bounds."""

import asyncio
import random
import ssl
from collections import Counter

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.gate import Inside
from benchmarks.load import Block, Call, Client, added, percentile

RATE, SECONDS, STALL = 100, 0.5, 0.3


async def test_who_waits_behind_a_slow_answer_is_as_late_as_its_client_would_see_it() -> None:
    busy, stalled = asyncio.Lock(), asyncio.Event()

    async def one_at_a_time_and_the_first_is_slow(_: web.Request) -> web.Response:
        async with busy:
            if not stalled.is_set():
                stalled.set()
                await asyncio.sleep(STALL)
        return web.Response(status=403)

    app = web.Application()
    app.router.add_get("/", one_at_a_time_and_the_first_is_slow)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        async with Client(url, ssl.create_default_context()) as client:
            found = await client.block(
                lambda _: Call("GET", "/"), rate=RATE, seconds=SECONDS, chance=random.Random(4)
            )
    assert found.statuses == {403: len(found.times)}
    assert max(found.times) >= STALL * 1000
    # A generator that waits for each answer would have one slow request, and not send the others.
    assert len(found.times) > RATE * SECONDS * 0.6
    assert sum(took > 50 for took in found.times) >= RATE * (STALL - 0.05) * 0.6


def blocks(*, above: float, seed: int) -> list[Block]:
    """Requests of about 5 ms in twelve blocks, each of which has a shift of its own."""
    chance, shifts = np.random.default_rng(seed), np.random.default_rng(1).normal(0, 1, 12)
    rows = [5 + above + shift + chance.exponential(1, 150) for shift in shifts]
    return [Block(row.tolist(), [], Counter()) for row in rows]


@pytest.mark.parametrize("percent", [50, 99])
@pytest.mark.parametrize("above", [0.0, 2.0])
def test_a_difference_is_within_its_bounds(above: float, percent: float) -> None:
    found = added(blocks(above=above, seed=2), blocks(above=0, seed=3), percent, seed=1)
    assert found.low <= above <= found.high
    assert found.high - found.low < 2
    assert found.low <= found.value <= found.high


def test_a_percentile_is_of_all_requests() -> None:
    pair = [Block([1.0, 2.0], [], Counter()), Block([3.0, 4.0, 5.0], [], Counter())]
    assert percentile(pair, 50) == 3.0


def test_time_inside_of_the_api_server_is_that_of_updates_only() -> None:
    sample = "apiserver_admission_controller_admission_duration_seconds_sum"
    before = Inside.read("")
    text = (
        f'{sample}{{name="ValidatingAdmissionPolicy",operation="UPDATE",rejected="true"}} 0.5\n'
        f'{sample}{{name="ValidatingAdmissionPolicy",operation="UPDATE",rejected="false"}} 0.25\n'
        f'{sample}{{name="ValidatingAdmissionPolicy",operation="CREATE",rejected="false"}} 9\n'
        f'{sample}{{name="ValidatingAdmissionWebhook",operation="UPDATE",rejected="false"}} 1\n'
        'apiserver_request_duration_seconds_sum{dry_run="All",verb="PATCH"} 2\n'
        'apiserver_request_duration_seconds_sum{dry_run="",verb="PATCH"} 9\n'
    )
    assert Inside.read(text).since(before, 500) == {
        "ValidatingAdmissionPolicy": 1.5,
        "ValidatingAdmissionWebhook": 2.0,
        "request": 4.0,
    }
