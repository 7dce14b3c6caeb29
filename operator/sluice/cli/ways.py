"""What would make a denied deployment pass, or passes as it is. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sluice.api.durations import parse_duration
from sluice.api.policy import Blindness, ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.cli.explain_model import Way, WayAnswer
from sluice.cli.workload_name import WorkloadName
from sluice.kube.resources import DEPLOYMENTS, ROLLOUTS
from sluice.policy.admission import Governor
from sluice.policy.explanation import minute
from sluice.policy.limit import Pace
from sluice.policy.recorded import Recorded

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_BLIND = {Reason.BLIND_HOLDING, Reason.NO_OBJECTIVES}


@dataclass(frozen=True, slots=True)
class Earlier:
    """A retained revision that is not the one that runs."""

    number: int
    images: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A deployment that is denied.

    Attributes:
        workload: Of what.
        governor: By whom.
        earlier: What it can be rolled back to, newest first; None if that cannot be read.
        paused: Whether it is paused, so that kubectl neither restarts nor rolls it back.
        pace: Under a limit: when the workload was deployed last, and may be deployed again.
        may_override: Whether the user may create a GateOverride; None if that is not known.
    """

    workload: WorkloadName
    governor: Governor
    earlier: Sequence[Earlier] | None
    paused: bool
    may_override: bool | None
    pace: Pace | None = None


def ways(case: Denied) -> list[WayAnswer]:
    """All of them, the ones that bypass nothing first."""
    found = [*_wait(case), *_rollback(case), *_restart(case), *_declare(case)]
    return [*found, *_approve(case), _override(case), *_exempt(case)]


def _wait(case: Denied) -> Iterator[WayAnswer]:
    decision, policy = case.governor.decision, case.governor.policy
    if decision is None:
        return
    limit = decision.limit
    if limit is not None and limit.interval is not None and case.pace is not None:
        approved = ", with an approval" if limit.approval is not None else ""
        text = f"its next deployment may pass after {case.pace.next:%Y-%m-%dT%H:%M:%SZ}{approved}"
        yield WayAnswer(way=Way.WAIT, possible=True, message=text, command=None, at=case.pace.next)
    message, at = _end(decision, policy)
    yield WayAnswer(way=Way.WAIT, possible=True, message=message, command=None, at=at)


def _end(decision: Recorded, policy: ErrorBudgetPolicy) -> tuple[str, datetime | None]:
    """How the stage in force ends by itself, and when if that is known."""
    timers, spec = policy.status.timers, policy.spec
    held = parse_duration(spec.recovery.for_)
    if decision.reason == Reason.MANUAL_FREEZE:
        until = f" {minute(decision.expires)}" if decision.expires else ""
        text = f"somebody froze by hand: it ends{until}, or with its GateOverride"
        return f"{text}; then the budgets decide", decision.expires
    if decision.reason == Reason.RECOVERING and timers.recovering_since is not None:
        at = timers.recovering_since + held
        return f"the budget has recovered: it ends {minute(at)} if that holds", at
    if decision.reason in _BLIND and timers.blind_since is not None:
        at = timers.blind_since + parse_duration(spec.when_blind.hold_for)
        opens = spec.when_blind.then is Blindness.OPEN
        then = "deployments pass" if opens else "it goes on until the budget is known"
        return f"the budget is unknown: after {minute(at)} {then}", at if opens else None
    if decision.reason == Reason.BLIND_CLOSED:
        return "the budget is unknown: it ends when that is known again, and good", None
    return _by_budget(decision, policy, held)


def _by_budget(
    decision: Recorded, policy: ErrorBudgetPolicy, held: timedelta
) -> tuple[str, datetime | None]:
    spec = policy.spec
    stage = next((one for one in spec.stages if one.name == decision.stage), None)
    when = stage.when if stage is not None else None
    text = f"stage {decision.stage} ends when its condition holds no more"
    if when is not None and when.remaining_below is not None:
        points = Decimal(when.remaining_below) + Decimal(spec.recovery.above)
        text = f"stage {decision.stage} ends when {points:f}% of the budget are left"
    text += f" for {spec.recovery.for_}" if held else ""
    if decision.recovered_at is None:
        return text, None
    return (
        f"{text}; the budget is positive again {minute(decision.recovered_at)} if nothing "
        "more fails"
    ), decision.recovered_at


def _rollback(case: Denied) -> Iterator[WayAnswer]:
    if case.earlier is None:
        text = "a rollback passes; what there is to go back to cannot be read"
        yield WayAnswer(way=Way.ROLLBACK, possible=None, message=text, command=None, at=None)
        return
    if not case.earlier:
        text = "a rollback passes, but no earlier revision is retained"
        yield WayAnswer(way=Way.ROLLBACK, possible=False, message=text, command=None, at=None)
    for one in case.earlier:
        yield WayAnswer(
            way=Way.ROLLBACK,
            possible=not case.paused,
            message=f"back to revision {one.number} ({one.images}){_unless_paused(case)}",
            command=_undo(case.workload, one.number),
            at=None,
        )


def _undo(workload: WorkloadName, number: int) -> str:
    if workload.resource is ROLLOUTS:
        undo = f"kubectl argo rollouts undo {workload.name} --to-revision={number}"
        return f"{undo} -n {workload.namespace}"
    undo = f"rollout undo {workload.reference} --to-revision={number}"
    return f"kubectl -n {workload.namespace} {undo}"


def _unless_paused(case: Denied) -> str:
    return "; kubectl refuses while it is paused (spec.paused)" if case.paused else ""


def _restart(case: Denied) -> Iterator[WayAnswer]:
    workload = case.workload
    if RESTARTED_AT not in case.governor.policy.spec.exemptions.template_keys:
        return
    if workload.resource is ROLLOUTS:
        command = f"kubectl argo rollouts restart {workload.name} -n {workload.namespace}"
    else:
        command = f"kubectl -n {workload.namespace} rollout restart {workload.reference}"
    yield WayAnswer(
        way=Way.RESTART,
        possible=not case.paused,
        message=f"a restart of what runs passes{_unless_paused(case)}",
        command=command,
        at=None,
    )


def _declare(case: Denied) -> Iterator[WayAnswer]:
    exemptions = case.governor.policy.spec.exemptions
    if not exemptions.change_types:
        return
    types, key = ", ".join(exemptions.change_types), exemptions.change_type_key
    text = (
        f"a change of a type ({types}) passes once: set the label or annotation {key} to "
        f"{exemptions.change_types[0]}.<reference> in the same update"
    )
    yield WayAnswer(way=Way.DECLARE, possible=True, message=text, command=None, at=None)


def _approve(case: Denied) -> Iterator[WayAnswer]:
    decision = case.governor.decision
    limit = decision.limit if decision is not None else None
    if limit is None:
        return
    in_time = limit.interval is not None and limit.approval is not None
    what = "an approval, in its time" if in_time else "an approval"
    yield _by_object(case, Way.APPROVE, what, "approve")


def _override(case: Denied) -> WayAnswer:
    return _by_object(case, Way.OVERRIDE, "an override", "override")


def _by_object(case: Denied, way: Way, what: str, command: str) -> WayAnswer:
    """What a GateOverride lets pass, which the user may or may not create."""
    policy, workload = case.governor.policy, case.workload
    whether = {
        True: "you may create one",
        False: "you may not create one (missing right: create gateoverrides.sluice.dev); who may "
        "is bound to the ClusterRole sluice-overrider",
        None: "whether you may create one is not known",
    }[case.may_override]
    return WayAnswer(
        way=way,
        possible=case.may_override,
        message=f"{what}, of {policy.spec.overrides.max_duration} at most; {whether}",
        command=(
            f"kubectl sluice {command} {workload.reference} -n {workload.namespace} "
            f"--policy {policy.metadata.name} --reason '...' --for 1h"
        ),
        at=None,
    )


def _exempt(case: Denied) -> Iterator[WayAnswer]:
    accounts = case.governor.policy.spec.exemptions.service_accounts
    if accounts:
        text = f"a change by {' or '.join(accounts)}"
        yield WayAnswer(way=Way.EXEMPT_USER, possible=False, message=text, command=None, at=None)


def is_paused(workload: WorkloadName, live: dict[str, object]) -> bool:
    """Whether kubectl refuses to restart a workload and to roll it back. Source: `spec.paused`."""
    spec = live.get("spec")
    return workload.resource is DEPLOYMENTS and isinstance(spec, dict) and bool(spec.get("paused"))
