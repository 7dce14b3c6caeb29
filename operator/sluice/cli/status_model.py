"""What `kubectl sluice status -o json` prints: stable, and described in docs/reference."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sluice.api.base import Time
from sluice.api.policy import Admission, Mode
from sluice.api.slo import Level


class Answer(BaseModel):
    """A part of what a command prints for programs."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Life(StrEnum):
    """Whether a controller is at work."""

    ALIVE = "Alive"
    SILENT = "Silent"
    ABSENT = "Absent"
    UNKNOWN = "Unknown"


class ControllerAnswer(Answer):
    """The controller, as its Lease tells, and how fresh what it wrote is."""

    state: Life = Field(
        description=(
            "Alive: it renews its Lease; Silent: it does not any more; Absent: there is no Lease, "
            "or nobody holds it; Unknown: the Lease cannot be read."
        )
    )
    holder: str | None = Field(description="Who holds the Lease.")
    renewed: Time | None = Field(description="When it was last renewed.")
    measured: Time | None = Field(
        description="When the newest of the budgets here was measured; null if none was."
    )
    stale: bool = Field(
        description="Whether even that is older than 15 minutes, so that all of this may be old."
    )


class KillSwitchAnswer(Answer):
    """The kill switch, which lifts all enforcement in the cluster."""

    engaged: bool | None = Field(
        description="Whether it is engaged; null if that cannot be read and no policy says so."
    )
    reason: str | None = Field(description="Why, if it is.")
    engaged_by: str | None = Field(description="By whom, if that can be read.")


class ObjectiveAnswer(Answer):
    """One error budget."""

    namespace: str = Field(description="The objective's namespace.")
    name: str = Field(description="Its name.")
    objective: str = Field(description="The share of good events promised, in percent.")
    window: str = Field(description="The window: `30d`, `2026-Q4`; empty before the first one.")
    level: Level = Field(description="How it stands, in one word.")
    known: bool = Field(description="Whether its budget is known.")
    reason: str = Field(description="Why it is or is not, in one CamelCase word; may be empty.")
    message: str = Field(description="The same in words; may be empty.")
    sli: str | None = Field(description="The share of good events, in percent.")
    remaining: str | None = Field(description="What is left of the budget, in percent.")
    burn_rates: dict[str, str] = Field(
        description="How fast it is being spent, by time looked back on; at 1 it lasts."
    )
    exhausted_at: Time | None = Field(
        description="When it runs out at the rate of the last hour; null if it does not."
    )
    recovered_at: Time | None = Field(
        description="When it is positive again if nothing more fails; null if it is."
    )
    corrections: int = Field(description="How many BudgetCorrections are in the numbers.")
    measured: Time | None = Field(description="When it was last measured.")


class WorkloadAnswer(Answer):
    """One workload under one policy."""

    kind: str = Field(description="The workload's kind.")
    name: str = Field(description="Its name.")
    admission: Admission = Field(
        description="What a deployment by somebody who is not exempt would meet."
    )
    rule: str = Field(description="The rule that settles it, as in a verdict of the gate.")
    override: str | None = Field(description="The GateOverride that lets it pass; null if none.")
    held: list[str] = Field(
        description="Fields by which its rollouts are held, such as `spec.paused`."
    )
    contested: list[str] = Field(
        description="Fields that somebody else took back, so that they are left alone."
    )


class PolicyAnswer(Answer):
    """One policy, what holds under it, and for whom."""

    namespace: str = Field(description="The policy's namespace.")
    name: str = Field(description="Its name.")
    mode: Mode = Field(description="How far it reaches.")
    stage: str | None = Field(description="The stage in force; null before the first decision.")
    admission: Admission = Field(
        description="What a deployment meets now: expiry and the kill switch are counted in."
    )
    frozen: bool = Field(description="Whether deployments are denied now.")
    expired: bool = Field(
        description="Whether a freeze has ended because no controller renewed it."
    )
    since: Time | None = Field(description="Since when the stage is in force.")
    expires: Time | None = Field(description="When a freeze ends unless it is renewed before.")
    reason: str | None = Field(description="Why it is in that stage, in one CamelCase word.")
    message: str = Field(description="The same in words.")
    objective: str | None = Field(description="The objective that decided.")
    remaining: str | None = Field(description="What was left of its budget, in percent.")
    recovered_at: Time | None = Field(
        description="When that is positive again if nothing more fails."
    )
    enforcing: str | None = Field(
        description="The reason of the condition Enforcing: `Enforced`, `GateRejected`, ..."
    )
    thaw: str | None = Field(
        description="How far a thaw in waves is, in words; null while there is none."
    )
    problems: list[str] = Field(
        description="What its conditions complain of: not ready, not enforced, contested."
    )
    workloads: list[WorkloadAnswer] | None = Field(
        description="The workloads that it governs; null if they cannot be read."
    )


class OverrideAnswer(Answer):
    """One GateOverride: who, why, until when."""

    namespace: str = Field(description="The override's namespace.")
    name: str = Field(description="Its name.")
    policy: str = Field(description="The policy that it is for.")
    effect: str = Field(description="What it does.")
    workloads: list[str] = Field(description="For which workloads; all of the policy's if empty.")
    active: bool = Field(description="Whether it is in force now.")
    reason: str = Field(description="Why it was created.")
    ticket: str = Field(description="The incident or change request, if one was named.")
    created_by: str = Field(description="By whom.")
    expires_at: Time = Field(description="Until when.")
    inactive_because: str | None = Field(description="Why it is not in force; null if it is.")


class StatusAnswer(Answer):
    """Budgets, policies, freezes and who is affected."""

    api_version: Literal["cli.sluice.dev/v1"] = Field(
        default="cli.sluice.dev/v1",
        description="Under one version fields are added, and none is renamed or taken away.",
    )
    kind: Literal["Status"] = Field(default="Status", description="Always `Status`.")
    time: Time = Field(description="When it was asked, by the clock of this machine.")
    namespace: str | None = Field(description="The namespace; null for all.")
    controller: ControllerAnswer = Field(description="Whether the controller is at work.")
    kill_switch: KillSwitchAnswer = Field(description="Whether all enforcement is lifted.")
    objectives: list[ObjectiveAnswer] = Field(description="The error budgets.")
    policies: list[PolicyAnswer] = Field(description="The policies and who is affected.")
    overrides: list[OverrideAnswer] = Field(description="The GateOverrides, active or not.")
    problems: list[str] = Field(
        description="What could not be read and why; the rest is told all the same."
    )
