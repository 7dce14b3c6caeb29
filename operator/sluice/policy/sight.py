"""What can be seen of a policy's budgets, and whether that is enough to decide."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from sluice.api.policy import ErrorBudgetPolicySpec
from sluice.api.reasons import Reason
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
from sluice.policy.selection import gone
from sluice.policy.stages import Standing, stage_index, standings, worst


@dataclass(frozen=True, slots=True)
class View:
    """The budgets as seen from the stage in force.

    Attributes:
        in_force: The index of the remembered stage; None if there is none, or not any more.
        selected: How many objectives the policy selects.
        worst: The known objective that is worst off, with the stage that it asks for.
        lost: The objective that decided the stage in force, if it has become unknown or is
            selected no more, and no other one asks for that stage: to follow the rest would be
            to thaw because a query failed, or because somebody deleted or relabelled it.
        unknown: The selected objectives whose budgets are unknown, by name; with the lost one.
    """

    in_force: int | None
    selected: int
    worst: Standing | None
    lost: ObjectiveState | None
    unknown: tuple[ObjectiveState, ...]

    @property
    def blind(self) -> bool:
        """Whether the budget that matters is unknown."""
        return self.worst is None or self.lost is not None


def look(spec: ErrorBudgetPolicySpec, objectives: Iterable[ObjectiveState], before: Memory) -> View:
    """The view of `objectives`.

    Hysteresis counts from a stage that a budget has led to. A stage that blindness closed, and one
    that is not in the spec any more, is left to the stage that the budgets give as they are.
    """
    selected = sorted(objectives, key=lambda objective: objective.name)
    in_force = stage_index(spec.stages, before.stage)
    by_budget = in_force is not None and before.reason is not Reason.BLIND_CLOSED
    found = worst(
        standings(
            spec.stages,
            selected,
            in_force=in_force if in_force is not None and by_budget else 0,
            above=Decimal(spec.recovery.above),
        ),
        incumbent=before.objective,
    )
    unknown = [objective for objective in selected if objective.budget is None]
    kept = found is not None and found.stage >= (in_force or 0)
    lost = None if kept else _lost(selected, before.objective)
    if selected and lost is not None and lost not in unknown:
        unknown = sorted([*unknown, lost], key=lambda objective: objective.name)
    return View(
        in_force=in_force,
        selected=len(selected),
        worst=found,
        lost=lost,
        unknown=tuple(unknown),
    )


def _lost(selected: Iterable[ObjectiveState], decider: str | None) -> ObjectiveState | None:
    """The objective called `decider` if its budget can't be seen, whatever the reason."""
    if decider is None:
        return None
    found = next((it for it in selected if it.name == decider), None)
    if found is None:
        return gone(decider)
    return found if found.budget is None else None
