"""What the verdict API says: would a deployment of this workload pass now, and why not?"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sluice.api.base import Time
from sluice.api.policy import Admission
from sluice.gate.judge import Judge
from sluice.gate.kinds import Retained
from sluice.policy.admission import Change, Governor, Outcome, Rule, State, Verdict
from sluice.policy.fingerprint import Fingerprint, image_digests
from sluice.policy.judgement import approving

_RUNNING, _NEW = Fingerprint(rest=b"running"), Fingerprint(rest=b"new")
"""What runs, and something else: a deployment of which nothing more is known."""

_UNKNOWN = frozenset({Rule.UNDECIDED, Rule.EXPIRED, Rule.REVISIONS_UNKNOWN})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class LimitAnswer(_Answer):
    """How often the workload may be deployed."""

    interval: str | None = Field(
        description="One deployment passes in this time; null if time is no matter."
    )
    approval: str | None = Field(description="`Required` if it passes only with an approval.")
    last: Time | None = Field(description="When it was deployed last; null if that is not known.")
    next: Time | None = Field(description="When it may be deployed again; null if it may now.")


class OverrideAnswer(_Answer):
    """How a freeze can be passed."""

    active: list[str] = Field(
        description="Names of the GateOverrides that let this change pass now, or approve of it."
    )
    command: str = Field(description="The command that creates one, for whoever may.")


class VerdictAnswer(_Answer):
    """Whether a deployment of a workload would pass now."""

    namespace: str = Field(description="The workload's namespace.")
    kind: str = Field(description="Its kind.")
    name: str = Field(description="Its name.")
    allowed: bool = Field(description="Whether a change of its pod template would pass.")
    known: bool = Field(
        description=(
            "Whether that is a decision. False if the workload does not exist, or if its policy "
            "cannot be read, has not decided yet, or is of a controller that has died: then "
            "changes pass because nothing is known."
        )
    )
    admission: Admission = Field(
        description="What the change would meet: Allow, Warn, Limit or Deny."
    )
    rule: str = Field(description="The rule that settled it, in one CamelCase word.")
    message: str = Field(description="Why, in a sentence.")
    policy: str | None = Field(description="The ErrorBudgetPolicy that settled it.")
    stage: str | None = Field(description="The stage that it is in.")
    reason: str | None = Field(description="Why it is in that stage, in one CamelCase word.")
    objective: str | None = Field(description="The objective that decided.")
    remaining: Annotated[str, Field(examples=["12.000"])] | None = Field(
        description="What is left of its error budget, in percent."
    )
    since: Time | None = Field(description="Since when the stage is in force.")
    expires: Time | None = Field(
        description="When a denial ends unless the controller renews it before."
    )
    recovered_at: Time | None = Field(
        description="When the budget is positive again if nothing more fails."
    )
    limit: LimitAnswer | None = Field(
        description="In a stage that limits deployments: how often; null in any other."
    )
    override: OverrideAnswer | None = Field(description="How a freeze can be passed; null if none.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a deployment that somebody asks about.

    Attributes:
        user: Who would make it; empty for somebody whom no policy exempts.
        images: What it would run. If none are known, no override that is pinned lets it pass.
    """

    user: str = ""
    images: tuple[str, ...] = ()


class WorkloadNotFound(Exception):  # noqa: N818 - what happened, for who reads it
    """There is no such workload."""


def deployment(judge: Judge, namespace: str, kind: str, name: str, *, asked: Asked) -> Verdict:
    """What a deployment of a workload would meet.

    Raises:
        WorkloadNotFound: it does not exist.
    """
    workload = judge.memory.workload(kind, namespace, name)
    if workload is None:
        raise WorkloadNotFound
    change = some_deployment(kind, namespace, name, workload.state, asked=asked)
    return judge.verdict(change, owner=workload.uid)


def some_deployment(kind: str, namespace: str, name: str, state: State, *, asked: Asked) -> Change:
    """A deployment of a workload of which no more than `asked` is known, but that it is one."""
    new = replace(_NEW, images=image_digests(asked.images))
    return Change(
        kind=kind,
        namespace=namespace,
        name=name,
        user=asked.user,
        before=State(state.labels, state.controlled, _RUNNING),
        after=State(state.labels, state.controlled, new),
    )


def answer(judge: Judge, namespace: str, kind: str, name: str, *, asked: Asked) -> VerdictAnswer:
    """The answer about a deployment of a workload."""
    try:
        found = deployment(judge, namespace, kind, name, asked=asked)
    except WorkloadNotFound:
        subject = f"{kind} {namespace}/{name}"
        text = f"{subject} does not exist: to create it passes, and what it is called may be wrong."
        return _answer(namespace, kind, name, rule="WorkloadNotFound", known=False, message=text)
    return answer_to(judge, found, namespace, kind, name)


def answer_to(judge: Judge, found: Verdict, namespace: str, kind: str, name: str) -> VerdictAnswer:
    """The answer that a verdict about a change of a workload comes to."""
    subject = f"{kind} {namespace}/{name}"
    unreadable = judge.memory.unreadable(namespace)
    if found.allowed and unreadable:
        text = f"ErrorBudgetPolicy {namespace}/{unreadable[0]} cannot be read, and denies nothing."
        return _answer(namespace, kind, name, rule="UnreadablePolicy", known=False, message=text)
    if found.rule is Rule.OWN:
        text = f"{subject} is a part of Sluice itself, which no ErrorBudgetPolicy governs."
        return _answer(namespace, kind, name, rule=found.rule.value, known=True, message=text)
    if found.governor is None:
        text = f"No ErrorBudgetPolicy governs {subject}."
        return _answer(namespace, kind, name, rule=found.rule.value, known=True, message=text)
    return _governed(found, found.governor, namespace, kind, name, now=judge.now)


def _answer(
    namespace: str, kind: str, name: str, *, rule: str, known: bool, message: str
) -> VerdictAnswer:
    """An answer of which no policy is the reason."""
    return VerdictAnswer(
        namespace=namespace,
        kind=kind,
        name=name,
        allowed=True,
        known=known,
        admission=Admission.ALLOW,
        rule=rule,
        message=message,
        policy=None,
        stage=None,
        reason=None,
        objective=None,
        remaining=None,
        since=None,
        expires=None,
        recovered_at=None,
        limit=None,
        override=None,
    )


def _governed(
    found: Verdict, governor: Governor, namespace: str, kind: str, name: str, *, now: datetime
) -> VerdictAnswer:
    decision = governor.decision
    policy = governor.policy.metadata.name
    return VerdictAnswer(
        namespace=namespace,
        kind=kind,
        name=name,
        allowed=found.allowed,
        known=found.rule not in _UNKNOWN,
        admission=admission_of(found),
        rule=found.rule.value,
        message=_message(found, governor),
        policy=policy,
        stage=decision.stage if decision else None,
        reason=decision.reason if decision else None,
        objective=decision.objective if decision else None,
        remaining=decision.remaining if decision else None,
        since=decision.since if decision else None,
        expires=decision.expires if decision else None,
        recovered_at=decision.recovered_at if decision else None,
        limit=_limit(found, governor, now),
        override=OverrideAnswer(
            active=[found.override] if found.override else _approvals(found, governor, name, now),
            command=(
                f"kubectl sluice {_command(governor)} {name} --namespace {namespace} "
                f"--policy {policy} --reason '...'"
            ),
        ),
    )


def _approvals(found: Verdict, governor: Governor, name: str, now: datetime) -> list[str]:
    decision = governor.decision
    if decision is None or decision.limit is None:
        return []
    return approving(governor, {name}, found.pace.last if found.pace else None, now)


def _command(governor: Governor) -> str:
    limits = governor.decision is not None and governor.decision.limit is not None
    return "approve" if limits else "override"


def admission_of(found: Verdict) -> Admission:
    """What a verdict comes to, in the words of a policy's stages."""
    if found.outcome is Outcome.ALLOWED:
        return Admission.ALLOW
    if found.outcome is Outcome.WARNED:
        return Admission.WARN
    decision = found.governor.decision if found.governor is not None else None
    limits = decision is not None and decision.limit is not None
    return Admission.LIMIT if limits else Admission.DENY


def _limit(found: Verdict, governor: Governor, now: datetime) -> LimitAnswer | None:
    limit = governor.decision.limit if governor.decision is not None else None
    if limit is None:
        return None
    pace = found.pace
    return LimitAnswer(
        interval=limit.interval,
        approval=limit.approval,
        last=None if pace is None else pace.last,
        next=None if pace is None or not pace.waits(now) else pace.next,
    )


_SAYS = {
    Rule.KILL_SWITCH: "The kill switch lifts all enforcement.",
    Rule.UNDECIDED: "ErrorBudgetPolicy {policy} has not decided anything yet.",
    Rule.EXPIRED: "The freeze of ErrorBudgetPolicy {policy} has ended because nobody renewed it: "
    "is the controller running?",
    Rule.EXEMPT_USER: "The user is exempt from ErrorBudgetPolicy {policy}.",
    Rule.OVERRIDE: "An override lets changes pass the freeze of ErrorBudgetPolicy {policy}.",
    Rule.REVISIONS_UNKNOWN: "The gate has not seen yet what can be rolled back to in {policy}.",
}


def _message(found: Verdict, governor: Governor) -> str:
    if found.message or found.warnings:
        return found.message or found.warnings[0]
    told = _SAYS.get(found.rule)
    if told is not None:
        return told.format(policy=governor.name)
    decision = governor.decision
    return f"{decision.cause.text}." if decision is not None else ""


def came_back(revisions: tuple[Retained, ...], *, hash_label: str = "") -> bool:
    """Whether a rollout goes back to an earlier revision.

    A controller that reuses the ReplicaSet of an earlier revision writes down the numbers that it
    had before. `hash_label` says which ReplicaSet is meant; the newest one if it is empty.
    """
    if hash_label:
        return any(one.returned for one in revisions if one.hash == hash_label)
    newest = max(revisions, key=lambda one: one.number, default=None)
    return newest is not None and newest.returned
