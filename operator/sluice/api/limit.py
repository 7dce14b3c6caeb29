"""`admission: Limit`: how often a workload is deployed while a budget is low."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from sluice.api.base import Duration, Spec, Status, Time, cel, require, rule

Approval = Literal["Required"]

MOST_WAITING = 256
"""Workloads that a policy's status names at most, those that may be deployed first."""


SOME_LIMIT = rule(
    "has(self.interval) || has(self.approval)", "set at least one of interval and approval"
)


class Limit(Spec):
    """Which deployments pass in a stage; of those that only wait, also what is approved."""

    model_config = ConfigDict(json_schema_extra=cel(SOME_LIMIT))
    interval: Duration | None = Field(
        default=None, description="One deployment of each workload passes in this time: 7d."
    )
    approval: Approval | None = Field(
        default=None,
        description="A deployment passes only with an approval, a GateOverride of effect Approve.",
    )

    @model_validator(mode="after")
    def _check_some_limit(self) -> Self:
        require((SOME_LIMIT, self.interval is not None or self.approval is not None))
        return self


class WaitingWorkload(Status):
    """A workload that was deployed within the interval."""

    kind: str = Field(description="Its kind.")
    name: str = Field(description="Its name.")
    last: Time = Field(description="When it was deployed last.")
    next: Time = Field(description="When it may be deployed again.")


class ApprovedWorkload(Status):
    """A workload of which one deployment is approved, and was not made yet."""

    kind: str = Field(description="Its kind.")
    name: str = Field(description="Its name.")
    until: Time = Field(description="When the approval ends.")


class LimitStatus(Status):
    """Which deployments pass now."""

    interval: Duration | None = Field(
        default=None, description="One deployment of each workload passes in this time."
    )
    approval: Approval | None = Field(
        default=None, description="Whether a deployment passes only with an approval."
    )
    waiting: list[WaitingWorkload] = Field(
        default=[],
        max_length=MOST_WAITING,
        description="Workloads that may not be deployed yet, the first to be due first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    waiting_count: int = Field(default=0, description="How many there are.")
    approved: list[ApprovedWorkload] = Field(
        default=[],
        max_length=MOST_WAITING,
        description="Workloads with an approval that is not used up.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
