"""Which stage an objective is in, on the way up (at once) and on the way down (with hysteresis).

Stages are named by their index in the spec, from mild (0) to severe. The conditions of a `when`
are ANDed for one and the same objective; the last stage whose condition holds counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sluice.api.policy import BurnRateCondition, Stage, StageCondition
from sluice.api.slo import Level
from sluice.policy.objective import ObjectiveState

SEVERITY: Mapping[Level, int] = {
    Level.UNKNOWN: -1,
    Level.OK: 0,
    Level.WARNING: 1,
    Level.CRITICAL: 2,
    Level.PAGE: 3,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A known objective and the stage that it asks for.

    Attributes:
        objective: The objective.
        remaining: What is left of its budget, in percent; finite.
        stage: The index of the stage.
    """

    objective: ObjectiveState
    remaining: Decimal
    stage: int


def stage_index(stages: Sequence[Stage], name: str | None) -> int | None:
    """The index of the stage called `name`, or None if there is none (any more)."""
    return next((index for index, stage in enumerate(stages) if stage.name == name), None)


def standings(
    stages: Sequence[Stage],
    objectives: Iterable[ObjectiveState],
    *,
    in_force: int,
    above: Decimal,
) -> tuple[Standing, ...]:
    """The stage that each objective with a known budget asks for.

    Args:
        stages: From mild to severe.
        objectives: In any order; those with an unknown budget ask for nothing.
        in_force: Up to this stage `remainingBelow` is widened by `above`, so that a stage that
            was entered is kept until the budget is clearly better. 0 gives the raw stages.
        above: Points of budget, at least 0.
    """
    return tuple(
        Standing(objective, budget, _stage_of(stages, objective, budget, in_force, above))
        for objective in objectives
        if (budget := objective.budget) is not None
    )


def worst(candidates: Iterable[Standing], *, incumbent: str | None) -> Standing | None:
    """The standing that decides: the most severe stage, then the least budget, then the name.

    The objective called `incumbent` keeps deciding while no other one is worse by a stage or by a
    whole point: two objectives that are equally bad would otherwise take turns, and every turn
    would rewrite messages and gates.
    """
    ranked = sorted(candidates, key=lambda it: (-it.stage, it.remaining, it.objective.name))
    if not ranked:
        return None
    first = ranked[0]
    for other in ranked:
        close = other.stage == first.stage and other.remaining - first.remaining < 1
        if close and other.objective.name == incumbent:
            return other
    return first


def _stage_of(
    stages: Sequence[Stage],
    objective: ObjectiveState,
    budget: Decimal,
    in_force: int,
    above: Decimal,
) -> int:
    for index in range(len(stages) - 1, 0, -1):
        margin = above if index <= in_force else Decimal(0)
        when = stages[index].when
        if when is not None and _holds(when, objective, budget, margin):
            return index
    return 0


def _holds(
    when: StageCondition, objective: ObjectiveState, budget: Decimal, margin: Decimal
) -> bool:
    if when.remaining_below is not None and budget >= Decimal(when.remaining_below) + margin:
        return False
    if when.level is not None and SEVERITY[objective.level] < SEVERITY[when.level]:
        return False
    return when.burn_rate_above is None or _burns(when.burn_rate_above, objective)


def _burns(condition: BurnRateCondition, objective: ObjectiveState) -> bool:
    rate = objective.burn_rates.get(condition.window)
    return rate is not None and rate.is_finite() and rate > Decimal(condition.value)
