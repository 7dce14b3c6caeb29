"""A stage that lets one deployment pass in an interval: what counts, and when the next may pass."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.limit import Limit
from sluice.api.override import GateOverride
from sluice.api.policy import Admission, ErrorBudgetPolicy, Exemptions
from sluice.policy.admission import Change, Governor, Outcome, Rule, State, Verdict
from sluice.policy.fingerprint import Fingerprint, fingerprint
from sluice.policy.judgement import judge
from sluice.policy.limit import (
    DECLARATION,
    Deployed,
    Pace,
    declarations,
    last_deploy,
    pace,
    why_not,
)
from sluice.policy.message import DENIAL_LIMIT, limit_parts
from sluice.policy.recorded import recorded
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, spec_of

DAY = timedelta(days=1)
ROBOT = "system:serviceaccount:ci:hotfix"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
TYPE = "sluice.dev/change-type"
EXEMPTIONS = Exemptions(change_types=["security"], service_accounts=[ROBOT])
STAGES = [
    {"name": "Healthy"},
    {
        "name": "Warning",
        "when": {"remainingBelow": "50"},
        "admission": "Limit",
        "limit": {"interval": "7d"},
    },
    {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"},
]
CAUSE = "SLO checkout-availability has 35.0% of its 30d budget left (freeze below 20%)"


def runs(image: str, **annotations: str) -> Fingerprint:
    return fingerprint(
        {
            "metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": "web", "image": image}]},
        }
    )


def at(created: datetime, image: str, *, marks: str = "", **annotations: str) -> Deployed:
    """A revision; `annotations` are the workload's, `marks` is when its pods were restarted."""
    template = runs(image, **({RESTARTED: marks} if marks else {}))
    return Deployed(
        created, template, {key.replace("_", "/"): it for key, it in annotations.items()}
    )


def governor(
    *overrides: GateOverride,
    admission: str = "Limit",
    mode: str = "Enforce",
    interval: str | None = "7d",
    approval: str | None = None,
    expires: datetime = T0 + 365 * DAY,
    since: datetime = T0,
) -> Governor:
    decision: dict[str, Any] = {
        "admission": admission,
        "since": since,
        "expires": expires if admission == "Limit" else None,
        "limit": {"interval": interval, "approval": approval},
        "reason": "StageEntered",
        "message": f"{CAUSE}.",
        "objective": "checkout-availability",
        "remaining": "35.000",
    }
    policy = ErrorBudgetPolicy.model_validate(
        {
            "metadata": {"name": "default", "namespace": "shop"},
            "spec": {
                "objectives": {"selector": {}},
                "mode": mode,
                "stages": STAGES,
                "exemptions": {"changeTypes": ["security"], "serviceAccounts": [ROBOT]},
            },
            "status": {"stage": "Warning", "decision": decision},
        }
    )
    return Governor(policy, recorded(policy), overrides)


def approval_of(
    *workloads: str, effect: str = "Approve", created: datetime = T0 - HOUR
) -> GateOverride:
    return GateOverride.model_validate(
        {
            "metadata": {"name": "chg-1", "namespace": "shop", "creationTimestamp": created},
            "spec": {
                "policy": "default",
                "workloads": list(workloads),
                "effect": effect,
                "reason": "reviewed",
                "createdBy": "ada",
                "expiresAt": created + 2 * HOUR,
            },
        }
    )


DEPLOY = Change(
    kind="Deployment",
    namespace="shop",
    name="web",
    user="alice",
    before=State(deploys=runs("web:2")),
    after=State(deploys=runs("web:3")),
)
HISTORY = (at(T0 - 9 * DAY, "web:1"), at(T0 - DAY, "web:2"))


def verdict(
    change: Change = DEPLOY,
    by: Governor | None = None,
    *,
    history: tuple[Deployed, ...] = HISTORY,
    now: datetime = T0,
) -> Verdict:
    retained = tuple(one.deploys for one in history)
    return judge(
        change,
        [by or governor()],
        retained=retained,
        deployed=history,
        killed=False,
        now=now,
    )


def test_a_deployment_within_the_interval_is_denied_and_told_when_the_next_may_pass() -> None:
    found = verdict()
    assert (found.outcome, found.rule, found.counts) == (Outcome.DENIED, Rule.LIMITED, False)
    assert found.message == (
        f"LIMITED by ErrorBudgetPolicy shop/default: {CAUSE}, since 2026-08-20T10:04Z. "
        "Change of Deployment shop/web denied: one deploy in 7d: the last was "
        "2026-08-19T10:04:00Z, the next may pass after 2026-08-26T10:04:00Z; scaling, restart, "
        "declared changes and rollback are allowed. Approve: kubectl sluice approve."
    )
    assert found.pace == pace(Limit(interval="7d"), T0 - DAY)


def test_the_message_of_a_long_name_still_fits_and_says_when() -> None:
    found = verdict(replace(DEPLOY, name="w" * 253))
    assert len(found.message) <= DENIAL_LIMIT
    assert "the next may pass after 2026-08-26T10:04:00Z" in found.message


@pytest.mark.parametrize("approval", [None, "Required"])
@pytest.mark.parametrize("objective", ["checkout-availability", "o" * 253])
def test_a_gate_that_learns_the_workload_later_says_the_same_within_the_same_room(
    objective: str, approval: str | None
) -> None:
    limit = {"interval": "1y2w3d4h5m6s7ms", "approval": approval}
    spec = spec_of(stages=[STAGES[0], STAGES[1] | {"limit": limit}, STAGES[2]])
    found = decided(known("35", objective), spec=spec)
    parts = limit_parts(found, spec)
    why = why_not(Limit.model_validate(limit), Pace(T0, T0 + DAY), T0)
    text = f"{parts.prefix}StatefulSet{parts.infix}{'w' * 63} denied: {why}{parts.suffix}"
    assert len(text) <= DENIAL_LIMIT
    assert text.startswith(f"LIMITED by ErrorBudgetPolicy shop/default: SLO {objective[:21]}")
    assert "has 35.0% of its 30d budget left (freeze below 20%)" in text
    assert "; scaling, restart and rollback are allowed. Approve: kubectl sluice approve." in text


def test_the_one_deployment_of_an_interval_passes_and_is_told_when_the_next_may() -> None:
    found = verdict(now=T0 + 6 * DAY)
    assert (found.outcome, found.rule, found.counts) == (Outcome.ALLOWED, Rule.WITHIN_LIMIT, True)
    (warned,) = found.warnings
    assert warned == (
        "ErrorBudgetPolicy shop/default: one deploy passes in 7d; after this one the next may "
        "pass after 2026-09-02T10:04:00Z."
    )


def test_a_workload_of_which_no_deployment_is_known_may_be_deployed() -> None:
    assert verdict(history=()).rule is Rule.WITHIN_LIMIT


PASSES = {
    "the same template": (replace(DEPLOY, after=DEPLOY.before or DEPLOY.after), Rule.UNCHANGED),
    "a restart": (
        replace(DEPLOY, after=State(deploys=runs("web:2", **{RESTARTED: "now"}))),
        Rule.TEMPLATE_KEYS,
    ),
    "a rollback": (replace(DEPLOY, after=State(deploys=runs("web:1"))), Rule.ROLLBACK),
    "an exempt user": (replace(DEPLOY, user=ROBOT), Rule.EXEMPT_USER),
    "a declared change": (
        replace(
            DEPLOY, after=State(deploys=runs("web:3"), annotations={TYPE: "security.CVE-2026-1"})
        ),
        Rule.CHANGE_TYPE,
    ),
    "a workload created again": (replace(DEPLOY, before=None, recreated=True), Rule.RECREATED),
    "a hook's Job": (replace(DEPLOY, kind="Job", before=None, starts=True), Rule.NOT_COUNTED),
    "a promotion": (
        replace(DEPLOY, kind="Promotion", before=None, after=State(), starts=True),
        Rule.NOT_COUNTED,
    ),
}


@pytest.mark.parametrize(("change", "rule"), PASSES.values(), ids=PASSES.keys())
def test_what_is_exempt_passes_within_the_interval_and_does_not_count(
    change: Change, rule: Rule
) -> None:
    found = verdict(change)
    assert (found.outcome, found.rule, found.counts) == (Outcome.ALLOWED, rule, False)
    assert all("the limit of ErrorBudgetPolicy" in warning for warning in found.warnings)


@pytest.mark.parametrize("now", [T0, T0 + 30 * DAY])
def test_a_workload_cannot_leave_the_policy_to_be_deployed_freely(now: datetime) -> None:
    owned = State(deploys=runs("web:2"), controlled=True)
    found = verdict(replace(DEPLOY, after=owned), now=now)
    assert (found.outcome, found.rule) == (Outcome.DENIED, Rule.LEAVES)
    assert "denied: it would take the workload out of the policy; scaling" in found.message


def test_a_policy_that_warns_warns_of_what_it_would_deny_and_of_nothing_else() -> None:
    warns = governor(admission="Warn", mode="Warn")
    found = verdict(by=warns)
    assert found.outcome is Outcome.WARNED
    assert "In mode Enforce this change WOULD be denied: one deploy in 7d" in found.warnings[0]
    assert verdict(by=warns, now=T0 + 6 * DAY).outcome is Outcome.ALLOWED


def test_a_policy_that_observes_stops_nothing() -> None:
    found = verdict(by=governor(admission="Allow", mode="Observe"))
    assert (found.outcome, found.rule) == (Outcome.ALLOWED, Rule.STAGE)


def test_a_limit_ends_unless_the_controller_renews_it() -> None:
    assert verdict(by=governor(expires=T0)).rule is Rule.EXPIRED


NEXT = T0 + 6 * DAY
"""When the next deployment may pass by the interval."""
APPROVAL = approval_of("web")
LATER_APPROVAL = approval_of("web", created=NEXT)
TERMS: dict[str, tuple[dict[str, str | None], GateOverride | None, datetime, Rule]] = {
    "too early": ({}, None, T0, Rule.LIMITED),
    "too early, but approved": ({}, APPROVAL, T0, Rule.APPROVED),
    "in time": ({}, None, NEXT, Rule.WITHIN_LIMIT),
    "needs an approval": ({"interval": None, "approval": "Required"}, None, T0, Rule.LIMITED),
    "has it": ({"interval": None, "approval": "Required"}, APPROVAL, T0, Rule.APPROVED),
    "needs both and has none": ({"approval": "Required"}, None, T0, Rule.LIMITED),
    "needs both, too early": ({"approval": "Required"}, APPROVAL, T0, Rule.LIMITED),
    "needs both, unapproved": ({"approval": "Required"}, None, NEXT, Rule.LIMITED),
    "has both": ({"approval": "Required"}, LATER_APPROVAL, NEXT, Rule.APPROVED),
    "an approval of another workload": ({}, approval_of("api"), T0, Rule.LIMITED),
    "an approval that has ended": ({}, APPROVAL, T0 + HOUR, Rule.LIMITED),
    "an override": ({}, approval_of("web", effect="Allow"), T0, Rule.OVERRIDE),
}


@pytest.mark.parametrize(("limit", "override", "now", "rule"), TERMS.values(), ids=TERMS.keys())
def test_an_approval_stands_in_for_the_interval_where_it_is_not_required(
    limit: dict[str, Any], override: GateOverride | None, now: datetime, rule: Rule
) -> None:
    by = governor(*([override] if override else []), **limit)
    found = verdict(by=by, now=now)
    assert (found.rule, found.allowed) == (rule, rule is not Rule.LIMITED)
    assert found.override == ("chg-1" if rule in {Rule.APPROVED, Rule.OVERRIDE} else "")


def test_an_approval_is_used_up_by_one_deployment() -> None:
    by = governor(APPROVAL)
    first = verdict(by=by)
    assert (first.rule, first.counts) == (Rule.APPROVED, True)
    (warned,) = first.warnings
    assert warned == (
        "ErrorBudgetPolicy shop/default: approval chg-1 lets this deploy pass and is used up; "
        "after this one the next may pass after 2026-08-27T10:04:00Z."
    )
    again = replace(DEPLOY, before=DEPLOY.after, after=State(deploys=runs("web:4")))
    assert verdict(again, by, history=(*HISTORY, at(T0, "web:3"))).rule is Rule.LIMITED


@pytest.mark.parametrize(
    ("deployed", "rule"),
    [(-1, Rule.APPROVED), (0, Rule.LIMITED), (1, Rule.LIMITED)],
    ids=["before it", "in its second", "after it"],
)
def test_a_deployment_since_an_approval_was_created_has_used_it_up(
    deployed: int, rule: Rule
) -> None:
    history = (at(T0 - HOUR + timedelta(seconds=deployed), "web:2"),)
    assert verdict(by=governor(APPROVAL), history=history).rule is rule


def test_an_approval_lets_nothing_pass_a_freeze_nor_out_of_the_policy() -> None:
    leaves = replace(DEPLOY, after=State(deploys=runs("web:2"), controlled=True))
    assert verdict(leaves, governor(APPROVAL)).rule is Rule.LEAVES
    frozen = governor(APPROVAL)
    decision = frozen.decision
    assert decision is not None
    denies = replace(decision, admission=Admission.DENY, recorded=Admission.DENY, limit=None)
    assert verdict(by=replace(frozen, decision=denies)).rule is Rule.DEPLOYS


def test_who_needs_an_approval_is_told_how_to_get_one() -> None:
    alone = verdict(by=governor(interval=None, approval="Required"))
    assert "denied: a deploy needs an approval; scaling" in alone.message
    assert alone.message.endswith("are allowed. Approve: kubectl sluice approve.")
    both = verdict(by=governor(approval="Required"))
    assert "denied: one deploy in 7d" in both.message
    assert both.message.endswith(
        "Approve: kubectl sluice approve. Override: kubectl sluice override."
    )


COUNTS = {
    "nothing": ((), None),
    "the creation": ((at(T0, "web:1"),), T0),
    "the newest of several": ((at(T0 + HOUR, "web:2"), at(T0, "web:1")), T0 + HOUR),
    "no restart": ((at(T0, "web:1"), at(T0 + HOUR, "web:1", marks="then")), T0),
    "what is deployed after a restart": (
        (at(T0, "web:1", marks="then"), at(T0 + HOUR, "web:2", marks="then")),
        T0 + HOUR,
    ),
    "no declared change": (
        (at(T0, "web:1"), at(T0 + HOUR, "web:2", **{"sluice.dev_change-type": "security.1"})),
        T0,
    ),
    "a change with the declaration of one before": (
        (
            at(T0, "web:1"),
            at(T0 + HOUR, "web:2", **{"sluice.dev_change-type": "security.1"}),
            at(T0 + 2 * HOUR, "web:3", **{"sluice.dev_change-type": "security.1"}),
        ),
        T0 + 2 * HOUR,
    ),
    "a declaration of which it is not known that it is new": (
        (at(T0, "web:1", **{"sluice.dev_change-type": "security.1"}),),
        T0,
    ),
    "a type that is not exempt": (
        (at(T0, "web:1"), at(T0 + HOUR, "web:2", **{"sluice.dev_change-type": "feature"})),
        T0 + HOUR,
    ),
}


@pytest.mark.parametrize(("history", "last"), COUNTS.values(), ids=COUNTS.keys())
def test_this_counts_as_the_last_deployment(
    history: tuple[Deployed, ...], last: datetime | None
) -> None:
    assert last_deploy(history, EXEMPTIONS) == last


def test_of_a_revision_only_annotations_are_kept_that_may_declare_a_change() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    long = {"long": "x" * (DECLARATION + 1)}
    assert declarations({"a": "b", **long, **applied}) == {"a": "b"}
    assert declarations(None) == {}


STEP = st.tuples(
    st.integers(0, 40).map(lambda hours: hours * HOUR),
    st.sampled_from(["deploy", "restart", "rollback", "declare"]),
)


@given(st.lists(STEP, max_size=30), st.integers(1, 72).map(lambda hours: f"{hours}h"))
def test_two_deployments_that_count_are_never_within_an_interval(
    steps: list[tuple[timedelta, str]], interval: str
) -> None:
    """Whatever a workload goes through in a stage that limits it, as its controller records it."""
    by, now, number = governor(interval=interval, expires=T0 + 9999 * DAY), T0, 1
    history = [at(T0, "web:1")]
    running, passed = runs("web:1"), [T0]
    for wait, act in steps:
        now += wait
        number += 1
        annotations: dict[str, str] = {}
        wanted = {
            "deploy": runs(f"web:{number}"),
            "declare": runs(f"web:{number}"),
            "restart": replace(running, notes={RESTARTED: str(number).encode()}),
            "rollback": history[0].deploys,
        }[act]
        if act == "declare":
            annotations = {TYPE: f"security.{number}"}
        change = replace(
            DEPLOY,
            before=State(deploys=running),
            after=State(deploys=wanted, annotations=annotations),
        )
        found = verdict(change, by, history=tuple(history), now=now)
        assert found.allowed or act == "deploy"
        if not found.allowed:
            continue
        if found.counts:
            passed.append(now)
        running = wanted
        if not any(one.deploys == wanted for one in history):
            history.append(Deployed(now, wanted, annotations))
    length = pace(Limit(interval=interval), T0).next - T0
    assert all(after - before >= length for before, after in pairwise(passed))


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(-50, 100)), min_size=1, max_size=20))
def test_a_limit_never_outlives_its_stage(steps: list[tuple[int, int]]) -> None:
    """What is recorded limits exactly while the stage does that says so."""
    at_, before = timedelta(0), None
    for minutes, remaining in steps:
        at_ += minutes * MINUTE
        before = decided(known(str(remaining)), before=before, at=at_, spec=spec_of(stages=STAGES))
        assert (before.limit is not None) is (before.stage == "Warning")
        assert (before.effective.value == "Limit") is (before.stage == "Warning")
        assert (before.expires is not None) is (before.stage != "Healthy")


def test_a_stage_that_limits_is_left_with_hysteresis_for_a_milder_and_entered_from_a_worse() -> (
    None
):
    spec = spec_of(stages=STAGES)
    frozen = decided(known("10"), spec=spec)
    recovering = decided(known("26"), before=frozen, at=MINUTE, spec=spec)
    assert (recovering.stage, recovering.effective.value) == ("Exhausted", "Deny")
    limited = decided(known("26"), before=recovering, at=HOUR, spec=spec)
    assert (limited.stage, limited.effective.value) == ("Warning", "Limit")
    held = decided(known("56"), before=limited, at=HOUR + MINUTE, spec=spec)
    assert (held.stage, held.reason) == ("Warning", "Recovering")


def test_the_sentence_of_a_policy_that_only_limits_says_where_it_begins() -> None:
    found = decided(known("35"), spec=spec_of(stages=STAGES[:2]))
    assert found.message.endswith("has 35.0% of its 30d budget left (limit below 50%).")
