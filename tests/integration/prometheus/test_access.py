"""Credentials against a real Prometheus that wants a password and a client's certificate."""

import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from e2e.harness.prometheus_server import Door, prometheus
from e2e.harness.prometheus_server import Prometheus as Server
from sluice.api.reasons import Reason
from sluice.api.source import PrometheusSource, SecretKey
from sluice.indicators.credentials import Credentials, Secrets, credentials
from sluice.indicators.failure import Failure
from sluice.indicators.prometheus import Prometheus

pytestmark = pytest.mark.prometheus

USER, PASSWORD = "sluice", "s3cret-pass"
# bcrypt of the password, at the lowest cost that there is.
HASH = "$2b$04$E.4vOV0TanYA2IQ9nNQK.ON0cRZ.DJhT7Cf9qfAGp40Li09fZCYue"


def pair(cert: trustme.LeafCert) -> tuple[bytes, bytes]:
    chain = b"".join(pem.bytes() for pem in cert.cert_chain_pems)
    return chain, cert.private_key_pem.bytes()


class Authority:
    """A CA, a server's certificate and clients' ones."""

    def __init__(self) -> None:
        self.ca, self.stranger = trustme.CA(), trustme.CA()
        self.server = pair(self.ca.issue_cert("127.0.0.1"))
        self.client = pair(self.ca.issue_cert("sluice"))
        self.forged = pair(self.stranger.issue_cert("sluice"))
        self.misnamed = pair(self.ca.issue_cert("elsewhere.example.com"))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def guarded(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _guarded(authority, authority.server, tmp_path_factory.mktemp("tls")) as running:
        yield running


def _guarded(
    authority: Authority, server: tuple[bytes, bytes], directory: Path
) -> AbstractContextManager[Server]:
    chain, key = server
    ours, our_key = authority.client
    files = {"chain": chain, "key": key, "ours": ours, "our-key": our_key}
    files["ca"] = authority.ca.cert_pem.bytes()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    config = {
        "tls_server_config": {
            "cert_file": str(directory / "chain"),
            "key_file": str(directory / "key"),
            "client_ca_file": str(directory / "ca"),
            "client_auth_type": "RequireAndVerifyClientCert",
        },
        "basic_auth_users": {USER: HASH},
    }
    context = ssl.create_default_context(cafile=str(directory / "ca"))
    context.check_hostname = False
    context.load_cert_chain(directory / "ours", directory / "our-key")
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    # JSON is YAML.
    return prometheus(door=Door(json.dumps(config), {"Authorization": f"Basic {basic}"}, context))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def reference(key: str) -> dict[str, str]:
    return {"name": "s", "key": key}


DECLARED: dict[str, Any] = {
    "basicAuth": {"username": reference("user"), "password": reference("password")},
    "tls": {
        "ca": reference("ca"),
        "certificate": reference("crt"),
        "key": reference("key"),
    },
}


def contents(authority: Authority, **other: bytes) -> Secrets:
    held = {
        "user": USER.encode(),
        "password": PASSWORD.encode(),
        "ca": authority.ca.cert_pem.bytes(),
        "crt": authority.client[0],
        "key": authority.client[1],
        **other,
    }
    return {SecretKey(name="s", key=key): content for key, content in held.items()}


def source(
    url: str, session: aiohttp.ClientSession, secrets: Secrets, **declared: Any
) -> Prometheus:
    made = credentials(PrometheusSource.model_validate({"url": url, **declared}), secrets)
    assert isinstance(made, Credentials), made
    return Prometheus("mimir", url, session, credentials=made)


async def test_a_password_a_certificate_and_a_ca_open_the_door(
    guarded: Server, authority: Authority, session: aiohttp.ClientSession
) -> None:
    found = await source(guarded.url, session, contents(authority), **DECLARED).instant(
        "vector(42)", 0
    )
    assert isinstance(found, list), found
    assert found[0].values == [42]


async def test_without_verification_the_ca_is_not_needed(
    guarded: Server, authority: Authority, session: aiohttp.ClientSession
) -> None:
    tls = {key: value for key, value in DECLARED["tls"].items() if key != "ca"}
    declared = DECLARED | {"tls": tls | {"insecureSkipVerify": True}}
    found = await source(guarded.url, session, contents(authority), **declared).instant("1", 0)
    assert isinstance(found, Failure)
    assert "resultType 'scalar'" in found.message  # it was answered


def spoilt(authority: Authority, wrong: str) -> tuple[Secrets, dict[str, Any]]:
    """Secrets and a declaration that are right but for one thing."""
    tls: dict[str, Any] = dict(DECLARED["tls"])
    other: dict[str, bytes] = {}
    match wrong:
        case "password":
            other = {"password": b"s3cret-fail"}
        case "ca":
            other = {"ca": authority.stranger.cert_pem.bytes()}
        case "no ca":
            del tls["ca"]
        case "client":
            other = dict(zip(("crt", "key"), authority.forged, strict=True))
        case "no client":
            del tls["certificate"], tls["key"]
    return contents(authority, **other), DECLARED | {"tls": tls}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password", (Reason.SOURCE_UNAUTHORIZED, "refused access (HTTP 401): check its cred")),
        ("ca", (Reason.SOURCE_UNREACHABLE, "its certificate is not trusted")),
        ("no ca", (Reason.SOURCE_UNREACHABLE, "its certificate is not trusted")),
        ("client", (Reason.SOURCE_UNAUTHORIZED, "does not accept our certificate")),
        ("no client", (Reason.SOURCE_UNAUTHORIZED, "does not accept our certificate")),
    ],
)
async def test_what_is_wrong_with_the_key_is_said(
    guarded: Server,
    authority: Authority,
    session: aiohttp.ClientSession,
    wrong: str,
    said: tuple[Reason, str],
) -> None:
    secrets, declared = spoilt(authority, wrong)
    failure = await source(guarded.url, session, secrets, **declared).instant("vector(1)", 0)
    reason, words = said
    assert isinstance(failure, Failure)
    assert failure.reason is reason, failure
    assert words in failure.message
    assert "s3cret" not in failure.message


async def test_a_server_under_another_name_is_not_trusted(
    authority: Authority, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    with _guarded(authority, authority.misnamed, tmp_path) as running:
        failure = await source(running.url, session, contents(authority), **DECLARED).instant(
            "vector(1)", 0
        )
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_UNREACHABLE
    assert "its certificate is not trusted" in failure.message


async def test_a_header_tells_tenants_apart_at_a_proxy(
    server: Server, session: aiohttp.ClientSession
) -> None:
    """As Mimir's gateway: no tenant, no answer."""

    async def forward(request: web.Request) -> web.Response:
        if request.headers.get("X-Scope-OrgID") != "team-a":
            return web.Response(status=401, text="no org id")
        url = server.url + request.path
        async with session.request(request.method, url, data=await request.post()) as answer:
            text = await answer.text()
        return web.Response(status=answer.status, text=text, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    headers = [{"name": "X-Scope-OrgID", "secret": reference("org")}]
    async with TestServer(app) as proxy:
        url = str(proxy.make_url("")).rstrip("/")
        held = {SecretKey(name="s", key="org"): b"team-a\n"}
        found = await source(url, session, held, headers=headers).instant("vector(7)", 0)
        refused = await source(url, session, {}).instant("vector(7)", 0)
    assert isinstance(found, list), found
    assert found[0].values == [7]
    assert isinstance(refused, Failure)
    assert refused.reason is Reason.SOURCE_UNAUTHORIZED
