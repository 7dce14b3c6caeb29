"""Meters against sources that accept requests and do not answer, or not in time."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus

NOW = 1_800_000_000.0
DECLARED = ServiceLevelObjectiveSpec.model_validate(
    {
        "objective": "99.9",
        "window": {"rolling": "7d"},
        "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
    }
)


class Slow:
    """Knows no counters; does not answer queries of more than some slices, nor what it may not."""

    def __init__(self) -> None:
        self.most = 10**6
        self.mute: set[str] = set()
        self.asked: list[tuple[str, int]] = []

    async def handle(self, request: web.Request) -> web.Response:
        path = request.path.rpartition("/")[2]
        form = await request.post()
        count = 1
        if path == "query_range":
            start, end, step = (float(str(form[key])) for key in ("start", "end", "step"))
            count += round((end - start) / step)
        self.asked.append((path, count))
        if path in self.mute or count > self.most:
            await asyncio.sleep(60)
        kind, result = "matrix", []
        if path == "query":
            # Something, so that it is read on; nothing that counts events.
            kind, result = "vector", [{"metric": {}, "value": [NOW, "1"]}]
        data = {} if path == "metadata" else {"resultType": kind, "result": result}
        return web.json_response({"status": "success", "data": data})


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
async def source(slow: Slow) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", slow.handle)
    async with (
        TestServer(app, shutdown_timeout=0) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Prometheus("default", str(server.make_url("/")), session, timeout=0.2)


async def test_a_silent_source_costs_an_evaluation_two_timeouts(
    slow: Slow, source: Prometheus
) -> None:
    meter = Meter(DECLARED, source)
    for mute in ({"metadata", "query", "query_range"}, {"query", "query_range"}):
        slow.mute, slow.asked = mute, []
        failure = await meter.advance(NOW)
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.SOURCE_TIMEOUT
        assert len(slow.asked) == 2


async def test_what_timed_out_is_halved_once_an_evaluation_until_it_is_answered(
    slow: Slow, source: Prometheus
) -> None:
    slow.most = 40
    meter = Meter(DECLARED, source)
    assert isinstance(await meter.advance(NOW), Failure)
    await meter.advance(NOW)
    counts = [count for path, count in slow.asked if path == "query_range"]
    assert counts[:4] == [counts[0], counts[0] // 2, counts[0] // 4, counts[0] // 8]
    assert counts[3] <= slow.most


async def test_a_source_that_answers_only_small_queries_is_read_in_the_end(
    slow: Slow, source: Prometheus
) -> None:
    slow.most = 80
    meter = Meter(DECLARED, source)
    for _ in range(5):
        found = await meter.advance(NOW)
        if isinstance(found, Reading):
            break
    assert isinstance(found, Reading)


async def test_a_source_that_has_recovered_is_asked_for_more_again(
    slow: Slow, source: Prometheus
) -> None:
    slow.mute = {"query_range"}
    meter = Meter(DECLARED, source)
    assert isinstance(await meter.advance(NOW), Failure)
    slow.mute, slow.asked = set(), []
    assert isinstance(await meter.advance(NOW), Reading)
    counts = [count for path, count in slow.asked if path == "query_range"]
    assert max(counts[:4]) < 100
    assert max(counts[-4:]) > max(counts[:4])


async def test_metadata_that_are_never_answered_do_not_keep_from_measuring(
    slow: Slow, source: Prometheus
) -> None:
    slow.mute = {"metadata"}
    meter = Meter(DECLARED, source)
    await meter.advance(NOW)
    assert isinstance(await meter.advance(NOW), Reading)
