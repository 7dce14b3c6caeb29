"""`admission: Limit`: how often a workload is deployed while a budget is low."""

from pydantic import Field

from sluice.api.base import Duration, Spec, Status, Time

MOST_WAITING = 256
"""Workloads that a policy's status names at most, those that may be deployed first."""


class Limit(Spec):
    """Which deployments pass in a stage."""

    interval: Duration = Field(
        description="One deployment of each workload passes in this time: 7d."
    )


class WaitingWorkload(Status):
    """A workload that was deployed within the interval."""

    kind: str = Field(description="Its kind.")
    name: str = Field(description="Its name.")
    last: Time = Field(description="When it was deployed last.")
    next: Time = Field(description="When it may be deployed again.")


class LimitStatus(Status):
    """Which deployments pass now."""

    interval: Duration = Field(description="One deployment of each workload passes in this time.")
    waiting: list[WaitingWorkload] = Field(
        default=[],
        max_length=MOST_WAITING,
        description="Workloads that may not be deployed yet, the first to be due first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    waiting_count: int = Field(default=0, description="How many there are.")
