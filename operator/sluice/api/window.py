"""`window` of a `ServiceLevelObjective`: the time that the objective is about."""

import re
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, field_validator, model_validator

from sluice.api.base import Spec, cel, require, rule

ROLLING_PATTERN = "^[1-9][0-9]{0,3}[hdw]$"
_LONGEST_WINDOW = 92 * 24
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}

ROLLING_RULE = rule(
    f"self.matches('{ROLLING_PATTERN}') && "
    "int(self.substring(0, size(self) - 1)) * (self.endsWith('h') ? 1 : "
    f"self.endsWith('d') ? 24 : 168) <= {_LONGEST_WINDOW}",
    "a rolling window is 1h to 92d long: write it as 30d, 4w or 6h",
)

# These count leap seconds, or are no zones: their hours do not begin on a whole minute.
_NO_ZONES = ("right/", "posix/", "posixrules", "Factory")


def _is_rolling(text: str) -> bool:
    return (
        re.fullmatch(ROLLING_PATTERN, text) is not None
        and int(text[:-1]) * _HOURS[text[-1]] <= _LONGEST_WINDOW
    )


def is_zone(name: str) -> bool:
    """Whether the IANA time zone database knows a zone called `name`."""
    if name.startswith(_NO_ZONES):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True


TIME_ZONE_PATTERN = r"^[A-Za-z][A-Za-z0-9_+/-]*$"


def check_zone(name: str) -> str:
    """`name`, if it is that of a time zone.

    Raises:
        ValueError: it is not.
    """
    if not is_zone(name):
        raise ValueError(f"{name!r} is no time zone: write an IANA name as Europe/Berlin")
    return name


class Period(StrEnum):
    """A part of the calendar. A week begins on Monday (ISO 8601)."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"
    QUARTER = "Quarter"
    YEAR = "Year"


class CalendarWindow(Spec):
    """A window that begins and ends with the calendar; each one begins with a full budget."""

    period: Period = Field(description="How long it is. A week begins on Monday.")
    time_zone: str = Field(
        default="UTC",
        pattern=TIME_ZONE_PATTERN,
        max_length=64,
        description=(
            "The IANA time zone whose midnights begin and end it, such as `Europe/Berlin`; where "
            "clocks are changed, a day has 23 or 25 hours."
        ),
    )

    _zone_exists = field_validator("time_zone")(check_zone)


ONE_WINDOW = rule(
    "has(self.rolling) != has(self.calendar)", "set exactly one of rolling and calendar"
)


class Window(Spec):
    """The time that the objective is about: exactly one kind."""

    model_config = ConfigDict(json_schema_extra=cel(ONE_WINDOW))
    rolling: str | None = Field(
        default=None,
        pattern=ROLLING_PATTERN,
        max_length=32,
        json_schema_extra=cel(ROLLING_RULE),
        description="A window that ends now: `30d`, `4w`, `6h`; from 1h to 92d.",
    )
    calendar: CalendarWindow | None = Field(
        default=None, description="A day, week, month, quarter or year of the calendar."
    )

    @field_validator("rolling", mode="before")
    @classmethod
    def _check_rolling(cls, value: Any) -> Any:
        if isinstance(value, str):
            require((ROLLING_RULE, _is_rolling(value)))
        return value

    @model_validator(mode="after")
    def _check_one_window(self) -> Self:
        require((ONE_WINDOW, (self.rolling is None) != (self.calendar is None)))
        return self
