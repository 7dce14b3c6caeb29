"""MetricSources against a server that wants a token, with Secrets that change."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.api.reasons import Reason
from sluice.controller.connections import Connections
from sluice.controller.sources import MetricSources
from sluice.indicators.failure import Failure
from sluice.indicators.guard import GuardedSource
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import NamedSource, Sources
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Cache, Key
from sluice.kube.events import Event
from sluice.kube.resources import SECRETS, SOURCES, Resource

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
TOKEN = "t0ken-of-today"
KEY = Key(SOURCES.plural, "", "mimir")


class Api:
    """Stands for an API server with Secrets."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, str]] = {}
        self.refusal: ApiError | None = None
        self.asked: list[tuple[str | None, str]] = []
        self.written: list[dict[str, Any]] = []
        self.events: list[tuple[str, str, str]] = []

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> dict[str, Any] | None:
        assert resource is SECRETS
        self.asked.append((namespace, name))
        if self.refusal is not None:
            raise self.refusal
        if name not in self.secrets:
            return None
        encoded = {
            key: base64.b64encode(text.encode()).decode()
            for key, text in self.secrets[name].items()
        }
        return {"metadata": {"name": name}, "data": encoded}

    async def apply(self, resource: Resource, body: dict[str, Any], *, subresource: str) -> None:
        assert (resource, subresource) == (SOURCES, "status")
        self.written.append(body)

    def post(self, event: Event) -> None:
        assert not event.namespaced
        self.events.append((event.type, event.reason, event.note))

    def ready(self) -> dict[str, Any]:
        conditions: list[dict[str, Any]] = self.written[-1]["status"]["conditions"]
        return next(it for it in conditions if it["type"] == "Ready")


class Backend:
    """A source that takes requests with the token only, and says so with what it was sent."""

    def __init__(self) -> None:
        self.requests = 0
        self.token = TOKEN
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.requests += 1
        sent = request.headers.get("Authorization", "")
        if sent != f"Bearer {self.token}":
            return web.Response(status=401, text=f"no: {sent}")
        body = {"status": "success", "data": {"resultType": "vector", "result": []}}
        return web.Response(text=json.dumps(body), content_type="application/json")


@pytest.fixture
def api() -> Api:
    found = Api()
    found.secrets["mimir"] = {"token": TOKEN}
    return found


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    found = Backend()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    async with TestServer(app) as server:
        found.url = str(server.make_url("")).rstrip("/")
        yield found


def manifest(url: str, **prometheus: Any) -> dict[str, Any]:
    token = {"bearerToken": {"name": "mimir", "key": "token"}}
    return {
        "metadata": {"name": "mimir", "uid": "m-1", "generation": 2},
        "spec": {"prometheus": {"url": url, **token, **prometheus}},
    }


class Platform:
    """A controller's sources."""

    def __init__(self, api: Api, session: aiohttp.ClientSession, flag: str | None) -> None:
        self.cache, self.sources = Cache(), Sources()
        self.told: list[str] = []
        self.amiss: dict[str, Failure] = {}

        def guarded(source: Prometheus) -> GuardedSource:
            return GuardedSource(source, monotonic=time.monotonic)

        self.reconciler = MetricSources(
            api=api,  # type: ignore[arg-type]
            cache=self.cache,
            sources=self.sources,
            connect=Connections(session, query_timeout=30.0).connect,
            fallback=None if flag is None else guarded(Prometheus("default", flag, session)),
            namespace="sluice-system",
            clock=lambda: NOW,
            changed=self.told.append,
            post=api.post,
            recording=self.amiss.get,
        )

    def apply(self, body: dict[str, Any]) -> None:
        self.cache.put(SOURCES, body)
        self.reconciler.appeared(body["metadata"]["name"])

    async def reason(self, name: str = "mimir") -> Reason | None:
        """Why a query gives nothing; None if it is answered."""
        source = self.sources.get(name)
        if isinstance(source, NamedSource):
            answer = await source.instant("x", 0)
            return answer.reason if isinstance(answer, Failure) else None
        return source.reason


@pytest.fixture
def backed(api: Api, backend: Backend) -> tuple[Api, Backend]:
    return api, backend


@pytest.fixture
async def platform(api: Api) -> AsyncIterator[Platform]:
    async with _platform(api) as made:
        yield made


@asynccontextmanager
async def _platform(api: Api, flag: str | None = None) -> AsyncIterator[Platform]:
    async with aiohttp.ClientSession() as session:
        yield Platform(api, session, flag)


async def test_a_source_that_answers_is_ready(
    api: Api, backend: Backend, platform: Platform
) -> None:
    platform.apply(manifest(backend.url))
    assert await platform.reason() is Reason.PROGRESSING
    again = await platform.reconciler.reconcile(KEY)
    assert await platform.reason() is None
    assert again is not None
    assert 60 <= again <= 600
    assert api.asked == [("sluice-system", "mimir")]
    assert (api.ready()["status"], api.ready()["reason"]) == ("True", "Reconciled")
    assert api.written[0]["metadata"] == {"name": "mimir", "uid": "m-1"}
    assert platform.told == ["mimir"]


@pytest.mark.parametrize(
    ("secret", "url", "said"),
    [
        (None, "", "SecretNotFound: Secret sluice-system/mimir is not there: create it"),
        (
            {"tokens": "a", "other": "b"},
            "",
            "SecretNotFound: Secret sluice-system/mimir has no key 'token'; its keys: other, to",
        ),
        ({"token": "wrong-one"}, "", "SourceUnauthorized: source 'mimir' (http://127.0.0.1:"),
        ({"token": "a\nb"}, "", "InvalidSecret: Secret mimir[token]: there is control char"),
        (
            {"token": TOKEN},
            "http://127.0.0.1:1",
            "SourceUnreachable: source 'mimir' (http://127.0.0.1:1) cannot be reached: connect",
        ),
        ({"token": TOKEN}, "http://prometheus:99999", "InvalidSpec: spec.prometheus.url: source"),
    ],
)
async def test_a_source_that_gives_nothing_says_why_and_shows_no_secret(
    backed: tuple[Api, Backend],
    platform: Platform,
    secret: dict[str, str] | None,
    url: str,
    said: str,
) -> None:
    api, backend = backed
    api.secrets = {} if secret is None else {"mimir": secret}
    platform.apply(manifest(url or backend.url))
    again = await platform.reconciler.reconcile(KEY)
    assert again is not None
    assert again < 60
    ready = api.ready()
    assert ready["status"] == "False"
    assert f"{ready['reason']}: {ready['message']}".startswith(said)
    assert await platform.reason() is not None
    for text in (secret or {}).values():
        assert len(text) < 4 or text not in json.dumps(api.written)


async def test_a_source_that_answers_says_what_is_amiss_with_its_rules(
    backed: tuple[Api, Backend], platform: Platform
) -> None:
    api, backend = backed
    platform.apply(manifest(backend.url, engine="Recorded"))
    platform.amiss["mimir"] = Failure(Reason.RULES_NOT_SERVED, "no CRD")
    await platform.reconciler.reconcile(KEY)
    assert (api.ready()["status"], api.ready()["reason"]) == ("False", "RulesNotServed")
    assert await platform.reason() is None
    platform.amiss.clear()
    await platform.reconciler.reconcile(KEY)
    assert api.ready()["status"] == "True"


async def test_a_right_that_is_missing_is_told_apart_from_a_secret_that_is(
    api: Api, backend: Backend, platform: Platform
) -> None:
    api.refusal = ApiError(status=403, reason="Forbidden", message="no")
    platform.apply(manifest(backend.url))
    await platform.reconciler.reconcile(KEY)
    assert api.ready()["reason"] == "SecretForbidden"
    assert backend.requests == 0


async def test_what_teams_see_names_no_secret(
    api: Api, backend: Backend, platform: Platform
) -> None:
    api.secrets = {}
    platform.apply(manifest(backend.url))
    await platform.reconciler.reconcile(KEY)
    source = platform.sources.get("mimir")
    assert isinstance(source, NamedSource)
    assert source.behind == Failure(
        Reason.SECRET_NOT_FOUND,
        "source 'mimir' cannot be used (SecretNotFound): "
        "`kubectl describe metricsource mimir` tells why",
    )


async def test_a_password_that_was_changed_takes_effect_without_a_restart(
    api: Api, backend: Backend, platform: Platform
) -> None:
    platform.apply(manifest(backend.url))
    await platform.reconciler.reconcile(KEY)
    held = platform.sources.get("mimir")
    backend.token = "t0ken-of-tomorrow"
    assert await platform.reason() is Reason.SOURCE_UNAUTHORIZED
    api.secrets["mimir"]["token"] = backend.token
    await platform.reconciler.reconcile(KEY)
    assert await platform.reason() is None
    assert platform.sources.get("mimir") is held


async def test_an_api_server_that_does_not_answer_takes_no_source_away(
    api: Api, backend: Backend, platform: Platform
) -> None:
    platform.apply(manifest(backend.url))
    await platform.reconciler.reconcile(KEY)
    api.refusal = ApiError(status=0, reason="Unreachable", message="the API server is away")
    with pytest.raises(ApiError):
        await platform.reconciler.reconcile(KEY)
    assert await platform.reason() is None


async def test_objectives_are_told_when_a_source_appears_fails_recovers_and_goes(
    api: Api, backend: Backend, platform: Platform
) -> None:
    for secrets in ({"mimir": {"token": TOKEN}}, {}, {}, {"mimir": {"token": TOKEN}}):
        api.secrets = secrets
        platform.apply(manifest(backend.url))
        await platform.reconciler.reconcile(KEY)
    assert len(platform.told) == 3
    platform.cache.drop(KEY)
    assert await platform.reconciler.reconcile(KEY) is None
    assert len(platform.told) == 4
    assert await platform.reason() is Reason.SOURCE_NOT_FOUND


async def test_a_status_that_says_the_same_is_not_written_again(
    api: Api, backend: Backend, platform: Platform
) -> None:
    platform.apply(manifest(backend.url))
    await platform.reconciler.reconcile(KEY)
    platform.apply(manifest(backend.url) | {"status": api.written[0]["status"]})
    await platform.reconciler.reconcile(KEY)
    assert len(api.written) == 1


async def test_people_hear_once_of_a_source_that_fails_or_answers_again(
    api: Api, backend: Backend, platform: Platform
) -> None:
    status: dict[str, Any] = {}
    for secrets in ({"mimir": {"token": TOKEN}}, {}, {}, {"mimir": {"token": TOKEN}}):
        api.secrets = secrets
        platform.apply(manifest(backend.url) | {"status": status})
        await platform.reconciler.reconcile(KEY)
        status = api.written[-1]["status"]
    missing = "Secret sluice-system/mimir is not there: create it in the controller's namespace"
    assert api.events == [
        ("Normal", "Reconciled", "the source answers queries"),
        ("Warning", "SecretNotFound", missing),
        ("Normal", "Reconciled", "the source answers queries"),
    ]


async def test_an_object_that_cannot_be_read_is_stalled_and_used_by_nobody(
    api: Api, backend: Backend, platform: Platform
) -> None:
    platform.apply(manifest(backend.url))
    await platform.reconciler.reconcile(KEY)
    platform.apply(manifest(backend.url, colour="red"))
    await platform.reconciler.reconcile(KEY)
    types = {it["type"]: it for it in api.written[-1]["status"]["conditions"]}
    assert types["Stalled"]["reason"] == "InvalidSpec"
    assert "spec.prometheus.colour" in types["Stalled"]["message"]
    assert await platform.reason() is Reason.SOURCE_ERROR


async def test_a_source_is_there_before_the_first_probe_once_it_is_prepared(
    backend: Backend, platform: Platform
) -> None:
    platform.apply(manifest(backend.url))
    await platform.reconciler.prepare()
    assert backend.requests == 0
    assert await platform.reason() is None


async def test_a_source_called_default_takes_the_place_of_the_flag_while_it_is_there(
    api: Api, backend: Backend
) -> None:
    async with _platform(api, flag="http://127.0.0.1:1") as platform:
        key = Key(SOURCES.plural, "", "default")
        assert await platform.reason("default") is Reason.SOURCE_UNREACHABLE
        body = manifest(backend.url)
        platform.apply(body | {"metadata": body["metadata"] | {"name": "default"}})
        assert await platform.reason("default") is Reason.PROGRESSING
        await platform.reconciler.reconcile(key)
        assert await platform.reason("default") is None
        platform.cache.drop(key)
        await platform.reconciler.reconcile(key)
        assert await platform.reason("default") is Reason.SOURCE_UNREACHABLE


async def test_a_flag_without_a_metric_source_is_left_alone(api: Api) -> None:
    async with _platform(api, flag="http://127.0.0.1:1") as platform:
        key = Key(SOURCES.plural, "", "default")
        assert await platform.reconciler.reconcile(key) is None
        assert platform.told == []
        assert await platform.reason("default") is Reason.SOURCE_UNREACHABLE
