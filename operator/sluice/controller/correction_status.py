"""The status of a `BudgetCorrection`, from its times and what it changes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.correction import (
    MOST_EFFECTS,
    BudgetCorrection,
    BudgetCorrectionStatus,
    ObjectiveEffect,
    Occurrence,
)
from sluice.api.durations import format_duration
from sluice.api.reasons import Reason
from sluice.budget.corrections import Range
from sluice.budget.effects import Effect

_NAMED = 3
"""Objectives that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a correction's status is made from.

    Attributes:
        ranges: its times, rounded to slices, oldest first.
        matched: the objectives that it selects, by name.
        missing: those that it names and that do not exist.
        since: Unix seconds at which the earliest of their windows begins.
        effects: what it changes of them, by name.
    """

    ranges: Sequence[Range]
    matched: Sequence[str]
    missing: Sequence[str]
    since: float
    effects: Sequence[tuple[str, Effect]]


def status_of(correction: BudgetCorrection, known: Known, now: datetime) -> BudgetCorrectionStatus:
    """The status as of `now`."""
    at = now.timestamp()
    begun = [one for one in known.ranges if one.start <= at]
    ahead = [one for one in known.ranges if one.start > at]
    inside = [one for one in begun if one.end > known.since]
    upcoming = _occurrence(ahead[0]) if ahead else None
    generation = correction.metadata.generation
    message = "the correction is understood"
    claims = [
        Claim(ConditionType.READY, "True", Reason.RECONCILED, message),
        _applied(correction, known, begun=bool(inside), upcoming=upcoming),
    ]
    return BudgetCorrectionStatus(
        observed_generation=generation,
        matched=len(known.matched),
        occurrences=len(inside),
        last=_occurrence(begun[-1]) if begun else None,
        next=upcoming,
        objectives=[_effect(name, effect) for name, effect in known.effects[:MOST_EFFECTS]],
        conditions=merge(
            correction.status.conditions,
            claims,
            generation=generation,
            now=now.replace(microsecond=0),
        ),
    )


def whole(count: float) -> str:
    """A number of events as it is published: whole, rounded half up."""
    return str(int(Decimal(count).to_integral_value(ROUND_HALF_UP)))


def length(seconds: float) -> str:
    """Seconds as they are published: `2h`."""
    return format_duration(timedelta(seconds=int(seconds)))


def _applied(
    correction: BudgetCorrection, known: Known, *, begun: bool, upcoming: Occurrence | None
) -> Claim:
    def claim(reason: Reason, message: str) -> Claim:
        applied = reason is Reason.CORRECTION_APPLIED
        text = message + _missing(known.missing)
        return Claim(ConditionType.APPLIED, "True" if applied else "False", reason, text)

    if not known.matched:
        message = "it selects no objective of its namespace: check spec.objectives"
        return claim(Reason.NO_OBJECTIVES, message)
    if known.effects:
        names = [name for name, _ in known.effects]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        message = f"it is in the numbers of {', '.join(names[:_NAMED])}{more}"
        if any(effect.approximate for _, effect in known.effects):
            message += (
                "; the source no longer has the slices of an hour that it cuts, so that a part of "
                "this is counted in proportion: begin and end it with the hour to know it exactly"
            )
        return claim(Reason.CORRECTION_APPLIED, message)
    if begun:
        message = "its objectives have not been measured with it yet"
        return claim(Reason.PROGRESSING, message)
    if upcoming is not None:
        return claim(Reason.CORRECTION_AHEAD, f"it begins at {upcoming.start:%Y-%m-%dT%H:%MZ}")
    message = "its time has left the windows of its objectives: it can be deleted"
    if correction.spec.recurrence is not None:
        message = "no time of it is in the windows of its objectives, nor in the next year"
    return claim(Reason.CORRECTION_PASSED, message)


def _missing(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"; ServiceLevelObjective {', '.join(names[:_NAMED])} does not exist in its namespace"


def _effect(name: str, effect: Effect) -> ObjectiveEffect:
    return ObjectiveEffect(
        name=name,
        total=whole(effect.counts.total),
        bad=whole(effect.counts.bad),
        time=length(effect.seconds),
        points=None if effect.points is None else f"{effect.points:f}",
        approximate=effect.approximate,
    )


def _occurrence(one: Range) -> Occurrence:
    return Occurrence(
        start=datetime.fromtimestamp(one.start, UTC), end=datetime.fromtimestamp(one.end, UTC)
    )
