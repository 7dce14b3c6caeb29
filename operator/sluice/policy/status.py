"""Between a decision and the policy's status, where it is remembered."""

from collections.abc import Sequence
from decimal import Decimal

from sluice.api.policy import DecisionStatus, ErrorBudgetPolicyStatus, Timers, Transition
from sluice.api.reasons import Reason
from sluice.policy.decision import Decision
from sluice.policy.memory import Memory

HISTORY = 20
"""Transitions that are kept."""


def memory_from_status(status: ErrorBudgetPolicyStatus) -> Memory:
    """What the status remembers; a reason that this version does not know is forgotten."""
    decision, timers = status.decision, status.timers
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
    remaining = decision.remaining
    return (
        decision.stage,
        DecisionStatus(
            admission=decision.effective,
            since=decision.since,
            expires=decision.expires,
            reason=decision.reason,
            message=decision.message,
            objective=decision.objective,
            remaining=None if remaining is None else f"{remaining:f}",
            recovered_at=decision.recovered_at,
        ),
        Timers(recovering_since=decision.recovering_since, blind_since=decision.blind_since),
    )


def history(before: Sequence[Transition], transition: Transition | None) -> list[Transition]:
    """`before` (newest first) with `transition` at its head, the oldest ones dropped."""
    newest = [] if transition is None else [transition]
    return [*newest, *before][:HISTORY]
