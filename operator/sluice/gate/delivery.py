"""What progressive delivery asks: may this rollout go on?

Sources: Argo Rollouts, "Analysis", provider `web` (an answer that is not 2xx is an error, and a few
in a row abort the rollout); Flagger, "Webhooks" (a status up to 202 goes on, anything else waits).
"""

from dataclasses import dataclass

from sluice.gate.answers import WorkloadNotFound, came_back, deployment
from sluice.gate.judge import Judge
from sluice.policy.admission import Verdict

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
        verdict = deployment(judge, namespace, kind, name, user="")
    except WorkloadNotFound:
        # Somebody waits for this: a typing error must not look like a budget that is well.
        message = f"{kind} {namespace}/{name} does not exist: correct what is asked for."
        return GoAhead(allowed=False, reason="WorkloadNotFound", message=message)
    if not verdict.allowed and _goes_back(judge, namespace, kind, name, hash_label):
        message = f"{kind} {namespace}/{name} goes back to an earlier revision, which passes."
        return GoAhead(allowed=True, reason="Rollback", message=message)
    return GoAhead(allowed=verdict.allowed, reason=_reason(verdict), message=verdict.message)


def _goes_back(judge: Judge, namespace: str, kind: str, name: str, hash_label: str) -> bool:
    workload = judge.memory.workload(kind, namespace, name)
    uid = workload.uid if workload is not None else ""
    revisions = judge.memory.revisions(namespace, owner=uid)
    return bool(uid) and revisions is not None and came_back(revisions, hash_label=hash_label)


def _reason(verdict: Verdict) -> str:
    """Of a denial the policy's own reason, of anything else the rule."""
    governor = verdict.governor
    if not verdict.allowed and governor is not None and governor.decision is not None:
        return governor.decision.reason
    return verdict.rule.value
