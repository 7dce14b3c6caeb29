"""`budgeting` of a `ServiceLevelObjective`: whether events or slices of time are counted."""

from enum import StrEnum

from pydantic import Field

from sluice.api.base import OBJECTIVE_RULE, ObjectivePercent, Spec, cel


class SliceLength(StrEnum):
    """How long a slice is: what is counted every five minutes makes up whole ones in an hour."""

    FIVE_MINUTES = "5m"
    TEN_MINUTES = "10m"
    QUARTER_HOUR = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"


class EmptySlice(StrEnum):
    """What a slice without events is, though its counters are there."""

    SKIP = "Skip"
    GOOD = "Good"
    BAD = "Bad"


class Timeslices(Spec):
    """A slice of time is good if enough of its events are; the budget is of bad slices."""

    length: SliceLength = Field(
        default=SliceLength.FIVE_MINUTES, description="How long a slice is."
    )
    objective: ObjectivePercent = Field(
        json_schema_extra=cel(OBJECTIVE_RULE),
        description='The share of good events that makes a slice good, in percent: "95".',
    )
    empty: EmptySlice = Field(
        default=EmptySlice.SKIP,
        description=(
            "What a slice without any event is; Skip does not count it. One without data is "
            "never counted."
        ),
    )


class Budgeting(Spec):
    """How the budget is counted."""

    timeslices: Timeslices = Field(
        description="Count slices of time: `objective` is the share of them that must be good."
    )
