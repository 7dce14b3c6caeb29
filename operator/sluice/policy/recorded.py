"""A decision as the policy's status records it: what every gate reads, and nothing it decides."""

from dataclasses import dataclass
from datetime import datetime

from sluice.api.policy import Admission, ErrorBudgetPolicy
from sluice.policy.explanation import UNCUT, shorten

_BRIEF = 80
"""Characters that are left of a cause where there is little room."""


@dataclass(frozen=True, slots=True)
class Told:
    """A cause that was put into words already; names in it cannot be cut one by one any more."""

    text: str

    def sentence(self, *, width: int = UNCUT, brief: bool = False) -> str:
        """The cause without a full stop, cut as a whole where names would have to be short."""
        if brief:
            return shorten(self.text, _BRIEF)
        return self.text if width == UNCUT else shorten(self.text, 5 * width)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a status says of its policy's decision.

    Attributes:
        policy: The policy's name.
        namespace: Its namespace.
        stage: The stage in force.
        admission: What that stage says, whatever the mode; what holds if the spec has it no more.
        recorded: What a change met when this was written.
        since: Since when the stage is in force.
        expires: When a denial ends unless it is renewed; None for the rest.
        reason: Why, in one word.
        cause: Why, in words.
        objective: The objective that decided; None if none did.
        remaining: What was left of its budget, in percent, as it stands in the status.
        recovered_at: When that budget is positive again if nothing more fails.
    """

    policy: str
    namespace: str
    stage: str
    admission: Admission
    recorded: Admission
    since: datetime
    expires: datetime | None
    reason: str
    cause: Told
    objective: str | None
    remaining: str | None
    recovered_at: datetime | None

    @property
    def frozen(self) -> bool:
        """Whether changes were really denied when this was written."""
        return self.recorded is Admission.DENY

    def effective(self, now: datetime) -> Admission:
        """What a change meets at `now`: a denial that nobody renewed has ended."""
        return Admission.ALLOW if self.expired(now) else self.recorded

    def expired(self, now: datetime) -> bool:
        """Whether a denial has ended because nobody renewed it."""
        return self.frozen and (self.expires is None or self.expires <= now)


def recorded(policy: ErrorBudgetPolicy) -> Recorded | None:
    """The decision in force; None if none was ever taken, or the policy is being deleted."""
    status, meta = policy.status, policy.metadata
    decision = status.decision
    if decision is None or meta.deletion_timestamp is not None:
        return None
    stage = next((one for one in policy.spec.stages if one.name == status.stage), None)
    return Recorded(
        policy=meta.name,
        namespace=meta.namespace,
        stage=status.stage or "",
        admission=decision.admission if stage is None else stage.admission,
        recorded=decision.admission,
        since=decision.since,
        expires=decision.expires,
        reason=decision.reason,
        cause=Told(decision.message.removesuffix(".")),
        objective=decision.objective,
        remaining=decision.remaining,
        recovered_at=decision.recovered_at,
    )
