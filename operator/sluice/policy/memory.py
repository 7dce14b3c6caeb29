"""What a policy remembers from one evaluation to the next."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sluice.api.reasons import Reason


@dataclass(frozen=True, slots=True)
class Memory:
    """The last decision and the timers; it lives in the policy's status and nowhere else.

    `Memory()` is that of a policy that was never evaluated. Times are UTC with whole seconds,
    as the API stores them, so that a restart changes no decision.

    Attributes:
        stage: The stage in force.
        since: Since when.
        reason: The last decision's reason.
        objective: The objective that decided.
        remaining: What was left of its budget when that was last written down, in percent.
        recovered_at: When it would have recovered, written down with `remaining`.
        recovering_since: Since when the conditions for a milder stage have held.
        blind_since: Since when the budget that matters has been unknown.
        expires: When the freeze ends unless it is renewed.
    """

    stage: str | None = None
    since: datetime | None = None
    reason: Reason | None = None
    objective: str | None = None
    remaining: Decimal | None = None
    recovered_at: datetime | None = None
    recovering_since: datetime | None = None
    blind_since: datetime | None = None
    expires: datetime | None = None
