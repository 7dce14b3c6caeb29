"""Which workloads a stage with a limit makes wait, and what a policy's status says of it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.api.limit import MOST_WAITING, LimitStatus, WaitingWorkload
from sluice.api.policy import DENIALS, ErrorBudgetPolicy
from sluice.controller.policy_plan import Live
from sluice.enforcement.deploys import deployed
from sluice.enforcement.freeze import Limit, Waiting
from sluice.policy.decision import Decision
from sluice.policy.limit import Pace, last_deploy, pace, why_not
from sluice.policy.message import LEAVES
from sluice.policy.selection import WorkloadName


@dataclass(frozen=True, slots=True)
class Waits:
    """A governed workload that may not be deployed yet."""

    workload: WorkloadName
    pace: Pace


def waiting(
    policy: ErrorBudgetPolicy,
    decision: Decision,
    *,
    governed: Iterable[WorkloadName],
    live: Live,
    now: datetime,
) -> list[Waits]:
    """The governed workloads that were deployed within the interval, the first to be due first.

    None in a stage without a limit.
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
        if last is not None and (its := pace(decision.limit, last)).waits(now):
            found.append(Waits(name, its))
    return sorted(found, key=lambda it: (it.pace.next, it.workload.kind, it.workload.name))


def in_gate(decision: Decision, waits: Iterable[Waits]) -> Limit | None:
    """The limit as the native gate carries it out; None in a stage without one."""
    limit = decision.limit
    if limit is None:
        return None
    return Limit(
        waiting=tuple(
            Waiting(
                workload=f"{one.workload.kind}/{one.workload.name}",
                until=one.pace.next,
                text=_text(decision, why_not(limit, one.pace)),
            )
            for one in waits
        ),
        leaves=_text(decision, LEAVES),
    )


def _text(decision: Decision, why: str) -> str:
    """What stands between the workload's name and the rest of the message."""
    if decision.effective in DENIALS:
        return f" denied: {why}"
    return f" passes; in mode Enforce it WOULD be denied: {why}"


def in_status(decision: Decision, waits: Sequence[Waits]) -> LimitStatus | None:
    """The limit as the status tells it; None in a stage without one."""
    if decision.limit is None:
        return None
    return LimitStatus(
        interval=decision.limit.interval,
        waiting=[
            WaitingWorkload(
                kind=one.workload.kind,
                name=one.workload.name,
                last=one.pace.last,
                next=one.pace.next,
            )
            for one in waits[:MOST_WAITING]
        ],
        waiting_count=len(waits),
    )
