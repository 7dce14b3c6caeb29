"""The stage that follows from a view: by budget while there is sight, by the clock while blind."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.api.durations import parse_duration
from sluice.api.policy import Blindness, ErrorBudgetPolicySpec
from sluice.api.reasons import Reason
from sluice.policy.memory import Memory
from sluice.policy.sight import View
from sluice.policy.stages import Standing


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stage and why.

    Attributes:
        stage: The index of the stage in force from now on.
        reason: Why.
        standing: The objective that decided; None if the last decision is held or none is known.
        recovering_since: Since when the conditions for a milder stage have held.
        blind_since: Since when the budget that matters has been unknown.
        held_until: While a decision is held blindly: when `whenBlind.then` takes over.
    """

    stage: int
    reason: Reason
    standing: Standing | None
    recovering_since: datetime | None = None
    blind_since: datetime | None = None
    held_until: datetime | None = None


def outcome(spec: ErrorBudgetPolicySpec, view: View, before: Memory, now: datetime) -> Outcome:
    """The stage in force from `now` (UTC, whole seconds) on.

    A timer that began in the future, because the clock was wrong then and has been set back,
    begins now: else a freeze would wait for that future.
    """
    before = replace(
        before,
        recovering_since=_not_after(now, before.recovering_since),
        blind_since=_not_after(now, before.blind_since),
    )
    if view.worst is None or view.blind:
        return _while_blind(spec, view, before, now)
    return _by_budget(spec, view, view.worst, before, now)


def _not_after(now: datetime, since: datetime | None) -> datetime | None:
    return None if since is None else min(since, now)


def _by_budget(
    spec: ErrorBudgetPolicySpec, view: View, worst: Standing, before: Memory, now: datetime
) -> Outcome:
    reason = Reason.STAGE_ENTERED if worst.stage else Reason.WITHIN_BUDGET
    entered = Outcome(worst.stage, reason, worst)
    closed_by_blindness = before.reason is Reason.BLIND_CLOSED
    if view.in_force is None or worst.stage >= view.in_force or closed_by_blindness:
        return entered
    since = _recovering_since(before, now)
    if now - since >= parse_duration(spec.recovery.for_):
        return entered
    return Outcome(view.in_force, Reason.RECOVERING, worst, recovering_since=since)


def _recovering_since(before: Memory, now: datetime) -> datetime:
    """Since when the budget has been seen to be good: time spent blind does not count."""
    if before.recovering_since is None:
        return now
    blind = now - before.blind_since if before.blind_since is not None else timedelta(0)
    return before.recovering_since + blind


def _while_blind(spec: ErrorBudgetPolicySpec, view: View, before: Memory, now: datetime) -> Outcome:
    since = before.blind_since or now
    until = since + parse_duration(spec.when_blind.hold_for)
    if now < until and not _has_ended(before, now):
        return Outcome(
            stage=view.in_force or 0,
            reason=Reason.BLIND_HOLDING if view.selected else Reason.NO_OBJECTIVES,
            standing=None,
            recovering_since=before.recovering_since,
            blind_since=since,
            held_until=until,
        )
    if spec.when_blind.then is Blindness.CLOSED:
        return Outcome(len(spec.stages) - 1, Reason.BLIND_CLOSED, None, blind_since=since)
    rest = view.worst
    return Outcome(rest.stage if rest else 0, Reason.BLIND_OPEN, rest, blind_since=since)


def _has_ended(before: Memory, now: datetime) -> bool:
    """Whether the decision that could be held is over already.

    `then` has taken over, or the freeze expired before blindness began (the controller was away):
    to hold it would freeze again without knowing the budget.
    """
    if before.reason in {Reason.BLIND_OPEN, Reason.BLIND_CLOSED}:
        return True
    return before.blind_since is None and before.expires is not None and before.expires <= now
