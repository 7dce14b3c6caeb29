"""The proxy before an API server, with a server behind it that tells what reached it."""

import asyncio
import gc
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from aiohttp import web

from e2e.harness.api_calls import Call, call_of
from e2e.harness.api_faults import broken, calling, expired_within, refused, unanswered
from e2e.harness.api_proxy import ApiProxy, api_proxy

PODS = "/api/v1/namespaces/shop/pods"
SOON = 5.0


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/nodes", Call("list", "nodes")),
        ("GET", "/api/v1/namespaces/shop", Call("get", "namespaces", "", "shop")),
        ("POST", PODS, Call("create", "pods", "shop")),
        ("DELETE", f"{PODS}/a", Call("delete", "pods", "shop", "a")),
        ("PUT", "/apis/g/v1/things/a/status", Call("update", "things/status", "", "a")),
        ("PATCH", "/apis/g/v1/namespaces/n/things/a", Call("patch", "things", "n", "a")),
        ("GET", "/version", Call("get", "/version")),
        ("GET", "/apis/apps/v1", Call("get", "/apis/apps/v1")),
    ],
)
def test_a_call_is_what_rbac_would_call_it(method: str, path: str, expected: Call) -> None:
    assert call_of(method, path) == expected


def test_a_list_that_goes_on_is_a_watch() -> None:
    assert call_of("GET", PODS, watches=True) == Call("watch", "pods", "shop")


class Behind:
    """A server that answers what it was asked, and streams what it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.events: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        user = request.headers.get("Authorization", "")
        self.asked.append(f"{request.method} {request.path_qs} {user} {body}".strip())
        if "watch" not in request.query:
            return web.json_response({"done": True}, headers={"Warning": "299 - careful"})
        response = web.StreamResponse()
        await response.prepare(request)
        while event := await self.events.get():
            await response.write(event)
        return response


@pytest.fixture
async def behind() -> AsyncIterator[tuple[Behind, str, bytes]]:
    """The server, its address and its authority."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server, app = Behind(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    host, port = runner.addresses[0]
    yield server, f"https://{host}:{port}", authority.cert_pem.bytes()
    await runner.cleanup()


@pytest.fixture
def proxy(behind: tuple[Behind, str, bytes], tmp_path: Path) -> Iterator[ApiProxy]:
    _, address, authority = behind
    (tmp_path / "ca.crt").write_bytes(authority)
    with api_proxy(address, tmp_path / "ca.crt") as running:
        yield running


@pytest.fixture
async def client(proxy: ApiProxy) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{proxy.address}") as session:
        yield session


def writing(call: Call) -> bool:
    return call.writes


async def test_requests_pass_with_their_credentials_and_writes_are_recorded(
    behind: tuple[Behind, str, bytes], proxy: ApiProxy, client: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": "Bearer me"}
    async with client.post(f"{PODS}?x=a%2Cb", data="{}", headers=headers) as answer:
        assert await answer.json() == {"done": True}
        assert answer.headers["Warning"] == "299 - careful"
    async with client.get(PODS) as answer:
        assert answer.status == 200
    assert behind[0].asked == [f"POST {PODS}?x=a,b Bearer me {{}}", f"GET {PODS}"]
    assert [(one.call, one.status) for one in proxy.sent] == [(Call("create", "pods", "shop"), 200)]


async def test_a_rule_is_for_the_calls_that_it_counts(
    behind: tuple[Behind, str, bytes], proxy: ApiProxy, client: aiohttp.ClientSession
) -> None:
    async def post() -> tuple[int, str | None]:
        async with client.post(PODS) as answer:
            return answer.status, answer.headers.get("Retry-After")

    with proxy.when(writing, refused(429, retry_after=3), skip=1, times=1) as rule:
        assert [await post() for _ in range(3)] == [(200, None), (429, "3"), (200, None)]
    assert rule.met == [Call("create", "pods", "shop")]
    assert len(behind[0].asked) == len(proxy.sent) == 2


@pytest.mark.parametrize("does", [True, False])
async def test_a_connection_breaks_with_and_without_anything_done(
    does: bool,
    behind: tuple[Behind, str, bytes],
    proxy: ApiProxy,
    client: aiohttp.ClientSession,
) -> None:
    with (
        proxy.when(writing, unanswered if does else broken),
        pytest.raises(aiohttp.ClientConnectionError),
    ):
        await client.post(PODS)
    assert len(behind[0].asked) == len(proxy.sent) == does


@pytest.mark.parametrize("done", [True, False])
async def test_a_function_is_called_before_a_write_or_after_it(
    done: bool,
    behind: tuple[Behind, str, bytes],
    proxy: ApiProxy,
    client: aiohttp.ClientSession,
) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(len(behind[0].asked))

    with (
        proxy.when(writing, calling(look, done=done)),
        pytest.raises(aiohttp.ClientConnectionError),
    ):
        await client.post(PODS)
    assert seen == [int(done)]
    assert len(behind[0].asked) == int(done)


async def test_a_watch_streams_until_it_is_cut(
    behind: tuple[Behind, str, bytes], proxy: ApiProxy, client: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(SOON), client.get(f"{PODS}?watch=true") as answer:
        for text in (b"one\n", b"two\n"):
            behind[0].events.put_nowait(text)
            assert await answer.content.readline() == text
        assert proxy.cut("nodes") == 0
        assert proxy.cut("pods") == 1
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readline()


async def test_a_watch_that_was_cut_leaves_no_socket_open(
    behind: tuple[Behind, str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_bytes(behind[2])
    # The server runs in this thread, and cannot answer while the proxy ends.
    with api_proxy(behind[1], tmp_path / "ca.crt") as proxy:
        async with aiohttp.ClientSession(f"http://{proxy.address}") as client:
            watching = await client.get(f"{PODS}?watch=true")
            behind[0].events.put_nowait(b"one\n")
            assert await watching.content.readline() == b"one\n"
            proxy.cut()
            with pytest.raises(aiohttp.ClientPayloadError):
                await watching.content.readline()
    gc.collect()


async def test_a_watch_may_be_told_that_its_version_has_expired(
    proxy: ApiProxy, client: aiohttp.ClientSession
) -> None:
    with proxy.when(lambda call: call.verb == "watch", expired_within):
        async with client.get(f"{PODS}?watch=true") as answer:
            event: dict[str, Any] = json.loads(await answer.text())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_after_a_partition_goes_on_what_is_still_waited_for_and_nothing_else(
    behind: tuple[Behind, str, bytes], proxy: ApiProxy, client: aiohttp.ClientSession
) -> None:
    proxy.partition()
    given_up = asyncio.create_task(client.post(PODS, data="given up"))
    waiting = asyncio.create_task(client.post(PODS, data="waiting"))
    await asyncio.sleep(0.3)
    assert behind[0].asked == []
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    await asyncio.sleep(0.3)
    proxy.heal()
    async with asyncio.timeout(SOON), await waiting as answer:
        assert answer.status == 200
    assert behind[0].asked == [f"POST {PODS}  waiting"]


async def test_an_api_server_that_is_away_breaks_connections(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    with api_proxy("https://127.0.0.1:1", tmp_path / "ca.crt") as proxy:
        async with aiohttp.ClientSession(f"http://{proxy.address}") as client:
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.post(PODS)
    assert proxy.sent == []


def test_a_kubeconfig_leads_the_same_user_through_the_proxy(
    proxy: ApiProxy, tmp_path: Path
) -> None:
    users = [{"name": "me", "user": {"token": "secret"}}]
    cluster = {"server": "https://elsewhere", "certificate-authority-data": "eA=="}
    of = tmp_path / "of"
    of.write_text(yaml.safe_dump({"clusters": [{"name": "c", "cluster": cluster}], "users": users}))
    written = yaml.safe_load(proxy.kubeconfig(of, tmp_path / "through").read_text())
    assert written["clusters"][0]["cluster"] == {"server": f"http://{proxy.address}"}
    assert written["users"] == users
