from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.controller.policy_plan import (
    Live,
    Outcome,
    active_overrides,
    gates,
    invalid_status,
    status_of,
    want,
    workload_changes,
)
from sluice.enforcement.plan import Problem
from sluice.kube.kill_switch import KillSwitch
from sluice.policy.decision import Decision, decide
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
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
        decided(of, remaining),
        governed=[WEB],
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
        decided(frozen, "10"),
        outcome,
        governed=1,
        records=[],
        overrides=[],
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
        decided(frozen, "10"),
        Outcome(),
        governed=1,
        records=[],
        overrides=[],
        switch=None,
        now=NOW,
    )
    later = frozen.model_copy(update={"status": status})
    steady = replace(decided(later, "10"), transition=None)
    again = status_of(
        later,
        steady,
        Outcome(),
        governed=1,
        records=[],
        overrides=[],
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


def override(name: str, **spec: Any) -> GateOverride:
    return GateOverride.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "creationTimestamp": "2026-08-20T10:04:00Z",
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


def test_only_active_overrides_of_this_policy_count() -> None:
    found = active_overrides(
        policy(),
        [
            override("good"),
            override("other-policy", policy="else"),
            override("ended", expiresAt="2026-08-20T10:00:00Z"),
            override("too-long", expiresAt="2026-09-20T10:00:00Z"),
        ],
        NOW,
    )
    assert [it.metadata.name for it, _ in found] == ["good"]
