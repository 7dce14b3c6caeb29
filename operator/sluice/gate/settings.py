"""Settings of `sluice gate`, from flags and from the environment (`SLUICE_...`).

A field's description is the flag's help text: see `sluice.cli.flags`.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENV_PREFIX = "SLUICE_"


class GateSettings(BaseSettings):
    """Everything that can be set; a flag beats the environment, which beats the default."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    namespace: str = Field(
        default="sluice-system", description="The controller's namespace: the kill switch is here."
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
    listen: str = Field(
        default="0.0.0.0:8080", description="Address of the verdict API, probes and metrics, HTTP."
    )
    webhook_listen: str = Field(
        default="0.0.0.0:8443", description="Address of the admission webhook, HTTPS."
    )
    tls_cert: Path | None = Field(
        default=None,
        description="The webhook's certificate, PEM; without it there is no webhook.",
    )
    tls_key: Path | None = Field(default=None, description="The certificate's key, PEM.")
    requests_per_second: float = Field(
        default=200.0,
        ge=1,
        le=10_000,
        description="Requests of the verdict API that are served; reviews are not limited.",
    )
    drain: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="Seconds to go on answering after SIGTERM, until nobody asks any more.",
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

    @field_validator("listen", "webhook_listen")
    @classmethod
    def _has_port(cls, value: str) -> str:
        if not value.rpartition(":")[2].isdigit():
            raise ValueError("write it as ADDRESS:PORT, such as 0.0.0.0:8080")
        return value

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together: set both or none")
        return self


def address(text: str) -> tuple[str, int]:
    """Host and port of an address to listen on."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - pods are asked from outside
