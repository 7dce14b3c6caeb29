"""Settings of `sluice run`, from flags and from the environment (`SLUICE_...`).

A field's description is the flag's help text: see `sluice.cli.run`.
"""

import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENV_PREFIX = "SLUICE_"
_URL = TypeAdapter(HttpUrl)
_BEGINS = re.compile(r"https?:(?!//[^/\\])", re.IGNORECASE)
"""Begins as browsers take it for a URL and nobody else does: `http:/host`, `http:///host`."""
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


class Settings(BaseSettings):
    """Everything that can be set; a flag beats the environment, which beats the default."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    prometheus_url: str | None = Field(
        default=None,
        description="URL of the source named `default`; without it there are only MetricSources.",
    )
    namespace: str = Field(
        default="sluice-system",
        description="The controller's own namespace: its Lease and the kill switch are here.",
    )
    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Namespaces to work in, separated by commas; all if left out."
    )
    kubeconfig: Path | None = Field(
        default=None, description="Kubeconfig to use; in a pod its service account is the default."
    )
    context: str | None = Field(
        default=None, description="The kubeconfig's context; its current one if left out."
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
    gate: Literal["native", "webhook"] = Field(
        default="native",
        description="What denies changes: admission policies written here, or `sluice gate`.",
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
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is logged."
    )

    @field_validator("watch_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("prometheus_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return base_url(value) if value else None

    @field_validator("listen")
    @classmethod
    def _has_port(cls, value: str) -> str:
        _, _, port = value.rpartition(":")
        if not port.isdigit():
            raise ValueError("write it as ADDRESS:PORT, such as 0.0.0.0:8080")
        return value

    @property
    def listen_address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - pods are probed from outside
