"""What `kubectl sluice explain -o json` prints: stable, and described in docs/reference."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from sluice.api.base import Time
from sluice.cli.status_model import Answer
from sluice.gate.answers import VerdictAnswer


class Way(StrEnum):
    """What makes a deployment pass a freeze, or passes it."""

    WAIT = "Wait"
    ROLLBACK = "Rollback"
    RESTART = "Restart"
    DECLARE = "Declare"
    APPROVE = "Approve"
    OVERRIDE = "Override"
    EXEMPT_USER = "ExemptUser"


class WayAnswer(Answer):
    """One way."""

    way: Way = Field(description="Which one.")
    possible: bool | None = Field(
        description="Whether it is open to this user now; null if that is not known."
    )
    message: str = Field(description="What it takes, in words.")
    command: str | None = Field(description="The command, if there is one.")
    at: Time | None = Field(description="When, if it is a matter of time and that is known.")


class ServerAnswer(Answer):
    """What the API server said of a dry-run of the change."""

    outcome: Literal["Allowed", "Denied", "Unknown"] = Field(
        description="Denied: by a freeze; Unknown: it was refused for another reason."
    )
    message: str = Field(description="What it said; empty if it let the change pass.")


class ExplainAnswer(Answer):
    """Whether a change of a workload would pass now, why, and what would."""

    api_version: Literal["cli.sluice.dev/v1"] = Field(
        default="cli.sluice.dev/v1",
        description="Under one version fields are added, and none is renamed or taken away.",
    )
    kind: Literal["Explanation"] = Field(default="Explanation", description="Always `Explanation`.")
    time: Time = Field(description="When it was asked, by the clock of this machine.")
    user: str = Field(description="Who would make the change.")
    change: str = Field(description="The change that is judged, in words.")
    verdict: VerdictAnswer = Field(
        description="The verdict, with the fields of the gate's verdict API."
    )
    rule: str = Field(description="What the rule of the verdict says, in words.")
    ways: list[WayAnswer] = Field(
        description="What would pass or make it pass; empty if it passes."
    )
    server: ServerAnswer | None = Field(
        description="What the API server says of it; null without --server."
    )
    problems: list[str] = Field(description="What could not be read and why.")
