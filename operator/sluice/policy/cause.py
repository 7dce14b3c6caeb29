"""Why a decision is as it is, in the terms that its texts are made of."""

from decimal import Decimal

from sluice.api.durations import parse_duration
from sluice.api.policy import ErrorBudgetPolicySpec
from sluice.api.reasons import Reason
from sluice.policy.explanation import Cause, Measured, Unseen, limit, minute
from sluice.policy.figures import Figures
from sluice.policy.outcome import Outcome
from sluice.policy.sight import View
from sluice.policy.stages import Standing


def cause_of(spec: ErrorBudgetPolicySpec, view: View, found: Outcome, shown: Figures) -> Cause:
    """The cause of the outcome `found`, with the figures that are `shown`."""
    if found.blind_since is not None or found.standing is None or shown.remaining is None:
        return _unseen(spec, view, found, shown)
    return _measured(spec, found, found.standing, shown.remaining)


def _measured(
    spec: ErrorBudgetPolicySpec, found: Outcome, standing: Standing, remaining: Decimal
) -> Measured:
    recovering = found.recovering_since
    return Measured(
        objective=standing.objective.name,
        remaining=remaining,
        window=standing.objective.window,
        limit=limit(
            spec.stages,
            found.stage,
            remaining=remaining,
            above=Decimal(spec.recovery.above),
            leaves_at=recovering and recovering + parse_duration(spec.recovery.for_),
        ),
        corrections=standing.objective.corrections,
    )


def _unseen(spec: ErrorBudgetPolicySpec, view: View, found: Outcome, shown: Figures) -> Unseen:
    lost = view.lost
    since = "" if found.blind_since is None else f" since {minute(found.blind_since)}"
    if lost is not None:
        state = "gone" if lost.reason is Reason.OBJECTIVE_NOT_FOUND else "unknown"
        fact = f"has been {state}{since} ({lost.reason})"
    elif view.unknown:
        fact = f"No SLO's budget has been known{since} ({view.unknown[0].reason})"
    else:
        fact = f"No SLO has been selected{since}"
    seen = lost is not None and lost.name == shown.objective
    return Unseen(
        objective=None if lost is None else lost.name,
        fact=fact,
        remaining=shown.remaining if seen else None,
        window="" if lost is None else lost.window,
        consequence=_consequence(spec, found, view),
    )


def _consequence(spec: ErrorBudgetPolicySpec, found: Outcome, view: View) -> str:
    stage = f"stage {spec.stages[found.stage].name}"
    gone = view.lost is not None and view.lost.reason is Reason.OBJECTIVE_NOT_FOUND
    if found.held_until is not None:
        unless = " unless it is restored" if gone else ""
        return f"{stage} is held until {minute(found.held_until)}{unless}"
    return f"{stage} applies, because whenBlind.then is {spec.when_blind.then}"
