"""What an objective declares, as the pure core sees it."""

import json
from decimal import Decimal
from zoneinfo import ZoneInfo

from sluice.api import window as api
from sluice.api.durations import parse_duration
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Objective, Unit
from sluice.budget.counts import SLICE
from sluice.budget.slicing import Empty, Slicing
from sluice.budget.windows import CalendarWindow, Period, RollingWindow, Window


def indicator_key(spec: ServiceLevelObjectiveSpec) -> str:
    """What the counts depend on: if it changes, measuring starts over with a new `Meter`.

    Counts are stored under it: it must not change with the order of fields, nor with a field that a
    later version has and that an objective does not use.
    """
    parts = spec.model_dump(
        mode="json",
        include={"indicator", "source", "window", "budgeting"},
        exclude_none=True,
        exclude_defaults=True,
    )
    return json.dumps(parts, sort_keys=True)


def window_of(declared: api.Window) -> Window:
    """The window in seconds."""
    if declared.calendar is not None:
        period = Period(declared.calendar.period.value)
        return CalendarWindow(period, ZoneInfo(declared.calendar.time_zone))
    assert declared.rolling is not None
    return RollingWindow(int(parse_duration(declared.rolling).total_seconds()))


def window_name(declared: api.Window, at: float | None) -> str:
    """What texts call the window: `30d`; of the calendar `2026-Q4`, or `quarter` without a time.

    Args:
        declared: the window.
        at: Unix seconds in it; None if the time does not matter.
    """
    if declared.calendar is None:
        return declared.rolling or ""
    window = window_of(declared)
    if at is None or not isinstance(window, CalendarWindow):
        return declared.calendar.period.value.lower()
    return window.name(at)


def objective_of(spec: ServiceLevelObjectiveSpec, at: float) -> Objective:
    """What was promised, as the budget sees it; of the window that holds `at` (Unix seconds)."""
    return Objective(
        target=Decimal(spec.objective),
        agreement=None if spec.agreement is None else Decimal(spec.agreement),
        length=window_of(spec.window).whole(at),
        # A share of slices is always of as many as there are: none of them is a random sample.
        min_events=spec.min_events or (None if spec.budgeting is None else 1),
        unit=unit_of(spec),
    )


def unit_of(spec: ServiceLevelObjectiveSpec) -> Unit:
    """What the budget is counted in."""
    return Unit.EVENTS if spec.budgeting is None else Unit.SLICES


def slicing_of(spec: ServiceLevelObjectiveSpec) -> Slicing | None:
    """How slices are judged; None if events are counted."""
    if spec.budgeting is None:
        return None
    slices = spec.budgeting.timeslices
    return Slicing(
        parts=int(parse_duration(slices.length).total_seconds()) // SLICE,
        allowance=float(1 - Decimal(slices.objective) / 100),
        empty=Empty(slices.empty.value),
    )
