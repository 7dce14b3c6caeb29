"""A decision as the policy's status records it: what every gate reads, and nothing it decides."""

from dataclasses import dataclass
from datetime import datetime

from sluice.api.limit import LimitStatus
from sluice.api.override import Effect
from sluice.api.policy import DENIALS, Admission, DecisionStatus, ErrorBudgetPolicy
from sluice.api.reasons import Reason
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
        limit: Which deployments pass the stage, whatever the mode; None if it does not limit them.
        reason: Why, in one word.
        cause: Why, in words.
        objective: The objective that decided; None if none did.
        remaining: What was left of its budget, in percent, as it stands in the status.
        recovered_at: When that budget is positive again if nothing more fails.
        workloads: Names of the workloads that it is for; all that are governed if empty.
    """

    policy: str
    namespace: str
    stage: str
    admission: Admission
    recorded: Admission
    since: datetime
    expires: datetime | None
    limit: LimitStatus | None
    reason: str
    cause: Told
    objective: str | None
    remaining: str | None
    recovered_at: datetime | None
    workloads: tuple[str, ...] = ()

    @property
    def frozen_by_hand(self) -> datetime | None:
        """When somebody froze by hand; None for a decision by budget."""
        return self.since if self.reason == Reason.MANUAL_FREEZE else None

    @property
    def frozen(self) -> bool:
        """Whether changes were really denied when this was written."""
        return self.recorded is Admission.DENY

    def effective(self, now: datetime) -> Admission:
        """What a change meets at `now`: a denial that nobody renewed has ended."""
        return Admission.ALLOW if self.expired(now) else self.recorded

    def expired(self, now: datetime) -> bool:
        """Whether a denial has ended because nobody renewed it, or what has an end has ended."""
        if self.expires is None:
            return self.recorded in DENIALS
        return self.expires <= now


def recorded(policy: ErrorBudgetPolicy) -> Recorded | None:
    """The decision in force; None if none was ever taken, or the policy is being deleted."""
    decision = policy.status.decision
    if decision is None or policy.metadata.deletion_timestamp is not None:
        return None
    return _recorded(policy, decision)


def frozen_apart(policy: ErrorBudgetPolicy) -> tuple[Recorded, ...]:
    """The manual freezes of some of the policy's workloads, beside the decision for all."""
    if policy.metadata.deletion_timestamp is not None:
        return ()
    return tuple(
        _recorded(
            policy,
            DecisionStatus(
                admission=one.admission,
                since=one.since,
                expires=one.expires,
                reason=Reason.MANUAL_FREEZE,
                message=one.message,
            ),
            workloads=tuple(one.workloads),
        )
        for one in policy.status.overrides
        if one.effect == Effect.FREEZE and one.workloads and one.admission is not None
    )


def _recorded(
    policy: ErrorBudgetPolicy, decision: DecisionStatus, *, workloads: tuple[str, ...] = ()
) -> Recorded:
    status, meta = policy.status, policy.metadata
    stage = next((one for one in policy.spec.stages if one.name == status.stage), None)
    says = decision.admission if stage is None else stage.admission
    return Recorded(
        policy=meta.name,
        namespace=meta.namespace,
        stage=status.stage or "",
        admission=Admission.DENY if decision.reason == Reason.MANUAL_FREEZE else says,
        recorded=decision.admission,
        since=decision.since,
        expires=decision.expires,
        limit=decision.limit,
        reason=decision.reason,
        cause=Told(decision.message.removesuffix(".")),
        objective=decision.objective,
        remaining=decision.remaining,
        recovered_at=decision.recovered_at,
        workloads=workloads,
    )
