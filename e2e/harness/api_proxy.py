"""A reverse proxy before an API server, for what networks and API servers do now and then.

Who it is for reaches it in plain HTTP on the loopback, by a kubeconfig of its own; credentials are
passed on as they come, so that rights and audit are those of the client.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from e2e.harness.api_calls import Call, call_of
from e2e.harness.ports import LOOPBACK

_STARTS = 60.0
_LARGEST = 64 * 2**20
# Source: RFC 9110, 7.6.1, and what is said anew about every message.
_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A write that the API server has answered; times are monotonic seconds."""

    call: Call
    status: int
    began: float
    ended: float


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A request that waits for its answer, for actions."""

    request: web.Request
    call: Call
    forward: Callable[[], Awaitable[web.StreamResponse]]
    """Have the API server answer."""

    def abort(self) -> web.StreamResponse:
        """End the connection without an answer, as a network does."""
        if self.request.transport is not None:
            self.request.transport.abort()
        return web.Response()


Action = Callable[[Exchange], Awaitable[web.StreamResponse]]
"""What is done with a request in place of forwarding it."""

Matches = Callable[[Call], bool]


@dataclass(slots=True)
class Rule:
    """What is done with which calls.

    Attributes:
        matches: whether it is about a call.
        action: what is done.
        skip: so many calls pass before it holds.
        times: how many calls it is done with; None for all.
        met: the calls that it was done with.
    """

    matches: Matches
    action: Action
    skip: int = 0
    times: int | None = None
    met: list[Call] = field(default_factory=list)

    def takes(self, call: Call) -> bool:
        """Whether this call is to meet it; counts it."""
        if (self.times is not None and len(self.met) >= self.times) or not self.matches(call):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.met.append(call)
        return True


class ApiProxy:
    """A running proxy. Its methods are for the test's thread; actions run in the proxy's.

    Attributes:
        sent: the writes that the API server has answered, in the order of their answers.
    """

    def __init__(self, server: str, authority: Path) -> None:
        self.sent: list[Sent] = []
        self.address = ""
        self._server = server
        self._authority = authority
        self._rules: list[Rule] = []
        self._watches: list[Exchange] = []
        self._under_way: set[asyncio.Task[web.Response]] = set()
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()

    @contextmanager
    def when(
        self, matches: Matches, action: Action, *, skip: int = 0, times: int | None = None
    ) -> Iterator[Rule]:
        """Do `action` with the calls that match, as `Rule` says, while the `with` block runs."""
        rule = Rule(matches, action, skip, times)
        self._rules.append(rule)
        try:
            yield rule
        finally:
            self._rules.remove(rule)

    def partition(self) -> None:
        """Let nothing through, and tell nobody: connections stay open."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Let through again what comes, and what clients still wait for."""
        self._loop.call_soon_threadsafe(self._open.set)

    def cut(self, resource: str = "") -> int:
        """End the watches of a resource, or all, without a word; how many there were."""
        cut = [one for one in self._watches if resource in {"", one.call.resource}]
        for one in cut:
            self._loop.call_soon_threadsafe(one.abort)
        return len(cut)

    def kubeconfig(self, of: Path, path: Path) -> Path:
        """Write a kubeconfig for the user of the kubeconfig `of` that leads through the proxy."""
        content: dict[str, Any] = yaml.safe_load(of.read_text())
        for one in content["clusters"]:
            one["cluster"] = {"server": f"http://{self.address}"}
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content))
        return path

    async def _serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        context = ssl.create_default_context(cafile=str(self._authority))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._open.set()
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:
            app = web.Application(client_max_size=_LARGEST)
            app.router.add_route("*", "/{path:.*}", partial(self._answer, session))
            # What a client does not wait for any more is not to reach the API server.
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, LOOPBACK, 0).start()
            host, port = runner.addresses[0]
            self.address = f"{host}:{port}"
            started.set()
            await ended.wait()
            await runner.cleanup()

    async def _answer(
        self, session: aiohttp.ClientSession, request: web.Request
    ) -> web.StreamResponse:
        call = call_of(request.method, request.path, watches=request.query.get("watch") == "true")
        body = await request.read()
        exchange = Exchange(request, call, lambda: self._forward(session, exchange, body))
        rule = next((one for one in self._rules if one.takes(call)), None)
        try:
            return await (exchange.forward() if rule is None else rule.action(exchange))
        except aiohttp.ClientError:
            return exchange.abort()  # the API server is away, and is seen to be

    async def _forward(
        self, session: aiohttp.ClientSession, exchange: Exchange, body: bytes
    ) -> web.StreamResponse:
        request, call = exchange.request, exchange.call
        await self._open.wait()
        asked = session.request(
            request.method,
            URL(self._server + request.raw_path, encoded=True),
            headers=_passed_on(request.headers),
            data=body or None,
            allow_redirects=False,
        )
        if call.verb == "watch":
            async with asked as answer:
                if answer.status == HTTPStatus.OK:
                    return await self._stream(exchange, answer)
                content = await answer.read()
            return _response(answer, content)
        done = asyncio.create_task(self._done(asked, call))
        self._under_way.add(done)
        done.add_done_callback(self._under_way.discard)
        # What has been sent is done, and known to be, whoever waits for it.
        response = await asyncio.shield(done)
        await self._open.wait()
        return response

    async def _done(
        self, asked: AbstractAsyncContextManager[aiohttp.ClientResponse], call: Call
    ) -> web.Response:
        began = time.monotonic()
        async with asked as answer:
            content = await answer.read()
        if call.writes:
            self.sent.append(Sent(call, answer.status, began, time.monotonic()))
        return _response(answer, content)

    async def _stream(
        self, exchange: Exchange, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
        await response.prepare(exchange.request)
        self._watches.append(exchange)
        try:
            async for chunk in answer.content.iter_any():
                await self._open.wait()
                await response.write(chunk)
        finally:
            self._watches.remove(exchange)
            # Closing would wait for the API server's side of TLS, perhaps beyond the proxy's end.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
        return response


def _response(answer: aiohttp.ClientResponse, content: bytes) -> web.Response:
    return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=content)


def _passed_on(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


@contextmanager
def api_proxy(server: str, authority: Path) -> Iterator[ApiProxy]:
    """A proxy before the API server at `server`, whose certificate is of `authority`."""
    proxy = ApiProxy(server, authority)
    started, ended = threading.Event(), asyncio.Event()
    loop = proxy._loop
    thread = threading.Thread(
        target=loop.run_until_complete,
        args=(proxy._serve(started, ended),),
        daemon=True,
    )
    thread.start()
    try:
        if not started.wait(_STARTS):
            raise RuntimeError("the proxy does not listen")
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
