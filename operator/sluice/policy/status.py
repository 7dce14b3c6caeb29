"""Between a decision and the policy's status, where it is remembered."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from sluice.api.override import Burned, Effect, GateOverride
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
from sluice.policy.explanation import shorten
from sluice.policy.manual import Ruled, explained
from sluice.policy.memory import Memory
from sluice.policy.override import Active, began

HISTORY = 20
"""Transitions that are kept."""

_WIDTH = 120
"""Characters of the names of workloads in a message, at most."""

_SHOWN = 3
"""Objectives whose burned budget is spelled out in a message."""


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
                message=f"{explained(override, active).sentence()}.",
            )
        )
    found.sort(key=lambda one: (one.effect != Effect.FREEZE, not one.workloads, one.name))
    return found[:MOST_OVERRIDES]


def began_and_ended(
    before: Sequence[ActiveOverride],
    after: Sequence[ActiveOverride],
    *,
    stage: str,
    burned: Callable[[ActiveOverride], list[Burned]],
    now: datetime,
) -> list[Transition]:
    """What overrides did between two statuses, newest first: those that began, those that ended.

    Of more overrides than a status names nothing is told of those that begin, since they may have
    been active before.

    Args:
        before: `overrides` of the earlier status.
        after: Of the later one.
        stage: The stage in force.
        burned: What was burned while an override that has ended was active.
        now: An aware time.
    """
    now = now.replace(microsecond=0)
    gone = {one.name for one in before} - {one.name for one in after}
    told = [_ended(one, stage, burned(one), now) for one in before if one.name in gone]
    if len(before) < MOST_OVERRIDES:
        known = {one.name for one in before}
        told += [_began(one, stage, now) for one in after if one.name not in known]
    return sorted(told, key=lambda one: one.time, reverse=True)


def _began(one: ActiveOverride, stage: str, now: datetime) -> Transition:
    whom = shorten(", ".join(one.workloads), _WIDTH) or "all workloads"
    return Transition(
        time=now,
        from_=stage,
        to=stage,
        reason=Reason.OVERRIDE_BEGAN,
        message=f"{one.effect} of {whom} by GateOverride {one.name} began: {one.message}",
        override=one.name,
    )


def _ended(one: ActiveOverride, stage: str, burned: list[Burned], now: datetime) -> Transition:
    if burned:
        shares = [f"{it.points} points of {it.objective}" for it in burned[:_SHOWN]]
        told = f"burned meanwhile: {', '.join(shares)}"
    else:
        told = "what was burned meanwhile is not known"
    early = "" if now >= one.expires else " early"
    return Transition(
        time=min(now, one.expires),
        from_=stage,
        to=stage,
        reason=Reason.OVERRIDE_ENDED,
        message=f"{one.effect} by GateOverride {one.name} ended{early}; {told}.",
        override=one.name,
        burned=burned,
    )


def history(before: Sequence[Transition], newest: Sequence[Transition]) -> list[Transition]:
    """`before` (newest first) with `newest` at its head, the oldest ones dropped."""
    return [*newest, *before][:HISTORY]
