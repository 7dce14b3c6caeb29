"""The client against servers that answer what a Prometheus never should."""

import asyncio
import errno
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from e2e.harness.ports import dropping
from sluice.api.reasons import Reason
from sluice.indicators import prometheus
from sluice.indicators.answers import Answer
from sluice.indicators.credentials import Credentials
from sluice.indicators.failure import Failure
from sluice.indicators.prometheus import Prometheus

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/"))

    yield start
    for server in servers:
        await server.close()


def answer(status: int = 200, text: str = "", kind: str = "application/json") -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type=kind)

    return handler


def success(kind: str, result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def error(kind: str, message: str) -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": message})


async def truncated(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": "1000"}
    )
    await response.prepare(request)
    await response.write(b'{"status":')
    assert request.transport is not None
    request.transport.close()
    return response


async def silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


async def test_finite_values_come_through_and_others_never(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    values = [[1, "2"], [2, "NaN"], [3, "+Inf"], [4, "-Inf"], [5.5, "1e3"]]
    text = success("matrix", [{"metric": {"a": "b"}, "values": values}])
    source = Prometheus("default", await serve(answer(text=text)), session)
    found = await source.range("x", 1, 6, 1)
    assert isinstance(found, list)
    assert [(s.labels, s.times, s.values) for s in found] == [({"a": "b"}, [1, 5.5], [2, 1000])]


async def test_queries_are_sent_as_forms_below_the_path_of_the_url(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    seen: list[tuple[str, str, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        seen.append((request.method, request.path, form))
        return web.Response(text=success("vector", []), content_type="application/json")

    source = Prometheus("default", await serve(handler) + "prometheus/", session)
    assert await source.instant('x{a="b"}', 12.5) == []
    assert seen == [("POST", "/prometheus/api/v1/query", {"query": 'x{a="b"}', "time": "12.500"})]


@pytest.mark.parametrize(
    ("handler", "reason", "words"),
    [
        (
            answer(401, "no"),
            Reason.SOURCE_UNAUTHORIZED,
            "refused access (HTTP 401): check its cred",
        ),
        (answer(403, "no"), Reason.SOURCE_UNAUTHORIZED, "HTTP 403"),
        (answer(302, "", "text/html"), Reason.INVALID_RESPONSE, "HTTP 302 with text/html"),
        (
            answer(200, "<html>\n <title>Sign in", "text/html"),
            Reason.INVALID_RESPONSE,
            "in place of JSON, beginning '<html> <title>Sign in': check that the URL",
        ),
        (answer(500, "boom", "text/plain"), Reason.SOURCE_ERROR, "answered HTTP 500: boom"),
        (answer(503, "<h1>Bad gateway", "text/html"), Reason.SOURCE_ERROR, "HTTP 503"),
        (answer(404, "not found", "text/plain"), Reason.INVALID_RESPONSE, "HTTP 404"),
        (
            answer(400, error("bad_data", "1:7: parse error: unexpected <by>")),
            Reason.INVALID_QUERY,
            "refused a query: 1:7: parse error: unexpected <by>",
        ),
        (
            answer(503, error("timeout", "query timed out")),
            Reason.SOURCE_TIMEOUT,
            "gave a query up",
        ),
        (
            answer(422, error("execution", "query processing would load too many samples")),
            Reason.SOURCE_ERROR,
            "failed (execution): query processing",
        ),
        (answer(500, error("internal", "disk")), Reason.SOURCE_ERROR, "failed (internal): disk"),
        (answer(200, '{"status":"succ'), Reason.INVALID_RESPONSE, "JSON that cannot be read"),
        (answer(200, ""), Reason.INVALID_RESPONSE, "JSON that cannot be read"),
        (answer(200, "[]"), Reason.INVALID_RESPONSE, "JSON that is no object"),
        (answer(200, "{}"), Reason.INVALID_RESPONSE, "HTTP 200 without data: check that the URL"),
        (answer(200, '{"data": null}'), Reason.INVALID_RESPONSE, "resultType None"),
        (
            answer(200, success("scalar", [1, "2"])),
            Reason.INVALID_RESPONSE,
            "resultType 'scalar' in place of 'vector'",
        ),
        (
            answer(200, success("vector", [{"metric": {}, "value": [1, "many"]}])),
            Reason.INVALID_RESPONSE,
            "a vector that cannot be read (ValueError: could not convert",
        ),
        (
            answer(200, success("vector", [{"metric": {}, "value": [1, {}]}])),
            Reason.INVALID_RESPONSE,
            "a vector that cannot be read",
        ),
        (
            answer(200, success("vector", [{"value": [1, "2"]}])),
            Reason.INVALID_RESPONSE,
            "KeyError: 'metric'",
        ),
        (answer(200, success("vector", "none")), Reason.INVALID_RESPONSE, "cannot be read"),
        (truncated, Reason.SOURCE_UNREACHABLE, "the connection broke"),
    ],
)
async def test_every_bad_answer_is_a_failure_that_says_what_came(
    serve: Serve, session: aiohttp.ClientSession, handler: Handler, reason: Reason, words: str
) -> None:
    url = await serve(handler)
    failure = await Prometheus("default", url, session).instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert words in failure.message
    assert failure.message.startswith(f"source 'default' ({url})")


async def test_no_answer_is_a_timeout_that_smaller_queries_may_avoid(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    source = Prometheus("slow", await serve(silent), session, timeout=0.5)
    failure = await source.instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_TIMEOUT
    assert failure.divisible
    assert "has not answered within 0.5 s" in failure.message


async def test_an_answer_beyond_the_limit_is_refused(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    url = await serve(answer(text=success("vector", ["x" * 5000])))
    failure = await Prometheus("default", url, session, max_bytes=4000).instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.divisible
    assert "more than 4000 bytes" in failure.message


class Watched:
    """Reads as `read_series` does, and notes in which threads and how many at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = prometheus.read_series
        self.threads: list[threading.Thread] = []
        self.under_way = self.most = 0
        monkeypatch.setattr(prometheus, "read_series", self)

    def __call__(self, data: object, kind: str, where: str) -> Answer:
        self.threads.append(threading.current_thread())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        answer = self.read(data, kind, where)
        self.under_way -= 1
        return answer


@pytest.mark.parametrize(("samples", "elsewhere"), [(10, False), (40_000, True)])
async def test_large_answers_are_read_outside_the_event_loop_one_at_a_time(
    serve: Serve,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    samples: int,
    elsewhere: bool,
) -> None:
    watched = Watched(monkeypatch)
    values = [[1, "2"] for _ in range(samples)]
    text = success("matrix", [{"metric": {}, "values": values}])
    source = Prometheus("default", await serve(answer(text=text)), session)
    found = await asyncio.gather(*(source.range("x", 1, 6, 1) for _ in range(4)))
    assert [len(it[0].values) for it in found if isinstance(it, list)] == [samples] * 4
    assert [it is not threading.main_thread() for it in watched.threads] == [elsewhere] * 4
    assert watched.most == 1


async def test_an_answer_of_more_than_8_mib_is_refused_and_may_be_asked_for_in_parts(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    source = Prometheus("default", await serve(answer(text=" " * ((8 << 20) + 1))), session)
    failure = await source.instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.divisible
    assert "more than 8388608 bytes" in failure.message


async def test_a_refused_connection_is_named_and_credentials_are_not_shown(
    session: aiohttp.ClientSession,
) -> None:
    port = unused_port()
    url = f"http://admin:secret@127.0.0.1:{port}/?token=secret#secret"
    failure = await Prometheus("default", url, session).instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_UNREACHABLE
    assert failure.message == (
        f"source 'default' (http://127.0.0.1:{port}/) cannot be reached: connection refused at "
        f"127.0.0.1:{port}; check its URL, and that it runs"
    )
    assert "secret" not in failure.message
    assert "admin" not in failure.message


async def test_a_connection_that_is_dropped_is_no_slow_answer(
    session: aiohttp.ClientSession,
) -> None:
    with dropping() as address:
        source = Prometheus("default", f"http://{address}", session, timeout=1)
        failure = await source.instant("x", 1)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.divisible) == (Reason.SOURCE_UNREACHABLE, False)
    assert failure.message == (
        f"source 'default' (http://{address}) cannot be reached: {address} has not "
        "taken the connection within 0.5 s, as when a network policy drops it or the Service has "
        "no such port; check its URL, and that it runs"
    )


async def test_an_unknown_host_is_named(session: aiohttp.ClientSession) -> None:
    failure = await Prometheus("default", "http://prometheus.invalid", session).instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_UNREACHABLE
    assert "cannot be reached: cannot resolve host 'prometheus.invalid' (" in failure.message


async def test_a_port_that_speaks_no_tls_is_named(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    url = (await serve(answer(text=""))).replace("http:", "https:")
    failure = await Prometheus("default", url, session).instant("x", 1)
    assert isinstance(failure, Failure)
    where = url.removeprefix("https://").rstrip("/")
    assert f"cannot be reached: no TLS with {where} (" in failure.message


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 9090)"), "No route to host"),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 101] b"), "Multiple exceptions: "),
    ],
)
async def test_what_keeps_a_host_from_being_reached_is_said_in_the_words_of_the_system(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, cause: OSError, said: str
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise cause

    monkeypatch.setattr("aiohappyeyeballs.start_connection", refuse)
    failure = await Prometheus("default", "http://127.0.0.1:9090", session).instant("x", 1)
    assert isinstance(failure, Failure)
    assert f"cannot be reached: no connection to 127.0.0.1:9090 ({said}" in failure.message
    assert "Connect call" not in failure.message


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
async def test_a_host_name_that_dns_cannot_hold_is_named(
    session: aiohttp.ClientSession, host: str
) -> None:
    failure = await Prometheus("default", f"http://{host}:9090", session).instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_UNREACHABLE
    assert "its host name is not one of DNS" in failure.message


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "ftp://me:secret@there", "http://[1"])
async def test_a_url_that_is_none_of_http_is_refused_at_once(
    session: aiohttp.ClientSession, url: str
) -> None:
    with pytest.raises(ValueError, match="source 'default': its URL must be like") as refused:
        Prometheus("default", url, session)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("data", "kind"),
    [({"x": [{"type": "gauge"}]}, "gauge"), ({}, None), ({"x": []}, None)],
)
async def test_the_type_of_a_metric_is_known_or_not(
    serve: Serve, session: aiohttp.ClientSession, data: object, kind: str | None
) -> None:
    url = await serve(answer(text=json.dumps({"status": "success", "data": data})))
    assert await Prometheus("default", url, session).metric_type("x") == kind


@pytest.mark.parametrize("data", [[], {"x": 5}, {"x": [{}]}, "none"])
async def test_metadata_that_are_none_are_a_failure(
    serve: Serve, session: aiohttp.ClientSession, data: object
) -> None:
    url = await serve(answer(text=json.dumps({"status": "success", "data": data})))
    found = await Prometheus("default", url, session).metric_type("x")
    assert isinstance(found, Failure)
    assert found.reason is Reason.INVALID_RESPONSE


async def test_credentials_are_sent_and_a_redirect_never_takes_them_elsewhere(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(f"elsewhere {request.headers.get('Authorization')}")
        return web.Response(text=success("vector", []), content_type="application/json")

    other = await serve(elsewhere)

    async def redirect(request: web.Request) -> web.Response:
        seen.append(f"here {request.headers.get('Authorization')}")
        return web.Response(status=307, headers={"Location": f"{other}api/v1/query"})

    credentials = Credentials({"Authorization": "Bearer abc"})
    source = Prometheus("default", await serve(redirect), session, credentials=credentials)
    failure = await source.instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_RESPONSE
    assert "HTTP 307" in failure.message
    assert seen == ["here Bearer abc"]


@pytest.mark.parametrize("status", [200, 500])
async def test_a_source_that_sends_a_secret_back_does_not_get_it_into_a_message(
    serve: Serve, session: aiohttp.ClientSession, status: int
) -> None:
    credentials = Credentials({"X-Token": "abc.def"}, secrets=frozenset({"abc.def"}))

    async def echo(request: web.Request) -> web.Response:
        body = json.dumps({"status": "success", "data": {"resultType": request.headers["X-Token"]}})
        if status == 200:
            return web.Response(text=body, content_type="application/json")
        return web.Response(status=status, text=body, content_type="text/plain")

    source = Prometheus("default", await serve(echo), session, credentials=credentials)
    failure = await source.instant("x", 1)
    assert isinstance(failure, Failure)
    assert "[hidden]" in failure.message
    assert "abc.def" not in failure.message


async def test_an_answer_of_too_many_series_is_refused_and_can_be_asked_in_parts(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    series = [{"metric": {"n": str(n)}, "value": [1, "1"]} for n in range(3)]
    url = await serve(answer(text=success("vector", series)))
    assert len(await Prometheus("a", url, session, max_series=3).instant("x", 1)) == 3  # type: ignore[arg-type]
    failure = await Prometheus("a", url, session, max_series=2).instant("x", 1)
    assert isinstance(failure, Failure)
    assert failure.divisible
    assert "3 series, more than 2" in failure.message
