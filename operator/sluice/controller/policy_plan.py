"""From a decision to what has to be written: gates, status, Events. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.durations import parse_duration
from sluice.api.limit import LimitStatus
from sluice.api.override import Burned, GateOverride
from sluice.api.policy import (
    DENIALS,
    ActiveOverride,
    Admission,
    ErrorBudgetPolicy,
    ErrorBudgetPolicyStatus,
    ThawStatus,
    Transition,
    UndoRecord,
    WorkloadsStatus,
)
from sluice.api.reasons import Reason
from sluice.controller import thawing
from sluice.enforcement import names
from sluice.enforcement.freeze import Freeze, Limit, Override
from sluice.enforcement.history import workload as with_revisions
from sluice.enforcement.native import Manifest, Rendered, render
from sluice.enforcement.plan import Problem
from sluice.kube.kill_switch import KillSwitch
from sluice.policy.conditions import claims
from sluice.policy.decision import Decision
from sluice.policy.manual import Apart, Ruled
from sluice.policy.message import DenialParts, denial_parts, limit_parts, warning
from sluice.policy.override import Active, lifts
from sluice.policy.selection import WorkloadName
from sluice.policy.status import active_overrides, began_and_ended, replaced, status_fields

_SHOWN = 3
"""Problems that are spelled out in a condition."""
_UNGATED = (
    "Nothing denies or warns at admission: this controller has rights in namespaces only (--scope "
    "namespace), and admission policies are the cluster's. What else the stage asks for is carried "
    "out, and the verdict API tells pipelines the decision. For denials have an administrator "
    "install Sluice with scope: Cluster."
)


@dataclass(frozen=True, slots=True)
class Live:
    """What the API server showed of a namespace for a policy that has something to enforce.

    Attributes:
        workloads: all workloads, as the API server shows them, kinds and managed fields included.
        retained: what their revisions are retained as.
        others: undo records of the namespace's other policies, by uid: their fields stay.
    """

    workloads: Sequence[Mapping[str, Any]] = ()
    retained: Sequence[Mapping[str, Any]] = ()
    others: Mapping[str, Sequence[UndoRecord]] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the writes.

    Attributes:
        rejected: why the API server did not take a gate; None if it did.
        failed: why workloads could not be written.
        problems: fields that are left alone because they are somebody else's.
        dropped: retained revisions that did not fit: a rollback to them is denied.
        elsewhere: whether another process denies changes, of which this one knows nothing.
        ungated: whether nothing denies or warns, because this process has no right to have it done.
        remarks: what else to know of what is enforced.
        spared: what was to be suspended and goes on, and why.
    """

    rejected: str | None = None
    failed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    dropped: tuple[str, ...] = ()
    elsewhere: bool = False
    ungated: bool = False
    remarks: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()


def gates(
    policy: ErrorBudgetPolicy,
    ruled: Ruled,
    *,
    governed: Iterable[WorkloadName],
    own: Iterable[WorkloadName] = (),
    kinds: Collection[str],
    live: Live,
    overrides: Sequence[tuple[GateOverride, Active]],
    limit: Limit | None = None,
    there: Iterable[Manifest],
    now: datetime,
) -> Rendered:
    """The admission policies and bindings that `ruled` asks for; none if it lets all pass.

    `kinds` are those that the API server has: of others nothing can be governed. `own` are the
    workloads of Sluice itself in the policy's namespace.
    """
    chosen = tuple(kind for kind in policy.spec.workloads.kinds if kind in kinds)
    spared = tuple(sorted(one.key for one in own if one.kind in chosen))
    parts = [(ruled.decision, None), *((one.decision, one) for one in ruled.apart)]
    rendered = [
        render(
            _freeze(
                policy,
                decision,
                apart,
                kinds=chosen,
                governed=set(governed),
                own=spared,
                live=live,
                overrides=overrides,
                limit=None if apart else limit,
                expires=decision.expires or _warned_until(policy, there, now),
            )
        )
        for decision, apart in parts
        if chosen and decision.effective is not Admission.ALLOW
    ]
    return Rendered(
        tuple(manifest for one in rendered for manifest in one.manifests),
        tuple(dropped for one in rendered for dropped in one.dropped),
    )


def _freeze(
    policy: ErrorBudgetPolicy,
    decision: Decision,
    apart: Apart | None,
    *,
    kinds: tuple[str, ...],
    governed: set[WorkloadName],
    own: tuple[str, ...],
    live: Live,
    overrides: Sequence[tuple[GateOverride, Active]],
    limit: Limit | None,
    expires: datetime,
) -> Freeze:
    """What is denied or warned about by one decision: of all workloads, or of those of `apart`."""
    denies = decision.effective in DENIALS
    text = _text(policy, decision)
    only = apart.workloads if apart else ()
    return Freeze(
        namespace=policy.metadata.namespace,
        policy=policy.metadata.name,
        uid=policy.metadata.uid,
        action="Deny" if denies else "Warn",
        message_prefix=text.prefix,
        message_infix=text.infix,
        message_suffix=text.suffix,
        kinds=kinds,
        selector=policy.spec.workloads.selector,
        expires=expires,
        exempt_template_keys=tuple(policy.spec.exemptions.template_keys),
        change_types=tuple(policy.spec.exemptions.change_types),
        change_type_key=policy.spec.exemptions.change_type_key,
        exempt_users=tuple(policy.spec.exemptions.service_accounts),
        workloads=tuple(
            with_revisions(one, live.retained)
            for one in live.workloads
            if WorkloadName(one["kind"], one["metadata"]["name"]) in governed
            and (not only or one["metadata"]["name"] in only)
        ),
        overrides=tuple(
            Override(
                until=active.until,
                workloads=tuple(override.spec.workloads),
                images=tuple(override.spec.images),
            )
            for override, active in overrides
            if lifts(override, frozen_by_hand=decision.frozen_by_hand)
        ),
        only=only,
        part=apart.override if apart else "",
        limit=limit,
        own=own,
    )


def _text(policy: ErrorBudgetPolicy, decision: Decision) -> DenialParts:
    limits = decision.limit is not None
    if decision.effective in DENIALS:
        return (limit_parts if limits else denial_parts)(decision, policy.spec)
    namespace, passes = policy.metadata.namespace, "." if limits else " passes."
    return DenialParts(f"{warning(decision)} Change of ", f" {namespace}/", passes)


def _warned_until(policy: ErrorBudgetPolicy, there: Iterable[Manifest], now: datetime) -> datetime:
    """When a warning ends unless it is renewed: like a freeze, but remembered in the gate itself.

    A decision has an end only if it denies; a warning must not outlive a dead controller either.
    """
    length = parse_duration(policy.spec.when_blind.hold_for)
    own = names.gate_name(namespace=policy.metadata.namespace, policy=policy.metadata.name, shard=0)
    for gate in there:
        if gate["metadata"]["name"] != own:
            continue  # a manual freeze's, which has an end of its own
        text = (gate["metadata"].get("annotations") or {}).get(names.EXPIRES)
        ends = datetime.fromisoformat(text) if text else now
        if length / 2 <= ends - now <= length:
            return ends
    return (now + length).replace(microsecond=0) + timedelta(seconds=1)


def transitions_of(
    policy: ErrorBudgetPolicy,
    ruled: Ruled,
    overrides: Iterable[tuple[GateOverride, Active]],
    *,
    burned: Callable[[ActiveOverride], list[Burned]],
    now: datetime,
) -> list[Transition]:
    """What has changed since the last status: the stage, and which overrides are active."""
    changed = began_and_ended(
        policy.status.overrides,
        active_overrides(ruled, overrides),
        stage=ruled.decision.stage,
        burned=burned,
        now=now,
    )
    stage = ruled.decision.transition
    return changed if stage is None else [stage, *changed]


def status_of(
    policy: ErrorBudgetPolicy,
    ruled: Ruled,
    outcome: Outcome,
    *,
    governed: int,
    own: Iterable[WorkloadName] = (),
    records: Iterable[UndoRecord],
    overrides: Iterable[tuple[GateOverride, Active]],
    history: list[Transition],
    switch: KillSwitch | None,
    limit: LimitStatus | None = None,
    now: datetime,
    thaw: ThawStatus | None = None,
    resync_at: datetime | None = None,
) -> ErrorBudgetPolicyStatus:
    """The status after a decision was carried out, as far as `outcome` says."""
    decision = ruled.decision
    stage, decided, timers = status_fields(decision)
    timers = timers.model_copy(update={"resync_at": resync_at})
    generation = policy.metadata.generation
    claimed = [*claims(decision), _enforcing(ruled.strictest, outcome, switch)]
    contested = [problem for problem in outcome.problems if problem.contested]
    if contested:
        message = "; ".join(problem.message for problem in contested[:_SHOWN])
        claimed.append(Claim(ConditionType.CONTESTED, "True", Reason.REVERTED_BY_OTHERS, message))
    claimed += thawing.claim(thaw, policy.spec.recovery.stagger)
    return ErrorBudgetPolicyStatus(
        observed_generation=generation,
        stage=stage,
        decision=decided.model_copy(update={"limit": limit}),
        timers=timers,
        workloads=WorkloadsStatus(
            governed=governed,
            own=sorted(one.key for one in own) or None,
            changed=sorted(records, key=_record_key),
        ),
        by_budget=replaced(decision),
        thaw=thaw,
        overrides=active_overrides(ruled, overrides),
        history=history,
        conditions=merge(policy.status.conditions, claimed, generation=generation, now=_whole(now)),
    )


def invalid_status(
    policy: ErrorBudgetPolicy, problems: Iterable[object], now: datetime
) -> ErrorBudgetPolicyStatus:
    """The status of a policy whose spec makes no sense; what was decided before stays."""
    message = "; ".join(str(problem) for problem in problems)
    generation = policy.metadata.generation
    claimed = [
        Claim(ConditionType.READY, "False", Reason.INVALID_SPEC, message),
        Claim(ConditionType.STALLED, "True", Reason.INVALID_SPEC, message),
    ]
    conditions = merge(policy.status.conditions, claimed, generation=generation, now=_whole(now))
    return policy.status.model_copy(
        update={"observed_generation": generation, "conditions": conditions}
    )


def _enforcing(decision: Decision, outcome: Outcome, switch: KillSwitch | None) -> Claim:
    """Whether what was decided is in force; never silent where it is not."""
    if outcome.rejected is not None:
        return Claim(ConditionType.ENFORCING, "False", Reason.GATE_REJECTED, outcome.rejected)
    if switch is not None:
        message = f"The kill switch lifts all enforcement: {switch.reason} ({switch.engaged_by})."
        return Claim(ConditionType.ENFORCING, "False", Reason.KILL_SWITCH, message)
    failed = [*outcome.failed, *(one.message for one in outcome.problems if not one.contested)]
    if failed:
        more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        message = "; ".join(failed[:_SHOWN]) + more
        return Claim(ConditionType.ENFORCING, "False", Reason.WRITE_FAILED, message)
    if decision.admission is not Admission.ALLOW and decision.effective is Admission.ALLOW:
        message = "Mode Observe records the decision and enforces nothing."
        return Claim(ConditionType.ENFORCING, "False", Reason.OBSERVE_ONLY, message)
    if outcome.ungated and decision.effective is not Admission.ALLOW:
        return Claim(ConditionType.ENFORCING, "False", Reason.NO_CLUSTER_RIGHTS, _UNGATED)
    reason = {
        Admission.ALLOW: Reason.NOTHING_TO_ENFORCE,
        Admission.WARN: Reason.WARN_ONLY,
        Admission.LIMIT: Reason.ENFORCED,
        Admission.DENY: Reason.ENFORCED,
    }[decision.effective]
    notes = (outcome.dropped, outcome.remarks, outcome.spared)
    message = "; ".join(text for some in notes for text in some[:_SHOWN])
    if outcome.elsewhere and decision.effective is not Admission.ALLOW:
        left = "Left to the webhook, `sluice gate`: whether that is up is not known here."
        message = "; ".join([left.rstrip("."), message]) if message else left
    return Claim(ConditionType.ENFORCING, "True", reason, message)


def _record_key(record: UndoRecord) -> tuple[str, str, str, str]:
    return record.kind, record.name, record.uid, record.field


def _whole(now: datetime) -> datetime:
    return now.replace(microsecond=0)
