"""`MetricSource`: where events are counted, and how Sluice proves there who it is.

The platform's, not a team's: whoever names a URL makes the controller send requests to it.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from sluice.api.base import Spec, Status, cel, require, rule
from sluice.api.metadata import (
    Condition,
    LabelKey,
    LabelValue,
    ObjectMeta,
    Observed,
    condition_list,
)
from sluice.api.postgresql import PostgreSQLSource
from sluice.api.secrets import IN_OUR_NAMESPACE as _SECRETS
from sluice.api.secrets import SecretKey


class BasicAuth(Spec):
    """A user and a password (RFC 7617)."""

    username: SecretKey = Field(description=f"The user's name, from a Secret {_SECRETS}.")
    password: SecretKey = Field(description=f"The password, from a Secret {_SECRETS}.")


VALUE_OR_SECRET = rule("has(self.value) != has(self.secret)", "set exactly one of value and secret")
_TRANSPORT = (
    *("connection", "content-encoding", "content-length", "content-type", "host"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
)
HEADER_RULE = rule(
    f"!(self.lowerAscii() in {list(_TRANSPORT)})",
    "this header belongs to the HTTP connection and cannot be set",
)


def _check_header(name: Any) -> Any:
    if isinstance(name, str):
        require((HEADER_RULE, name.lower() not in _TRANSPORT))
    return name


class Header(Spec):
    """A header of every request."""

    model_config = ConfigDict(json_schema_extra=cel(VALUE_OR_SECRET))
    name: Annotated[str, BeforeValidator(_check_header)] = Field(
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        max_length=128,
        json_schema_extra=cel(HEADER_RULE),
        description="Its name, such as `X-Scope-OrgID`, by which Mimir tells tenants apart.",
    )
    value: str | None = Field(
        default=None,
        pattern=r"^[\x20-\x7e]+$",
        max_length=1024,
        description="Its value, for all to see who may read this object; or set `secret`.",
    )
    secret: SecretKey | None = Field(
        default=None, description=f"Its value, from a Secret {_SECRETS}; or set `value`."
    )

    @model_validator(mode="after")
    def _check_value_or_secret(self) -> Self:
        require((VALUE_OR_SECRET, (self.value is None) != (self.secret is None)))
        return self


CERTIFICATE_RULE = rule(
    "has(self.certificate) == has(self.key)", "set certificate and key together, or neither"
)
VERIFY_RULE = rule(
    "!(self.insecureSkipVerify && has(self.ca))",
    "ca says whom to trust, and insecureSkipVerify that it does not matter: set one of them",
)


class TLS(Spec):
    """How the two ends of a TLS connection know each other."""

    model_config = ConfigDict(json_schema_extra=cel(CERTIFICATE_RULE, VERIFY_RULE))
    ca: SecretKey | None = Field(
        default=None,
        description=(
            f"Certificates (PEM) that the source's must be signed by, from a Secret {_SECRETS}; "
            "if left out, those that the image trusts."
        ),
    )
    certificate: SecretKey | None = Field(
        default=None,
        description=f"Our certificate chain (PEM), from a Secret {_SECRETS}; with `key`.",
    )
    key: SecretKey | None = Field(
        default=None,
        description=f"Its private key (PEM, not encrypted), from a Secret {_SECRETS}.",
    )
    insecure_skip_verify: bool = Field(
        default=False,
        description="Take any certificate: whoever is in between can answer for the source.",
    )

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        require(
            (CERTIFICATE_RULE, (self.certificate is None) == (self.key is None)),
            (VERIFY_RULE, not (self.insecure_skip_verify and self.ca is not None)),
        )
        return self


URL_PATTERN = r"^https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$"
URL_RULE = rule(
    f"self.matches('{URL_PATTERN}')",
    "a URL is like http://prometheus.monitoring:9090 or https://mimir.example.com/prometheus: "
    "credentials, a query or a fragment cannot stand in it",
)


def _check_url(url: Any) -> Any:
    if isinstance(url, str):
        require((URL_RULE, re.fullmatch(URL_PATTERN, url) is not None))
    return url


_IDENTITY = ("__name__", "instance", "job", "le")
DEDUP_RULE = rule(
    f"!(self in {list(_IDENTITY)})",
    "series that differ in this label are different ones: name the replicas' label",
)


def _check_dedup_label(label: Any) -> Any:
    require((DEDUP_RULE, label not in _IDENTITY))
    return label


DedupLabel = Annotated[
    str,
    Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128),
    BeforeValidator(_check_dedup_label),
]
"""The name of a Prometheus label that is no target's."""


ONE_AUTH = rule(
    "!(has(self.bearerToken) && has(self.basicAuth))",
    "set at most one of bearerToken and basicAuth",
)
AUTHORIZATION_RULE = rule(
    "!((has(self.bearerToken) || has(self.basicAuth)) && has(self.headers) && "
    "self.headers.exists(it, it.name.lowerAscii() == 'authorization'))",
    "the header Authorization is what bearerToken and basicAuth set: leave one of them out",
)
TLS_RULE = rule(
    "!has(self.tls) || self.url.startsWith('https://')", "tls needs a URL that begins with https://"
)


RULES_RULE = rule(
    "!has(self.ruleLabels) || size(self.ruleLabels) == 0 || self.engine == 'Recorded'",
    "ruleLabels are of the rules that engine Recorded writes: set it, or leave them out",
)


class Engine(StrEnum):
    """Who does the counting."""

    INCREMENTAL = "Incremental"
    RECORDED = "Recorded"


class PrometheusSource(Spec):
    """A server that speaks Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics."""

    model_config = ConfigDict(
        json_schema_extra=cel(ONE_AUTH, AUTHORIZATION_RULE, TLS_RULE, RULES_RULE)
    )
    url: Annotated[str, BeforeValidator(_check_url)] = Field(
        max_length=1024,
        json_schema_extra=cel(URL_RULE),
        description="Its base URL, without `/api/v1`. Redirects are not followed.",
    )
    bearer_token: SecretKey | None = Field(
        default=None, description=f"A bearer token (RFC 6750), from a Secret {_SECRETS}."
    )
    basic_auth: BasicAuth | None = Field(default=None, description="A user and a password.")
    headers: list[Header] = Field(
        default=[],
        max_length=16,
        description="Further headers of every request.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    dedup_label: DedupLabel | None = Field(
        default=None,
        json_schema_extra=cel(DEDUP_RULE),
        description=(
            "The label that tells replicas apart which scrape the same targets, such as "
            "`prometheus_replica`: what they scraped is counted once. Not needed where the "
            "source does so itself, as Thanos and Mimir do if they are told to."
        ),
    )
    engine: Engine = Field(
        default=Engine.INCREMENTAL,
        description=(
            "Incremental: Sluice reads counters. Recorded: it writes PrometheusRule objects, and "
            "reads of all objectives at once what a ruler has recorded."
        ),
    )
    rule_labels: dict[LabelKey, LabelValue] = Field(
        default={},
        max_length=16,
        description=(
            "Labels of the PrometheusRule objects, by which the `ruleSelector` of your Prometheus "
            "finds them."
        ),
    )
    tls: TLS | None = Field(
        default=None, description="Certificates. The source's is verified unless this says not to."
    )

    @field_validator("headers")
    @classmethod
    def _each_once(cls, headers: list[Header]) -> list[Header]:
        names = [header.name.lower() for header in headers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is there twice: write it once")
        return headers

    @model_validator(mode="after")
    def _check_auth(self) -> Self:
        authorized = self.bearer_token is not None or self.basic_auth is not None
        twice = authorized and any(it.name.lower() == "authorization" for it in self.headers)
        require(
            (ONE_AUTH, self.bearer_token is None or self.basic_auth is None),
            (AUTHORIZATION_RULE, not twice),
            (TLS_RULE, self.tls is None or self.url.startswith("https://")),
            (RULES_RULE, not self.rule_labels or self.engine is Engine.RECORDED),
        )
        return self

    def secrets(self) -> Iterator[SecretKey]:
        """Every entry of a Secret that the source refers to."""
        basic, tls = self.basic_auth, self.tls
        named = [
            self.bearer_token,
            *((basic.username, basic.password) if basic else ()),
            *(header.secret for header in self.headers),
            *((tls.ca, tls.certificate, tls.key) if tls else ()),
        ]
        yield from (reference for reference in named if reference is not None)


ONE_SOURCE = rule(
    "has(self.prometheus) != has(self.postgresql)", "set exactly one of prometheus and postgresql"
)


class MetricSourceSpec(Spec):
    """One source of counts: exactly one kind."""

    model_config = ConfigDict(json_schema_extra=cel(ONE_SOURCE))
    prometheus: PrometheusSource | None = Field(
        default=None, description="A server that speaks Prometheus' HTTP API."
    )
    postgresql: PostgreSQLSource | None = Field(
        default=None, description="A PostgreSQL database, for indicators of kind `sql`."
    )
    max_concurrent: int = Field(
        default=4,
        strict=True,
        ge=1,
        le=64,
        description="Queries to the source under way at once; others wait.",
    )

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        require((ONE_SOURCE, (self.prometheus is None) != (self.postgresql is None)))
        return self

    @property
    def address(self) -> str:
        """Where the source is, for messages and logs."""
        if self.prometheus is not None:
            return self.prometheus.url
        assert self.postgresql is not None
        return self.postgresql.address

    def secrets(self) -> Iterator[SecretKey]:
        """Every entry of a Secret that the source refers to."""
        for kind in (self.prometheus, self.postgresql):
            if kind is not None:
                yield from kind.secrets()


class MetricSourceStatus(Observed):
    """Whether the source answers; only Sluice writes it."""

    conditions: list[Condition] = condition_list(
        "Ready: whether the source answers a query; Reconciling and Stalled."
    )


class MetricSource(Status):
    """A place where events are counted, which objectives name by `spec.source.name`."""

    api_version: str = ""
    kind: str = "MetricSource"
    metadata: ObjectMeta
    spec: MetricSourceSpec
    status: MetricSourceStatus = MetricSourceStatus()
