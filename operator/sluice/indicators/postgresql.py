"""A client of PostgreSQL that only reads, and raises nothing: every failure is a value.

Each question is a connection of its own with one READ ONLY transaction in it. So nothing is kept
open while nothing is asked, a new password counts at once, and it goes through PgBouncer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor

from sluice.api.durations import parse_duration
from sluice.api.postgresql import PostgreSQLSource, TLSMode
from sluice.api.reasons import Reason
from sluice.indicators.credentials import in_memory
from sluice.indicators.database import Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.login import Login
from sluice.indicators.sql_errors import connection_failure, query_failure
from sluice.indicators.statement import Statement

_CONNECT = 10
"""Seconds for a connection and the log-in."""
_GRACE = 5.0
"""Seconds beyond its own timeout after which a database is not waited for any more."""
_IDLE = 10_000
"""Milliseconds after which the database ends a transaction that we have left alone."""
_SLOW = f"a connection may take {_CONNECT} s"

_NUMBERS = frozenset({20, 21, 23, 700, 701, 1700})
"""bigint, smallint, integer, real, double precision, numeric. Source: pg_type.dat."""

_MODES = {
    TLSMode.VERIFY_FULL: "verify-full",
    TLSMode.REQUIRE: "require",
    TLSMode.DISABLE: "disable",
}

_Connection = AsyncConnection[Any]
_Found = TypeVar("_Found")


class PostgreSQL:
    """A database that answers queries of objectives.

    Args:
        name: what the source is called in messages.
        declared: where it is.
        login: who asks; not shown in messages.
    """

    def __init__(self, name: str, declared: PostgreSQLSource, login: Login) -> None:
        self._declared = declared
        self._login = login
        self._timeout = parse_duration(declared.statement_timeout).total_seconds()
        self._where = f"source {name!r} ({declared.address})"

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        """See `Database`. The memory that an answer takes does not depend on the query."""

        async def read(connection: _Connection) -> list[Row | None] | Failure:
            found: list[Row | None] = []
            for span in ranges:
                # What a query gives is known without running it.
                problem = None if found else await self._check_columns(connection, statement, span)
                row = problem or await self._row(connection, statement, span)
                if isinstance(row, Failure):
                    return row
                found.append(row)
            return found

        return await self._asked(read, statement)

    async def probe(self) -> Failure | None:
        """Whether it lets us in and answers a query."""

        async def look(connection: _Connection) -> None:
            await connection.execute("select 1")

        return await self._asked(look, None)

    async def _asked(
        self,
        question: Callable[[_Connection], Awaitable[_Found | Failure]],
        statement: Statement | None,
    ) -> _Found | Failure:
        """What a question in a transaction of its own comes to."""
        connected = False
        try:
            async with self._connection() as connection:
                connected = True
                refused = self._refused(connection)
                if refused is not None:
                    return refused
                async with asyncio.timeout(self._timeout + _GRACE):
                    await connection.execute(self._beginning())
                answer = await question(connection)
                if not isinstance(answer, Failure):
                    # What a function may have done, even so, does not last.
                    await connection.execute("rollback")
                return answer
        except TimeoutError:
            return self._late(f"statementTimeout is {self._timeout:g} s" if connected else _SLOW)
        except (psycopg.Error, OSError, UnicodeError) as error:
            if connected:
                return self._login.hide(query_failure(error, self._where, statement))
            return self._login.hide(connection_failure(error, self._where))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        declared, login = self._declared, self._login
        with ExitStack() as files:
            parameters: dict[str, Any] = {}
            if login.ca is not None:
                # Until the end: a query is cancelled over another connection.
                parameters["sslrootcert"] = files.enter_context(in_memory(login.ca.encode()))
            # What is not said here, libpq would take from its environment or the home directory.
            async with asyncio.timeout(_CONNECT):
                connection = await AsyncConnection.connect(
                    host=declared.host,
                    port=declared.port,
                    dbname=declared.database,
                    user=login.user,
                    password=login.password,
                    sslmode=_MODES[declared.tls.mode],
                    sslcert="",
                    gssencmode="disable",
                    options="",
                    application_name="sluice",
                    client_encoding="utf8",
                    autocommit=True,
                    prepare_threshold=None,  # names of statements would meet in a pooler
                    cursor_factory=AsyncRawCursor,
                    **parameters,
                )
            try:
                yield connection
            finally:
                await connection.close()

    def _beginning(self) -> str:
        """Read only, of UTC, and so that nothing lasts if we are gone."""
        timeout = round(self._timeout * 1000)
        return (
            "begin isolation level read committed read only; "
            f"set local statement_timeout = {timeout}; "
            f"set local lock_timeout = {timeout}; "
            f"set local idle_in_transaction_session_timeout = {_IDLE}; "
            "set local standard_conforming_strings = on; "
            "set local timezone = 'UTC'"
        )

    def _refused(self, connection: _Connection) -> Failure | None:
        """A superuser reads files and runs programs on the database's host, also read only."""
        if connection.info.parameter_status("is_superuser") != "on":
            return None
        return Failure(
            Reason.SOURCE_UNAUTHORIZED,
            f"{self._where}: its role is a superuser, who can do anything on the database's host, "
            "and so could whoever writes a query: use a role that may only read what is counted",
        )

    async def _check_columns(
        self, connection: _Connection, statement: Statement, span: Range
    ) -> Failure | None:
        cursor = await self._execute(connection, statement, span, rows=0)
        columns = cursor.description or []
        problem = statement.problem([column.name for column in columns])
        for column in columns:
            if problem is None and column.type_code not in _NUMBERS:
                problem = (
                    f"the column {column.name} is of type {column.type_display}, and a number is "
                    "needed: of an interval take extract(epoch from ...)"
                )
        if problem is None:
            return None
        return Failure(Reason.INVALID_QUERY, f"{statement.where}: {problem}")

    async def _row(
        self, connection: _Connection, statement: Statement, span: Range
    ) -> Row | Failure | None:
        cursor = await self._execute(connection, statement, span, rows=2)
        rows = await cursor.fetchall()
        if len(rows) > 1:
            return Failure(
                Reason.INVALID_QUERY,
                f"{statement.where}: it gives more than one row, and one is needed: add them up",
            )
        if not rows:
            return None
        names = [column.name for column in cursor.description or []]
        return {
            name: None if value is None else float(value)
            for name, value in zip(names, rows[0], strict=True)
        }

    async def _execute(
        self, connection: _Connection, statement: Statement, span: Range, *, rows: int
    ) -> psycopg.AsyncCursor[Any]:
        """Run the query as a single one: with parameters, or by the protocol that knows them."""
        times = dict(zip(("$start", "$end"), map(_time, span), strict=True))
        parameters = [times[name] for name in statement.parameters]
        async with asyncio.timeout(self._timeout + _GRACE):
            return await connection.execute(statement.sql(rows), parameters, binary=True)

    def _late(self, limit: str) -> Failure:
        return Failure(
            Reason.SOURCE_TIMEOUT,
            f"{self._where} has not answered in time ({limit}): it may be overloaded",
        )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
