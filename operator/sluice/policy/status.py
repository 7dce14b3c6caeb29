"""Between a decision and the policy's status, where it is remembered."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from sluice.api.override import Effect, GateOverride
from sluice.api.policy import (
    MOST_OVERRIDES,
    ActiveOverride,
    DecisionStatus,
    ErrorBudgetPolicyStatus,
    Timers,
    Transition,
)
from sluice.api.reasons import Reason
from sluice.policy.decision import Decision
from sluice.policy.manual import Ruled
from sluice.policy.memory import Memory
from sluice.policy.override import Active, began

HISTORY = 20
"""Transitions that are kept."""


def memory_from_status(status: ErrorBudgetPolicyStatus) -> Memory:
    """What the status remembers; a reason that this version does not know is forgotten."""
    decision, timers = status.by_budget or status.decision, status.timers
    if decision is None:
        return Memory(
            stage=status.stage,
            recovering_since=timers.recovering_since,
            blind_since=timers.blind_since,
        )
    return Memory(
        stage=status.stage,
        since=decision.since,
        reason=next((reason for reason in Reason if reason == decision.reason), None),
        objective=decision.objective,
        remaining=None if decision.remaining is None else Decimal(decision.remaining),
        recovered_at=decision.recovered_at,
        recovering_since=timers.recovering_since,
        blind_since=timers.blind_since,
        expires=decision.expires,
    )


def status_fields(decision: Decision) -> tuple[str, DecisionStatus, Timers]:
    """`stage`, `decision` and `timers` as they belong into the status."""
    return (
        decision.stage,
        _recorded(decision),
        Timers(recovering_since=decision.recovering_since, blind_since=decision.blind_since),
    )


def replaced(decision: Decision) -> DecisionStatus | None:
    """`byBudget`: what a manual freeze of all workloads replaces; None if there is none."""
    return None if decision.replaces is None else _recorded(decision.by_budget)


def _recorded(decision: Decision) -> DecisionStatus:
    remaining = decision.remaining
    return DecisionStatus(
        admission=decision.effective,
        since=decision.since,
        expires=decision.expires,
        reason=decision.reason,
        message=decision.message,
        objective=decision.objective,
        remaining=None if remaining is None else f"{remaining:f}",
        recovered_at=decision.recovered_at,
    )


def active_overrides(
    ruled: Ruled, overrides: Iterable[tuple[GateOverride, Active]]
) -> list[ActiveOverride]:
    """`overrides`: freezes of some workloads first, which gates read from here and nowhere else."""
    frozen = {one.override: one.decision for one in ruled.apart}
    found = []
    for override, active in overrides:
        freezes = override.spec.effect is Effect.FREEZE
        decision = frozen.get(override.metadata.name, ruled.decision) if freezes else None
        found.append(
            ActiveOverride(
                name=override.metadata.name,
                effect=override.spec.effect,
                workloads=override.spec.workloads,
                since=began(override),
                expires=active.until,
                admission=decision and decision.effective,
                message=decision.message if decision else "",
            )
        )
    found.sort(key=lambda one: (one.effect != Effect.FREEZE, not one.workloads, one.name))
    return found[:MOST_OVERRIDES]


def history(before: Sequence[Transition], transition: Transition | None) -> list[Transition]:
    """`before` (newest first) with `transition` at its head, the oldest ones dropped.

    It may be there already: a status that announces writes holds it as well as that after them.
    """
    newest = [] if transition is None or transition in before[:1] else [transition]
    return [*newest, *before][:HISTORY]
