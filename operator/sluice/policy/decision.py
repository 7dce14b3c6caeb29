"""The policy engine: budgets and what is remembered in, one decision out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sluice.api.durations import parse_duration
from sluice.api.limit import Limit
from sluice.api.policy import (
    DENIALS,
    Admission,
    Blindness,
    ErrorBudgetPolicySpec,
    Mode,
    Stage,
    Transition,
)
from sluice.api.reasons import Reason
from sluice.policy.cause import cause_of
from sluice.policy.explanation import Cause
from sluice.policy.figures import Figures, figures
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
from sluice.policy.outcome import Outcome, outcome
from sluice.policy.sight import look

_SEVERITY = {admission: rank for rank, admission in enumerate(Admission)}
_REACH = {Mode.OBSERVE: Admission.ALLOW, Mode.WARN: Admission.WARN, Mode.ENFORCE: Admission.DENY}


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds for the workloads of one policy; every gate reads this one value.

    Attributes:
        policy: The policy's name.
        namespace: Its namespace.
        stage_spec: The stage in force, as the spec has it.
        effective: What a change meets: the admission, as far as `mode` reaches.
        since: Since when the stage is in force, or the manual freeze.
        reason: Why, for programs.
        cause: Why, for texts.
        objective: The objective that decided; None if none did.
        remaining: What is left of its budget, in percent with three decimals; not rewritten for
            less than a point, so that messages and gates are not either.
        recovered_at: When that budget is positive again if nothing more fails.
        recovering_since: Since when the conditions for a milder stage have held.
        blind_since: Since when the budget that matters has been unknown.
        expires: When an effective Limit or Deny ends unless it is renewed, and when a manual freeze
            ends; None for the rest.
        unknown: The selected objectives whose budgets are unknown, by name.
        transition: The change of stage, if this decision is one.
        replaces: Of a manual freeze: the decision by the budgets that would hold without it.
    """

    policy: str
    namespace: str
    stage_spec: Stage
    effective: Admission
    since: datetime
    reason: Reason
    cause: Cause
    objective: str | None
    remaining: Decimal | None
    recovered_at: datetime | None
    recovering_since: datetime | None
    blind_since: datetime | None
    expires: datetime | None
    unknown: tuple[ObjectiveState, ...]
    transition: Transition | None
    replaces: "Decision | None" = None

    @property
    def by_budget(self) -> "Decision":
        """The decision that the budgets lead to, whatever people have frozen by hand."""
        return self if self.replaces is None else self.replaces.by_budget

    @property
    def stage(self) -> str:
        """The name of the stage in force."""
        return self.stage_spec.name

    @property
    def admission(self) -> Admission:
        """What the stage or the manual freeze says, whatever the mode."""
        return self.stage_spec.admission if self.replaces is None else Admission.DENY

    @property
    def frozen_by_hand(self) -> datetime | None:
        """When somebody froze by hand; None for a decision by budget."""
        return None if self.replaces is None else self.since

    @property
    def severity(self) -> tuple[int, int]:
        """How much it hinders, for comparing: what a change meets, then whatever the mode."""
        return _SEVERITY[self.effective], _SEVERITY[self.admission]

    @property
    def limit(self) -> Limit | None:
        """Which deployments pass, whatever the mode; None if nothing limits them."""
        return self.stage_spec.limit if self.replaces is None else None

    @property
    def frozen(self) -> bool:
        """Whether changes are really denied."""
        return self.effective is Admission.DENY

    @property
    def blind(self) -> bool:
        """Whether the budget that matters is unknown."""
        return self.blind_since is not None

    @property
    def message(self) -> str:
        """Why, in a sentence."""
        return f"{self.cause.sentence()}."

    @property
    def memory(self) -> Memory:
        """What the next evaluation has to know: a manual freeze leaves no trace in it."""
        found = self.by_budget
        return Memory(
            stage=found.stage,
            since=found.since,
            reason=found.reason,
            objective=found.objective,
            remaining=found.remaining,
            recovered_at=found.recovered_at,
            recovering_since=found.recovering_since,
            blind_since=found.blind_since,
            expires=found.expires,
        )


def decide(
    *,
    spec: ErrorBudgetPolicySpec,
    policy_name: str,
    namespace: str,
    objectives: Iterable[ObjectiveState],
    before: Memory,
    now: datetime,
) -> Decision:
    """The decision for one policy.

    Args:
        spec: A spec in which `validation.validate` finds no problem.
        policy_name: The policy's name.
        namespace: Its namespace.
        objectives: All that the policy selects, known or not, in any order; with the missing ones
            of `selection.select_objectives`.
        before: What the last decision left; `Memory()` for a policy that is new.
        now: An aware time; its fraction of a second is dropped.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    view = look(spec, objectives, before)
    found = outcome(spec, view, before, now)
    stage = spec.stages[found.stage]
    shown = figures(found, before, entered=stage.name != before.stage, now=now)
    effective = reached(stage.admission, spec.mode)
    decision_since = now if stage.name != before.stage or before.since is None else before.since
    cause = cause_of(spec, view, found, shown)
    return Decision(
        policy=policy_name,
        namespace=namespace,
        stage_spec=stage,
        effective=effective,
        since=decision_since,
        reason=found.reason,
        cause=cause,
        objective=shown.objective,
        remaining=shown.remaining,
        recovered_at=shown.recovered_at,
        recovering_since=found.recovering_since,
        blind_since=found.blind_since,
        expires=_expires(spec, found, before, now) if effective in DENIALS else None,
        unknown=view.unknown,
        transition=_transition(before, stage.name, found, shown, cause=cause, now=now),
    )


def reached(admission: Admission, mode: Mode) -> Admission:
    """What a change meets where `admission` is asked for, as far as `mode` reaches."""
    return min(admission, _REACH[mode], key=_SEVERITY.__getitem__)


def _expires(
    spec: ErrorBudgetPolicySpec, found: Outcome, before: Memory, now: datetime
) -> datetime:
    """When the freeze ends if nobody renews it.

    A freeze that is held blindly and will then open is not renewed beyond that moment: it must
    end in time even if the controller dies while it is blind.
    """
    length = parse_duration(spec.when_blind.hold_for)
    if before.expires is not None and length / 2 <= before.expires - now <= length:
        return before.expires
    renewed = now + length
    if found.held_until is not None and spec.when_blind.then is Blindness.OPEN:
        renewed = min(renewed, found.held_until)
    return _whole_seconds(renewed)


def _whole_seconds(time: datetime) -> datetime:
    return time - timedelta(microseconds=time.microsecond)


def _transition(
    before: Memory, stage: str, found: Outcome, shown: Figures, *, cause: Cause, now: datetime
) -> Transition | None:
    if stage == before.stage:
        return None
    return Transition(
        time=now,
        from_=before.stage or "",
        to=stage,
        reason=found.reason,
        message=f"{cause.sentence()}.",
        objective=shown.objective,
        remaining=None if shown.remaining is None else f"{shown.remaining:f}",
    )
