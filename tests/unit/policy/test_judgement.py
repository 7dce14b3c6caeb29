"""What becomes of one change: every rule of a freeze, for a gate that is asked."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.policy.admission import Change, Governor, Outcome, Rule, State, Verdict
from sluice.policy.fingerprint import Fingerprint, fingerprint
from sluice.policy.judgement import WARNING_LIMIT, judge
from sluice.policy.message import DENIAL_LIMIT
from sluice.policy.recorded import frozen_apart, recorded
from tests.unit.policy.examples import HOUR, MINUTE, T0, override_of

NOW = T0 + MINUTE
ROBOT = "system:serviceaccount:flux-system:kustomize-controller"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
CAUSE = "SLO checkout-availability has 12.0% of its 30d budget left (freeze below 20%)"
GOVERNED = {"gate": "on"}


def policy_of(
    name: str = "default",
    *,
    admission: str | None = "Deny",
    stage: str = "Exhausted",
    expires: datetime | None = T0 + HOUR,
    deleted: bool = False,
    **spec: Any,
) -> ErrorBudgetPolicy:
    """A policy over what is labelled gate=on, with the status that its controller wrote."""
    decision = {
        "admission": admission,
        "since": T0,
        "expires": expires if admission == "Deny" else None,
        "reason": "StageEntered",
        "message": f"{CAUSE}.",
        "objective": "checkout-availability",
        "remaining": "12.000",
    }
    return ErrorBudgetPolicy.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                **({"deletionTimestamp": T0} if deleted else {}),
            },
            "spec": {
                "objectives": {"selector": {}},
                "workloads": {"selector": {"matchLabels": GOVERNED}},
                "mode": "Enforce",
                "exemptions": {"serviceAccounts": [ROBOT], "templateKeys": [RESTARTED]},
                **spec,
            },
            "status": {"stage": stage, "decision": decision} if admission else {},
        }
    )


def governor(policy: ErrorBudgetPolicy | None = None, *overrides: GateOverride) -> Governor:
    policy = policy or policy_of()
    return Governor(policy, recorded(policy), overrides, frozen_apart(policy))


def runs(image: str = "web:1", **annotations: str) -> Fingerprint:
    return fingerprint(
        {
            "metadata": {"labels": {"run": "web"}, "annotations": annotations},
            "spec": {"containers": [{"name": "web", "image": image}]},
        }
    )


def state(image: str = "web:1", *, labels: dict[str, str] | None = None, **fields: Any) -> State:
    return State(labels=GOVERNED if labels is None else labels, deploys=runs(image), **fields)


DEPLOY = Change(
    kind="Deployment",
    namespace="shop",
    name="web",
    user="alice",
    before=state("web:1"),
    after=state("web:2"),
)
RETAINED = (runs("web:0"), runs("web:1"))


def verdict(
    change: Change = DEPLOY,
    *governors: Governor,
    retained: tuple[Fingerprint, ...] | None = RETAINED,
    killed: bool = False,
    now: datetime = NOW,
) -> Verdict:
    return judge(change, governors or [governor()], retained=retained, killed=killed, now=now)


def test_a_new_image_is_denied_in_the_words_of_every_gate() -> None:
    found = verdict()
    assert (found.outcome, found.rule) == (Outcome.DENIED, Rule.DEPLOYS)
    assert found.message == (
        f"FROZEN by ErrorBudgetPolicy shop/default: {CAUSE}, since 2026-08-20T10:04Z. "
        "Change of Deployment shop/web denied; scaling, restart and rollback are allowed. "
        "Override: kubectl sluice override."
    )
    assert found.annotations == {"verdict": "Denied", "rule": "Deploys", "policy": "shop/default"}


PASSES = {
    "what is being deleted": (replace(DEPLOY, deleting=True), Rule.DELETING),
    "what a controller owns already": (
        replace(DEPLOY, before=state(controlled=True), after=state("web:2", controlled=True)),
        Rule.CONTROLLED,
    ),
    "an orphan in the act": (
        replace(DEPLOY, before=state(controlled=True), after=state("web:2")),
        Rule.CONTROLLED,
    ),
    "what no policy governs": (
        replace(DEPLOY, before=state(labels={}), after=state("web:2", labels={})),
        Rule.NO_POLICY,
    ),
    "what comes under the policy by the change": (
        replace(DEPLOY, before=state(labels={}), after=state("web:2")),
        Rule.NO_POLICY,
    ),
    "a kind that no policy governs": (replace(DEPLOY, kind="CloneSet"), Rule.NO_POLICY),
    "the same template": (replace(DEPLOY, after=state("web:1")), Rule.UNCHANGED),
    "a label that does not govern": (
        replace(DEPLOY, after=state("web:1", labels={**GOVERNED, "team": "x"})),
        Rule.UNCHANGED,
    ),
    "a restart": (
        replace(DEPLOY, after=State(GOVERNED, deploys=runs("web:1", **{RESTARTED: "now"}))),
        Rule.TEMPLATE_KEYS,
    ),
    "a rollback": (replace(DEPLOY, after=state("web:0")), Rule.ROLLBACK),
    "a rollback that keeps a restart's mark": (
        replace(DEPLOY, after=State(GOVERNED, deploys=runs("web:0", **{RESTARTED: "now"}))),
        Rule.ROLLBACK,
    ),
    "an exempt user": (replace(DEPLOY, user=ROBOT), Rule.EXEMPT_USER),
    "an exempt user who leaves": (
        replace(DEPLOY, user=ROBOT, after=state("web:2", labels={})),
        Rule.EXEMPT_USER,
    ),
    "a new workload": (replace(DEPLOY, before=None), Rule.NEW),
    "a workload that was there": (replace(DEPLOY, before=None, recreated=True), Rule.RECREATED),
}


@pytest.mark.parametrize(("change", "rule"), PASSES.values(), ids=PASSES.keys())
def test_this_passes_a_freeze(change: Change, rule: Rule) -> None:
    found = verdict(change)
    assert (found.outcome, found.rule, found.message) == (Outcome.ALLOWED, rule, "")


DENIED = {
    "the governing label removed": (replace(DEPLOY, after=state(labels={})), Rule.LEAVES),
    "a controller added": (replace(DEPLOY, after=state(controlled=True)), Rule.LEAVES),
    "a rollback that leaves": (replace(DEPLOY, after=state("web:0", labels={})), Rule.LEAVES),
    "a restart with something else": (
        replace(DEPLOY, after=State(GOVERNED, deploys=runs("web:2", **{RESTARTED: "now"}))),
        Rule.DEPLOYS,
    ),
    "an annotation of the pods": (
        replace(DEPLOY, after=State(GOVERNED, deploys=runs("web:1", config="2"))),
        Rule.DEPLOYS,
    ),
    "an Argo Rollout": (replace(DEPLOY, kind="Rollout"), Rule.DEPLOYS),
    "no template any more": (replace(DEPLOY, after=State(GOVERNED)), Rule.DEPLOYS),
}


@pytest.mark.parametrize(("change", "rule"), DENIED.values(), ids=DENIED.keys())
def test_this_does_not(change: Change, rule: Rule) -> None:
    found = verdict(change)
    assert (found.outcome, found.rule) == (Outcome.DENIED, rule)


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (verdict(killed=True), Rule.KILL_SWITCH),
        (verdict(now=T0 + HOUR), Rule.EXPIRED),
        (verdict(DEPLOY, governor(policy_of(expires=None))), Rule.EXPIRED),
        (verdict(DEPLOY, governor(policy_of(admission=None))), Rule.UNDECIDED),
        (verdict(DEPLOY, governor(policy_of(deleted=True))), Rule.UNDECIDED),
        (verdict(DEPLOY, governor(policy_of(admission="Allow"))), Rule.STAGE),
        (verdict(retained=None), Rule.REVISIONS_UNKNOWN),
    ],
    ids=lambda value: str(value) if isinstance(value, Rule) else "",
)
def test_what_is_not_known_to_be_frozen_now_denies_nothing(found: Verdict, rule: Rule) -> None:
    assert (found.outcome, found.rule) == (Outcome.ALLOWED, rule)


@pytest.mark.parametrize(
    ("override", "passes"),
    [
        (override_of(), True),
        (override_of("web"), True),
        (override_of("other"), False),
        (override_of(policy="another"), False),
        (override_of(lasts=30 * timedelta(seconds=1)), False),
        (override_of(lasts=25 * HOUR), False),
        (override_of(deletionTimestamp=T0), False),
    ],
    ids=["all", "named", "another workload", "another policy", "ended", "too long", "deleted"],
)
def test_an_override_lets_pass_what_it_is_for_while_it_is_active(
    override: GateOverride, passes: bool
) -> None:
    for change in (DEPLOY, replace(DEPLOY, after=state("web:2", labels={}))):
        found = verdict(change, governor(None, override))
        assert found.allowed is passes
        assert (found.rule is Rule.OVERRIDE) is passes
        assert (found.annotations.get("override") == "fix") is passes


@pytest.mark.parametrize(
    "change", [DEPLOY, replace(DEPLOY, after=state("web:1", labels={}))], ids=["deploys", "leaves"]
)
def test_a_warning_stage_lets_it_pass_and_says_so(change: Change) -> None:
    found = verdict(change, governor(policy_of(admission="Warn", stage="Warning")))
    assert found.outcome is Outcome.WARNED
    [warning] = found.warnings
    assert warning.startswith("ErrorBudgetPolicy shop/default: SLO checkout-availability has 12.0%")
    assert warning.endswith("Change of Deployment shop/web passes.")


def test_a_policy_that_only_warns_says_that_it_would_deny() -> None:
    found = verdict(DEPLOY, governor(policy_of(admission="Warn", stage="Exhausted")))
    assert "In mode Enforce this change WOULD be denied." in found.warnings[0]


def test_a_rollback_in_a_freeze_is_told_that_there_is_one() -> None:
    found = verdict(replace(DEPLOY, after=state("web:0")))
    assert found.warnings == ("A rollback passes the freeze of ErrorBudgetPolicy shop/default.",)
    assert found.annotations == {"verdict": "Allowed", "rule": "Rollback", "policy": "shop/default"}


CHANGE_TYPE = "sluice.dev/change-type"


def declaring(
    declared: str | None,
    *,
    before: str | None = None,
    place: str = "annotations",
    key: str = CHANGE_TYPE,
    **after: Any,
) -> Change:
    """DEPLOY with a declaration in labels or annotations, and the one that was there before."""

    def declares(one: State, value: str | None) -> State:
        held = {**getattr(one, place), **({} if value is None else {key: value})}
        return replace(one, **{place: held})

    return replace(
        DEPLOY,
        before=declares(state("web:1"), before),
        after=declares(state("web:2", **after), declared),
    )


def declared_verdict(change: Change, **exemptions: Any) -> Verdict:
    policy = policy_of(exemptions={"changeTypes": ["security", "P0"], **exemptions})
    return verdict(change, governor(policy))


@pytest.mark.parametrize("place", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        (None, "security", True),
        (None, "security.CVE-2026-1", True),
        (None, "security/CVE-2026-1", True),
        (None, "P0", True),
        ("security.CVE-2026-1", "security.CVE-2026-2", True),
        ("feature", "security", True),
        (None, None, False),
        (None, "", False),
        (None, "feature", False),
        (None, "securityfeature", False),
        (None, "security-feature", False),
        (None, "Security", False),
        (None, "p0", False),
        ("security", "security", False),
        ("security.CVE-2026-1", "security.CVE-2026-1", False),
        ("security", None, False),
        ("security", "feature", False),
    ],
)
def test_a_declared_type_of_change_passes_in_the_update_that_declares_it(
    place: str, before: str | None, after: str | None, passes: bool
) -> None:
    found = declared_verdict(declaring(after, before=before, place=place))
    assert found.allowed is passes
    assert found.rule is (Rule.CHANGE_TYPE if passes else Rule.DEPLOYS)


def test_a_declaration_that_moves_between_label_and_annotation_is_a_new_one() -> None:
    change = declaring("security")
    assert change.before is not None
    moved = replace(change, before=replace(change.before, labels={**GOVERNED, CHANGE_TYPE: "P0"}))
    assert declared_verdict(moved).rule is Rule.CHANGE_TYPE


def test_what_declares_a_type_is_for_the_policy_to_say() -> None:
    other = declaring("security", key="acme.io/change")
    assert declared_verdict(other).rule is Rule.DEPLOYS
    assert declared_verdict(other, changeTypeKey="acme.io/change").rule is Rule.CHANGE_TYPE
    assert declared_verdict(declaring("security"), changeTypes=[]).rule is Rule.DEPLOYS


@pytest.mark.parametrize("leaving", [{"labels": {}}, {"controlled": True}])
def test_a_declared_type_never_lets_a_workload_leave_the_policy(leaving: dict[str, Any]) -> None:
    found = declared_verdict(declaring("security", **leaving))
    assert (found.outcome, found.rule) == (Outcome.DENIED, Rule.LEAVES)


def test_a_declaration_passes_before_it_is_known_what_can_be_rolled_back_to() -> None:
    policy = policy_of(exemptions={"changeTypes": ["security"]})
    found = verdict(declaring("security"), governor(policy), retained=None)
    assert found.rule is Rule.CHANGE_TYPE


def test_what_is_created_declares_nothing_because_it_would_each_time() -> None:
    held = {CHANGE_TYPE: "security"}
    created = replace(DEPLOY, before=None, starts=True, kind="Job")
    found = declared_verdict(replace(created, after=replace(created.after, annotations=held)))
    assert (found.outcome, found.rule) == (Outcome.DENIED, Rule.DEPLOYS)


def test_a_declared_change_in_a_freeze_is_told_that_there_is_one_and_noted() -> None:
    found = declared_verdict(declaring("security.CVE-2026-1"))
    said = "A change of a declared type passes the freeze of ErrorBudgetPolicy shop/default."
    assert found.warnings == (said,)
    assert found.annotations["rule"] == "ChangeType"


def test_a_denial_tells_that_declared_changes_pass() -> None:
    assert "declared changes and rollback are allowed." in declared_verdict(DEPLOY).message


JOB = Change(
    kind="Job",
    namespace="shop",
    name="migrate",
    user="alice",
    after=state("web:2"),
    starts=True,
    also_called=("prod",),
)


@pytest.mark.parametrize(
    ("change", "outcome", "rule"),
    [
        (JOB, Outcome.DENIED, Rule.DEPLOYS),
        (replace(JOB, kind="Promotion", after=State(GOVERNED)), Outcome.DENIED, Rule.DEPLOYS),
        (replace(JOB, after=state("web:0")), Outcome.ALLOWED, Rule.KNOWN_IMAGES),
        (replace(JOB, after=state(labels={})), Outcome.ALLOWED, Rule.NO_POLICY),
        (replace(JOB, after=state(controlled=True)), Outcome.ALLOWED, Rule.CONTROLLED),
        (replace(JOB, user=ROBOT), Outcome.ALLOWED, Rule.EXEMPT_USER),
    ],
)
def test_what_starts_a_deployment_is_judged_when_it_is_created(
    change: Change, outcome: Outcome, rule: Rule
) -> None:
    found = verdict(change)
    assert (found.outcome, found.rule) == (outcome, rule)
    assert ("Creation of" in found.message) is (outcome is Outcome.DENIED)


def by_hand(*workloads: str, since: datetime = T0, admission: str = "Deny") -> ErrorBudgetPolicy:
    """A healthy policy of which somebody froze all, or `workloads`, as its status records it."""
    healthy = policy_of(admission="Allow", stage="Healthy")
    message = "frozen by hand by ada until 2026-08-20T11:04Z (CHG-7): a migration."
    told = {"admission": admission, "since": since, "expires": T0 + HOUR, "message": message}
    override = {"name": "hands-off", "effect": "Freeze", "workloads": list(workloads), **told}
    status = {"overrides": [override]}
    if not workloads:
        status["decision"] = {**told, "reason": "ManualFreeze"}  # type: ignore[assignment]
    body = healthy.to_json()
    return ErrorBudgetPolicy.model_validate({**body, "status": {**body["status"], **status}})


API = replace(DEPLOY, name="api")


@pytest.mark.parametrize(
    ("policy", "change", "outcome"),
    [
        (by_hand(), DEPLOY, Outcome.DENIED),
        (by_hand("web"), DEPLOY, Outcome.DENIED),
        (by_hand("web"), API, Outcome.ALLOWED),
        (by_hand("api", "web"), API, Outcome.DENIED),
        (by_hand(admission="Warn"), DEPLOY, Outcome.WARNED),
        (by_hand("web", admission="Warn"), DEPLOY, Outcome.WARNED),
        (by_hand("web", admission="Allow"), DEPLOY, Outcome.ALLOWED),
        (by_hand("prod"), JOB, Outcome.DENIED),
    ],
)
def test_a_manual_freeze_denies_what_it_is_for(
    policy: ErrorBudgetPolicy, change: Change, outcome: Outcome
) -> None:
    found = verdict(change, governor(policy))
    assert found.outcome is outcome
    told = found.message or "".join(found.warnings)
    assert ("frozen by hand by ada until" in told) is (outcome is not Outcome.ALLOWED)


@pytest.mark.parametrize("workloads", [(), ("web",)], ids=["all", "one"])
def test_scaling_and_rollbacks_pass_a_manual_freeze_too_and_it_ends(
    workloads: tuple[str, ...],
) -> None:
    frozen = governor(by_hand(*workloads))
    back = replace(DEPLOY, after=state("web:0"))
    assert verdict(back, frozen).rule is Rule.ROLLBACK
    assert verdict(replace(DEPLOY, after=DEPLOY.before), frozen).rule is Rule.UNCHANGED
    assert verdict(DEPLOY, frozen, killed=True).allowed
    assert verdict(DEPLOY, frozen, now=T0 + HOUR).allowed


@pytest.mark.parametrize("workloads", [(), ("web",)], ids=["all", "one"])
@pytest.mark.parametrize(
    ("allow", "passes"),
    [
        (override_of("web"), True),
        (override_of(), True),
        (override_of("api"), False),
        (override_of("web", effect="Freeze"), False),
        (override_of("web", creationTimestamp=T0 - MINUTE), False),
        (override_of("web", creationTimestamp=T0 + MINUTE), True),
        (override_of("web", lasts=timedelta(seconds=1)), False),
    ],
)
def test_an_allow_passes_a_manual_freeze_that_is_not_newer(
    workloads: tuple[str, ...], allow: GateOverride, passes: bool
) -> None:
    found = verdict(DEPLOY, governor(by_hand(*workloads), allow))
    assert found.allowed is passes
    assert (found.rule is Rule.OVERRIDE) is passes


@pytest.mark.parametrize(
    ("images", "passes"),
    [
        (["web:2"], True),
        (["web:2", "proxy:7"], True),
        (["web:3"], False),
        (["web:2 "], False),
    ],
)
def test_a_pinned_override_passes_what_runs_none_but_its_images(
    images: list[str], passes: bool
) -> None:
    found = verdict(DEPLOY, governor(None, override_of(images=images)))
    assert (found.rule is Rule.OVERRIDE) is passes
    assert found.allowed is passes


def test_a_pinned_override_passes_nothing_whose_images_are_not_known() -> None:
    promotion = replace(JOB, after=State(labels=GOVERNED))
    assert verdict(promotion, governor(None, override_of())).allowed
    assert not verdict(promotion, governor(None, override_of(images=["web:2"]))).allowed


def test_who_leaves_the_policy_by_a_pinned_override_runs_its_images() -> None:
    leaves = replace(DEPLOY, after=state("web:2", labels={}))
    assert verdict(leaves, governor(None, override_of(images=["web:2"]))).rule is Rule.OVERRIDE
    assert verdict(leaves, governor(None, override_of(images=["web:1"]))).rule is Rule.LEAVES


def test_an_allow_that_is_older_than_a_manual_freeze_still_passes_one_by_budget() -> None:
    spent = policy_of().to_json()
    spent["status"]["overrides"] = by_hand("web").to_json()["status"]["overrides"]
    both = ErrorBudgetPolicy.model_validate(spent)
    older = override_of(creationTimestamp=T0 - MINUTE)
    assert not verdict(DEPLOY, governor(both, older)).allowed
    assert verdict(API, governor(both, older)).allowed


def test_an_override_may_name_what_is_deployed_to() -> None:
    assert verdict(JOB, governor(None, override_of("prod"))).rule is Rule.OVERRIDE


def test_of_several_policies_the_strictest_decides_wherever_it_stands() -> None:
    mild = governor(policy_of("a", admission="Allow", stage="Healthy"))
    warns = governor(policy_of("b", admission="Warn", stage="Warning"))
    denies = governor(policy_of("c"))
    for order in ([mild, warns, denies], [denies, warns, mild], [warns, denies, mild]):
        found = verdict(DEPLOY, *order)
        assert (found.outcome, found.governor) == (Outcome.DENIED, denies)
    assert verdict(DEPLOY, mild, warns).outcome is Outcome.WARNED


def test_an_override_of_one_policy_is_none_of_another() -> None:
    overridden = governor(policy_of("a"), override_of(policy="a"))
    found = verdict(DEPLOY, overridden, governor(policy_of("b")))
    assert (found.outcome, found.governor) == (Outcome.DENIED, governor(policy_of("b")))


changes = st.builds(
    Change,
    kind=st.sampled_from(["Deployment", "Rollout", "Job", "Widget"]),
    namespace=st.just("shop"),
    name=st.sampled_from(["web", "w" * 253]),
    user=st.sampled_from(["alice", ROBOT]),
    after=st.builds(state, st.sampled_from(["web:0", "web:1", "web:2"]), controlled=st.booleans()),
    before=st.none() | st.builds(state, st.just("web:1"), controlled=st.booleans()),
    deleting=st.booleans(),
    starts=st.booleans(),
    recreated=st.booleans(),
)
policies = st.builds(
    lambda name, admission, expired: governor(
        policy_of(name, admission=admission, expires=T0 if expired else T0 + HOUR)
    ),
    st.sampled_from(["a", "b" * 63]),
    st.sampled_from(["Allow", "Warn", "Deny", None]),
    st.booleans(),
)


@given(changes, st.lists(policies, min_size=1, max_size=3), policies)
def test_another_policy_never_lets_pass_what_was_denied(
    change: Change, some: list[Governor], more: Governor
) -> None:
    assert verdict(change, *some).allowed or not verdict(change, *some, more).allowed


@given(changes, st.lists(policies, min_size=1, max_size=3))
def test_nothing_is_denied_while_the_kill_switch_is_engaged_or_after_the_expiry(
    change: Change, some: list[Governor]
) -> None:
    assert verdict(change, *some, killed=True).allowed
    assert verdict(change, *some, now=T0 + 2 * HOUR).allowed


@given(changes, st.lists(policies, min_size=1, max_size=3))
def test_every_text_fits_where_it_is_shown(change: Change, some: list[Governor]) -> None:
    found = verdict(change, *some)
    assert (found.message == "") is found.allowed
    assert len(found.message) <= DENIAL_LIMIT
    assert all(len(text) <= WARNING_LIMIT for text in found.warnings)
    assert all(text.isprintable() for text in (found.message, *found.warnings))


@pytest.mark.parametrize("admission", ["Deny", "Warn"])
def test_a_long_cause_is_cut_where_it_would_not_fit(admission: str) -> None:
    policy = policy_of("p" * 63, admission=admission)
    assert policy.status.decision is not None
    decision = policy.status.decision.model_copy(update={"message": "SLO " + "x y" * 900})
    status = policy.status.model_copy(update={"decision": decision})
    found = verdict(
        replace(DEPLOY, name="w" * 253), governor(policy.model_copy(update={"status": status}))
    )
    text = found.message or found.warnings[0]
    assert len(text) <= (WARNING_LIMIT if admission == "Warn" else DENIAL_LIMIT)
    assert "shop/" in text
    assert ".." in text
