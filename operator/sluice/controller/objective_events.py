"""What is worth an Event on a `ServiceLevelObjective`. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from sluice.api.conditions import ConditionType, find_condition
from sluice.api.reasons import Reason
from sluice.api.slo import (
    ErrorBudgetStatus,
    Level,
    ServiceLevelObjective,
    ServiceLevelObjectiveStatus,
)
from sluice.budget.budget import Budget, Unit
from sluice.indicators.declared import unit_of
from sluice.kube.events import Event
from sluice.kube.resources import OBJECTIVES

_WORSE = (Level.WARNING, Level.CRITICAL, Level.PAGE)


def level_changed(slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus) -> Event | None:
    """The Event of a change of level, which is what people want to hear of.

    Args:
        slo: the objective, with its status so far.
        status: the one that follows.
    """
    before = slo.status.level
    known = find_condition(slo.status.conditions, ConditionType.BUDGET_KNOWN)
    if before is status.level or slo.status.observed_generation < 0:
        return None
    if known is not None and known.reason == Reason.BACKFILLING:
        return None  # the first number is no change
    about = find_condition(status.conditions, ConditionType.BUDGET_AVAILABLE)
    return Event(
        kind=OBJECTIVES.kind,
        metadata=slo.metadata,
        type="Warning" if status.level in _WORSE else "Normal",
        reason=about.reason if about else Reason.RECONCILED,
        action="Measure",
        note=f"{before} -> {status.level}: {about.message if about else ''}",
    )


def corrections_changed(
    slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus, reasons: Mapping[str, str]
) -> Event | None:
    """The Event of corrections that begin or stop to apply: they move budgets, and may thaw.

    Args:
        slo: the objective, with its status so far.
        status: the one that follows.
        reasons: those of the corrections that there are, by name.
    """
    before = set(slo.status.corrections.names if slo.status.corrections else ())
    after = set(status.corrections.names if status.corrections else ())
    unmeasured = status.window is None or slo.status.observed_generation < 0
    if before == after or unmeasured or (before and _budget(status) is None and not after):
        return None
    begun = [f"{name} ({reasons.get(name, 'gone')})" for name in sorted(after - before)]
    ended = sorted(before - after)
    parts = [f"now applies: {', '.join(begun)}"] if begun else []
    parts += [f"no longer applies: {', '.join(ended)}"] if ended else []
    moved = f"{_left(slo.status)} -> {_left(status)} of the error budget left"
    return Event(
        kind=OBJECTIVES.kind,
        metadata=slo.metadata,
        type="Normal",
        reason=Reason.CORRECTIONS_CHANGED,
        action="Measure",
        note=f"{moved}; BudgetCorrection {'; '.join(parts)}",
    )


def _budget(status: ServiceLevelObjectiveStatus) -> str | None:
    return status.error_budget.remaining if status.error_budget is not None else None


def _left(status: ServiceLevelObjectiveStatus) -> str:
    left = _budget(status)
    return "unknown" if left is None else f"{left}%"


def new_period(slo: ServiceLevelObjective, status: ServiceLevelObjectiveStatus) -> bool:
    """Whether `status` is the first of another calendar period than that of `slo`'s own."""
    before, after = slo.status.window, status.window
    return (
        slo.spec.window.calendar is not None
        and slo.status.observed_generation == slo.metadata.generation
        and before is not None
        and after is not None
        and before.start < after.start
    )


def period_closed(slo: ServiceLevelObjective, closing: Budget | None) -> Event | None:
    """The Event that keeps what a calendar period has closed with: the next one begins anew.

    Args:
        slo: the objective, with its status of the period that has closed.
        closing: the budget at its end; None if only that status is left to tell.
    """
    window, published = slo.status.window, slo.status.error_budget
    unit = unit_of(slo.spec)
    figures = _measured(closing, unit) if closing else _published(published, slo.status.sli, unit)
    if window is None or figures is None:
        return None
    spent, text = figures
    return Event(
        kind=OBJECTIVES.kind,
        metadata=slo.metadata,
        type="Warning" if spent else "Normal",
        reason=Reason.PERIOD_CLOSED,
        action="Measure",
        note=f"{window.name} closed with {text}",
    )


def _measured(budget: Budget, unit: Unit) -> tuple[bool, str]:
    text = _text(
        f"{budget.remaining:f}", f"{budget.bad} bad {unit} of {budget.allowed}", f"{budget.sli:f}"
    )
    return budget.remaining <= 0, text


def _published(
    budget: ErrorBudgetStatus | None, sli: str | None, unit: Unit
) -> tuple[bool, str] | None:
    if budget is None or sli is None:
        return None
    counts = f"{budget.events.bad} bad {unit} of {budget.events.allowed}"
    return Decimal(budget.remaining) <= 0, _text(budget.remaining, counts, sli)


def _text(remaining: str, counts: str, sli: str) -> str:
    return f"{remaining}% of its error budget left: {counts} allowed, SLI {sli}%"
