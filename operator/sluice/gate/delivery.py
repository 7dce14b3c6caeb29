"""What progressive delivery asks: may this rollout go on?

Sources: Argo Rollouts, "Analysis", provider `web` (an answer that is not 2xx is an error, and a few
in a row abort the rollout); Flagger, "Webhooks" (a status up to 202 goes on, anything else waits).
"""

from dataclasses import dataclass

from sluice.gate.answers import Asked, WorkloadNotFound, came_back, deployment
from sluice.gate.judge import Judge
from sluice.policy.admission import Rule, Verdict
from sluice.policy.judgement import approving
from sluice.policy.limit import counted, pace, passes

CONFIRMATIONS = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")
"""Flagger's hooks that wait; its other hooks roll back when they are answered no."""


@dataclass(frozen=True, slots=True)
class GoAhead:
    """Whether a rollout may go on, why in one word, and in a sentence."""

    allowed: bool
    reason: str
    message: str


def go_ahead(
    judge: Judge, namespace: str, kind: str, name: str, *, hash_label: str = ""
) -> GoAhead:
    """Whether the rollout that a workload is in may go on; one that goes back always may."""
    try:
        verdict = deployment(judge, namespace, kind, name, asked=Asked())
    except WorkloadNotFound:
        # Somebody waits for this: a typing error must not look like a budget that is well.
        message = f"{kind} {namespace}/{name} does not exist: correct what is asked for."
        return GoAhead(allowed=False, reason="WorkloadNotFound", message=message)
    if not verdict.allowed and _goes_back(judge, namespace, kind, name, hash_label):
        message = f"{kind} {namespace}/{name} goes back to an earlier revision, which passes."
        return GoAhead(allowed=True, reason="Rollback", message=message)
    if verdict.rule is Rule.LIMITED and _began_in_time(judge, verdict, namespace, kind, name):
        message = f"{kind} {namespace}/{name} is in the one deployment of the interval."
        return GoAhead(allowed=True, reason=Rule.WITHIN_LIMIT.value, message=message)
    return GoAhead(allowed=verdict.allowed, reason=_reason(verdict), message=verdict.message)


def _goes_back(judge: Judge, namespace: str, kind: str, name: str, hash_label: str) -> bool:
    workload = judge.memory.workload(kind, namespace, name)
    uid = workload.uid if workload is not None else ""
    revisions = judge.memory.revisions(namespace, owner=uid)
    return bool(uid) and revisions is not None and came_back(revisions, hash_label=hash_label)


def _began_in_time(judge: Judge, verdict: Verdict, namespace: str, kind: str, name: str) -> bool:
    """Whether the rollout that a workload is in is one that its policy's limit lets pass."""
    governor, workload = verdict.governor, judge.memory.workload(kind, namespace, name)
    decision = governor.decision if governor is not None else None
    if workload is None or governor is None or decision is None or decision.limit is None:
        return False
    revisions = judge.memory.deployed(namespace, owner=workload.uid)
    *earlier, current = counted(revisions, governor.policy.spec.exemptions)
    last = earlier[-1].created if earlier else None
    began = current.created
    if last is None or began < decision.since:
        return True
    approved = bool(approving(governor, {name}, last, began))
    return passes(decision.limit, pace(decision.limit, last), began, approved=approved)


def _reason(verdict: Verdict) -> str:
    """Of a denial the policy's own reason, of anything else the rule."""
    governor = verdict.governor
    if not verdict.allowed and governor is not None and governor.decision is not None:
        return governor.decision.reason
    return verdict.rule.value
