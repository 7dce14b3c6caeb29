"""One PostgreSQL for all of these tests: with TLS, and a role that may read."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
import trustme

from e2e.harness import Certificate, NoPostgres, Postgres, postgres
from sluice.api.postgresql import PostgreSQLSource
from sluice.indicators.login import Login
from sluice.indicators.postgresql import PostgreSQL

USER, PASSWORD = "sluice_reader", "s3cret-of-the-reader"


@dataclass(frozen=True, slots=True)
class Site:
    """A server, the authority that signed its certificate, and how it is declared."""

    server: Postgres
    ca: str

    @property
    def login(self) -> Login:
        return Login(USER, PASSWORD, self.ca)

    def declared(self, **fields: Any) -> PostgreSQLSource:
        secret = {"name": "db", "key": "any"}
        return PostgreSQLSource.model_validate(
            {
                "host": "127.0.0.1",
                "port": self.server.port,
                "database": "postgres",
                "username": secret,
                "password": secret,
                "tls": {"ca": secret},
                "statementTimeout": "2s",
                **fields,
            }
        )

    def source(self, **fields: Any) -> PostgreSQL:
        return PostgreSQL("db", self.declared(**fields), self.login)

    def logged_in_as(self, user: str, password: str) -> PostgreSQL:
        login = replace(self.login, user=user, password=password)
        return PostgreSQL("db", self.declared(), login)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    certificate = Certificate(chain, issued.private_key_pem.bytes())
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(certificate=certificate, settings=settings))
        except NoPostgres as reason:
            if os.environ.get("CI"):
                raise  # there, a test that is skipped is a test that fails
            pytest.skip(str(reason))
        server.create_reader(USER, PASSWORD)
        yield Site(server, authority.cert_pem.bytes().decode())


@pytest.fixture
def source(site: Site) -> PostgreSQL:
    return site.source()
