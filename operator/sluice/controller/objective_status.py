"""The status of a `ServiceLevelObjective`, from what was measured. Pure.

A budget that is spent or unknown is no failed resource: `Ready` says only whether the objective can
be measured. `BudgetKnown` turns False as soon as the newest data are older than `FRESH`; the
numbers stay, with the time that they are of, until `GRACE`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from sluice.api.conditions import Claim, ConditionType, find_condition, merge
from sluice.api.durations import format_duration
from sluice.api.reasons import Reason
from sluice.api.slo import (
    MOST_NAMED,
    AddedEvents,
    Alert,
    AlertState,
    BurnRate,
    CorrectionsStatus,
    ErrorBudgetStatus,
    EventCounts,
    ExcludedEvents,
    Forecast,
    Level,
    ServiceLevelObjective,
    ServiceLevelObjectiveStatus,
    Severity,
    TimeBudget,
    WindowStatus,
)
from sluice.budget import alerts
from sluice.budget.account import Evaluation
from sluice.budget.budget import STALE_AFTER, Budget, UnknownBudget
from sluice.budget.counts import SLICE
from sluice.controller.correction_status import length, whole
from sluice.indicators.declared import unit_of, window_name
from sluice.indicators.failure import Failure

FRESH = timedelta(minutes=5)
"""Data older than this say nothing of now: the budget is not known."""
GRACE = timedelta(seconds=STALE_AFTER)
"""Numbers older than this are not shown any more."""

_NOTICEABLE = Decimal("0.1")
_WHOLE_WINDOW = Decimal(99)
_LOW = Decimal(20)
# Two samples a slice; with one it begins and ends with what may be as old as itself.
_SLOWEST = SLICE / 2
_ADVISED = 120
_TWO_DECIMALS = Decimal("0.01")

Outcome = Evaluation | Failure
"""What came of measuring: numbers, or why there are none."""


def status_of(
    slo: ServiceLevelObjective, outcome: Outcome, now: datetime
) -> ServiceLevelObjectiveStatus:
    """The status of `slo` after `outcome`.

    Args:
        slo: the objective; its status so far gives the conditions' times, and the numbers that
            stay while a source is away.
        outcome: what came of measuring it.
        now: the present time, with a zone.
    """
    if isinstance(outcome, Failure):
        status, claims = _after_failure(slo, outcome, now)
    elif isinstance(outcome.budget, UnknownBudget):
        status, claims = _unknown(slo, outcome, outcome.budget)
    else:
        status, claims = _known(slo, outcome, outcome.budget, now)
    generation = slo.metadata.generation
    conditions = merge(slo.status.conditions, claims, generation=generation, now=now)
    update: dict[str, object] = {"observed_generation": generation, "conditions": conditions}
    if isinstance(outcome, Evaluation) and outcome.pace is not None:
        update["scrape_interval"] = _duration(outcome.pace)
    return status.model_copy(update=update)


def noticeable(before: ServiceLevelObjectiveStatus, after: ServiceLevelObjectiveStatus) -> bool:
    """Whether `after` is worth a write: a level, a condition, 0.1 points of budget, or a slice.

    Of messages only that of `Ready` counts, which says what is wrong: those about the budget hold
    numbers that change all the time.
    """
    if _outline(before) != _outline(after):
        return True
    if before.error_budget is not None and after.error_budget is not None:
        moved = Decimal(before.error_budget.remaining) - Decimal(after.error_budget.remaining)
        if abs(moved) >= _NOTICEABLE:
            return True
    return _slice(before) != _slice(after)


def _outline(status: ServiceLevelObjectiveStatus) -> tuple[object, ...]:
    conditions = {(c.type, c.status, c.reason, c.observed_generation) for c in status.conditions}
    ready = find_condition(status.conditions, ConditionType.READY)
    no_numbers = status.error_budget is None
    told = [alert.state for alert in status.alerts]
    corrected = None
    if status.corrections is not None:
        corrected = (
            status.corrections.applied,
            status.corrections.names,
            status.corrections.approximate,
        )
    return (
        status.observed_generation,
        status.level,
        no_numbers,
        conditions,
        ready.message if ready is not None else "",
        told,
        corrected,
    )


def _slice(status: ServiceLevelObjectiveStatus) -> int | None:
    return None if status.window is None else int(status.window.end.timestamp()) // SLICE


_Result = tuple[ServiceLevelObjectiveStatus, list[Claim]]


def _known(
    slo: ServiceLevelObjective, evaluation: Evaluation, budget: Budget, now: datetime
) -> _Result:
    age = now - _time(budget.newest)
    if age <= FRESH:
        numbers = _numbers(slo, evaluation, budget)
        available = _budget_available(slo, budget, numbers.corrections)
        return numbers, [_ready(), _budget_known(budget, evaluation.pace), available]
    message = (
        f"the newest data of the indicator's total are of {_time(budget.newest):%H:%M}Z: "
        "check that its targets are scraped"
    )
    numbers = _numbers(slo, evaluation, budget).model_copy(update={"level": Level.UNKNOWN})
    return numbers, [_ready(), *_blind(Reason.STALE_DATA, message)]


def _unknown(slo: ServiceLevelObjective, evaluation: Evaluation, budget: UnknownBudget) -> _Result:
    """Without numbers, as there are none that say something; only what they would be about."""
    measured = evaluation.measured
    window = _window(slo, measured.bounds.start, measured.bounds.end, measured.covered)
    reason = Reason(budget.reason)
    blind = _blind(reason, budget.message)
    status = ServiceLevelObjectiveStatus(window=window, corrections=_corrections(evaluation))
    if reason is not Reason.BACKFILLING:
        return status, [_ready(), *blind]
    return status, [
        Claim(ConditionType.READY, "False", reason, budget.message),
        *blind,
        Claim(ConditionType.RECONCILING, "True", Reason.PROGRESSING, budget.message),
    ]


def _after_failure(slo: ServiceLevelObjective, failure: Failure, now: datetime) -> _Result:
    if failure.reason is Reason.NO_DATA:
        return ServiceLevelObjectiveStatus(), [_ready(), *_blind(failure.reason, failure.message)]
    unready = Claim(ConditionType.READY, "False", failure.reason, failure.message)
    if failure.stalled:
        stalled = Claim(ConditionType.STALLED, "True", failure.reason, failure.message)
        blind = _blind(failure.reason, failure.message)
        return ServiceLevelObjectiveStatus(), [unready, *blind, stalled]
    retrying = Claim(ConditionType.RECONCILING, "True", Reason.PROGRESSING, failure.message)
    status, about_budget = _kept(slo, failure, now)
    return status, [unready, *about_budget, retrying]


def _kept(slo: ServiceLevelObjective, failure: Failure, now: datetime) -> _Result:
    """The numbers there were, as long as they are not too old; and what is said of the budget."""
    before = slo.status
    current = before.observed_generation == slo.metadata.generation
    age = now - before.window.end if before.window is not None and current else None
    if age is None or age > GRACE or before.error_budget is None:
        return ServiceLevelObjectiveStatus(), _blind(failure.reason, failure.message)
    if age <= FRESH and before.level is not Level.UNKNOWN:
        return before, list(_again(before))
    unknown = before.model_copy(update={"level": Level.UNKNOWN})
    return unknown, _blind(failure.reason, failure.message)


def _again(before: ServiceLevelObjectiveStatus) -> Iterator[Claim]:
    """What was said of the budget, said once more."""
    for condition in before.conditions:
        if condition.type in {ConditionType.BUDGET_KNOWN, ConditionType.BUDGET_AVAILABLE}:
            yield Claim(
                ConditionType(condition.type),
                condition.status,
                Reason(condition.reason),
                condition.message,
            )


def _ready() -> Claim:
    return Claim(ConditionType.READY, "True", Reason.RECONCILED, "the objective is measured")


def _blind(reason: Reason, message: str) -> list[Claim]:
    return [
        Claim(ConditionType.BUDGET_KNOWN, "False", reason, message),
        Claim(ConditionType.BUDGET_AVAILABLE, "Unknown", reason, message),
    ]


def _budget_known(budget: Budget, pace: int | None) -> Claim:
    whole = budget.covered >= _WHOLE_WINDOW
    reason = Reason.BUDGET_KNOWN if whole else Reason.PARTIAL_WINDOW
    message = f"there are data for {budget.covered:f}% of the window{_slow(pace)}"
    return Claim(ConditionType.BUDGET_KNOWN, "True", reason, message)


def _slow(pace: int | None) -> str:
    """What is lost where samples are few."""
    if pace is None or pace <= _SLOWEST:
        return ""
    text = f"; samples come about every {_duration(pace)}, so bad events may show that late"
    if pace > SLICE:
        text += f", and slices of {_duration(SLICE)} without a sample are gaps"
    return f"{text}: scrape every {_duration(_ADVISED)} or more often"


def _budget_available(
    slo: ServiceLevelObjective, budget: Budget, corrections: CorrectionsStatus | None
) -> Claim:
    left = budget.remaining > 0
    reason = _budget_reason(budget)
    message = f"{budget.remaining:f}% of the error budget is left: {budget.bad} bad "
    message += f"{unit_of(slo.spec)} of {budget.allowed} allowed"
    if corrections is not None:
        message += f"; {_applied(corrections)}"
    return Claim(ConditionType.BUDGET_AVAILABLE, "True" if left else "False", reason, message)


def _applied(corrections: CorrectionsStatus) -> str:
    """That corrections apply, in words: none of the numbers says so by itself."""
    one = corrections.applied == 1
    text = "1 correction applies" if one else f"{corrections.applied} corrections apply"
    if corrections.remaining_without is None:
        return text
    return (
        f"{text}, {corrections.remaining_without}% would be left without {'it' if one else 'them'}"
    )


def _budget_reason(budget: Budget) -> Reason:
    if budget.level.value == Level.PAGE.value:
        return Reason.AGREEMENT_AT_RISK
    if budget.remaining <= 0:
        return Reason.BUDGET_EXHAUSTED
    return Reason.BUDGET_LOW if budget.remaining < _LOW else Reason.BUDGET_LEFT


def _window(slo: ServiceLevelObjective, start: int, end: float, covered: Decimal) -> WindowStatus:
    return WindowStatus(
        name=window_name(slo.spec.window, start),
        start=_time(start),
        # The newest data in a period that has just begun may be of before it.
        end=_time(max(start, end)),
        covered=f"{covered:f}",
    )


def _numbers(
    slo: ServiceLevelObjective, evaluation: Evaluation, budget: Budget
) -> ServiceLevelObjectiveStatus:
    return ServiceLevelObjectiveStatus(
        level=Level(budget.level.value),
        sli=f"{budget.sli:f}",
        window=_window(slo, budget.bounds.start, budget.newest, budget.covered),
        error_budget=ErrorBudgetStatus(
            consumed=f"{budget.consumed:f}",
            remaining=f"{budget.remaining:f}",
            to_date=f"{budget.to_date:f}",
            events=EventCounts(
                total=str(budget.total), bad=str(budget.bad), allowed=str(budget.allowed)
            ),
            time=TimeBudget(
                total=_duration(budget.time_total),
                remaining=_duration(budget.time_remaining),
                per_day=_duration(budget.time_per_day),
            ),
        ),
        burn_rates=[
            BurnRate(window=_duration(rate.window), value=_two_decimals(rate.value))
            for rate in evaluation.burn_rates
        ],
        alerts=[_alert(alert) for alert in evaluation.alerts],
        forecast=_forecast(evaluation),
        corrections=_corrections(evaluation),
    )


def _corrections(evaluation: Evaluation) -> CorrectionsStatus | None:
    corrected = evaluation.corrected
    if corrected is None:
        return None
    excluded, added = corrected.excluded, corrected.added
    return CorrectionsStatus(
        applied=len(corrected.effects),
        names=[effect.name for effect in corrected.effects[:MOST_NAMED]],
        excluded=ExcludedEvents(
            total=whole(excluded.total), bad=whole(excluded.bad), time=length(corrected.seconds)
        )
        if corrected.seconds > 0
        else None,
        added=AddedEvents(total=whole(added.total), bad=whole(added.bad))
        if added.total > 0
        else None,
        remaining_without=None if corrected.remaining is None else f"{corrected.remaining:f}",
        approximate=any(effect.approximate for effect in corrected.effects),
    )


def _alert(alert: alerts.Alert) -> Alert:
    return Alert(
        severity=Severity(alert.tier.severity.value),
        long=_duration(alert.tier.long),
        short=_duration(alert.tier.short),
        factor=_two_decimals(alert.factor),
        state=AlertState(alert.state.value),
        message=alert.message,
    )


def _forecast(evaluation: Evaluation) -> Forecast | None:
    ahead = evaluation.forecast
    if ahead is None or (ahead.exhausted_at is None and ahead.recovered_at is None):
        return None
    return Forecast(
        exhausted_at=None if ahead.exhausted_at is None else _time(ahead.exhausted_at),
        recovered_at=None if ahead.recovered_at is None else _time(ahead.recovered_at),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _duration(seconds: float) -> str:
    """Whole seconds, cut off: a budget is not rounded up."""
    return format_duration(timedelta(seconds=int(seconds)))


def _two_decimals(value: float) -> str:
    return f"{Decimal(value).quantize(_TWO_DECIMALS, ROUND_HALF_UP):f}"
