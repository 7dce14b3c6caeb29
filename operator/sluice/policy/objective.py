"""What the policy engine needs to know of an objective, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sluice.api.reasons import Reason
from sluice.api.slo import Level


@dataclass(frozen=True, slots=True)
class ObjectiveState:
    """One objective as it stands now.

    Attributes:
        name: The ServiceLevelObjective's name.
        known: Whether its budget is known.
        level: Its level; `Level.UNKNOWN` if there is none.
        remaining: What is left of the budget, in percent; negative if overspent.
        burn_rates: Burn rate by window ("1h"); a window that could not be measured is absent.
        window: The objective's window for texts ("30d").
        recovered_at: When the budget is positive again if nothing more fails.
        reason: Why it is known or unknown.
        message: The same in words.
        corrections: How many corrections are in the numbers.
    """

    name: str
    known: bool
    level: Level
    remaining: Decimal | None
    burn_rates: Mapping[str, Decimal]
    window: str
    recovered_at: datetime | None
    reason: Reason
    message: str
    corrections: int = 0

    @property
    def budget(self) -> Decimal | None:
        """`remaining` in percent if it may be decided upon: known and a finite number."""
        if not self.known or self.remaining is None or not self.remaining.is_finite():
            return None
        return self.remaining
