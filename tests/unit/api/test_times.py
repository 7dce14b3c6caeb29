"""Instants as the API reads and writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sluice.api.base import Time

TIME = TypeAdapter(Time)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    "written",
    [
        "2026-08-20T10:04:05Z",
        "2026-08-20T10:04:05.999999Z",
        "2026-08-20T10:04:05.123456789Z",
        "2026-08-20T12:04:05+02:00",
        "2026-08-20T04:34:05-05:30",
        datetime(2026, 8, 20, 10, 4, 5, 999_999, tzinfo=UTC),
        datetime(2026, 8, 20, 12, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_an_instant_is_read_as_utc_with_whole_seconds(written: object) -> None:
    read = TIME.validate_python(written)
    assert read == datetime(2026, 8, 20, 10, 4, 5, tzinfo=UTC)
    assert read.utcoffset() == timedelta(0)
    assert TIME.dump_json(read) == b'"2026-08-20T10:04:05Z"'


@pytest.mark.parametrize(
    "written",
    ["2026-08-20T10:04:05", "2026-08-20", datetime(2026, 8, 20)],  # noqa: DTZ001 - naive on purpose
)
def test_a_time_without_a_zone_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValidationError, match="a time needs a zone: write it as 2026-08-20T10"):
        TIME.validate_python(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "tomorrow",
        "2026-13-01T00:00:00Z",
        "2026-08-20T25:00:00Z",
        # in UTC these lie outside of the years that there are
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_what_is_no_instant_is_a_validation_error(written: str) -> None:
    with pytest.raises(ValidationError):
        TIME.validate_python(written)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=zones))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_what_is_written_is_read_back(instant: datetime) -> None:
    read = TIME.validate_python(instant)
    assert TIME.validate_json(TIME.dump_json(read)) == read
    assert timedelta(0) <= instant - read < timedelta(seconds=1)


def test_python_values_stay_datetimes_until_they_become_json() -> None:
    instant = datetime(2026, 8, 20, 10, 4, 5, tzinfo=UTC)
    assert TIME.dump_python(instant) is instant
