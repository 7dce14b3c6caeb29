"""How workloads stand with the limit of a stage, and what a policy's status says of it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.api.limit import MOST_WAITING, ApprovedWorkload, LimitStatus, WaitingWorkload
from sluice.api.override import GateOverride
from sluice.api.policy import DENIALS, ErrorBudgetPolicy
from sluice.controller.policy_plan import Live
from sluice.enforcement.deploys import deployed
from sluice.enforcement.freeze import Approved, Limit, Waiting
from sluice.policy.decision import Decision
from sluice.policy.limit import UNAPPROVED, Pace, last_deploy, pace, too_early
from sluice.policy.message import LEAVES
from sluice.policy.override import Active, approves, means
from sluice.policy.selection import WorkloadName


@dataclass(frozen=True, slots=True)
class Turn:
    """How a governed workload stands with a limit.

    Attributes:
        workload: which it is.
        waits: its pace, if it may not be deployed yet.
        approved_until: when the last of the approvals ends that are not used up; None if none is.
    """

    workload: WorkloadName
    waits: Pace | None
    approved_until: datetime | None

    @property
    def key(self) -> str:
        """What tells it from all others of its namespace."""
        return f"{self.workload.kind}/{self.workload.name}"


def turns(
    policy: ErrorBudgetPolicy,
    decision: Decision,
    *,
    governed: Iterable[WorkloadName],
    live: Live,
    overrides: Sequence[tuple[GateOverride, Active]],
    now: datetime,
) -> list[Turn]:
    """The governed workloads that wait or are approved, the first to be due first.

    None without a limit.
    """
    if decision.limit is None:
        return []
    wanted, revisions = set(governed), deployed(live.retained)
    found = []
    for one in live.workloads:
        name = WorkloadName(one["kind"], one["metadata"]["name"])
        if name not in wanted:
            continue
        last = last_deploy(revisions.get(one["metadata"]["uid"], ()), policy.spec.exemptions)
        its = None if last is None else pace(decision.limit, last)
        ends = [
            active.until
            for override, active in overrides
            if means(override, {name.name}) and approves(override, last=last)
        ]
        waits = its if its is not None and its.waits(now) else None
        found.append(Turn(name, waits, max(ends, default=None)))
    relevant = (one for one in found if one.waits or one.approved_until)
    return sorted(relevant, key=lambda it: (it.waits.next if it.waits else now, it.key))


def in_gate(decision: Decision, found: Sequence[Turn]) -> Limit | None:
    """The limit as the native gate carries it out; None without one."""
    limit = decision.limit
    if limit is None:
        return None
    return Limit(
        waiting=tuple(
            Waiting(one.key, one.waits.next, _text(decision, too_early(limit, one.waits)))
            for one in found
            if one.waits is not None
        ),
        leaves=_text(decision, LEAVES),
        approved=tuple(
            Approved(one.key, one.approved_until) for one in found if one.approved_until is not None
        ),
        needs_approval=limit.approval is not None,
        unapproved=_text(decision, UNAPPROVED),
    )


def _text(decision: Decision, why: str) -> str:
    """What stands between the workload's name and the rest of the message."""
    if decision.effective in DENIALS:
        return f" denied: {why}"
    return f" passes; in mode Enforce it WOULD be denied: {why}"


def in_status(decision: Decision, found: Sequence[Turn]) -> LimitStatus | None:
    """The limit as the status tells it; None without one."""
    if decision.limit is None:
        return None
    waiting = [
        WaitingWorkload(
            kind=one.workload.kind,
            name=one.workload.name,
            last=one.waits.last,
            next=one.waits.next,
        )
        for one in found
        if one.waits is not None
    ]
    approved = [
        ApprovedWorkload(kind=one.workload.kind, name=one.workload.name, until=one.approved_until)
        for one in found
        if one.approved_until is not None
    ]
    return LimitStatus(
        interval=decision.limit.interval,
        approval=decision.limit.approval,
        waiting=waiting[:MOST_WAITING],
        waiting_count=len(waiting),
        approved=approved[:MOST_WAITING],
    )
