"""From what was read to what `kubectl sluice status` says. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sluice.api.base import parse_time
from sluice.api.conditions import ConditionType, find_condition
from sluice.api.metadata import Condition
from sluice.api.override import GateOverride
from sluice.api.policy import Admission, ErrorBudgetPolicy, UndoRecord
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.cli.reader import Unread
from sluice.cli.status_facts import Facts, Subject
from sluice.cli.status_model import (
    ControllerAnswer,
    KillSwitchAnswer,
    Life,
    ObjectiveAnswer,
    OverrideAnswer,
    PolicyAnswer,
    StatusAnswer,
    WorkloadAnswer,
)
from sluice.enforcement.kinds import HOLDS
from sluice.enforcement.plan import CONTESTED_AFTER
from sluice.gate.answers import Asked, admission_of, some_deployment
from sluice.kube.kill_switch import KillSwitch
from sluice.policy.admission import Governor
from sluice.policy.fingerprint import Fingerprint
from sluice.policy.judgement import judge
from sluice.policy.limit import Deployed
from sluice.policy.override import Active, verdict

SILENT_AFTER = timedelta(seconds=60)
"""A Lease is renewed every two seconds; the rest is for clocks that disagree."""
STALE_AFTER = timedelta(minutes=15)
"""Statuses are written once a slice of five minutes at least."""

_MUST_BE_TRUE = (ConditionType.READY, ConditionType.ENFORCING)
_HARMLESS = {
    Reason.OBSERVE_ONLY,
    Reason.WARN_ONLY,
    Reason.NOTHING_TO_ENFORCE,
    Reason.NOT_FROZEN,
    Reason.KILL_SWITCH,
}
"""Reasons for which `Enforcing` may be False without a fault, or that are told elsewhere."""


def summary(facts: Facts) -> StatusAnswer:
    """Everything that is told."""
    switch = _switch(facts)
    return StatusAnswer(
        time=facts.now,
        namespace=facts.namespace,
        controller=_controller(facts),
        kill_switch=switch,
        objectives=[_objective(it) for it in sorted(facts.objectives, key=_name)],
        policies=[_policy(it, facts, killed=bool(switch.engaged)) for it in facts.governors],
        overrides=[_override(it, facts) for it in sorted(facts.overrides, key=_name)],
        problems=list(facts.problems),
    )


def _name(it: ServiceLevelObjective | GateOverride) -> tuple[str, str]:
    return it.metadata.namespace, it.metadata.name


def _controller(facts: Facts) -> ControllerAnswer:
    times = [it.status.window.end for it in facts.objectives if it.status.window is not None]
    measured = max(times, default=None)
    stale = measured is not None and facts.now - measured > STALE_AFTER
    lease = facts.lease
    if isinstance(lease, Unread):
        return ControllerAnswer(
            state=Life.UNKNOWN, holder=None, renewed=None, measured=measured, stale=stale
        )
    spec = (lease or {}).get("spec") or {}
    holder = spec.get("holderIdentity") or None
    renewed = _micro_time(spec.get("renewTime"))
    return ControllerAnswer(
        state=_life(holder, renewed, facts.now),
        holder=holder,
        renewed=renewed,
        measured=measured,
        stale=stale,
    )


def _micro_time(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError:
        return None


def _life(holder: str | None, renewed: datetime | None, now: datetime) -> Life:
    if holder is None or renewed is None:
        return Life.ABSENT
    return Life.SILENT if now - renewed > SILENT_AFTER else Life.ALIVE


def _switch(facts: Facts) -> KillSwitchAnswer:
    switch = facts.switch
    if isinstance(switch, KillSwitch):
        return KillSwitchAnswer(engaged=True, reason=switch.reason, engaged_by=switch.engaged_by)
    if switch is None:
        return KillSwitchAnswer(engaged=False, reason=None, engaged_by=None)
    told = switch_told_by(it.policy for it in facts.governors)
    return KillSwitchAnswer(engaged=True if told else None, reason=told, engaged_by=None)


def switch_told_by(policies: Iterable[ErrorBudgetPolicy]) -> str | None:
    """What policies say of an engaged kill switch, for who may not read it; None if nothing."""
    for policy in policies:
        enforcing = find_condition(policy.status.conditions, ConditionType.ENFORCING)
        if enforcing is not None and enforcing.reason == Reason.KILL_SWITCH:
            return enforcing.message
    return None


def _objective(it: ServiceLevelObjective) -> ObjectiveAnswer:
    status = it.status
    known = find_condition(status.conditions, ConditionType.BUDGET_KNOWN)
    return ObjectiveAnswer(
        namespace=it.metadata.namespace,
        name=it.metadata.name,
        objective=it.spec.objective,
        window=status.window.name if status.window else "",
        level=status.level,
        known=known is not None and known.status == "True",
        reason=known.reason if known else "",
        message=known.message if known else "",
        sli=status.sli,
        remaining=status.error_budget.remaining if status.error_budget else None,
        burn_rates={rate.window: rate.value for rate in status.burn_rates},
        exhausted_at=status.forecast.exhausted_at if status.forecast else None,
        recovered_at=status.forecast.recovered_at if status.forecast else None,
        corrections=status.corrections.applied if status.corrections else 0,
        measured=status.window.end if status.window else None,
    )


def _policy(governor: Governor, facts: Facts, *, killed: bool) -> PolicyAnswer:
    policy, decision = governor.policy, governor.decision
    meta, status = policy.metadata, policy.status
    admission = Admission.ALLOW
    if decision is not None and not killed:
        admission = decision.effective(facts.now)
    enforcing = find_condition(status.conditions, ConditionType.ENFORCING)
    thaw = find_condition(status.conditions, ConditionType.THAWING)
    return PolicyAnswer(
        namespace=meta.namespace,
        name=meta.name,
        mode=policy.spec.mode,
        stage=status.stage,
        admission=admission,
        frozen=admission is Admission.DENY,
        expired=decision is not None and decision.expired(facts.now),
        since=decision.since if decision else None,
        expires=decision.expires if decision else None,
        reason=decision.reason if decision else None,
        message=f"{decision.cause.text}." if decision else "Nothing has been decided yet.",
        objective=decision.objective if decision else None,
        remaining=decision.remaining if decision else None,
        recovered_at=decision.recovered_at if decision else None,
        enforcing=enforcing.reason if enforcing else None,
        thaw=thaw.message if thaw else None,
        problems=list(_complaints(status.conditions)),
        workloads=_workloads(governor, facts, killed=killed),
    )


def _complaints(conditions: Iterable[Condition]) -> Iterator[str]:
    for it in conditions:
        broken = it.type in _MUST_BE_TRUE and it.status == "False" and it.reason not in _HARMLESS
        if broken or (it.type == ConditionType.CONTESTED and it.status == "True"):
            yield f"{it.type}={it.status} ({it.reason}): {it.message}"


def _workloads(governor: Governor, facts: Facts, *, killed: bool) -> list[WorkloadAnswer] | None:
    if facts.subjects is None:
        return None
    meta = governor.policy.metadata
    here = (it for it in facts.subjects if it.namespace == meta.namespace)
    found = [_workload(it, governor, facts.now, killed=killed) for it in here]
    return sorted((it for it in found if it is not None), key=lambda it: (it.kind, it.name))


def _workload(
    it: Subject, governor: Governor, now: datetime, *, killed: bool
) -> WorkloadAnswer | None:
    """A workload under one policy, by the rules that every gate goes by; None if not governed."""
    change = some_deployment(it.kind, it.namespace, it.name, it.state, asked=Asked())
    if not governor.governs(change, it.state):
        return None
    found = judge(
        change,
        [governor],
        retained=(),
        deployed=_last_deployed(it, governor),
        killed=killed,
        now=now,
    )
    records = governor.policy.status.workloads.changed
    own = [one for one in records if (one.kind, one.name) == (it.kind, it.name)]
    contested = [one for one in own if one.reverts >= CONTESTED_AFTER]
    return WorkloadAnswer(
        kind=it.kind,
        name=it.name,
        admission=admission_of(found),
        rule=found.rule.value,
        override=found.override or None,
        held=_fields(one for one in own if one.field in HOLDS and one not in contested),
        contested=_fields(contested),
    )


def _last_deployed(it: Subject, governor: Governor) -> tuple[Deployed, ...]:
    """When a workload that waits for a limit was deployed, as far as the status names it."""
    decision = governor.policy.status.decision
    limit = decision.limit if decision is not None else None
    return tuple(
        Deployed(one.last, Fingerprint(rest=b"running"))
        for one in (limit.waiting if limit is not None else ())
        if (one.kind, one.name) == (it.kind, it.name)
    )


def _fields(records: Iterable[UndoRecord]) -> list[str]:
    return sorted(one.field for one in records)


def _override(it: GateOverride, facts: Facts) -> OverrideAnswer:
    wanted = it.metadata.namespace, it.spec.policy
    policies = (one.policy for one in facts.governors)
    policy = next(
        (one for one in policies if (one.metadata.namespace, one.metadata.name) == wanted), None
    )
    found = verdict(it, policy, facts.now)
    return OverrideAnswer(
        namespace=it.metadata.namespace,
        name=it.metadata.name,
        policy=it.spec.policy,
        effect=it.spec.effect,
        workloads=list(it.spec.workloads),
        active=isinstance(found, Active),
        reason=it.spec.reason,
        ticket=it.spec.ticket,
        created_by=it.spec.created_by,
        expires_at=it.spec.expires_at,
        inactive_because=None if isinstance(found, Active) else found.message,
    )
