"""A real PostgreSQL keeps what it was given, and lets nobody in without a password."""

import psycopg
import pytest
import trustme

from e2e.harness import Certificate, NoPostgres, Postgres, postgres, postgres_programs

pytestmark = pytest.mark.postgresql


@pytest.fixture(autouse=True)
def postgres_binary() -> None:
    try:
        postgres_programs()
    except NoPostgres as reason:
        pytest.skip(str(reason))


def over_tcp(server: Postgres, **parameters: str) -> psycopg.Connection[tuple[object, ...]]:
    where = {"host": server.host, "port": str(server.port), "dbname": "postgres", **parameters}
    return psycopg.connect(**where)


def test_what_it_stored_survives_a_stop_and_a_crash() -> None:
    with postgres() as server:
        server.execute("create table kept (number integer)")
        for number, crash in enumerate((False, True), 1):
            server.execute("insert into kept values (%s)", number)
            server.stop(crash=crash)
            with pytest.raises(psycopg.OperationalError):
                server.execute("select 1")
            server.start()
            assert len(server.execute("select number from kept")) == number


def test_it_wants_a_password_and_speaks_tls_with_its_certificate() -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    certificate = Certificate(chain, issued.private_key_pem.bytes())
    with postgres(certificate=certificate) as server:
        server.create_reader("reader", "right")
        login = {"user": "reader", "sslmode": "require"}
        with over_tcp(server, password="right", **login) as connection:
            assert connection.pgconn.ssl_in_use
        for wrong in ("wrong", ""):
            with pytest.raises(psycopg.OperationalError, match="password"):
                over_tcp(server, password=wrong, **login)


def test_settings_are_its_own() -> None:
    with postgres(settings={"shared_preload_libraries": "pg_stat_statements"}) as server:
        server.execute("create extension pg_stat_statements")
        server.execute("select 42")
        assert server.execute("select sum(calls) >= 1 from pg_stat_statements") == [(True,)]
