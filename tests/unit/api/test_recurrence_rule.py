"""Recurrence rules, against dateutil, and what it costs to work one out that never comes true."""

import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice.api.correction import Recurrence
from sluice.api.recurrence_rule import parse_rule

START = datetime(2026, 1, 4, 2, 30)  # noqa: DTZ001 - a Sunday, by some clock
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def joined(values: list[int] | list[str]) -> str:
    return ",".join(str(value) for value in values)


def numbers(lowest: int, highest: int, *, negative: bool = False) -> st.SearchStrategy[list[int]]:
    one = st.integers(lowest, highest)
    if negative:
        one |= st.integers(-highest, -lowest)
    return st.lists(one, min_size=1, max_size=3, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]

    def add(name: str, values: st.SearchStrategy[list[int]] | st.SearchStrategy[list[str]]) -> None:
        if draw(st.integers(0, 3)) == 0:
            parts.append(f"{name}={joined(draw(values))}")

    add("INTERVAL", st.integers(1, 5).map(lambda it: [it]))
    add("COUNT", st.integers(1, 40).map(lambda it: [it]))
    add("BYMONTH", numbers(1, 12))
    if frequency != "WEEKLY":
        add("BYMONTHDAY", numbers(1, 31, negative=True))
    days = st.sampled_from(DAYS)
    # Of days with numbers and days without (-1MO,SU) dateutil gives those that are both.
    if frequency in {"MONTHLY", "YEARLY"} and draw(st.booleans()):
        ordinal = st.sampled_from(["1", "2", "-1", "+3", "5"])
        days = st.tuples(ordinal, days).map("".join)
    add("BYDAY", st.lists(days, min_size=1, max_size=3, unique=True))
    add("BYHOUR", numbers(0, 23))
    add("BYMINUTE", numbers(0, 59))
    if frequency != "WEEKLY":  # of the first week dateutil takes only the part from the start on
        add("BYSETPOS", numbers(1, 3, negative=True))
    add("WKST", days.map(lambda it: [it[-2:]]))
    return ";".join(parts)


@given(
    rules(),
    st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
    st.integers(0, 2000),
    st.integers(0, 400),
)
def test_a_rule_gives_the_times_that_dateutil_gives(
    rule: str, start: datetime, later: int, days: int
) -> None:
    start = start.replace(microsecond=0)
    since = start.date() + timedelta(days=later)
    until = since + timedelta(days=days)
    begin, end = (
        datetime.combine(since, datetime.min.time()),
        datetime.combine(until, START.max.time()),
    )
    ours = parse_rule(rule)
    # dateutil looks for a time that never comes up to the year 9999: that is not waited for.
    uncounted = replace(ours, count=None)
    assume(any(uncounted.after(start, until, until + timedelta(days=800))))
    expected = []
    for found in rrulestr(rule, dtstart=start):
        if found > end:
            break
        if found >= begin:
            expected.append(found)
    assert list(ours.after(start, since, until)) == expected


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;INTERVAL=2;BYMONTH=2",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO;COUNT=1",
    ],
)
def test_a_rule_that_never_comes_true_costs_no_more_than_another(rule: str) -> None:
    since = date(2099, 1, 1)
    began = time.process_time()
    assert list(parse_rule(rule).after(START, since, since + timedelta(days=400))) == []
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("FREQ=SECONDLY", "FREQ=SECONDLY is not supported: write DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("FREQ=MINUTELY", "FREQ=MINUTELY is not supported"),
        ("FREQ=HOURLY", "FREQ=HOURLY is not supported"),
        ("BYDAY=SU", "a rule needs FREQ: write it as FREQ=WEEKLY;BYDAY=SU"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is there twice: write it once"),
        ("FREQ=DAILY;BYSECOND=1", "BYSECOND is not supported: a rule may have FREQ, INTERVAL"),
        ("FREQ=DAILY;UNTIL=20270101", "UNTIL is not supported"),
        ("FREQ=YEARLY;BYWEEKNO=3", "BYWEEKNO is not supported"),
        ("FREQ=DAILY;", "'' is no part of a rule"),
        ("FREQ=DAILY;COUNT=", "'COUNT=' is no part of a rule"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0 is no number from 1 to 1000"),
        ("FREQ=DAILY;COUNT=1001", "COUNT=1001 is no number from 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1 is no number from 1 to 366"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY=XX is no day of the week: write MO, or 2MO, or -1MO"),
        ("FREQ=WEEKLY;BYDAY=2MO", "BYDAY has numbers (2MO) only with FREQ=MONTHLY and"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY=0MO is no day of the week"),
        ("FREQ=MONTHLY;BYDAY=54MO", "BYDAY=54MO is no day of the week"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "from 1 to 31, or negative to count from the end"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR=24 is no number from 0 to 23"),
        ("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "at most 24 times a day"),
    ],
)
def test_a_rule_that_is_not_supported_says_so(rule: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_rule(rule)


def recurrence(rule: str, start: str, duration: str = "2h", **more: str) -> Recurrence:
    body = {"rule": rule, "start": start, "duration": duration, **more}
    return Recurrence.model_validate(body, by_alias=True, by_name=False)


def begins(recurrence: Recurrence, since: str, until: str) -> list[str]:
    found = recurrence.occurrences(datetime.fromisoformat(since), datetime.fromisoformat(until))
    return [f"{start:%Y-%m-%dT%H:%M}" for start, _ in found]


def test_the_time_of_day_stays_the_same_where_clocks_are_changed() -> None:
    weekly = recurrence(
        "FREQ=WEEKLY;BYDAY=SU", "2026-01-04T05:00:00+01:00", timeZone="Europe/Berlin"
    )
    assert begins(weekly, "2026-03-20T00:00:00Z", "2026-04-06T00:00:00Z") == [
        "2026-03-22T04:00",
        "2026-03-29T03:00",
        "2026-04-05T03:00",
    ]


def test_a_time_that_clocks_skip_is_an_hour_later_and_of_two_the_first_counts() -> None:
    nightly = recurrence("FREQ=DAILY", "2026-01-01T01:30:00Z", timeZone="Europe/Berlin")
    assert begins(nightly, "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z") == [
        "2026-03-28T01:30",
        "2026-03-29T01:30",  # 03:30 there, as there is no 02:30
        "2026-03-30T00:30",
    ]
    assert begins(nightly, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z") == [
        "2026-10-25T00:30",
        "2026-10-26T01:30",
    ]


def test_an_occurrence_that_has_begun_before_and_lasts_is_among_them() -> None:
    daily = recurrence("FREQ=DAILY", "2026-01-01T22:00:00Z", "4h")
    (one,) = daily.occurrences(
        datetime(2026, 2, 2, 1, tzinfo=UTC), datetime(2026, 2, 2, 3, tzinfo=UTC)
    )
    assert one == (datetime(2026, 2, 1, 22, tzinfo=UTC), datetime(2026, 2, 2, 2, tzinfo=UTC))


def test_days_with_numbers_and_days_without_are_a_union() -> None:
    rule = parse_rule("FREQ=MONTHLY;BYDAY=-1MO,SU")
    january = rule.after(START, date(2026, 1, 1), date(2026, 1, 31))
    assert [found.day for found in january] == [4, 11, 18, 25, 26]


def test_until_is_the_last_that_may_begin() -> None:
    daily = recurrence("FREQ=DAILY", "2026-01-01T22:00:00Z", until="2026-01-03T22:00:00Z")
    assert begins(daily, "2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z") == [
        "2026-01-01T22:00",
        "2026-01-02T22:00",
        "2026-01-03T22:00",
    ]


def test_a_count_is_counted_from_the_first_on() -> None:
    daily = recurrence("FREQ=DAILY;COUNT=3", "2026-01-01T22:00:00Z")
    assert (
        begins(daily, "2026-01-03T00:00:00Z", "2027-01-01T00:00:00Z")
        == [
            "2026-01-02T22:00",
            "2026-01-03T22:00",
        ][1:]
    )


@pytest.mark.parametrize("duration", ["30s", "32d", "0s"])
def test_an_occurrence_that_is_too_short_or_too_long_is_refused(duration: str) -> None:
    with pytest.raises(ValidationError, match="an occurrence lasts 1m to 31d"):
        recurrence("FREQ=DAILY", "2026-01-01T22:00:00Z", duration)


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="is no time zone"):
        recurrence("FREQ=DAILY", "2026-01-01T22:00:00Z", timeZone="Europe/Bonn")
