"""`GateOverride`: break-glass and manual freezes, with a name, a reason and an end.

That somebody may create one *is* the permission (RBAC), and the object is the audit record.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from sluice.api.base import Name, Percent, Spec, Status, Time, cel, each_once, require, rule
from sluice.api.metadata import Condition, ObjectMeta, Observed, condition_list

MOST_BURNED = 16
"""Objectives of which is said what they burned: those that burned the most."""


class Effect(StrEnum):
    """What an override does while it is active."""

    ALLOW = "Allow"
    FREEZE = "Freeze"
    APPROVE = "Approve"


_NAMES_WHAT = rule(
    "self.effect != 'Approve' || size(self.workloads) > 0",
    "effect Approve names the workloads that it is for",
)


_PINS_A_CHANGE = rule(
    "!has(self.images) || size(self.images) == 0 || self.effect == 'Allow'",
    "images pins what an Allow lets pass: other effects have none",
)


class GateOverrideSpec(Spec):
    """Who lets what pass, or denies it, why, and until when.

    It cannot be changed, only deleted.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            rule("self == oldSelf", "an override cannot be changed: delete it and create another"),
            _NAMES_WHAT,
            _PINS_A_CHANGE,
        )
    )
    policy: Name = Field(description="The ErrorBudgetPolicy, in the same namespace.")
    workloads: list[Name] = Field(
        default=[],
        max_length=64,
        description="Names of the workloads that it is for; all that the policy governs if empty.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    effect: Effect = Field(
        default=Effect.ALLOW,
        description=(
            "Allow: changes of the pod template pass the freeze. Freeze: they are denied, as far "
            "as the policy's mode reaches, whatever the budget is. An Allow passes a Freeze that "
            "is not newer than itself. Approve: one deployment of each of `workloads` passes a "
            "stage that limits them."
        ),
    )
    images: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(
        default=[],
        max_length=32,
        description=(
            "Pins an Allow to one change: only what runs none but these images, init containers "
            "included, passes. They are compared as they are written in the pod template."
        ),
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    reason: Annotated[str, Field(min_length=3, max_length=1024)] = Field(
        description="Why, for the audit and the postmortem."
    )
    ticket: str = Field(default="", max_length=512, description="An incident or a change request.")
    created_by: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        description="The user who creates it; the cluster checks that it is the requester."
    )
    expires_at: Time = Field(description="When it ends.")

    _each_once = field_validator("workloads", "images")(each_once)

    @model_validator(mode="after")
    def _check_pin(self) -> Self:
        require((_PINS_A_CHANGE, not self.images or self.effect is Effect.ALLOW))
        return self

    @model_validator(mode="after")
    def _check_approves_something(self) -> Self:
        require((_NAMES_WHAT, self.effect is not Effect.APPROVE or bool(self.workloads)))
        return self


class Burned(Status):
    """How much of one objective's budget was burned while an override was active."""

    objective: str = Field(description="The objective's name.")
    points: Percent = Field(description="Percentage points of its whole budget.")


def burned_list(description: str) -> list[Burned]:
    """A field of a status that says what was burned, the most first."""
    found: list[Burned] = Field(
        default=[],
        max_length=MOST_BURNED,
        description=description,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    return found


class GateOverrideStatus(Observed):
    """What became of the override; only Sluice writes it."""

    burned: list[Burned] = burned_list(
        "How much of their budgets the policy's objectives burned while it was active."
    )
    conditions: list[Condition] = condition_list(
        "Active: whether it has its effect now, and why (not)."
    )


class GateOverride(Status):
    """Lets changes pass a freeze or a limit, or freezes by hand, until a stated time."""

    api_version: str = ""
    kind: str = "GateOverride"
    metadata: ObjectMeta
    spec: GateOverrideSpec
    status: GateOverrideStatus = GateOverrideStatus()
