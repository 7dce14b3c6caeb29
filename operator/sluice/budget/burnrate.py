"""How fast the budget is being spent: the burn rate over several times looked back on.

The burn rate over a time is the share of bad events in it over the share allowed; at 1 the budget
lasts exactly for the window. Source: Google SRE Workbook, "Alerting on SLOs".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice.budget.budget import Objective
from sluice.budget.counts import Counts
from sluice.budget.windows import DAY, HOUR

WINDOWS = (300, 1800, HOUR, 2 * HOUR, 6 * HOUR, DAY, 3 * DAY)
"""The seconds looked back on: those of the usual multi-window alerts."""


@dataclass(frozen=True, slots=True)
class BurnRate:
    """The burn rate over the last `window` seconds."""

    window: int
    value: float


def burn_rates(objective: Objective, last: Mapping[int, Counts]) -> tuple[BurnRate, ...]:
    """The burn rates now, shortest time first.

    A time without events has a burn rate of 0; one without data, or longer than the objective's
    window, has none.

    Args:
        objective: what was promised.
        last: the counts of the last seconds, for each of `WINDOWS`.
    """
    allowance = float(objective.allowance)
    return tuple(
        BurnRate(window, _ratio(last[window]) / allowance)
        for window in WINDOWS
        if window <= objective.length and last[window].covered > 0
    )


def _ratio(counts: Counts) -> float:
    return counts.bad / counts.total if counts.total > 0 else 0.0
