"""What PostgreSQL's errors mean for the reader. Pure.

Source of the codes: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
"""

import re

import psycopg

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.statement import Statement

_LONGEST = 300
_QUERY_CANCELED = "57014"
_LOCK_NOT_AVAILABLE = "55P03"
_READ_ONLY = frozenset({"25001", "25006"})
# Of these classes the query is to blame: data exceptions, its syntax and rights, what it raises
# itself, what it asks to be changed, what is not supported, more than the limits let through.
_OF_QUERY = ("0A", "21", "22", "2F", "39", "42", "44", "54", "P0")
_OF_CONNECTION = ("08", "57")
_OF_LOGIN = ("28",)
# A failed log-in has no code in libpq, only these words, unless the server speaks another language.
_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role \"[^\"]*\" (does not exist|is not permitted)"
    r"|permission denied for database|password supplied"
)
_BAD_DATABASE = re.compile(r"database \"[^\"]*\" (does not exist|is not currently accepting)")
_UNTRUSTED = re.compile(r"certificate verify failed|server certificate for|root certificate file")
_PREFIX = re.compile(r"^connection (to server )?(at|failed).*?(failed: |: )(FATAL:\s+)?")


def connection_failure(error: Exception, where: str) -> Failure:
    """What it means that there is no connection, or that a log-in was refused."""
    said = _line(_PREFIX.sub("", str(error)))
    if _REFUSED.search(said):
        return Failure(
            Reason.SOURCE_UNAUTHORIZED,
            f"{where} refused access ({said}): check its username and password",
        )
    if _BAD_DATABASE.search(said):
        return Failure(Reason.SOURCE_ERROR, f"{where}: {said}: check spec.postgresql.database")
    if _UNTRUSTED.search(said):
        said = f"its certificate is not trusted ({said}); check tls.ca, and that the host is in it"
        return Failure(Reason.SOURCE_UNREACHABLE, f"{where} cannot be reached: {said}")
    return Failure(
        Reason.SOURCE_UNREACHABLE,
        f"{where} cannot be reached: {said}; check its host, port and tls, and that it runs",
    )


def query_failure(error: Exception, where: str, statement: Statement | None) -> Failure:
    """What it means that a query failed, or that the connection broke under it."""
    code = getattr(error, "sqlstate", None) or ""
    if not isinstance(error, psycopg.Error) or not code:
        return Failure(
            Reason.SOURCE_UNREACHABLE, f"{where}: the connection broke ({_line(str(error))})"
        )
    said = _line(error.diag.message_primary or str(error))
    if code in {_QUERY_CANCELED, _LOCK_NOT_AVAILABLE}:
        field = f"{statement.where}: " if statement else ""
        return Failure(
            Reason.SOURCE_TIMEOUT,
            f"{where} gave a query up: {field}{said}; an index on the time makes it quick",
        )
    if code.startswith(_OF_LOGIN):
        return Failure(Reason.SOURCE_UNAUTHORIZED, f"{where} refused access: {said}")
    if statement is not None and (code in _READ_ONLY or code.startswith(_OF_QUERY)):
        return _invalid(error, said, statement)
    if code.startswith(_OF_CONNECTION):
        return Failure(Reason.SOURCE_UNREACHABLE, f"{where}: the connection broke ({said})")
    return Failure(Reason.SOURCE_ERROR, f"{where} failed ({code}): {said}")


def _invalid(error: psycopg.Error, said: str, statement: Statement) -> Failure:
    position = error.diag.statement_position
    place = statement.place(int(position)) if position else ""
    hint = f" ({_line(error.diag.message_hint)})" if error.diag.message_hint else ""
    at = f"{place}: " if place else ""
    return Failure(Reason.INVALID_QUERY, f"{statement.where}: {at}{said}{hint}")


def _line(text: str) -> str:
    """The first of several attempts' words, as one line that fits into a message."""
    return " ".join(text.split())[:_LONGEST]
