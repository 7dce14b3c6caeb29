"""`ServiceLevelObjective`: what is measured, against what, and what came of it."""

from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from sluice.api.base import (
    OBJECTIVE_RULE,
    Atomic,
    Name,
    ObjectivePercent,
    Percent,
    Spec,
    Status,
    Time,
    cel,
    require,
    rule,
)
from sluice.api.budgeting import Budgeting
from sluice.api.indicator import Indicator
from sluice.api.metadata import Condition, Observed, ShortlyNamed, condition_list
from sluice.api.window import Window

MOST_NAMED = 20
"""Corrections that an objective's status names at most."""


class Level(StrEnum):
    """How an objective stands, in one word for people and pagers."""

    OK = "Ok"
    WARNING = "Warning"
    CRITICAL = "Critical"
    PAGE = "Page"
    UNKNOWN = "Unknown"


class SourceReference(Spec):
    """Where the events are read."""

    name: Name = Field(
        default="default",
        description=(
            "The name of a MetricSource. Unless there is one called `default`, that is the "
            "controller's `--prometheus-url`."
        ),
    )


AGREEMENT_RULE = rule(
    "!has(self.agreement) || double(self.agreement) < double(self.objective)",
    "the agreement (SLA) must be below the objective (SLO)",
)


THRESHOLD_RULE = rule(
    "!has(self.indicator.threshold) || has(self.budgeting)",
    "a threshold has no events to count: set budgeting.timeslices",
)
VALUE_RULE = rule(
    "!has(self.indicator.sql) || !has(self.indicator.sql.value) || has(self.budgeting)",
    "a value has no events to count: set budgeting.timeslices",
)


class ServiceLevelObjectiveSpec(Spec):
    """A promise about a service, and how to measure whether it is kept."""

    model_config = ConfigDict(json_schema_extra=cel(AGREEMENT_RULE, THRESHOLD_RULE, VALUE_RULE))
    service: str = Field(
        default="",
        max_length=253,
        description="The service that the promise is about; the object's name if left out.",
    )
    description: str = Field(
        default="", max_length=1024, description="The promise in a sentence, for people."
    )
    owner: str = Field(default="", max_length=253, description="The team that answers for it.")
    objective: ObjectivePercent = Field(
        json_schema_extra=cel(OBJECTIVE_RULE),
        description='The share of good events promised, in percent, as a string: "99.9".',
    )
    agreement: ObjectivePercent | None = Field(
        default=None,
        json_schema_extra=cel(OBJECTIVE_RULE),
        description="The share agreed with customers (SLA), in percent; below the objective.",
    )
    window: Window = Field(description="The time that the objective is about.")
    budgeting: Budgeting | None = Field(
        default=None,
        description="How the budget is counted. If left out: by events, whenever they happen.",
    )
    indicator: Indicator = Field(description="Where good and bad events are counted.")
    source: SourceReference = Field(
        default=SourceReference(), description="Where the events are read."
    )
    min_events: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=10**15,
        description=(
            "The budget is unknown below this many events in the window. "
            "Default: enough for five allowed bad events, 5 / (1 - objective). With time slices "
            "it counts those, and the default is 1."
        ),
    )

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        below = self.agreement is None or Decimal(self.agreement) < Decimal(self.objective)
        sliced, sql = self.budgeting is not None, self.indicator.sql
        require(
            (AGREEMENT_RULE, below),
            (THRESHOLD_RULE, self.indicator.threshold is None or sliced),
            (VALUE_RULE, sql is None or sql.value is None or sliced),
        )
        return self


class WindowStatus(Atomic):
    """The window that the numbers are about."""

    name: str = Field(
        default="", description="How texts call it: `30d`, `2026-10-25`, `2026-W43`, `2026-Q4`."
    )
    start: Time = Field(
        description="Where it begins; a rolling window's start is floored to the hour."
    )
    end: Time = Field(description="Where it ends: when the budget was last measured.")
    covered: Percent = Field(description="The share of the window with data, in percent.")


class EventCounts(Status):
    """Events (or time slices) in the window, whole numbers as strings."""

    total: str = Field(description="All events; with time slices, those that count.")
    bad: str = Field(description="Events or slices that broke the promise.")
    allowed: str = Field(description="How many may break it in the whole window.")


class TimeBudget(Status):
    """The budget as time: how long a total outage at average traffic may last."""

    total: str = Field(description="In the whole window.")
    remaining: str = Field(description="What is left of it; negative if overspent.")
    per_day: str = Field(description="A day's share of it.")


class ErrorBudgetStatus(Atomic):
    """What was spent and what is left, in percent of the whole window's budget."""

    consumed: Percent = Field(description="Percent of the whole window's budget spent.")
    remaining: Percent = Field(description="100 - consumed; negative if overspent.")
    to_date: Percent = Field(description="What remains against the events so far.")
    events: EventCounts = Field(description="The counts that the percentages come from.")
    time: TimeBudget = Field(description="The same as time.")


class BurnRate(Status):
    """How fast the budget is being spent; at 1 it lasts exactly for the window."""

    window: str = Field(description="The time looked back on.")
    value: str = Field(description="The burn rate, two decimals.")


class AlertState(StrEnum):
    """What a burn-rate alert says."""

    FIRING = "Firing"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"
    UNREACHABLE = "Unreachable"
    NOT_APPLICABLE = "NotApplicable"


class Severity(StrEnum):
    """Who must act on an alert: somebody now, or somebody within days."""

    PAGE = "Page"
    TICKET = "Ticket"


class Alert(Status):
    """A burn-rate alert: it fires if the budget burns too fast over a long and a short time."""

    severity: Severity = Field(description="Page: now; Ticket: within days.")
    long: str = Field(description="The time over which it matters: `1h`.")
    short: str = Field(description="The time that shows whether it still goes on: `5m`.")
    factor: str = Field(description="The burn rate above which it fires, two decimals.")
    state: AlertState = Field(
        description=(
            "Unknown: without data; Unreachable: not even a total outage burns so fast; "
            "NotApplicable: so slow a rate is none to alert at in so short a window."
        )
    )
    message: str = Field(default="", description="Why it can never fire, if so.")


class Forecast(Atomic):
    """What becomes of the budget if things go on."""

    exhausted_at: Time | None = Field(
        default=None, description="When it runs out at the rate of the last hour."
    )
    recovered_at: Time | None = Field(
        default=None,
        description="When it is positive again if nothing more fails.",
    )


class ExcludedEvents(Status):
    """What does not count because of corrections; whole numbers as strings."""

    total: str = Field(description="Events (or slices) that were measured in that time.")
    bad: str = Field(description="Bad ones among them.")
    time: str = Field(description="How much of the window it is: `2h`.")


class AddedEvents(Status):
    """What counts because of corrections; whole numbers as strings."""

    total: str = Field(description="Events (or slices) that were not measured.")
    bad: str = Field(description="Bad ones among them.")


class CorrectionsStatus(Atomic):
    """The BudgetCorrections that all numbers here contain."""

    applied: int = Field(description="How many have a part in the window.")
    names: list[Name] = Field(
        default=[], max_length=MOST_NAMED, description="Their names; the first 20."
    )
    excluded: ExcludedEvents | None = Field(default=None, description="What they take away.")
    added: AddedEvents | None = Field(default=None, description="What they add.")
    remaining_without: Percent | None = Field(
        default=None,
        description="What would remain of the budget without any correction, if that is known.",
    )
    approximate: bool = Field(
        default=False,
        description=(
            "Whether a part of an hour is counted in proportion, because the source no longer "
            "has its slices."
        ),
    )


class ServiceLevelObjectiveStatus(Observed):
    """What was measured; only Sluice writes it."""

    level: Level = Field(
        default=Level.UNKNOWN,
        description=(
            "Ok; Warning: less than 50 % of the budget is left; Critical: less than 20 %; "
            "Page: less than 20 % of the agreement's (SLA) budget; "
            "Unknown: see condition BudgetKnown."
        ),
    )
    sli: Percent | None = Field(
        default=None, description="The share of good events (or slices) in the window, in percent."
    )
    window: WindowStatus | None = Field(default=None, description="What the numbers are about.")
    scrape_interval: str | None = Field(
        default=None,
        description=(
            "About how much time lies between two samples of the counters: so late bad events may "
            "show. Looked up once a day; not of queries."
        ),
    )
    error_budget: ErrorBudgetStatus | None = Field(
        default=None, description="What was spent and what is left."
    )
    burn_rates: list[BurnRate] = Field(
        default=[],
        max_length=16,
        description="How fast the budget is being spent.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    alerts: list[Alert] = Field(
        default=[],
        max_length=16,
        description="Burn-rate alerts, the most urgent first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    forecast: Forecast | None = Field(
        default=None, description="What becomes of it if things go on."
    )
    corrections: CorrectionsStatus | None = Field(
        default=None,
        description="The BudgetCorrections in these numbers; absent if none applies.",
    )
    conditions: list[Condition] = condition_list(
        "Ready, BudgetKnown, BudgetAvailable; Reconciling and Stalled while true.", most=16
    )


class ServiceLevelObjective(Status):
    """A promise about a service, its error budget, and what is left of it."""

    api_version: str = ""
    kind: str = "ServiceLevelObjective"
    metadata: ShortlyNamed
    spec: ServiceLevelObjectiveSpec
    status: ServiceLevelObjectiveStatus = ServiceLevelObjectiveStatus()
