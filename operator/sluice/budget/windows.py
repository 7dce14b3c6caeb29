"""The time that an objective is about, as bounds in Unix seconds.

A window is rolling or of the calendar. Both say where they begin, where the counts that they need
begin, and where the hours begin that the counts are kept by.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

HOUR = 3600
DAY = 24 * HOUR

RECENT = 7 * DAY
"""The seconds before now whose rate stands for the rest of a period of the calendar."""

_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Bounds:
    """From `start` (excluded) to `end` (included), Unix seconds."""

    start: int
    end: float

    @property
    def length(self) -> float:
        """Seconds between the two."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """A window that ends now and is `length` seconds long.

    Its start is floored to the hour, because behind the last three days counts are kept by the
    hour. So it is up to an hour longer than `length`; the start in use is published.
    """

    length: int

    def bounds(self, now: float) -> Bounds:
        """The window at `now`."""
        return Bounds(int((now - self.length) // HOUR) * HOUR, now)

    def whole(self, now: float) -> int:
        """Seconds of the whole window."""
        del now  # it is the same at all times
        return self.length

    def needs(self, now: float) -> int:
        """From when on counts are needed at `now`."""
        return self.bounds(now).start

    @property
    def kept(self) -> int:
        """Seconds of counts to be kept."""
        return self.length

    def anchor(self, now: float) -> int:
        """How many seconds after an epoch's whole hour the hours begin that counts are kept by."""
        del now  # a rolling window begins with an epoch's hour
        return 0

    def leaves(self, time: int) -> int:
        """When events up to `time`, a whole hour, have left the window."""
        return time + self.length


class Period(StrEnum):
    """A part of the calendar; a week begins on Monday."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"
    QUARTER = "Quarter"
    YEAR = "Year"


_SHIFTS = 3 * HOUR
"""By so much clocks may be set back within a period: an hour each year, and a zone may move."""

_LONGEST_DAYS = {
    Period.DAY: 1,
    Period.WEEK: 7,
    Period.MONTH: 31,
    Period.QUARTER: 92,
    Period.YEAR: 366,
}


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """A period of the calendar of a time zone: from one local midnight to another.

    Where clocks are changed its length is a real one: a week of 167, 168 or 169 hours. A midnight
    that clocks skip is the moment in which they do; of one that comes twice, the first counts.
    """

    period: Period
    zone: ZoneInfo

    def span(self, now: float) -> Bounds:
        """The whole period that holds `now`: its start is in it, its end is not."""
        first = self._first(self._local(now))
        return Bounds(self._midnight(first), self._midnight(self._next(first)))

    def bounds(self, now: float) -> Bounds:
        """The period that holds `now`, up to now."""
        return Bounds(self.span(now).start, now)

    def whole(self, now: float) -> int:
        """Seconds of the whole period that holds `now`."""
        return int(self.span(now).length)

    def needs(self, now: float) -> int:
        """From when on counts are needed at `now`: the rate of `RECENT` is looked back for."""
        start = self.span(now).start
        recent = start - int(-(-(start - (now - RECENT)) // HOUR)) * HOUR
        return min(start, recent)

    @property
    def kept(self) -> int:
        """Seconds of counts to be kept: those of the longest period, and of before it."""
        return _LONGEST_DAYS[self.period] * DAY + _SHIFTS + RECENT

    def anchor(self, now: float) -> int:
        """How many seconds after an epoch's whole hour the hours begin that counts are kept by.

        They begin with the period, so that none belongs to two: some zones are half an hour or
        three quarters of one away from UTC.
        """
        return self.span(now).start % HOUR

    def name(self, now: float) -> str:
        """What the period is called: 2026-10-25, 2026-W43 (ISO 8601), 2026-10, 2026-Q4, 2026."""
        first = self._first(self._local(now))
        match self.period:
            case Period.DAY:
                return first.isoformat()
            case Period.WEEK:
                return first.strftime("%G-W%V")
            case Period.MONTH:
                return first.strftime("%Y-%m")
            case Period.QUARTER:
                return f"{first.year}-Q{(first.month + 2) // 3}"
            case Period.YEAR:
                return str(first.year)

    def _local(self, now: float) -> date:
        return datetime.fromtimestamp(now, UTC).astimezone(self.zone).date()

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())

    def _first(self, day: date) -> date:
        match self.period:
            case Period.DAY:
                return day
            case Period.WEEK:
                return day - timedelta(days=day.weekday())
            case Period.MONTH:
                return day.replace(day=1)
            case Period.QUARTER:
                return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
            case Period.YEAR:
                return day.replace(month=1, day=1)

    def _next(self, first: date) -> date:
        """The first day of the period after the one that begins with `first`."""
        match self.period:
            case Period.DAY:
                return first + timedelta(days=1)
            case Period.WEEK:
                return first + timedelta(days=7)
            case Period.MONTH:
                return _months_later(first, 1)
            case Period.QUARTER:
                return _months_later(first, 3)
            case Period.YEAR:
                return _months_later(first, _MONTHS)


Window = RollingWindow | CalendarWindow


def _months_later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, _MONTHS)
    return first.replace(year=first.year + years, month=month + 1)
