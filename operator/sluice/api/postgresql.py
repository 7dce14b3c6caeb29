"""`postgresql` of a `MetricSource`: a database that events are counted in by SQL.

There is no field for a connection string: what libpq reads from one (`options`, `service`,
`passfile`, `host` as the path of a socket) is none of what a source may say.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from sluice.api.base import Duration, Spec, cel, require, rule
from sluice.api.durations import parse_duration
from sluice.api.secrets import IN_OUR_NAMESPACE, SecretKey


class TLSMode(StrEnum):
    """Whether the connection is encrypted, and whom it is with."""

    VERIFY_FULL = "VerifyFull"
    REQUIRE = "Require"
    DISABLE = "Disable"


CA_RULE = rule(
    "(self.mode == 'VerifyFull') == has(self.ca)",
    "VerifyFull needs ca, the certificates to trust; in another mode it would mean nothing",
)


class PostgreSQLTLS(Spec):
    """Whether the connection is encrypted, and how the database proves who it is."""

    model_config = ConfigDict(json_schema_extra=cel(CA_RULE))
    mode: TLSMode = Field(
        default=TLSMode.VERIFY_FULL,
        description=(
            "VerifyFull: the certificate is signed by `ca` and of this host. Require: encrypted, "
            "with whomever it may be. Disable: in the open, the counts as well."
        ),
    )
    ca: SecretKey | None = Field(
        default=None,
        description=(
            "Certificates (PEM) that the database's must be signed by, from a Secret "
            f"{IN_OUR_NAMESPACE}."
        ),
    )

    @model_validator(mode="after")
    def _check_ca(self) -> Self:
        require((CA_RULE, (self.mode is TLSMode.VERIFY_FULL) == (self.ca is not None)))
        return self


_TIMEOUT_PATTERN = r"^([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$"
_SHORTEST, _LONGEST = 0.1, 60.0
TIMEOUT_RULE = rule(
    f"self.matches('{_TIMEOUT_PATTERN}') && duration(self) >= duration('100ms') && "
    "duration(self) <= duration('1m')",
    "a query may take 100ms to 1m",
)


def _check_timeout(text: Any) -> Any:
    if isinstance(text, str):
        fits = re.fullmatch(_TIMEOUT_PATTERN, text) is not None and text != ""
        seconds = parse_duration(text).total_seconds() if fits else 0.0
        require((TIMEOUT_RULE, _SHORTEST <= seconds <= _LONGEST))
    return text


class PostgreSQLSource(Spec):
    """A PostgreSQL database, or what speaks its protocol. It is only ever read."""

    host: str = Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        max_length=253,
        description="Its host name, or an IPv4 address.",
    )
    port: int = Field(default=5432, strict=True, ge=1, le=65535, description="Its port.")
    database: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_$.-]*$", max_length=63, description="The database's name."
    )
    username: SecretKey = Field(
        description=(
            f"The role to log in as, from a Secret {IN_OUR_NAMESPACE}. All objectives of this "
            "source can read what it can: grant it `select` on what they need. A superuser is "
            "refused."
        )
    )
    password: SecretKey = Field(description=f"Its password, from a Secret {IN_OUR_NAMESPACE}.")
    tls: PostgreSQLTLS = Field(
        description="How the connection is protected: `{ca: {name: ..., key: ...}}`."
    )
    statement_timeout: Annotated[Duration, BeforeValidator(_check_timeout)] = Field(
        default="10s",
        json_schema_extra=cel(TIMEOUT_RULE),
        description="A query that takes longer is given up; 100ms to 1m.",
    )

    @property
    def address(self) -> str:
        """Where it is, for messages and logs."""
        return f"{self.host}:{self.port}/{self.database}"

    def secrets(self) -> Iterator[SecretKey]:
        """Every entry of a Secret that the source refers to."""
        yield from (self.username, self.password)
        if self.tls.ca is not None:
            yield self.tls.ca
