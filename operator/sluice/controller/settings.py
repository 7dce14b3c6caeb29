"""Settings of `sluice run`, from flags and from the environment (`SLUICE_...`).

A field's description is the flag's help text: see `sluice.cli.run`.
"""

import re
import socket
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, HttpUrl, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode

from sluice.policy.own import Installation
from sluice.policy.selection import WorkloadName
from sluice.settings import ProcessSettings, comma_separated

ChaosTool = Literal["chaos-mesh", "litmus"]

_URL = TypeAdapter(HttpUrl)
_BEGINS = re.compile(r"https?:(?!//[^/\\])", re.IGNORECASE)
"""Begins as browsers take it for a URL and nobody else does: `http:/host`, `http:///host`."""
_OWN = re.compile(r"(Deployment|Job)/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_SHAPE = "write it as http://prometheus.monitoring:9090"


def base_url(text: str) -> str:
    """A source's URL, without a slash at its end.

    Raises:
        ValueError: `text` is no HTTP URL; said without showing it, as it may hold a password.
    """
    if _BEGINS.match(text):
        raise ValueError(f"two slashes and a host must follow the scheme: {_SHAPE}")
    try:
        _URL.validate_python(text)
    except ValidationError as error:
        raise ValueError(_SHAPE) from error
    return text.rstrip("/")


class Settings(ProcessSettings):
    """Everything that can be set; a flag beats the environment, which beats the default."""

    prometheus_url: str | None = Field(
        default=None,
        description="URL of the source named `default`; without it there are only MetricSources.",
    )
    interval: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="Seconds between two evaluations of an objective or a policy.",
    )
    settle: float = Field(
        default=30.0,
        ge=0,
        le=600,
        description="Seconds after a slice's end before its samples count as complete.",
    )
    query_timeout: float = Field(
        default=30.0, ge=1, le=600, description="Seconds that a source may take to answer."
    )
    prometheus_rules: bool = Field(
        default=False,
        description="Write PrometheusRules, in its own namespace, for sources of engine Recorded.",
    )
    concurrency: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Evaluations under way at once, but for objectives: these wait for a source.",
    )
    chaos_tools: Annotated[tuple[ChaosTool, ...], NoDecode] = Field(
        default=(),
        description="Whose experiments stages may pause, by commas: chaos-mesh, litmus.",
    )
    scope: Literal["cluster", "namespace"] = Field(
        default="cluster",
        description=(
            "namespace: do without what is the cluster's, MetricSources and admission policies."
        ),
    )
    gate: Literal["native", "webhook"] = Field(
        default="native",
        description="What denies changes: admission policies written here, or `sluice gate`.",
    )
    resync: Annotated[tuple[Literal["argocd", "flux"], ...], NoDecode] = Field(
        default=(),
        description=(
            "GitOps tools, separated by commas, that are asked after a freeze to try again what it "
            "denied: argocd, flux."
        ),
    )
    argocd_namespace: str = Field(
        default="argocd", description="The namespace of Argo CD's Applications."
    )
    certificate_secret: str | None = Field(
        default=None,
        description="Keep the gate's certificate in this Secret, of its own namespace, renewed.",
    )
    certificate_days: float = Field(
        default=90.0,
        gt=0,
        le=3650,
        description="Days that such a certificate is valid; a third before its end it is renewed.",
    )
    own_workloads: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description=(
            "Sluice's own workloads in its namespace, by commas, such as Deployment/sluice: no "
            "policy governs these."
        ),
    )
    listen: str = Field(
        default="0.0.0.0:8080", description="Address of /metrics, /healthz and /readyz."
    )
    lease_name: str = Field(default="sluice", description="The Lease that replicas compete for.")
    leader_elect: bool = Field(
        default=True,
        description="Compete for the Lease; turn off only where there is never a second process.",
    )
    identity: str = Field(
        default_factory=socket.gethostname,
        description="Name under which this process holds the Lease; the host's if left out.",
    )

    @property
    def writes_gates(self) -> bool:
        """Whether denials are admission policies that this process writes."""
        return self.gate == "native" and self.scope == "cluster"

    @property
    def denied_elsewhere(self) -> bool:
        """Whether another process denies, of which this one knows nothing."""
        return self.gate == "webhook"

    @cached_property
    def installation(self) -> Installation:
        """What is Sluice's own, which no policy governs."""
        named = (one.split("/") for one in self.own_workloads)
        return Installation(
            self.namespace, frozenset(WorkloadName(kind, name) for kind, name in named)
        )

    _split_tools = field_validator("chaos_tools", "resync", "own_workloads", mode="before")(
        comma_separated
    )

    @model_validator(mode="after")
    def _has_namespaces(self) -> Self:
        if self.scope == "namespace" and not self.watch_namespaces:
            raise ValueError(
                "--scope=namespace needs --watch-namespaces: without rights in the cluster a "
                "controller works in the namespaces that it is told"
            )
        return self

    @field_validator("own_workloads")
    @classmethod
    def _are_workloads(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [one for one in value if not _OWN.fullmatch(one)]
        if wrong:
            raise ValueError(f"{wrong[0]}: write it as Deployment/NAME or Job/NAME")
        return value

    @field_validator("prometheus_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return base_url(value) if value else None
