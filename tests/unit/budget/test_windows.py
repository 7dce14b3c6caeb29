from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.budget.counts import SLICE
from sluice.budget.windows import (
    DAY,
    HOUR,
    RECENT,
    CalendarWindow,
    Period,
    RollingWindow,
)

ZONES = sorted(available_timezones() - {"Factory", "localtime"})


def at(text: str) -> float:
    """Unix seconds of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (100 * HOUR, 76 * HOUR),
        (100 * HOUR + 1, 76 * HOUR),
        (101 * HOUR - 0.5, 76 * HOUR),
        (101 * HOUR, 77 * HOUR),
    ],
)
def test_a_rolling_window_begins_at_the_hour_before_its_length_ago(now: float, start: int) -> None:
    bounds = RollingWindow(DAY).bounds(now)
    assert (bounds.start, bounds.end) == (start, now)


def test_events_leave_the_window_when_its_start_passes_them() -> None:
    window = RollingWindow(DAY)
    leaves = window.leaves(76 * HOUR)
    assert window.bounds(leaves).start == 76 * HOUR
    assert window.bounds(leaves - 0.001).start < 76 * HOUR


@pytest.mark.parametrize(
    ("period", "zone", "now", "span", "name"),
    [
        ("Day", "UTC", "2026-08-20T10:04", ("2026-08-20", "2026-08-21"), "2026-08-20"),
        (
            *("Day", "Asia/Kolkata", "2026-08-20T20:00"),
            *(("2026-08-20T18:30", "2026-08-21T18:30"), "2026-08-21"),
        ),
        ("Week", "UTC", "2026-08-23T23:59:59", ("2026-08-17", "2026-08-24"), "2026-W34"),
        ("Week", "UTC", "2027-01-01T12:00", ("2026-12-28", "2027-01-04"), "2026-W53"),
        ("Month", "UTC", "2028-02-29T12:00", ("2028-02-01", "2028-03-01"), "2028-02"),
        ("Month", "UTC", "2026-12-31T12:00", ("2026-12-01", "2027-01-01"), "2026-12"),
        (
            *("Quarter", "Europe/Berlin", "2026-11-23T07:00"),
            *(("2026-09-30T22:00", "2026-12-31T23:00"), "2026-Q4"),
        ),
        (
            *("Quarter", "Asia/Kathmandu", "2026-03-31T18:15"),
            *(("2026-03-31T18:15", "2026-06-30T18:15"), "2026-Q2"),
        ),
        ("Year", "UTC", "2026-11-23", ("2026-01-01", "2027-01-01"), "2026"),
    ],
)
def test_a_period_begins_and_ends_at_midnight_of_its_zone(
    period: str, zone: str, now: str, span: tuple[str, str], name: str
) -> None:
    window = CalendarWindow(Period(period), ZoneInfo(zone))
    found = window.span(at(now))
    assert (found.start, found.end) == (at(span[0]), at(span[1]))
    assert window.bounds(at(now)).start == at(span[0])
    assert window.bounds(at(now)).end == at(now)
    assert window.name(at(now)) == name


@pytest.mark.parametrize(
    ("period", "zone", "now", "hours"),
    [
        ("Week", "Europe/Berlin", "2026-03-25", 167),
        ("Week", "Europe/Berlin", "2026-04-01", 168),
        ("Week", "Europe/Berlin", "2026-10-25", 169),
        ("Day", "America/New_York", "2026-03-08T12:00", 23),
        ("Day", "America/New_York", "2026-11-01T12:00", 25),
        ("Day", "Australia/Lord_Howe", "2026-04-04T20:00", 24.5),
        ("Quarter", "Europe/Berlin", "2026-02-01", 90 * 24 - 1),
        ("Quarter", "UTC", "2026-08-01", 92 * 24),
        ("Year", "UTC", "2028-08-01", 366 * 24),
    ],
)
def test_a_period_has_the_hours_that_it_really_has(
    period: str, zone: str, now: str, hours: float
) -> None:
    assert CalendarWindow(Period(period), ZoneInfo(zone)).whole(at(now)) == hours * HOUR


def test_a_midnight_that_clocks_skip_is_the_moment_in_which_they_do() -> None:
    """In Cairo clocks go from 24:00 on 23 April 2026 to 01:00 on the 24th: 22:00 in UTC."""
    day = CalendarWindow(Period.DAY, ZoneInfo("Africa/Cairo"))
    assert day.span(at("2026-04-24T12:00")).start == at("2026-04-23T22:00")
    assert day.whole(at("2026-04-24T12:00")) == 23 * HOUR


def test_of_a_midnight_that_comes_twice_the_first_counts() -> None:
    """In Havana clocks go from 01:00 on 1 November 2026 back to 00:00: midnight is at 04 and 05."""
    day = CalendarWindow(Period.DAY, ZoneInfo("America/Havana"))
    assert day.span(at("2026-11-01T04:30")) == day.span(at("2026-11-01T05:30"))
    assert day.span(at("2026-11-01T12:00")).start == at("2026-11-01T04:00")


@given(
    st.sampled_from(Period),
    st.sampled_from(ZONES),
    st.integers(int(at("2000-01-01")), int(at("2037-01-01"))),
)
def test_periods_follow_one_another_without_a_gap_and_split_no_slice(
    period: Period, zone: str, now: int
) -> None:
    window = CalendarWindow(period, ZoneInfo(zone))
    span = window.span(now)
    assert span.start <= now < span.end
    assert window.span(span.start) == window.span(span.end - 1) == span
    assert window.span(span.end).start == span.end
    assert span.length <= window.kept - RECENT
    assert span.start % SLICE == 0
    assert window.name(span.start) == window.name(span.end - 1) != window.name(span.end)


@given(st.sampled_from(Period), st.sampled_from(ZONES), st.floats(1.7e9, 1.9e9))
def test_counts_are_needed_from_an_hour_of_the_periods_own_on(
    period: Period, zone: str, now: float
) -> None:
    window = CalendarWindow(period, ZoneInfo(zone))
    needs = window.needs(now)
    assert needs <= min(window.bounds(now).start, now - RECENT)
    assert needs > min(window.bounds(now).start, now - RECENT) - HOUR
    assert (needs - window.bounds(now).start) % HOUR == 0
    assert needs % HOUR == window.anchor(now)
