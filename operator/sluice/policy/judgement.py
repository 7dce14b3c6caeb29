"""The rules of a freeze, applied to one change by a gate that is asked.

Nothing is decided about budgets here: what holds is read from the policies' statuses. The native
gate renders the same rules as CEL; docs/guides/gates.md says where the two differ.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.api.limit import LimitStatus
from sluice.api.policy import DENIALS, Admission, Exemptions
from sluice.policy.admission import Change, Governor, Outcome, Rule, Verdict
from sluice.policy.explanation import shorten
from sluice.policy.fingerprint import Fingerprint
from sluice.policy.limit import Deployed, last_deploy, newly_declared, pace, passes, why_not
from sluice.policy.message import LEAVES, denial, warning
from sluice.policy.override import admits, approves, in_force, lifts, means
from sluice.policy.recorded import Recorded

WARNING_LIMIT = 256
"""Characters of a warning; the API server cuts what is longer."""

_SEVERITY = {Outcome.ALLOWED: 0, Outcome.WARNED: 1, Outcome.DENIED: 2}
_PASSES = {
    Rule.OVERRIDE: "An override lets this change pass",
    Rule.CHANGE_TYPE: "A change of a declared type passes",
    Rule.ROLLBACK: "A rollback passes",
    Rule.KNOWN_IMAGES: "Only images that run already, or ran before, are started, which passes",
    Rule.RECREATED: "A workload that is created again passes, and is recorded as a way around",
    Rule.REVISIONS_UNKNOWN: "Whether this is a rollback is not known yet, so it passes",
    Rule.NOT_COUNTED: "What runs before a deployment is not counted and passes",
}
"""What passes a freeze and should know that there is one."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One change under one policy."""

    change: Change
    governor: Governor
    retained: Collection[Fingerprint] | None
    deployed: Collection[Deployed]
    killed: bool
    now: datetime


def judge(
    change: Change,
    governors: Iterable[Governor],
    *,
    retained: Collection[Fingerprint] | None,
    deployed: Collection[Deployed] = (),
    killed: bool,
    now: datetime,
) -> Verdict:
    """What becomes of `change`: of several policies the strictest one decides.

    Args:
        change: The request.
        governors: The policies of its namespace, by name.
        retained: What may be gone back to: the workload's retained revisions; for a change that
            only starts a deployment, those of all workloads of the namespace. None: not known.
        deployed: The workload's revisions, as far as they are known; what a limit goes by.
        killed: Whether the kill switch lifts all enforcement.
        now: An aware time.
    """
    governors = tuple(governors)
    settled = _whoever_governs(change, governors)
    if settled is not None:
        return Verdict(Outcome.ALLOWED, settled)
    subject = change.after if change.before is None else change.before
    found = [
        _verdict(_Case(change, ruled, retained, deployed, killed, now))
        for one in governors
        if one.governs(change, subject)
        for ruled in one.rulings(change)
    ]
    if not found:
        return Verdict(Outcome.ALLOWED, Rule.NO_POLICY)
    strictest = max(found, key=lambda one: (_SEVERITY[one.outcome], len(one.warnings)))
    if not strictest.allowed:
        return strictest
    return replace(
        strictest,
        warnings=tuple(text for one in found for text in one.warnings),
        counts=any(one.counts for one in found),
    )


def _whoever_governs(change: Change, governors: Iterable[Governor]) -> Rule | None:
    """The rule that lets a change pass whatever the policies decide."""
    if change.deleting:
        return Rule.DELETING
    if any(one.spares(change) for one in governors):
        return Rule.OWN
    if (change.after if change.before is None else change.before).controlled:
        return Rule.CONTROLLED
    if change.before is None and not change.starts and not change.recreated:
        return Rule.NEW
    return None


def _verdict(case: _Case) -> Verdict:
    governor, decision = case.governor, case.governor.decision
    rule, override = _rule(case)
    if decision is None or rule not in {Rule.LEAVES, Rule.DEPLOYS}:
        text = _PASSES.get(rule)
        denies = decision is not None and decision.effective(case.now) in DENIALS
        what = "limit" if decision is not None and decision.limit is not None else "freeze"
        notes = (f"{text} the {what} of ErrorBudgetPolicy {governor.name}.",) if text else ()
        warnings = tuple(shorten(note, WARNING_LIMIT) for note in notes) if denies else ()
        return Verdict(Outcome.ALLOWED, rule, governor, warnings=warnings, override=override)
    if decision.limit is not None:
        return _limited(case, decision, decision.limit, rule)
    return _stopped(case, decision, rule)


def _limited(case: _Case, decision: Recorded, limit: LimitStatus, rule: Rule) -> Verdict:
    """What becomes of a deployment in a stage that lets some pass."""
    governor = case.governor
    if rule is Rule.LEAVES:
        return _stopped(case, decision, rule, why=LEAVES)
    last = last_deploy(case.deployed, governor.policy.spec.exemptions)
    found = None if last is None else pace(limit, last)
    approval = next(iter(approving(governor, case.change.called, last, case.now)), "")
    if not passes(limit, found, case.now, approved=bool(approval)):
        why = why_not(limit, found, case.now)
        return replace(_stopped(case, decision, Rule.LIMITED, why=why), pace=found)
    return Verdict(
        Outcome.ALLOWED,
        Rule.APPROVED if approval else Rule.WITHIN_LIMIT,
        governor,
        warnings=(shorten(_limited_after(case, limit, approval), WARNING_LIMIT),),
        override=approval,
        pace=found,
        counts=True,
    )


def _limited_after(case: _Case, limit: LimitStatus, approval: str) -> str:
    """What the author of a deployment reads that passes a limit: what comes after it."""
    text = f"ErrorBudgetPolicy {case.governor.name}: "
    if approval:
        text += f"approval {approval} lets this deploy pass and is used up"
    else:
        text += f"one deploy passes in {limit.interval}"
    if limit.interval is None:
        return f"{text}."
    after = pace(limit, case.now).next
    return f"{text}; after this one the next may pass after {after:%Y-%m-%dT%H:%M:%SZ}."


def _stopped(case: _Case, decision: Recorded, rule: Rule, *, why: str = "") -> Verdict:
    """A change that is denied, or passes with a warning in a policy that only warns."""
    change, governor = case.change, case.governor
    act = "Creation" if change.before is None else "Change"
    if decision.effective(case.now) is Admission.WARN:
        where = f"{change.namespace}/{change.name}"
        text = f"{warning(decision, why=why)} {act} of {change.kind} {where} passes."
        warnings = (shorten(text, WARNING_LIMIT),)
        return Verdict(Outcome.WARNED, rule, governor, warnings=warnings)
    text = denial(
        decision,
        governor.policy.spec,
        workload_kind=change.kind,
        workload_name=change.name,
        act=act,
        why=why,
    )
    return Verdict(Outcome.DENIED, rule, governor, message=text)


def _rule(case: _Case) -> tuple[Rule, str]:
    """The first rule that applies, and the override that it is about, if it is about one."""
    leaves = _leaves(case)
    if _unchanged(case) and not leaves:
        return Rule.UNCHANGED, ""
    idle = _nothing_in_force(case)
    if idle is not None:
        return idle, ""
    if case.change.user in case.governor.policy.spec.exemptions.service_accounts:
        return Rule.EXEMPT_USER, ""
    override = lifting(case.governor, case.change, case.now)
    if override:
        return Rule.OVERRIDE, override[0]
    if case.change.recreated:
        return Rule.RECREATED, ""
    # Who may not change the template may not take the object out of the policy to change it.
    return (Rule.LEAVES if leaves else _kind_of_change(case)), ""


def _nothing_in_force(case: _Case) -> Rule | None:
    decision = case.governor.decision
    if case.killed:
        return Rule.KILL_SWITCH
    if decision is None:
        return Rule.UNDECIDED
    if decision.expired(case.now):
        return Rule.EXPIRED
    return Rule.STAGE if decision.effective(case.now) is Admission.ALLOW else None


def _leaves(case: _Case) -> bool:
    change = case.change
    return change.before is not None and not case.governor.governs(change, change.after)


def _unchanged(case: _Case) -> bool:
    return _same(case, ignoring=())


def _same(case: _Case, *, ignoring: Collection[str]) -> bool:
    """Whether the change deploys what runs already, but for the annotations `ignoring`."""
    before, after = case.change.before, case.change.after.deploys
    if before is None:
        return False
    if before.deploys is None or after is None:
        return before.deploys is after
    return after.equals(before.deploys, ignoring=ignoring)


def _kind_of_change(case: _Case) -> Rule:
    exemptions = case.governor.policy.spec.exemptions
    exempt = exemptions.template_keys
    after = case.change.after.deploys
    if _same(case, ignoring=exempt):
        return Rule.TEMPLATE_KEYS
    if _declares_type(case.change, exemptions):
        return Rule.CHANGE_TYPE
    if case.retained is None:
        return Rule.REVISIONS_UNKNOWN
    if case.change.starts:
        return _kind_of_start(case, case.retained)
    if after is None:
        return Rule.DEPLOYS
    back = any(after.equals(one, ignoring=exempt) for one in case.retained)
    return Rule.ROLLBACK if back else Rule.DEPLOYS


def _kind_of_start(case: _Case, retained: Collection[Fingerprint]) -> Rule:
    """Of something that starts a deployment, which itself is none."""
    if _limits(case):
        return Rule.NOT_COUNTED
    starts = case.change.after.deploys
    known = frozenset(image for one in retained for image in one.images)
    known_only = starts is not None and starts.images and starts.images <= known
    return Rule.KNOWN_IMAGES if known_only else Rule.DEPLOYS


def _limits(case: _Case) -> bool:
    """Whether the stage counts deployments of workloads, of which a hook's Job is none."""
    decision = case.governor.decision
    return decision is not None and decision.limit is not None


def _declares_type(change: Change, exemptions: Exemptions) -> bool:
    """Whether the update itself declares a change of an exempt type.

    What is created has nothing before it to tell a declaration from an earlier change's by.
    """
    before, after = change.before, change.after
    if before is None:
        return False
    places = ((before.labels, after.labels), (before.annotations, after.annotations))
    return any(newly_declared(old, new, exemptions) for old, new in places)


def lifting(governor: Governor, change: Change, now: datetime) -> list[str]:
    """The names of the active overrides that let `change` pass the governor's decision."""
    decision, deploys = governor.decision, change.after.deploys
    by_hand = None if decision is None else decision.frozen_by_hand
    images = frozenset[bytes]() if deploys is None else deploys.images
    return [
        override.metadata.name
        for override, _ in in_force(governor.policy, governor.overrides, now)
        if means(override, change.called)
        and lifts(override, frozen_by_hand=by_hand)
        and admits(override, images)
    ]


def approving(
    governor: Governor, called: Collection[str], last: datetime | None, now: datetime
) -> list[str]:
    """The names of the approvals that let a deployment pass a limit.

    Args:
        governor: The policy that limits.
        called: The names by which an approval may mean the workload.
        last: When it was deployed last; None if that is not known.
        now: An aware time.
    """
    return [
        override.metadata.name
        for override, _ in in_force(governor.policy, governor.overrides, now)
        if means(override, called) and approves(override, last=last)
    ]
