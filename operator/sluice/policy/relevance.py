"""Whether a policy must look again because an objective has changed, or can wait for its turn."""

from decimal import Decimal

from sluice.api.policy import ErrorBudgetPolicySpec
from sluice.policy.objective import ObjectiveState
from sluice.policy.stages import standings


def asks_anew(
    spec: ErrorBudgetPolicySpec, before: ObjectiveState | None, after: ObjectiveState
) -> bool:
    """Whether an objective asks a policy for something else than it did.

    It does if its budget has become known or unknown, if corrections have begun or ceased to apply,
    or if it asks for another stage, seen from any stage that may be in force. What else has moved
    are numbers that texts show.

    Args:
        spec: the policy's.
        before: the objective as the policy may have seen it; None if it was not measured yet.
        after: the objective as it is now.
    """
    if before is None or (before.budget is None) is not (after.budget is None):
        return True
    if before.corrections != after.corrections:
        return True
    return _asked(spec, before) != _asked(spec, after)


def _asked(spec: ErrorBudgetPolicySpec, objective: ObjectiveState) -> list[int]:
    """The stage that an objective asks for, by the stage in force; none if it is unknown."""
    above = Decimal(spec.recovery.above)
    return [
        standing.stage
        for in_force in range(len(spec.stages))
        for standing in standings(spec.stages, [objective], in_force=in_force, above=above)
    ]
