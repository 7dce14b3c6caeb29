"""`BudgetCorrection`: leaves out, or adds, events of a stated time, with a name and a reason.

A correction can lift a freeze: that somebody may create one *is* the permission (RBAC), and the
object is the audit record. So it cannot be changed afterwards, only deleted.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from sluice.api.base import (
    Atomic,
    Duration,
    Name,
    Percent,
    Spec,
    Status,
    Time,
    cel,
    require,
    rule,
)
from sluice.api.durations import parse_duration
from sluice.api.metadata import Condition, ObjectMeta, Observed, condition_list
from sluice.api.policy import ObjectiveReference
from sluice.api.recurrence_rule import parse_rule
from sluice.api.window import TIME_ZONE_PATTERN, check_zone

MOST_EFFECTS = 20
"""Objectives that a correction's status has numbers of at most."""

_LONGEST_ONCE = timedelta(days=366)
_LONGEST_OCCURRENCE = timedelta(days=31)
_SHORTEST_OCCURRENCE = timedelta(minutes=1)
_STARTS_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_STARTS_BEFORE = datetime(2100, 1, 1, tzinfo=UTC)
_MOST_EVENTS = 10**15


class Effect(StrEnum):
    """What a correction does to the counts."""

    EXCLUDE = "Exclude"
    ADD = "Add"


END_AFTER_START = rule("self.end > self.start", "end must be after start")
ONCE_RULE = rule(
    "self.end - self.start <= duration('8784h')", "a correction is about 366 days at most"
)
UNTIL_RULE = rule("!has(self.until) || self.until > self.start", "until must be after start")
START_RULE = rule(
    "self.start >= timestamp('2020-01-01T00:00:00Z') && "
    "self.start < timestamp('2100-01-01T00:00:00Z')",
    "a recurrence starts in the years 2020 to 2099",
)
BAD_RULE = rule("self.bad <= self.total", "bad events are some of all: bad is total at most")
ONE_TIME = rule("has(self.once) != has(self.recurrence)", "set exactly one of once and recurrence")
ADD_RULE = rule(
    "has(self.add) == (self.effect == 'Add')",
    "set add with effect Add, to what is added, and not with Exclude",
)
IMMUTABLE = rule("self == oldSelf", "a correction cannot be changed: delete it and create another")


class Once(Spec):
    """A stretch of time, in the past or to come."""

    model_config = ConfigDict(json_schema_extra=cel(END_AFTER_START, ONCE_RULE))
    start: Time = Field(description="Where it begins.")
    end: Time = Field(description="Where it ends; at most 366 days later.")

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        require(
            (END_AFTER_START, self.end > self.start),
            (ONCE_RULE, self.end - self.start <= _LONGEST_ONCE),
        )
        return self


def _check_rule(text: str) -> str:
    parse_rule(text)
    return text


def _check_length(text: str) -> str:
    if not _SHORTEST_OCCURRENCE <= parse_duration(text) <= _LONGEST_OCCURRENCE:
        raise ValueError(f"{text!r} is too short or too long: an occurrence lasts 1m to 31d")
    return text


class Recurrence(Spec):
    """Stretches of time that come again and again, by the clocks of a time zone."""

    model_config = ConfigDict(json_schema_extra=cel(START_RULE, UNTIL_RULE))
    rule: Annotated[
        str,
        Field(pattern=r"^(RRULE:)?[A-Z]+=[-+,A-Z0-9]+(;[A-Z]+=[-+,A-Z0-9]+)*$", max_length=256),
        AfterValidator(_check_rule),
    ] = Field(
        description=(
            "When, as in RFC 5545: `FREQ=WEEKLY;BYDAY=SU`. FREQ is DAILY, WEEKLY, MONTHLY or "
            "YEARLY; with INTERVAL, COUNT, BYMONTH, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, "
            "BYSETPOS and WKST. What it does not say, such as the time of day, `start` does."
        )
    )
    start: Time = Field(
        description=(
            "No occurrence is before this. In `timeZone` it gives the time of day, which stays "
            "the same where clocks are changed."
        )
    )
    duration: Annotated[Duration, AfterValidator(_check_length)] = Field(
        description="How long each occurrence lasts, in real time: `2h`; 1m to 31d."
    )
    time_zone: str = Field(
        default="UTC",
        pattern=TIME_ZONE_PATTERN,
        max_length=64,
        description="The IANA time zone of the rule, such as `Europe/Berlin`.",
    )
    until: Time | None = Field(default=None, description="No occurrence begins after this.")

    _zone_exists = field_validator("time_zone")(check_zone)

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        require(
            (START_RULE, _STARTS_FROM <= self.start < _STARTS_BEFORE),
            (UNTIL_RULE, self.until is None or self.until > self.start),
        )
        return self

    def occurrences(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Beginnings and ends, in UTC, of those that begin before `until` and end after `since`.

        A time of day that clocks skip is an hour later, and of one that comes twice the first
        counts, as RFC 5545 has it. Oldest first.
        """
        zone, length = ZoneInfo(self.time_zone), parse_duration(self.duration)
        until = until if self.until is None else min(until, self.until + timedelta(seconds=1))
        start = self.start.astimezone(zone).replace(tzinfo=None)
        # A day more at either end: the day of a time zone is another one.
        first, last = since - length - timedelta(days=1), until + timedelta(days=1)
        for local in parse_rule(self.rule).after(start, first.date(), last.date()):
            begin = local.replace(tzinfo=zone).astimezone(UTC)
            if begin < until and begin + length > since:
                yield begin, begin + length


class Addition(Spec):
    """Events (with time slices: slices) that are added in each stretch of time, spread evenly."""

    model_config = ConfigDict(json_schema_extra=cel(BAD_RULE))
    total: Annotated[int, Field(strict=True, ge=1, le=_MOST_EVENTS)] = Field(
        description="All of them, the bad ones too."
    )
    bad: Annotated[int, Field(strict=True, ge=0, le=_MOST_EVENTS)] = Field(
        default=0, description="Those of them that were bad."
    )

    @model_validator(mode="after")
    def _check_bad(self) -> Self:
        require((BAD_RULE, self.bad <= self.total))
        return self


class BudgetCorrectionSpec(Spec):
    """Which events of which objectives do not count, or count too, and why."""

    model_config = ConfigDict(json_schema_extra=cel(ONE_TIME, ADD_RULE, IMMUTABLE))
    objectives: ObjectiveReference = Field(description="The objectives that it is about.")
    effect: Effect = Field(
        description=(
            "Exclude: the time counts as nothing at all, neither good nor bad nor a gap. "
            "Add: the events of `add` count besides those that were measured."
        )
    )
    add: Addition | None = Field(default=None, description="What is added; with effect Add.")
    once: Once | None = Field(
        default=None, description="When. It is rounded outwards to slices of five minutes."
    )
    recurrence: Recurrence | None = Field(
        default=None, description="When, again and again; rounded outwards as well."
    )
    reason: Annotated[str, Field(min_length=3, max_length=1024)] = Field(
        description="Why, for the audit and the postmortem."
    )
    ticket: str = Field(default="", max_length=512, description="An incident or a change request.")
    created_by: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        description="The user who creates it; the cluster checks that it is the requester."
    )

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        require(
            (ONE_TIME, (self.once is None) != (self.recurrence is None)),
            (ADD_RULE, (self.add is not None) == (self.effect is Effect.ADD)),
        )
        return self

    def occurrences(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Beginnings and ends of the stretches that begin before `until` and end after `since`."""
        if self.recurrence is not None:
            yield from self.recurrence.occurrences(since, until)
        elif self.once is not None and self.once.start < until and self.once.end > since:
            yield self.once.start, self.once.end


class Occurrence(Atomic):
    """A stretch of time as it is counted: rounded outwards to slices of five minutes."""

    start: Time = Field(description="Where it begins.")
    end: Time = Field(description="Where it ends.")


class ObjectiveEffect(Status):
    """What the correction has changed of one objective, next to all other corrections."""

    name: Name = Field(description="The objective.")
    total: str = Field(description="Events (or slices) excluded or added, a whole number.")
    bad: str = Field(description="Bad ones among them.")
    time: str = Field(description="The time of the window that it is about: `2h`.")
    points: Percent | None = Field(
        default=None,
        description=(
            "By how many points of budget more is left than without this correction; negative "
            "if less. Absent where the budget is unknown with it or without it."
        ),
    )
    approximate: bool = Field(
        default=False,
        description=(
            "Whether a part of an hour is counted in proportion, because the source no longer "
            "has its slices."
        ),
    )


class BudgetCorrectionStatus(Observed):
    """What became of the correction; only Sluice writes it."""

    matched: int = Field(default=0, description="How many objectives it selects.")
    occurrences: int = Field(
        default=0, description="How many stretches of time lie in windows of those objectives."
    )
    last: Occurrence | None = Field(default=None, description="The latest that has begun.")
    next: Occurrence | None = Field(default=None, description="The first that has not begun.")
    objectives: list[ObjectiveEffect] = Field(
        default=[],
        max_length=MOST_EFFECTS,
        description="What it has changed, by name of the objective; the first 20.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    conditions: list[Condition] = condition_list(
        "Ready, Applied: whether it changes a budget now, and why (not)."
    )


class BudgetCorrection(Status):
    """Excludes or adds events of a stated time, in the budgets of some objectives."""

    api_version: str = ""
    kind: str = "BudgetCorrection"
    metadata: ObjectMeta
    spec: BudgetCorrectionSpec
    status: BudgetCorrectionStatus = BudgetCorrectionStatus()
