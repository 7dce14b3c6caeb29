"""Settings of `sluice gate`, from flags and from the environment (`SLUICE_...`).

A field's description is the flag's help text: see `sluice.cli.flags`.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from sluice.settings import ProcessSettings


class GateSettings(ProcessSettings):
    """Everything that can be set; a flag beats the environment, which beats the default."""

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

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together: set both or none")
        return self
