"""The scenarios of the accuracy benchmark with windows of the calendar."""

from datetime import datetime
from zoneinfo import ZoneInfo

from benchmarks.services import DAY, HOUR, Calendar, Case, Scraping
from tests.integration.prometheus.synthetic import Events, Process

_ZONE = "Europe/Berlin"
_RATE = 10.0


def calendar_cases(by: Scraping) -> list[Case]:
    """All of them, in October 2025, at the phases that `by` throws."""
    return [_change_of_clocks(by), _start_of_a_quarter(by)]


def _change_of_clocks(by: Scraping) -> Case:
    """The day of 25 hours, with errors in its last one, and many in the hour before it begins."""
    day = Calendar("Day", _ZONE, _midnight(2025, 10, 26), _midnight(2025, 10, 27))
    at = day.end - 633
    before, last = day.start - HOUR, day.end - HOUR
    bad = Events(day.start - 9 * DAY).until(before, 0.002).until(day.start - 120, 2)
    bad.until(last, 0.002).until(last + 900, 0.3).until(at, 0.002)
    return _case(by, "25-hour day at the change of clocks, errors in its last hour", bad, day, at)


def _start_of_a_quarter(by: Scraping) -> Case:
    """An hour into it: what failed in September counts no more, and the quarter is before it."""
    quarter = Calendar("Quarter", _ZONE, _midnight(2025, 10, 1), _midnight(2026, 1, 1))
    at = quarter.start + HOUR + 333
    bad = Events(quarter.start - 9 * DAY).until(quarter.start - 120, 1)
    bad.until(quarter.start + 600, 0).until(at - 600, 2).until(at, 0)
    return _case(by, "first hour of a quarter, after many errors in the last one", bad, quarter, at)


def _case(by: Scraping, name: str, bad: Events, calendar: Calendar, at: float) -> Case:
    start = calendar.start - 9 * DAY
    process = Process(start, at, Events(start).until(at, _RATE), bad)
    target = by.target(calendar.period, process, seen=(start, at))
    # Of the time to come Sluice expects what came in the last seven days, errors included.
    total, _ = process.counted(at - 7 * DAY, at)
    return Case(name, [target], rate=total / (7 * DAY), calendar=calendar, at=at)


def _midnight(year: int, month: int, day: int) -> float:
    return datetime(year, month, day, tzinfo=ZoneInfo(_ZONE)).timestamp()
