"""Multi-window burn-rate alerts: whether a budget is being spent so fast that somebody must act.

A tier fires if the budget burns faster than its factor over a long and over a short time: the long
one makes sure that it matters, the short one that it still goes on. The factor is the burn rate at
which a share of the budget is spent within the long time:

    factor = share * (length of the window) / (long time)

For 30 days these are 14.4, 6, 3 and 1. Source: Google SRE Workbook, "Alerting on SLOs"; the third
tier is Sloth's. The least number of bad events is ours: with little traffic one is no trend.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sluice.budget.budget import Objective, Unit
from sluice.budget.counts import Counts
from sluice.budget.windows import DAY, HOUR

_FEWEST_BAD = {Unit.EVENTS: 5, Unit.SLICES: 2}


class Severity(StrEnum):
    """Who must act: somebody now, or somebody within days."""

    PAGE = "Page"
    TICKET = "Ticket"


class AlertState(StrEnum):
    """What a tier says."""

    FIRING = "Firing"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"
    UNREACHABLE = "Unreachable"
    NOT_APPLICABLE = "NotApplicable"


@dataclass(frozen=True, slots=True)
class Tier:
    """One alert: `share` of the budget within `long` seconds, and `short` ones to see it go on."""

    severity: Severity
    long: int
    short: int
    share: float


TIERS = (
    Tier(Severity.PAGE, HOUR, 300, 0.02),
    Tier(Severity.PAGE, 6 * HOUR, 1800, 0.05),
    Tier(Severity.TICKET, DAY, 2 * HOUR, 0.1),
    Tier(Severity.TICKET, 3 * DAY, 6 * HOUR, 0.1),
)


@dataclass(frozen=True, slots=True)
class Alert:
    """A tier as it stands.

    Attributes:
        tier: which.
        factor: the burn rate above which it fires, of this objective's window.
        state: what it says.
        message: why it can never fire, if so.
    """

    tier: Tier
    factor: float
    state: AlertState
    message: str = ""


def alerts(objective: Objective, last: Mapping[int, Counts]) -> tuple[Alert, ...]:
    """The tiers now, the most urgent first.

    Args:
        objective: what was promised.
        last: the counts of the last seconds, for each of the tiers' times.
    """
    return tuple(_alert(tier, objective, last) for tier in TIERS)


def _alert(tier: Tier, objective: Objective, last: Mapping[int, Counts]) -> Alert:
    factor, allowance = tier.share * objective.length / tier.long, float(objective.allowance)
    if factor < 1:
        text = f"at a burn rate of {factor:.2f} the budget outlasts its window: no reason to alert"
        return Alert(tier, factor, AlertState.NOT_APPLICABLE, text)
    if factor * allowance >= 1:
        text = f"if everything failed the burn rate would be {1 / allowance:.2f}, no more"
        return Alert(tier, factor, AlertState.UNREACHABLE, text)
    long, short = last[tier.long], last[tier.short]
    if long.covered <= 0 or short.covered <= 0:
        return Alert(tier, factor, AlertState.UNKNOWN)
    fires = long.bad >= _FEWEST_BAD[objective.unit] and all(
        counts.bad > factor * allowance * counts.total for counts in (long, short)
    )
    return Alert(tier, factor, AlertState.FIRING if fires else AlertState.INACTIVE)
