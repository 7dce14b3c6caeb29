"""What stands before Prometheus and does it harm: aiohttp, in a thread of this process."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from e2e.harness.ports import LOOPBACK, free_port
from sluice.indicators.promql import PART, SIDE, Part, Side

Rule = Callable[[dict[str, Any]], None]
"""Changes an answer's JSON in place."""

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of an answer.

    Attributes:
        rule: changes its JSON.
        status: HTTP's, with a text in place of the answer.
        cut: only so much of it is sent, as a share; the connection is not broken.
        broken: the connection is, after that.
        content_type: of the answer.
        seconds: how late it comes.
        job: only answers to queries about this job, if any is named.
    """

    rule: Rule | None = None
    status: int = 200
    cut: float = 1.0
    broken: bool = False
    content_type: str = "application/json"
    seconds: float = 0.0
    job: str = ""

    def spoils(self, asked: bytes) -> bool:
        """Whether it is about what was asked."""
        return not self.job or f"%22{self.job}%22".encode() in asked


class SourceProxy:
    """Answers as Prometheus does, but for one fault at a time."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._fault: Fault | None = None

    @property
    def url(self) -> str:
        """Where it listens; the same after it was away."""
        return f"http://{LOOPBACK}:{self._port}"

    @contextmanager
    def running(self) -> Iterator["SourceProxy"]:
        """Serve for as long as the `with` block runs."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._do(self._open())
        try:
            yield self
        finally:
            self._do(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let this be wrong with answers in the meantime."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Refuse connections in the meantime."""
        self._do(self._close())
        try:
            yield
        finally:
            self._do(self._open())

    def _do(self, action: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(action, self._loop).result(_PATIENCE)

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port, reuse_address=True).start()

    async def _close(self) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = await request.read()
        assert self._session is not None
        async with self._session.request(
            request.method,
            self._upstream + request.path_qs,
            data=asked or None,
            headers={"Content-Type": request.content_type},
        ) as answer:
            status, body = answer.status, await answer.read()
        fault = self._fault
        if fault is None or not fault.spoils(asked):
            return web.Response(status=status, body=body, content_type="application/json")
        return await _spoilt(request, fault, body)


async def _spoilt(request: web.Request, fault: Fault, body: bytes) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    if fault.status != web.HTTPOk.status_code:
        return web.Response(status=fault.status, text="no healthy upstream")
    if fault.rule is not None:
        answer = json.loads(body)
        fault.rule(answer)
        body = json.dumps(answer).encode()
    sent = body[: int(len(body) * fault.cut)]
    length = len(body) if fault.broken else len(sent)
    headers = {"Content-Type": fault.content_type, "Content-Length": str(length)}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(sent)
    if fault.broken and request.transport is not None:
        request.transport.close()
    return response


def scaled(factor: float, *sides: Side) -> Rule:
    """A rule: the counters of these sides are so many times as much, summed up or one by one."""
    told = {Part.MOVED, Part.VALUE, Part.START_VALUE}

    def concerns(labels: dict[str, str]) -> bool:
        if labels.get("__name__") == "http_requests_total":
            return Side.TOTAL in sides or labels["code"].startswith("5")
        return labels.get(SIDE) in sides and labels.get(PART) in told

    def change(answer: dict[str, Any]) -> None:
        for series in answer["data"]["result"]:
            if concerns(series["metric"]):
                pairs = [series["value"]] if "value" in series else series["values"]
                for pair in pairs:
                    pair[1] = str(float(pair[1]) * factor)

    return change


def part_of_it(answer: dict[str, Any]) -> None:
    """A rule: only one series is there, and Thanos says why."""
    answer["data"]["result"] = answer["data"]["result"][:1]
    answer["warnings"] = ["receive series from Addr: store-1:10901: rpc error: unavailable"]


def nothing(answer: dict[str, Any]) -> None:
    """A rule: no series at all, as if there were none."""
    answer["data"]["result"] = []
