from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.controller.aims import want, workload_changes
from sluice.controller.policy_plan import Live, Outcome, gates, invalid_status, status_of
from sluice.enforcement.plan import Problem
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import WORKLOADS
from sluice.policy.decision import Decision, decide
from sluice.policy.manual import Ruled, rule
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
from sluice.policy.override import in_force
from sluice.policy.selection import WorkloadName

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
STAGES = [
    {"name": "Healthy"},
    {"name": "Warning", "when": {"remainingBelow": "50"}, "admission": "Warn"},
    {
        "name": "Exhausted",
        "when": {"remainingBelow": "20"},
        "admission": "Deny",
        "pauseRollouts": True,
        "annotate": {"team.example.com/why": "$(objective) since $(since)"},
    },
]


def policy(mode: str = "Enforce", **status: Any) -> ErrorBudgetPolicy:
    return ErrorBudgetPolicy.model_validate(
        {
            "metadata": {"name": "default", "namespace": "shop", "uid": "p-1", "generation": 3},
            "spec": {"objectives": {"names": ["a"]}, "mode": mode, "stages": STAGES},
            "status": status,
        }
    )


def decided(of: ErrorBudgetPolicy, remaining: str | None) -> Decision:
    state = ObjectiveState(
        name="a",
        known=remaining is not None,
        level=Level.OK,
        remaining=None if remaining is None else Decimal(remaining),
        burn_rates={},
        window="30d",
        recovered_at=None,
        reason=Reason.BUDGET_KNOWN if remaining is not None else Reason.NO_DATA,
        message="",
    )
    return decide(
        spec=of.spec,
        policy_name="default",
        namespace="shop",
        objectives=[state],
        before=Memory(),
        now=NOW,
    )


WEB = WorkloadName("Deployment", "web")


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"},
        "spec": {"template": template, **spec},
    }


def rendered(of: ErrorBudgetPolicy, remaining: str, there: list[Any] | None = None) -> Any:
    return gates(
        of,
        Ruled(decided(of, remaining)),
        governed=[WEB],
        kinds=WORKLOADS,
        live=Live(workloads=[deployment("web"), deployment("other")]),
        overrides=[],
        there=there or [],
        now=NOW,
    ).manifests


@pytest.mark.parametrize(
    ("mode", "remaining", "actions"),
    [
        ("Enforce", "80", None),
        ("Enforce", "30", ["Warn", "Audit"]),
        ("Enforce", "10", ["Deny", "Audit"]),
        ("Warn", "10", ["Warn", "Audit"]),
        ("Observe", "10", None),
    ],
)
def test_a_gate_does_what_the_stage_says_as_far_as_the_mode_reaches(
    mode: str, remaining: str, actions: list[str] | None
) -> None:
    manifests = rendered(policy(mode), remaining)
    found = [it["spec"].get("validationActions") for it in manifests if "Binding" in it["kind"]]
    assert found == ([] if actions is None else [actions])


def test_exempt_types_of_change_are_in_the_gate() -> None:
    spec = {"objectives": {"names": ["a"]}, "mode": "Enforce", "stages": STAGES}
    exemptions = {"changeTypes": ["security"], "changeTypeKey": "team.example/kind"}
    metadata = {"name": "default", "namespace": "shop", "uid": "p-1", "generation": 3}
    exempting = ErrorBudgetPolicy.model_validate(
        {"metadata": metadata, "spec": {**spec, "exemptions": exemptions}}
    )
    gate, _ = rendered(exempting, "10")
    found = {it["name"]: it["expression"] for it in gate["spec"]["variables"]}
    assert "['security'].exists" in found["declared"]
    assert "'team.example/kind' in object.metadata.labels" in found["declared"]
    gate, _ = rendered(policy(), "10")
    assert {"name": "declared", "expression": "false"} in gate["spec"]["variables"]


def test_a_warning_is_renewed_only_when_half_of_its_time_is_gone() -> None:
    first = rendered(policy("Warn"), "10")
    assert rendered(policy("Warn"), "10", there=list(first)) == first
    faded = [
        {**it, "metadata": {**it["metadata"], "annotations": {"sluice.dev/expires": str(NOW)}}}
        for it in first
    ]
    renewed = rendered(policy("Warn"), "10", there=faded)
    ends = renewed[0]["metadata"]["annotations"]["sluice.dev/expires"]
    assert datetime.fromisoformat(ends) > NOW + timedelta(minutes=59)


def test_workloads_carry_what_the_stage_says_only_in_mode_enforce() -> None:
    enforced = want(policy(), decided(policy(), "10"), killed=False)
    assert enforced.pause
    assert enforced.annotations == {"team.example.com/why": "a since 2026-08-20T10:04:00Z"}
    for mode in ("Warn", "Observe"):
        spared = want(policy(mode), decided(policy(mode), "10"), killed=False)
        assert (spared.pause, spared.annotations) == (False, {})


def test_the_kill_switch_wants_nothing_of_workloads() -> None:
    killed = want(policy(), decided(policy(), "10"), killed=True)
    assert (killed.pause, killed.annotations) == (False, {})


def test_only_governed_workloads_are_changed() -> None:
    frozen = policy()
    wanted = want(frozen, decided(frozen, "10"), killed=False)
    changes = workload_changes(
        frozen,
        wanted,
        governed=[WEB],
        live=Live(workloads=[deployment("web"), deployment("other")]),
        now=NOW,
    )
    written = {target.name: change.apply is not None for target, change in changes}
    assert written == {"web": True, "other": False}


def enforcing(outcome: Outcome, *, mode: str = "Enforce", switch: KillSwitch | None = None) -> Any:
    frozen = policy(mode)
    status = status_of(
        frozen,
        Ruled(decided(frozen, "10")),
        outcome,
        governed=1,
        records=[],
        overrides=[],
        history=[],
        switch=switch,
        now=NOW,
    )
    return {it.type: it for it in status.conditions}


FIELD = "metadata.annotations[x]"


@pytest.mark.parametrize(
    ("outcome", "options", "status", "reason", "says"),
    [
        (Outcome(), {}, "True", "Enforced", ""),
        (Outcome(), {"mode": "Warn"}, "True", "WarnOnly", ""),
        (Outcome(), {"mode": "Observe"}, "False", "ObserveOnly", "Mode Observe records"),
        (Outcome(rejected="refused: no"), {}, "False", "GateRejected", "refused: no"),
        (Outcome(failed=("Deployment shop/web: no",)), {}, "False", "WriteFailed", "shop/web: no"),
        (
            Outcome(problems=(Problem("p-1", FIELD, contested=False, message="kubectl set it"),)),
            {},
            "False",
            "WriteFailed",
            "kubectl set it",
        ),
        (Outcome(dropped=("revision 3 is too large",)), {}, "True", "Enforced", "revision 3"),
        (
            Outcome(),
            {"switch": KillSwitch(reason="INC-7", engaged_by="ann")},
            "False",
            "KillSwitch",
            "INC-7 (ann)",
        ),
    ],
)
def test_enforcing_says_whether_the_decision_is_in_force_and_why_not(
    outcome: Outcome, options: Any, status: str, reason: str, says: str
) -> None:
    found = enforcing(outcome, **options)["Enforcing"]
    assert (found.status, found.reason) == (status, reason)
    assert says in found.message


def test_a_contested_field_is_a_condition_of_its_own() -> None:
    problem = Problem("p-1", "spec.paused", contested=True, message="somebody took it back twice")
    found = enforcing(Outcome(problems=(problem,)))
    assert found["Contested"].message == "somebody took it back twice"
    assert found["Enforcing"].status == "True"
    assert "Contested" not in enforcing(Outcome())


def test_a_frozen_policy_is_ready() -> None:
    assert enforcing(Outcome())["Ready"].status == "True"


def test_an_evaluation_that_changes_nothing_gives_the_same_status() -> None:
    frozen = policy()
    status = status_of(
        frozen,
        Ruled(decided(frozen, "10")),
        Outcome(),
        governed=1,
        records=[],
        overrides=[],
        history=[],
        switch=None,
        now=NOW,
    )
    later = frozen.model_copy(update={"status": status})
    steady = replace(decided(later, "10"), transition=None)
    again = status_of(
        later,
        Ruled(steady),
        Outcome(),
        governed=1,
        records=[],
        overrides=[],
        history=[],
        switch=None,
        now=NOW + timedelta(seconds=60),
    )
    assert again == status


def test_a_policy_that_makes_no_sense_keeps_its_decision_and_says_what_to_correct() -> None:
    before = policy(stage="Exhausted")
    status = invalid_status(before, ["spec.stages[1]: wrong"], NOW)
    assert status.stage == "Exhausted"
    assert status.observed_generation == 3
    assert {(it.type, it.status, it.message) for it in status.conditions} == {
        ("Ready", "False", "spec.stages[1]: wrong"),
        ("Stalled", "True", "spec.stages[1]: wrong"),
    }


def override(name: str, *, created: str = "2026-08-20T10:04:00Z", **spec: Any) -> GateOverride:
    return GateOverride.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "creationTimestamp": created,
            },
            "spec": {
                "policy": "default",
                "reason": "a fix",
                "createdBy": "ann",
                "expiresAt": "2026-08-20T11:00:00Z",
                **spec,
            },
        }
    )


def manually(of: ErrorBudgetPolicy, remaining: str, *overrides: GateOverride) -> Any:
    active = in_force(of, overrides, NOW)
    ruled = rule(decided(of, remaining), active, mode=of.spec.mode)
    found = gates(
        of,
        ruled,
        governed=[WEB, WorkloadName("Deployment", "api")],
        kinds=WORKLOADS,
        live=Live(workloads=[deployment("web"), deployment("api")]),
        overrides=active,
        there=[],
        now=NOW,
    )
    return [one for one in found.manifests if one["kind"] == "ValidatingAdmissionPolicy"]


def overridden(gate: Any) -> str:
    [found] = [it for it in gate["spec"]["variables"] if it["name"] == "overridden"]
    return str(found["expression"])


def test_a_manual_freeze_of_all_is_the_one_gate_whatever_the_budget_is() -> None:
    freeze = override("hands-off", effect="Freeze")
    for remaining in ("80", "10"):
        [gate] = manually(policy(), remaining, freeze)
        assert gate["metadata"]["name"] == "sluice-shop.default-0"
        message = gate["spec"]["validations"][0]["messageExpression"]
        assert "frozen by hand by ann until 2026-08-20T11:00Z: a fix" in message
        assert [it["name"] for it in gate["spec"]["matchConditions"]][:2] == [
            "in-shard",
            "governed",
        ]


def test_a_manual_freeze_of_some_workloads_is_a_gate_of_its_own_with_an_end_of_its_own() -> None:
    freeze = override("hands-off", effect="Freeze", workloads=["web"])
    [gate] = manually(policy(), "80", freeze)
    assert gate["metadata"]["name"].startswith("sluice-shop.default-0-m")
    assert gate["metadata"]["annotations"]["sluice.dev/expires"] == "2026-08-20T11:00:00+00:00"
    named = {"name": "named", "expression": "object.metadata.name in ['web']"}
    assert named in gate["spec"]["matchConditions"]
    both = manually(policy(), "10", freeze)
    assert len({it["metadata"]["name"] for it in both}) == 2
    assert "SLO a has 10.0%" in both[0]["spec"]["validations"][0]["messageExpression"]


def test_an_allow_is_in_the_gate_of_a_manual_freeze_unless_it_is_older() -> None:
    freeze = override("hands-off", effect="Freeze", workloads=["web"])
    early = override("early", created="2026-08-20T10:03:59Z", expiresAt="2026-08-20T10:30:00Z")
    late = override("late", created="2026-08-20T10:04:00Z", expiresAt="2026-08-20T10:40:00Z")
    budget, by_hand = manually(policy(), "10", early, freeze, late)
    assert "10:30:00Z" in overridden(budget)
    assert "10:40:00Z" in overridden(budget)
    assert "10:30:00Z" not in overridden(by_hand)
    assert "10:40:00Z" in overridden(by_hand)
    assert "11:00:00Z" not in overridden(budget)  # a Freeze lets nothing pass


def test_a_pin_is_in_the_gate() -> None:
    [gate] = manually(policy(), "10", override("fix", workloads=["web"], images=["web:2"]))
    assert "variables.newImages.all(i, i[1] in ['web:2'])" in overridden(gate)
    order = [it["name"] for it in gate["spec"]["variables"]]
    assert order.index("newImages") < order.index("overridden")


@pytest.mark.parametrize(("mode", "actions"), [("Warn", "Warn"), ("Observe", None)])
def test_a_manual_freeze_reaches_as_far_as_the_mode(mode: str, actions: str | None) -> None:
    of = policy(mode)
    freeze = override("hands-off", effect="Freeze")
    gates_of = manually(of, "80", freeze)
    assert bool(gates_of) is (actions is not None)
    for gate in gates_of:
        assert gate["metadata"]["annotations"]["sluice.dev/expires"] == "2026-08-20T11:00:00+00:00"
        assert "In mode Enforce this change WOULD be denied" in str(gate["spec"]["validations"])


def test_the_status_tells_a_manual_freeze_and_what_it_replaces() -> None:
    of = policy()
    overrides = in_force(
        of,
        [
            override("fix"),
            override("web-only", effect="Freeze", workloads=["web"]),
            override("hands-off", effect="Freeze", ticket="INC-7"),
        ],
        NOW,
    )
    status = status_of(
        of,
        rule(decided(of, "10"), overrides, mode=of.spec.mode),
        Outcome(),
        governed=1,
        records=[],
        overrides=overrides,
        history=[],
        switch=None,
        now=NOW,
    )
    assert status.decision is not None
    assert (status.stage, status.decision.reason) == ("Exhausted", "ManualFreeze")
    assert status.decision.message == (
        "frozen by hand by ann until 2026-08-20T11:00Z (INC-7): a fix."
    )
    assert (status.decision.objective, status.decision.remaining) == (None, None)
    assert status.by_budget is not None
    assert (status.by_budget.reason, status.by_budget.objective) == ("StageEntered", "a")
    assert [(one.name, one.effect, one.admission) for one in status.overrides] == [
        ("web-only", "Freeze", "Deny"),
        ("hands-off", "Freeze", "Deny"),
        ("fix", "Allow", None),
    ]
    assert status.overrides[0].message == "frozen by hand by ann until 2026-08-20T11:00Z: a fix."
