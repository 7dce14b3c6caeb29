from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sluice.api import window as api
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.windows import DAY, CalendarWindow, Period, RollingWindow
from sluice.indicators.declared import indicator_key, objective_of, window_name, window_of

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


def test_counts_start_over_if_the_window_changes_and_not_if_the_objective_does() -> None:
    key = indicator_key(spec(CALENDAR))
    assert indicator_key(spec(CALENDAR, minEvents=1)) == key
    assert indicator_key(spec({"rolling": "1d"})) != key
