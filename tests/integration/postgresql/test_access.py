"""Who is let in, over what kind of connection, and what is said when it does not work."""

import asyncio
import os
import time

import pytest
import trustme

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.login import Login
from sluice.indicators.postgresql import PostgreSQL
from sluice.indicators.statement import Shape, Statement, parse_statement
from tests.integration.postgresql.conftest import PASSWORD, USER, Site

pytestmark = pytest.mark.postgresql


def value_of(text: str) -> Statement:
    found = parse_statement(text, "spec.indicator.sql.value.query", Shape.VALUE)
    assert isinstance(found, Statement), found
    return found


ENCRYPTED = value_of("select count(*) from pg_stat_ssl where pid = pg_backend_pid() and ssl")


async def refused(source: PostgreSQL, reason: Reason) -> str:
    failure = await source.probe()
    assert isinstance(failure, Failure)
    assert failure.reason is reason, failure
    assert failure == await source.rows(ENCRYPTED, [(0, 300)])
    assert PASSWORD not in failure.message
    assert USER not in failure.message
    return failure.message


@pytest.mark.parametrize(
    ("tls", "encrypted"),
    [({"ca": {"name": "db", "key": "ca"}}, 1), ({"mode": "Require"}, 1), ({"mode": "Disable"}, 0)],
)
async def test_a_connection_is_encrypted_unless_that_is_disabled(
    site: Site, tls: dict[str, object], encrypted: int
) -> None:
    ca = site.ca if "ca" in tls else None
    source = PostgreSQL("db", site.declared(tls=tls), Login(USER, PASSWORD, ca))
    assert await source.probe() is None
    assert await source.rows(ENCRYPTED, [(0, 300)]) == [{"count": encrypted}]


async def test_a_certificate_of_another_authority_is_not_trusted(site: Site) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    source = PostgreSQL("db", site.declared(), Login(USER, PASSWORD, other))
    message = await refused(source, Reason.SOURCE_UNREACHABLE)
    assert "its certificate is not trusted (" in message
    assert "certificate verify failed" in message


async def test_a_certificate_of_another_host_is_not_trusted(site: Site) -> None:
    message = await refused(site.source(host="localhost"), Reason.SOURCE_UNREACHABLE)
    assert "its certificate is not trusted (" in message
    assert 'does not match host name "localhost"' in message


async def test_a_wrong_password_is_told_from_a_server_that_is_not_there(site: Site) -> None:
    wrong = site.logged_in_as(USER, "not-the-password")
    message = await refused(wrong, Reason.SOURCE_UNAUTHORIZED)
    assert f"source 'db' (127.0.0.1:{site.server.port}/postgres) refused access (" in message
    assert message.endswith("check its username and password")
    assert "not-the-password" not in message
    await refused(site.logged_in_as("nobody_here", PASSWORD), Reason.SOURCE_UNAUTHORIZED)
    gone = await refused(site.source(port=1), Reason.SOURCE_UNREACHABLE)
    assert "Connection refused" in gone
    unknown = await refused(site.source(host="db.invalid"), Reason.SOURCE_UNREACHABLE)
    assert "check its host" in unknown


async def test_a_database_that_is_not_there_is_named(site: Site) -> None:
    message = await refused(site.source(database="nowhere"), Reason.SOURCE_ERROR)
    assert 'database "nowhere" does not exist: check spec.postgresql.database' in message


async def test_a_role_that_may_not_log_in_or_connect_is_refused(site: Site) -> None:
    site.server.execute("create role sleeper nologin password 'sleeper-password'")
    site.server.execute("create database closed")
    site.server.execute("revoke connect on database closed from public")
    sleeper = site.logged_in_as("sleeper", "sleeper-password")
    assert "not permitted to log in" in await refused(sleeper, Reason.SOURCE_UNAUTHORIZED)
    message = await refused(site.source(database="closed"), Reason.SOURCE_UNAUTHORIZED)
    assert 'permission denied for database "closed"' in message


async def test_a_superuser_is_refused(site: Site) -> None:
    site.server.execute("create role almighty superuser login password 'almighty-password'")
    almighty = site.logged_in_as("almighty", "almighty-password")
    message = await refused(almighty, Reason.SOURCE_UNAUTHORIZED)
    assert "its role is a superuser" in message


async def test_a_new_password_counts_at_once_and_the_old_one_no_more(site: Site) -> None:
    site.server.create_reader("rotated", "the-old-password")
    old = site.logged_in_as("rotated", "the-old-password")
    assert await old.probe() is None
    site.server.execute("alter role rotated password 'the-new-password'")
    await refused(old, Reason.SOURCE_UNAUTHORIZED)
    assert await site.logged_in_as("rotated", "the-new-password").probe() is None


async def test_nothing_is_taken_from_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1 -c search_path=nowhere")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGTZ", "Europe/Berlin")
    assert "PGOPTIONS" in os.environ
    source = site.source()
    assert await source.rows(ENCRYPTED, [(0, 300)]) == [{"count": 1}]
    path = value_of(
        "select count(*) from pg_settings where name = 'search_path' and setting = "
        "'\"$user\", public'"
    )
    assert await source.rows(path, [(0, 300)]) == [{"count": 1}]


async def test_no_connection_outlives_its_question(site: Site, source: PostgreSQL) -> None:
    for _ in range(3):
        await source.rows(ENCRYPTED, [(0, 300)])
    ours = "select count(*) from pg_stat_activity where usename = %s"

    async def gone() -> None:
        while site.server.execute(ours, USER) != [(0,)]:
            await asyncio.sleep(0.05)

    await asyncio.wait_for(gone(), timeout=5)


async def test_a_server_that_accepts_and_never_answers_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.indicators.postgresql._CONNECT", 2)
    source = site.source()
    site.server.hang()
    try:
        began = time.monotonic()
        failure = await source.probe()
        assert time.monotonic() - began < 10
    finally:
        site.server.wake()
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_TIMEOUT
    assert await source.probe() is None
