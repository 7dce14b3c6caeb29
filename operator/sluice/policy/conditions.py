"""What a decision claims in a policy's conditions.

`Enforcing` and `Contested` are claimed by the enforcement, which alone knows them.
"""

from sluice.api.conditions import Claim, ConditionType
from sluice.api.policy import Admission
from sluice.api.reasons import Reason
from sluice.policy.decision import Decision
from sluice.policy.explanation import UNCUT, shorten
from sluice.policy.objective import ObjectiveState

_LISTED = 3
"""Unknown objectives that are named; a selector may match thousands."""


def claims(decision: Decision) -> tuple[Claim, ...]:
    """Ready, BudgetKnown and Frozen. Ready stays True while frozen: a freeze is no failure."""
    return (
        Claim(ConditionType.READY, "True", Reason.RECONCILED, decision.message),
        _budget_known(decision),
        _frozen(decision),
    )


def _budget_known(decision: Decision) -> Claim:
    message = _unknown(decision.unknown)
    if not decision.blind:
        return Claim(ConditionType.BUDGET_KNOWN, "True", Reason.BUDGET_KNOWN, message)
    if not decision.unknown:
        message = (
            "spec.objectives selects no ServiceLevelObjective in this namespace: "
            "correct the selector or label an objective"
        )
        return Claim(ConditionType.BUDGET_KNOWN, "False", Reason.NO_OBJECTIVES, message)
    return Claim(ConditionType.BUDGET_KNOWN, "False", decision.unknown[0].reason, message)


def _unknown(objectives: tuple[ObjectiveState, ...]) -> str:
    named = [_why(it) for it in objectives[:_LISTED]]
    if len(objectives) > _LISTED:
        named.append(f"{len(objectives) - _LISTED} more are unknown")
    return "; ".join(named)


def _why(objective: ObjectiveState) -> str:
    """Of an objective that has no status of its own all is said here; of others the reason."""
    if objective.reason is Reason.OBJECTIVE_NOT_FOUND:
        return objective.message
    return f"SLO {shorten(objective.name, UNCUT)} is unknown: {objective.reason}"


def _frozen(decision: Decision) -> Claim:
    message = decision.message
    if decision.frozen:
        return Claim(ConditionType.FROZEN, "True", Reason.FROZEN, message)
    if decision.admission is not Admission.DENY:
        return Claim(ConditionType.FROZEN, "False", Reason.NOT_FROZEN, message)
    observing = decision.effective is Admission.ALLOW
    reason = Reason.OBSERVE_ONLY if observing else Reason.WARN_ONLY
    return Claim(
        ConditionType.FROZEN,
        "False",
        reason,
        f"In mode Enforce changes WOULD be denied. {message}",
    )
