import pytest
from pydantic import ValidationError

from sluice.api.window import Window


def window(**fields: object) -> Window:
    return Window.model_validate(fields)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"]
)
def test_zones_of_the_iana_database_are_taken(zone: str) -> None:
    declared = window(calendar={"period": "Quarter", "timeZone": zone})
    assert declared.calendar is not None
    assert declared.calendar.time_zone == zone


def test_a_calendar_window_without_a_zone_is_in_utc() -> None:
    declared = window(calendar={"period": "Month"})
    assert declared.calendar is not None
    assert declared.calendar.time_zone == "UTC"


@pytest.mark.parametrize(
    "zone",
    [
        *("Europe/Berlln", "Europe", "CEST", "right/UTC", "posixrules", "Factory"),
        *("../etc/passwd", "/etc/localtime", "Europe/../../UTC", "", " UTC", "+02:00", "A" * 65),
    ],
)
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match=r"calendar\.timeZone"):
        window(calendar={"period": "Month", "timeZone": zone})


def test_who_misspells_a_zone_reads_what_to_write() -> None:
    with pytest.raises(ValidationError, match="'Europe/Berlln' is no time zone: write an IANA"):
        window(calendar={"period": "Month", "timeZone": "Europe/Berlln"})


@pytest.mark.parametrize("fields", [{}, {"rolling": "30d", "calendar": {"period": "Month"}}])
def test_a_window_is_of_one_kind(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="set exactly one of rolling and calendar"):
        window(**fields)
