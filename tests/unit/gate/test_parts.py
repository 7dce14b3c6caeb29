"""The gate's certificate, its limit of requests and its settings."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientSession, web
from pydantic import ValidationError

from sluice.gate import certificate
from sluice.gate.certificate import Certificate
from sluice.gate.settings import GateSettings
from sluice.gate.throttle import Throttle


def issue(authority: trustme.CA, directory: Path, **when: datetime) -> tuple[Path, Path]:
    issued = authority.issue_cert("127.0.0.1", **when)
    chain, key = directory / "tls.crt", directory / "tls.key"
    issued.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return chain, key


async def test_a_new_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    found = Certificate(*issue(old, tmp_path))
    app = web.Application()
    app.router.add_get("/", _ok)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=found.context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        assert await trusts(old, url)
        assert not found.refresh()
        issue(new, tmp_path)
        assert found.refresh()
        assert await trusts(new, url)
        assert not await trusts(old, url)
    finally:
        await runner.cleanup()


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def trusts(authority: trustme.CA, url: str) -> bool:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with ClientSession() as session:
        try:
            async with session.get(url, ssl=context) as response:
                return response.status == 200
        except OSError:
            return False


def test_half_a_pair_or_none_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    chain, key = issue(trustme.CA(), tmp_path)
    found = Certificate(chain, key)
    before = key.read_bytes()
    key.write_bytes(trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes())
    assert not found.refresh()
    key.unlink()
    assert not found.refresh()
    key.write_bytes(before)
    assert not found.refresh()


def test_a_pair_that_is_none_is_no_beginning(tmp_path: Path) -> None:
    chain, key = issue(trustme.CA(), tmp_path)
    key.write_bytes(trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes())
    with pytest.raises(ssl.SSLError):
        Certificate(chain, key)


@pytest.mark.parametrize(
    "expires", [datetime(2049, 12, 31, 23, 59, 58, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)]
)
def test_it_knows_when_it_expires_and_when_the_next_one_does(
    tmp_path: Path, expires: datetime
) -> None:
    # Years from 2050 on are written in another form.
    found = Certificate(*issue(trustme.CA(), tmp_path, not_after=expires))
    assert found.expires == expires
    issue(trustme.CA(), tmp_path, not_after=expires + timedelta(days=1))
    assert found.refresh()
    assert found.expires == expires + timedelta(days=1)


def test_an_expiry_that_cannot_be_read_is_none() -> None:
    begin, end = "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n"
    for content in (b"", b"nonsense", f"{begin}AAAA{end}".encode(), f"{begin}MIIB{end}".encode()):
        assert certificate._expires(content) is None


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    now = [0.0]
    throttle = Throttle(rate=2, burst=4, monotonic=lambda: now[0])
    assert [throttle.admits() for _ in range(5)] == [True] * 4 + [False]
    now[0] += 1
    assert [throttle.admits() for _ in range(3)] == [True, True, False]
    now[0] += 1000
    assert [throttle.admits() for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tls_cert": "tls.crt"}, "belong together"),
        ({"listen": "here"}, "ADDRESS:PORT"),
        ({"requests_per_second": 0}, "greater than or equal to 1"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        GateSettings(**given)


def test_settings_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_WATCH_NAMESPACES", "shop, payments")
    assert GateSettings().watch_namespaces == ("shop", "payments")
