"""What every process in the cluster can be set to, from flags and the environment (`SLUICE_...`).

A field's description is the flag's help text: see `sluice.cli.flags`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENV_PREFIX = "SLUICE_"


def split(text: str) -> tuple[str, ...]:
    """The values of an option that is given several, separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def comma_separated(value: object) -> object:
    """What an option holds that is given several values, as a tuple; else the value itself."""
    return split(value) if isinstance(value, str) else value


class ProcessSettings(BaseSettings):
    """Where it works and what it logs; a flag beats the environment, which beats the default."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    namespace: str = Field(
        default="sluice-system",
        description="The controller's namespace: its Lease and the kill switch are here.",
    )
    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Namespaces to work in, separated by commas; all if left out."
    )
    argo_rollouts: bool = Field(
        default=True,
        description="Govern the Rollouts of Argo Rollouts, once the cluster has such objects.",
    )
    kubeconfig: Path | None = Field(
        default=None, description="Kubeconfig to use; in a pod its service account is the default."
    )
    context: str | None = Field(
        default=None, description="The kubeconfig's context; its current one if left out."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is logged."
    )

    _split_namespaces = field_validator("watch_namespaces", mode="before")(comma_separated)

    @field_validator("listen", "webhook_listen", check_fields=False)
    @classmethod
    def _has_port(cls, value: str) -> str:
        if not value.rpartition(":")[2].isdigit():
            raise ValueError("write it as ADDRESS:PORT, such as 0.0.0.0:8080")
        return value


def address(text: str) -> tuple[str, int]:
    """Host and port of an address to listen on."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - pods are asked from outside
