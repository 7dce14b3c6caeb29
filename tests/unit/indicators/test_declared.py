from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sluice.api import window as api
from sluice.api.budgeting import EmptySlice, SliceLength
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Unit
from sluice.budget.slicing import Empty, Slicing
from sluice.budget.windows import DAY, CalendarWindow, Period, RollingWindow
from sluice.indicators.declared import (
    indicator_key,
    objective_of,
    slicing_of,
    window_name,
    window_of,
)

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp()
CALENDAR = {"calendar": {"period": "Day", "timeZone": "Europe/Berlin"}}


def spec(window: dict[str, object], **more: object) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99.9",
            "window": window,
            "indicator": {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}},
            **more,
        }
    )


def test_a_window_is_read_as_what_it_is() -> None:
    assert window_of(spec({"rolling": "4w"}).window) == RollingWindow(28 * DAY)
    berlin = ZoneInfo("Europe/Berlin")
    assert window_of(spec(CALENDAR).window) == CalendarWindow(Period.DAY, berlin)


def test_every_period_of_the_api_is_one_of_the_budget() -> None:
    assert {period.value for period in api.Period} == {period.value for period in Period}


def test_the_length_promised_is_that_of_the_period_that_it_is() -> None:
    assert objective_of(spec({"rolling": "30d"}), NOW).length == 30 * DAY
    assert objective_of(spec(CALENDAR), NOW).length == 23 * 3600
    assert objective_of(spec(CALENDAR), NOW + DAY).length == DAY


@pytest.mark.parametrize(
    ("window", "at", "name"),
    [
        ({"rolling": "4w"}, None, "4w"),
        ({"rolling": "4w"}, NOW, "4w"),
        (CALENDAR, NOW, "2026-03-29"),
        (CALENDAR, None, "day"),
    ],
)
def test_a_window_has_a_name_for_texts(
    window: dict[str, object], at: float | None, name: str
) -> None:
    assert window_name(spec(window).window, at) == name


SLICES = {"timeslices": {"length": "15m", "objective": "95", "empty": "Bad"}}


def test_slices_are_judged_as_declared() -> None:
    declared = spec({"rolling": "30d"}, budgeting=SLICES)
    assert slicing_of(declared) == Slicing(parts=3, allowance=0.05, empty=Empty.BAD)
    assert slicing_of(spec({"rolling": "30d"})) is None


def test_every_length_of_a_slice_makes_up_whole_hours() -> None:
    for length in SliceLength:
        slices = {"timeslices": {"length": length, "objective": "95"}}
        slicing = slicing_of(spec({"rolling": "30d"}, budgeting=slices))
        assert slicing is not None
        assert 12 % slicing.parts == 0


def test_every_way_to_take_an_empty_slice_is_one_of_the_budget() -> None:
    assert {empty.value for empty in EmptySlice} == {empty.value for empty in Empty}


@pytest.mark.parametrize(
    ("more", "enough", "unit"),
    [
        ({}, 5000, Unit.EVENTS),
        ({"minEvents": 7}, 7, Unit.EVENTS),
        ({"budgeting": SLICES}, 1, Unit.SLICES),
        ({"budgeting": SLICES, "minEvents": 7}, 7, Unit.SLICES),
    ],
)
def test_slices_need_not_be_many(more: dict[str, object], enough: int, unit: Unit) -> None:
    objective = objective_of(spec({"rolling": "30d"}, **more), NOW)
    assert (objective.enough_events, objective.unit) == (enough, unit)


def test_counts_start_over_if_the_window_changes_and_not_if_the_objective_does() -> None:
    key = indicator_key(spec(CALENDAR))
    assert indicator_key(spec(CALENDAR, minEvents=1)) == key
    assert indicator_key(spec({"rolling": "1d"})) != key
    assert indicator_key(spec(CALENDAR, budgeting=SLICES)) != key


def test_the_key_of_an_indicator_is_the_same_in_every_version() -> None:
    """Counts are stored under it: if this one changes, every budget starts over."""
    assert indicator_key(spec({"rolling": "30d"}, source={"name": "default"})) == (
        '{"indicator": {"ratio": {"bad": {"metric": "y"}, "total": {"metric": "x"}}}, '
        '"window": {"rolling": "30d"}}'
    )
