"""`ErrorBudgetPolicy`: what happens to deployments while a budget is low."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from sluice.api.base import (
    Atomic,
    Duration,
    Name,
    Percent,
    Spec,
    Status,
    Time,
    cel,
    each_once,
    require,
    rule,
)
from sluice.api.limit import Limit, LimitStatus
from sluice.api.metadata import (
    Condition,
    LabelKey,
    LabelSelector,
    Observed,
    ShortlyNamed,
    condition_list,
)
from sluice.api.override import Burned, burned_list
from sluice.api.slo import Level

WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet", "Rollout"]
SuspendableKind = Literal["Kustomization", "HelmRelease", "CronJob"]
_QUALIFIED_NAME = (
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
PercentThreshold = Annotated[str, Field(pattern=r"^-?[0-9]{1,3}(\.[0-9]{1,3})?$", max_length=8)]


MOST_RECORDS = 4096
"""Undo records that a policy's status holds at most."""
MOST_OVERRIDES = 64
"""Active overrides that a policy's status names at most; those beyond count all the same."""


class Admission(StrEnum):
    """What a change of a governed workload's pod template meets, from mild to severe."""

    ALLOW = "Allow"
    WARN = "Warn"
    LIMIT = "Limit"
    DENY = "Deny"


DENIALS = frozenset({Admission.LIMIT, Admission.DENY})
"""What may deny a change, and therefore ends unless it is renewed."""


class Mode(StrEnum):
    """How far a policy reaches."""

    OBSERVE = "Observe"
    WARN = "Warn"
    ENFORCE = "Enforce"


class Blindness(StrEnum):
    """What a policy does when the budget stays unknown."""

    OPEN = "Open"
    CLOSED = "Closed"


SELECTOR_OR_NAMES = rule(
    "has(self.selector) != has(self.names)", "set exactly one of selector and names"
)


class ObjectiveReference(Spec):
    """The objectives whose budgets decide: by label or by name, in the policy's namespace."""

    model_config = ConfigDict(json_schema_extra=cel(SELECTOR_OR_NAMES))
    selector: LabelSelector | None = Field(
        default=None, description="Objectives with these labels; `{}` is all in the namespace."
    )
    names: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Objectives with these names.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    _each_once = field_validator("names")(each_once)

    @model_validator(mode="after")
    def _check_selector_or_names(self) -> Self:
        require((SELECTOR_OR_NAMES, (self.selector is None) != (self.names is None)))
        return self


class WorkloadReference(Spec):
    """The workloads that the policy governs, in its own namespace."""

    selector: LabelSelector = Field(
        default=LabelSelector(), description="Workloads with these labels; `{}` is all."
    )
    kinds: list[WorkloadKind] = Field(
        default=["Deployment", "StatefulSet", "DaemonSet", "Rollout"],
        min_length=1,
        max_length=4,
        description="And of these kinds; a Rollout is that of Argo Rollouts.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    _each_once = field_validator("kinds")(each_once)


class ChaosReference(Spec):
    """The chaos experiments that `pauseChaos` pauses, in the policy's own namespace."""

    selector: LabelSelector = Field(
        default=LabelSelector(), description="Experiments with these labels; `{}` is all."
    )


class BurnRateCondition(Spec):
    """A burn rate over one window."""

    window: Literal["5m", "30m", "1h", "2h", "6h", "1d", "3d"] = Field(
        default="1h", description="The time looked back on."
    )
    value: Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?$", max_length=10)] = Field(
        description="The rate that must be exceeded; at 1 the budget lasts for the window."
    )


ANY_CONDITION = rule(
    "has(self.remainingBelow) || has(self.burnRateAbove) || has(self.level)",
    "set at least one of remainingBelow, burnRateAbove and level",
)


class StageCondition(Spec):
    """When a stage begins: every field that is set must hold, for one and the same objective."""

    model_config = ConfigDict(json_schema_extra=cel(ANY_CONDITION))
    remaining_below: PercentThreshold | None = Field(
        default=None, description='Less than this percentage of the budget is left: "20".'
    )
    burn_rate_above: BurnRateCondition | None = Field(
        default=None, description="The budget is being spent faster than this."
    )
    level: Literal[Level.WARNING, Level.CRITICAL, Level.PAGE] | None = Field(
        default=None, description="The objective's level is this one or a worse one."
    )

    @model_validator(mode="after")
    def _check_any_condition(self) -> Self:
        conditions = (self.remaining_below, self.burn_rate_above, self.level)
        require((ANY_CONDITION, any(condition is not None for condition in conditions)))
        return self


class Suspension(Spec):
    """What is suspended while a stage lasts, in the policy's own namespace."""

    kinds: list[SuspendableKind] = Field(
        min_length=1,
        max_length=3,
        description=(
            "Flux' Kustomizations and HelmReleases, CronJobs. What deploys goes on while an "
            "override is active, and so does what applies objects of Sluice."
        ),
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    selector: LabelSelector | None = Field(
        default=None,
        description="Those with these labels; with those of `workloads.selector` if left out.",
    )

    _each_once = field_validator("kinds")(each_once)


LIMIT_IF_LIMITED = rule(
    "(has(self.admission) && self.admission == 'Limit') == has(self.limit)",
    "admission Limit and limit belong together: set both or neither",
)


class Stage(Spec):
    """What a policy does from a certain point on."""

    model_config = ConfigDict(json_schema_extra=cel(LIMIT_IF_LIMITED))
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)] = Field(
        description="The stage's name, CamelCase."
    )
    when: StageCondition | None = Field(
        default=None, description="When it begins; the first stage has none."
    )
    admission: Admission = Field(
        default=Admission.ALLOW,
        description="What a change of a governed workload's pod template meets.",
    )
    limit: Limit | None = Field(
        default=None, description="Of admission Limit: which deployments pass."
    )
    pause_rollouts: bool = Field(
        default=False,
        strict=True,
        description=(
            "Also hold rollouts that are under way: `spec.paused` of governed Deployments, the "
            "partition of StatefulSets, `OnDelete` as update strategy of DaemonSets, `spec.paused` "
            "of Rollouts that are rolling out. It holds rollbacks too, but for those of Rollouts, "
            "and `kubectl rollout undo` of a Deployment is refused."
        ),
    )
    pause_chaos: bool = Field(
        default=False,
        strict=True,
        description=(
            "Also pause chaos experiments and their schedules in the policy's namespace, those "
            "that `spec.chaos` selects: of Chaos Mesh and of Litmus, as far as the controller may."
        ),
    )
    suspend: Suspension | None = Field(
        default=None,
        description=(
            "Also set `spec.suspend` of these objects while the stage lasts. What is suspended "
            "brings no revert either: prefer the denial alone."
        ),
    )
    annotate: dict[LabelKey, Annotated[str, Field(max_length=1024)]] = Field(
        default={},
        max_length=16,
        description=(
            "Annotations set on governed workloads while the stage lasts. Values may hold "
            "$(policy), $(stage), $(objective) and $(since)."
        ),
    )

    @model_validator(mode="after")
    def _check_limit_if_limited(self) -> Self:
        limits = self.admission is Admission.LIMIT
        require((LIMIT_IF_LIMITED, limits is (self.limit is not None)))
        return self


class Stagger(Spec):
    """How what was held is released: not all of it in the same second."""

    per_minute: int = Field(
        default=10,
        strict=True,
        ge=1,
        le=MOST_RECORDS,
        description="At most so many workloads are released in a minute ...",
    )
    within: Duration = Field(
        default="30m",
        description=(
            "... unless all of them would take longer than this: then as many as it takes. "
            "`0s` releases all at once."
        ),
    )


class Recovery(Spec):
    """Hysteresis: how a policy leaves a stage for a milder one, and how it lets go."""

    above: Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})?$", max_length=7)] = Field(
        default="5",
        description="Points of budget above the stage's `remainingBelow` that must be reached ...",
    )
    for_: Duration = Field(default="30m", alias="for", description="... and held for this long.")
    stagger: Stagger = Field(
        default=Stagger(),
        description="How fast held workloads are released once the stage does not hold them.",
    )


class Exemptions(Spec):
    """Changes of the pod template that pass a freeze."""

    service_accounts: list[
        Annotated[
            str,
            Field(
                pattern=r"^system:serviceaccount:[a-z0-9][-a-z0-9.]*:[a-z0-9][-a-z0-9.]*$",
                max_length=512,
            ),
        ]
    ] = Field(
        default=[],
        max_length=32,
        description="Users `system:serviceaccount:<namespace>:<name>` whose changes pass.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    change_types: list[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$", max_length=40)]
    ] = Field(
        default=[],
        max_length=16,
        description=(
            "Types of change that pass when they are declared on the workload: a label or an "
            "annotation `changeTypeKey` whose value changes in the same update and is a type, "
            "alone or followed by `.` or `/` and a reference: `security.CVE-2026-1234`."
        ),
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    change_type_key: Annotated[str, Field(pattern=_QUALIFIED_NAME, max_length=317)] = Field(
        default="sluice.dev/change-type",
        description="The label or annotation of the workload that declares a change's type.",
    )
    template_keys: list[Annotated[str, Field(min_length=1, max_length=317)]] = Field(
        default=["kubectl.kubernetes.io/restartedAt"],
        max_length=32,
        description="Annotations of the pod template whose change alone is no deployment.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    _each_once = field_validator("service_accounts", "change_types", "template_keys")(each_once)


class WhenBlind(Spec):
    """What to do while the budget is unknown."""

    hold_for: Duration = Field(
        default="1h",
        description=(
            "How long the last decision is kept. A freeze also ends this long after a controller "
            "that has died last renewed it."
        ),
    )
    then: Blindness = Field(
        default=Blindness.OPEN,
        description="After that: Open lets deployments pass, Closed denies them.",
    )


class Overrides(Spec):
    """Limits for GateOverrides of this policy."""

    max_duration: Duration = Field(
        default="24h", description="The longest time between an override's creation and its end."
    )


FIRST_STAGE = rule("!has(self[0].when)", "the first stage has no `when`: it is the normal state")
LATER_STAGES = rule(
    "self.filter(stage, !has(stage.when)).size() <= 1", "every stage but the first needs `when`"
)

DEFAULT_STAGES = [
    Stage(name="Healthy", admission=Admission.ALLOW),
    Stage(name="Warning", when=StageCondition(remaining_below="50"), admission=Admission.WARN),
    Stage(name="Exhausted", when=StageCondition(remaining_below="20"), admission=Admission.DENY),
]


class ErrorBudgetPolicySpec(Spec):
    """Which budgets decide, over which workloads, and what happens at which point."""

    objectives: ObjectiveReference = Field(description="The objectives whose budgets decide.")
    workloads: WorkloadReference = Field(
        default=WorkloadReference(), description="The workloads that are governed."
    )
    chaos: ChaosReference = Field(
        default=ChaosReference(), description="The chaos experiments that `pauseChaos` pauses."
    )
    mode: Mode = Field(
        default=Mode.OBSERVE,
        description=(
            "Observe only records what would happen; Warn lets changes pass with a warning; "
            "Enforce does what the stages say."
        ),
    )
    stages: list[Stage] = Field(
        default=DEFAULT_STAGES,
        min_length=2,
        max_length=8,
        description=(
            "From mild to severe. The last stage whose condition holds is in force; "
            "the first has no condition."
        ),
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            **cel(FIRST_STAGE, LATER_STAGES),
        },
    )
    recovery: Recovery = Field(
        default=Recovery(), description="How a stage is left for a milder one."
    )
    exemptions: Exemptions = Field(
        default=Exemptions(), description="Changes of the pod template that pass a freeze."
    )
    when_blind: WhenBlind = Field(
        default=WhenBlind(), description="What to do while the budget is unknown."
    )
    overrides: Overrides = Field(
        default=Overrides(), description="Limits for GateOverrides of this policy."
    )

    @field_validator("stages")
    @classmethod
    def _check_stages(cls, stages: list[Stage]) -> list[Stage]:
        unconditional = sum(stage.when is None for stage in stages)
        require((FIRST_STAGE, stages[0].when is None), (LATER_STAGES, unconditional <= 1))
        each_once([stage.name for stage in stages])
        return stages


class DecisionStatus(Atomic):
    """What holds for governed workloads now; every gate reads this one value."""

    admission: Admission = Field(description="What a change of a pod template meets.")
    since: Time = Field(description="Since when the stage is in force.")
    expires: Time | None = Field(
        default=None, description="When a denial ends unless it is renewed before."
    )
    limit: LimitStatus | None = Field(
        default=None, description="In a stage with admission Limit: which deployments pass."
    )
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field(description="Why, in a sentence.")
    objective: str | None = Field(default=None, description="The objective that decided.")
    remaining: Percent | None = Field(
        default=None, description="What was left of its budget at the last change, in percent."
    )
    recovered_at: Time | None = Field(
        default=None, description="When it is positive again if nothing more fails."
    )


class Timers(Atomic):
    """What the policy is waiting for; kept here so that it survives a restart."""

    recovering_since: Time | None = Field(
        default=None, description="Since when the budget has been above the recovery threshold."
    )
    blind_since: Time | None = Field(
        default=None, description="Since when the deciding budget has been unknown."
    )
    resync_at: Time | None = Field(
        default=None,
        description="When GitOps tools are asked to try again what a freeze denied.",
    )


class ThawStatus(Atomic):
    """A thaw that is under way; kept here so that it survives a restart."""

    since: Time = Field(description="When it began.")
    total: int = Field(description="How many workloads were held then.")
    held: int = Field(description="How many still are.")
    next_at: Time = Field(description="When the next ones are released.")


class UndoRecord(Status):
    """A field of an object that Sluice changed, written down before the change."""

    kind: str = Field(description="The object's kind.")
    name: str = Field(description="Its name.")
    uid: str = Field(description="Its uid; an object recreated under the name is not touched.")
    field: str = Field(description="The field, such as `spec.paused`.")
    previous: str = Field(description="Its value before, as JSON; `null` for none.")
    value: str = Field(description="The value that Sluice wrote, as JSON.")
    time: Time = Field(description="When.")
    confirmed: bool = Field(
        default=False,
        description="Whether the change is known to have been made; else it was not taken back.",
    )
    reverts: int = Field(default=0, description="How often somebody else took the change back.")
    released: bool = Field(
        default=False, description="Whether a staggered thaw has let it go; else it is in force."
    )


class WorkloadsStatus(Atomic):
    """The workloads that the policy governs."""

    governed: int = Field(default=0, description="How many there are.")
    own: list[str] | None = Field(
        default=None,
        max_length=16,
        description=(
            "Workloads of Sluice itself in the namespace, such as `Deployment/sluice`: they are "
            "not governed, so that a fix of Sluice always gets through."
        ),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    changed: list[UndoRecord] = Field(
        default=[],
        max_length=MOST_RECORDS,
        description="What Sluice changed on them, or suspended, and will undo.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class ActiveOverride(Status):
    """A GateOverride that is active."""

    name: str = Field(description="Its name.")
    effect: str = Field(description="What it does: Allow or Freeze.")
    workloads: list[str] = Field(
        default=[],
        max_length=64,
        description="The workloads that it is for; all that the policy governs if empty.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    since: Time = Field(description="Since when it has been there.")
    expires: Time = Field(description="When it ends.")
    admission: Admission | None = Field(
        default=None, description="Of a Freeze: what a change of its workloads meets."
    )
    message: str = Field(default="", description="Who, until when and why, in a sentence.")


class Transition(Status):
    """A change of stage or of an override."""

    time: Time = Field(description="When.")
    from_: str = Field(default="", alias="from", description="The stage before.")
    to: str = Field(description="The stage after.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field(default="", description="Why, in a sentence.")
    objective: str | None = Field(default=None, description="The objective that decided.")
    remaining: Percent | None = Field(
        default=None, description="What was left of its budget, in percent."
    )
    override: str | None = Field(
        default=None, description="The GateOverride that began or ended; the stage stays then."
    )
    burned: list[Burned] = burned_list(
        "Of an override that ended: how much of their budgets objectives burned meanwhile."
    )


class ErrorBudgetPolicyStatus(Observed):
    """What was decided; only Sluice writes it."""

    stage: str | None = Field(default=None, description="The stage in force.")
    decision: DecisionStatus | None = Field(default=None, description="What holds now.")
    timers: Timers = Field(default=Timers(), description="What the policy is waiting for.")
    workloads: WorkloadsStatus = Field(
        default=WorkloadsStatus(), description="The workloads that are governed."
    )
    by_budget: DecisionStatus | None = Field(
        default=None,
        description="While a manual freeze of all workloads is the decision: what it replaces.",
    )
    thaw: ThawStatus | None = Field(
        default=None, description="A staggered thaw, while it is under way."
    )
    overrides: list[ActiveOverride] = Field(
        default=[],
        max_length=MOST_OVERRIDES,
        description="The GateOverrides that are active, freezes first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    history: list[Transition] = Field(
        default=[],
        max_length=20,
        description="The last twenty changes of stage and of overrides, newest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    conditions: list[Condition] = condition_list(
        "Ready, BudgetKnown, Frozen, Enforcing; Contested, Thawing, Stalled while true.", most=16
    )


class ErrorBudgetPolicy(Status):
    """What happens to deployments while an error budget is low."""

    api_version: str = ""
    kind: str = "ErrorBudgetPolicy"
    metadata: ShortlyNamed
    spec: ErrorBudgetPolicySpec
    status: ErrorBudgetPolicyStatus = ErrorBudgetPolicyStatus()
