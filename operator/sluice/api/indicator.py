"""`indicator` of a `ServiceLevelObjective`: where good and bad events are counted."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from sluice.api.base import Duration, Spec, cel, require, rule

PromQL = Annotated[str, Field(min_length=1, max_length=4096)]
"""PromQL; its syntax is checked by the controller."""

ONE_COUNTER = rule("has(self.metric) != has(self.query)", "set exactly one of metric and query")
WINDOW_RULE = rule(
    "!has(self.query) || self.query.contains('$window')",
    "a query must contain $window, the time that it counts over",
)


class Counter(Spec):
    """Events that a Prometheus counter or a query counts: exactly one of them."""

    model_config = ConfigDict(json_schema_extra=cel(ONE_COUNTER, WINDOW_RULE))
    metric: PromQL | None = Field(
        default=None,
        description=(
            "A PromQL vector selector of a counter, such as "
            '`http_requests_total{job="checkout"}`. All series that it selects are added up.'
        ),
    )
    query: PromQL | None = Field(
        default=None,
        description=(
            "PromQL that gives the number of events over `$window` as one series: "
            '`sum(increase(http_requests_total{job="checkout"}[$window]))`. A metric is counted '
            "more exactly: `increase` extrapolates."
        ),
    )

    @model_validator(mode="after")
    def _check_counter(self) -> Self:
        require(
            (ONE_COUNTER, (self.metric is None) != (self.query is None)),
            (WINDOW_RULE, self.query is None or "$window" in self.query),
        )
        return self


GOOD_OR_BAD = rule("has(self.good) != has(self.bad)", "set exactly one of good and bad")
SAME_KIND = rule(
    "has(self.total.query) == (has(self.bad) && has(self.bad.query) || "
    "has(self.good) && has(self.good.query))",
    "total and the other must both be metrics or both be queries: they count differently",
)


class RatioIndicator(Spec):
    """Good or bad events as a share of all events."""

    model_config = ConfigDict(json_schema_extra=cel(GOOD_OR_BAD, SAME_KIND))
    total: Counter = Field(description="All events that count.")
    bad: Counter | None = Field(
        default=None, description="The events that broke the promise; or set `good`."
    )
    good: Counter | None = Field(
        default=None, description="The events that kept the promise; or set `bad`."
    )

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        others = (self.good, self.bad)
        queried = any(it is not None and it.query is not None for it in others)
        require(
            (GOOD_OR_BAD, (self.good is None) != (self.bad is None)),
            (SAME_KIND, (self.total.query is not None) == queried),
        )
        return self


class HistogramKind(StrEnum):
    """How Prometheus stores a histogram."""

    CLASSIC = "Classic"
    NATIVE = "Native"


class LatencyIndicator(Spec):
    """The share of requests slower than a threshold, from a Prometheus histogram."""

    metric: str = Field(
        pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$",
        max_length=512,
        description=(
            "The histogram's base name, without `_bucket`: `http_request_duration_seconds`. "
            "Buckets are read as seconds."
        ),
    )
    histogram: HistogramKind = Field(
        default=HistogramKind.CLASSIC,
        description=(
            "Classic: a series for each bucket, and `_count`; Native: one series of histograms, "
            "with exponential or custom buckets."
        ),
    )
    selector: str = Field(
        default="",
        max_length=4096,
        description='Label matchers without braces: `job="checkout",code!~"5.."`.',
    )
    threshold: Duration = Field(
        description="A request slower than this is bad. It must be one of the bucket boundaries."
    )


class Operator(StrEnum):
    """How a good value compares with the limit."""

    LESS_THAN = "LessThan"
    LESS_OR_EQUAL = "LessOrEqual"
    GREATER_THAN = "GreaterThan"
    GREATER_OR_EQUAL = "GreaterOrEqual"


Limit = Annotated[str, Field(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$", max_length=26)]
"""A decimal number as a string, because `0.1` as a float is not 0.1."""


class ThresholdIndicator(Spec):
    """A value that keeps to a limit, looked at every five minutes."""

    query: PromQL = Field(
        description=(
            "PromQL that gives the value as one series, such as "
            '`max(queue_depth{job="checkout"})`; `$window` stands for five minutes.'
        )
    )
    operator: Operator = Field(description="How a good value compares with `value`.")
    value: Limit = Field(description='The limit, a decimal number as a string: "1000".')


Sql = Annotated[str, Field(min_length=1, max_length=8192)]
"""One SELECT in the SQL of PostgreSQL; the rest of its syntax is checked by the database."""

RANGE_RULE = rule(
    "self.query.contains('$start') && self.query.contains('$end')",
    "a query must contain $start and $end, the time that it counts over: "
    "at > $start and at <= $end",
)


class SqlCounts(Spec):
    """Events that a query counts between two times."""

    model_config = ConfigDict(json_schema_extra=cel(RANGE_RULE))
    query: Sql = Field(
        description=(
            "SQL that gives one row with the columns `total` and `bad` (or `good`): the events "
            "after `$start` up to and including `$end`, which are of type timestamptz: "
            "`select count(*) as total, count(*) filter (where status >= 500) as bad "
            "from requests where at > $start and at <= $end`. It is asked for any time of the "
            "window, so an index on the time is needed."
        )
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        require((RANGE_RULE, "$start" in self.query and "$end" in self.query))
        return self


class SqlValue(Spec):
    """A value that keeps to a limit, looked at once in five minutes; its past cannot be read."""

    query: Sql = Field(
        description=(
            "SQL that gives one row with one column, a number. `$start` and `$end` may stand in "
            "it: the last five minutes."
        )
    )
    operator: Operator = Field(description="How a good value compares with `value`.")
    value: Limit = Field(description='The limit, a decimal number as a string: "100".')


COUNTS_OR_VALUE = rule("has(self.counts) != has(self.value)", "set exactly one of counts and value")


class SqlIndicator(Spec):
    """What a query to a PostgreSQL gives: exactly one of counts and value."""

    model_config = ConfigDict(json_schema_extra=cel(COUNTS_OR_VALUE))
    counts: SqlCounts | None = Field(
        default=None, description="Good or bad events over all events; the past is read, too."
    )
    value: SqlValue | None = Field(
        default=None,
        description="A value that keeps to a limit; only with `budgeting.timeslices`.",
    )

    @model_validator(mode="after")
    def _check_counts_or_value(self) -> Self:
        require((COUNTS_OR_VALUE, (self.counts is None) != (self.value is None)))
        return self


ONE_INDICATOR = rule(
    "[has(self.ratio), has(self.latency), has(self.threshold), has(self.sql)]"
    ".filter(it, it).size() == 1",
    "set exactly one of ratio, latency, threshold and sql",
)


class Indicator(Spec):
    """Where good and bad events are counted: exactly one kind."""

    model_config = ConfigDict(json_schema_extra=cel(ONE_INDICATOR))
    ratio: RatioIndicator | None = Field(
        default=None, description="Good or bad events over all events, from counters or queries."
    )
    latency: LatencyIndicator | None = Field(
        default=None, description="Requests slower than a threshold, from a histogram."
    )
    threshold: ThresholdIndicator | None = Field(
        default=None,
        description="A value that keeps to a limit; only with `budgeting.timeslices`.",
    )
    sql: SqlIndicator | None = Field(
        default=None,
        description="What a query gives; only with a source that is a PostgreSQL.",
    )

    @model_validator(mode="after")
    def _check_one_indicator(self) -> Self:
        kinds = (self.ratio, self.latency, self.threshold, self.sql)
        require((ONE_INDICATOR, sum(kind is not None for kind in kinds) == 1))
        return self
