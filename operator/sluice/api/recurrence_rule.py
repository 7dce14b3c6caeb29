"""Recurrence rules (`FREQ=WEEKLY;BYDAY=SU`): read, and worked out for a stretch of days.

Source: RFC 5545, section 3.3.10, without the parts that no maintenance needs. They are worked out
period by period, from the first that may matter to the last, so that a rule which never comes true
(30 February) costs no more than any other.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import product
from typing import Any

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MOST_TIMES = 24
_MONTHS = 12
_DAYS_OF_WEEK = 7
_BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,4}")


class Frequency(StrEnum):
    """How long the period is in which the rule holds once."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week, Monday is 0; the `ordinal`-th of its month or year, 0 for every one."""

    day: int
    ordinal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as RFC 5545 has it; what is empty says nothing."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[Weekday] = frozenset()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    positions: frozenset[int] = frozenset()
    week_start: int = 0

    def after(self, start: datetime, since: date, until: date) -> Iterator[datetime]:
        """The times from `start` on, oldest first, of the days from `since` to `until`.

        Args:
            start: local time without a zone; it gives what the rule does not say.
            since: earlier days are not given.
            until: the last day.
        """
        # Those that count are known only if one counts from the first on.
        begin = start.date() if self.count is not None else max(start.date(), since)
        index = self._index(start.date(), begin)
        given = 0
        while (period := self._period(start.date(), index))[0] <= until:
            for found in self._times(start, period):
                if found < start:
                    continue
                given += 1
                if self.count is not None and given > self.count:
                    return
                if since <= found.date() <= until:
                    yield found
            index += 1

    def _index(self, start: date, day: date) -> int:
        """The number of the period that holds `day`, or of the last one before it."""
        match self.frequency:
            case Frequency.DAILY:
                passed = (day - start).days
            case Frequency.WEEKLY:
                passed = (day - self._monday(start)).days // _DAYS_OF_WEEK
            case Frequency.MONTHLY:
                passed = (day.year - start.year) * _MONTHS + day.month - start.month
            case Frequency.YEARLY:
                passed = day.year - start.year
        return passed // self.interval

    def _period(self, start: date, index: int) -> tuple[date, date]:
        """The first day of a period, and the first after it; `date.max` where time ends."""
        passed = index * self.interval
        try:
            match self.frequency:
                case Frequency.DAILY:
                    first = start + timedelta(days=passed)
                    return first, first + timedelta(days=1)
                case Frequency.WEEKLY:
                    first = self._monday(start) + timedelta(weeks=passed)
                    return first, first + timedelta(weeks=1)
                case Frequency.MONTHLY:
                    months = start.year * _MONTHS + start.month - 1 + passed
                    return _first_of_month(months), _first_of_month(months + 1)
                case Frequency.YEARLY:
                    year = start.year + passed
                    return date(year, 1, 1), date(year + 1, 1, 1)
        except (OverflowError, ValueError):
            return date.max, date.max

    def _monday(self, day: date) -> date:
        """The first day of the week of `day`, which need not be a Monday."""
        return day - timedelta(days=(day.weekday() - self.week_start) % _DAYS_OF_WEEK)

    def _times(self, start: datetime, period: tuple[date, date]) -> list[datetime]:
        """The times of a period, oldest first."""
        first, end = period
        days = (first + timedelta(days=number) for number in range((end - first).days))
        clock = [
            time(hour, minute, start.second)
            for hour, minute in product(
                self.hours or (start.hour,), self.minutes or (start.minute,)
            )
        ]
        times = [
            datetime.combine(day, at) for day in days if self._holds(day, start) for at in clock
        ]
        if not self.positions:
            return times
        last = len(times)
        return [
            found
            for number, found in enumerate(times, start=1)
            if number in self.positions or number - last - 1 in self.positions
        ]

    def _holds(self, day: date, start: datetime) -> bool:
        """Whether a day of a period is one of the rule's."""
        months, month_days, weekdays = self.months, self.month_days, self.weekdays
        if not month_days and not weekdays:
            match self.frequency:
                case Frequency.WEEKLY:
                    weekdays = frozenset({Weekday(start.weekday())})
                case Frequency.MONTHLY:
                    month_days = frozenset({start.day})
                case Frequency.YEARLY:
                    month_days = frozenset({start.day})
                    months = months or frozenset({start.month})
                case Frequency.DAILY:
                    pass
        return (
            (not months or day.month in months)
            and (not month_days or bool({day.day, _from_the_end(day)} & month_days))
            and (not weekdays or any(self._is(day, weekday) for weekday in weekdays))
        )

    def _is(self, day: date, weekday: Weekday) -> bool:
        if day.weekday() != weekday.day:
            return False
        if weekday.ordinal == 0:
            return True
        if self.frequency is Frequency.MONTHLY or self.months:
            before, after = day.day - 1, -_from_the_end(day) - 1
        else:
            before = day.timetuple().tm_yday - 1
            after = (date(day.year, 12, 31) - day).days
        if weekday.ordinal > 0:
            return before // _DAYS_OF_WEEK == weekday.ordinal - 1
        return after // _DAYS_OF_WEEK == -weekday.ordinal - 1


def parse_rule(text: str) -> Rule:
    """The rule that `text` is.

    Raises:
        ValueError: it is none, or has parts that are not supported.
    """
    parts: dict[str, str] = {}
    for part in text.removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ValueError(f"{part!r} is no part of a rule: write it as FREQ=WEEKLY;BYDAY=SU")
        if name in parts:
            raise ValueError(f"{name} is there twice: write it once")
        parts[name] = value
    unknown = parts.keys() - _READERS.keys()
    if unknown:
        known = ", ".join(_READERS)
        raise ValueError(f"{min(unknown)} is not supported: a rule may have {known}")
    if "FREQ" not in parts:
        raise ValueError("a rule needs FREQ: write it as FREQ=WEEKLY;BYDAY=SU")
    rule = Rule(**{_READERS[name][0]: _READERS[name][1](name, it) for name, it in parts.items()})
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    weekly = rule.frequency in {Frequency.DAILY, Frequency.WEEKLY}
    if weekly and any(weekday.ordinal for weekday in rule.weekdays):
        raise ValueError("BYDAY has numbers (2MO) only with FREQ=MONTHLY and FREQ=YEARLY")
    if rule.frequency is Frequency.WEEKLY and rule.month_days:
        raise ValueError("BYMONTHDAY does not go with FREQ=WEEKLY: write FREQ=MONTHLY")
    if len(rule.hours or (0,)) * len(rule.minutes or (0,)) > _MOST_TIMES:
        raise ValueError(f"BYHOUR and BYMINUTE make at most {_MOST_TIMES} times a day")


def _frequency(name: str, text: str) -> Frequency:
    try:
        return Frequency(text)
    except ValueError:
        raise ValueError(f"{name}={text} is not supported: write {', '.join(Frequency)}") from None


def _weekday(text: str) -> Weekday:
    found = _BYDAY.fullmatch(text)
    if found is None or (found[1] is not None and not 1 <= abs(int(found[1])) <= 53):  # noqa: PLR2004 - weeks
        raise ValueError(f"BYDAY={text} is no day of the week: write MO, or 2MO, or -1MO")
    return Weekday(_WEEKDAYS.index(found[2]), int(found[1] or 0))


def _number(name: str, text: str, lowest: int, highest: int, *, negative: bool) -> int:
    if _NUMBER.fullmatch(text) and lowest <= abs(int(text)) <= highest:
        number = int(text)
        if number >= 0 or negative:
            return number
    signs = ", or negative to count from the end" if negative else ""
    raise ValueError(f"{name}={text} is no number from {lowest} to {highest}{signs}")


def _one(lowest: int, highest: int) -> Callable[[str, str], int]:
    return lambda name, text: _number(name, text, lowest, highest, negative=False)


def _several(
    lowest: int, highest: int, *, negative: bool = False
) -> Callable[[str, str], frozenset[int]]:
    return lambda name, text: frozenset(
        _number(name, part, lowest, highest, negative=negative) for part in text.split(",")
    )


def _sorted(lowest: int, highest: int) -> Callable[[str, str], tuple[int, ...]]:
    several = _several(lowest, highest)
    return lambda name, text: tuple(sorted(several(name, text)))


_READERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "FREQ": ("frequency", _frequency),
    "INTERVAL": ("interval", _one(1, 366)),
    "COUNT": ("count", _one(1, 1000)),
    "BYMONTH": ("months", _several(1, 12)),
    "BYMONTHDAY": ("month_days", _several(1, 31, negative=True)),
    "BYDAY": ("weekdays", lambda _, text: frozenset(_weekday(day) for day in text.split(","))),
    "BYHOUR": ("hours", _sorted(0, 23)),
    "BYMINUTE": ("minutes", _sorted(0, 59)),
    "BYSETPOS": ("positions", _several(1, 366, negative=True)),
    "WKST": ("week_start", lambda _, text: _weekday(text).day),
}
"""The parts that are supported: the field of each, and what reads it."""


def _first_of_month(months: int) -> date:
    year, month = divmod(months, _MONTHS)
    return date(year, month + 1, 1)


def _from_the_end(day: date) -> int:
    """The day of the month counted from its end: -1 is the last."""
    following = _first_of_month(day.year * _MONTHS + day.month)
    return (day - following).days
