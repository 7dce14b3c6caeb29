"""The story that the examples tell, from a healthy budget to a freeze and back."""

import re
import time
from collections.abc import Iterator

import pytest

from e2e.harness import KubectlError
from e2e.stack import EXAMPLE, ROOT, Controller, Stack
from e2e.story.team import OBJECTIVE, POLICY, Team

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.prometheus,
    pytest.mark.usefixtures("controller"),
]

SLO = "checkout-availability"
DENIED = re.compile(
    r"error: failed to patch image update to pod template: deployments\.apps \"web\" is forbidden: "
    r"ValidatingAdmissionPolicy 'sluice-shop\.default-0' with binding 'sluice-shop\.default-0' "
    r"denied request: FROZEN by ErrorBudgetPolicy shop/default: SLO checkout-availability has "
    r"[89]\.\d% of its 30d budget left \(freeze below 20%\), since 20\d\d-\d\d-\d\dT\d\d:\d\dZ\. "
    r"Change of Deployment shop/web denied; scaling, restart and rollback are allowed\. "
    r"Override: kubectl sluice override\.( Recovers 20\d\d-\d\d-\d\dT\d\d:\d\dZ if nothing more "
    r"fails\.)?\n"
)


@pytest.fixture(scope="module")
def shop(everything: Stack, controller: Controller) -> Iterator[Team]:
    """The examples, applied as they are, and the service that they speak of."""
    del controller
    plane = everything.plane
    # In a cluster that is not ours this refuses to touch a namespace that was there before.
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    plane.apply(namespace)
    plane.kubectl("apply", "-f", str(ROOT / "examples/shop"))
    try:
        yield Team(everything, "shop", everything.take(EXAMPLE.job))
    finally:
        plane.kubectl("delete", "namespace", "shop", "--wait=false")


def test_a_healthy_budget_lets_deployments_pass(shop: Team) -> None:
    shop.until_stage("Healthy")
    known = shop.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name=SLO)
    assert known["message"] == "there are data for 100.000% of the window"
    deployed = shop.attempt("set", "image", "deployment/web", "web=nginx:1.28")
    assert deployed.passed
    assert deployed.said == ""
    assert shop.gates() == []
    assert "finalizers" not in shop.get(POLICY, "default")["metadata"]


def test_below_half_of_the_budget_a_deployment_passes_with_a_warning(shop: Team) -> None:
    shop.service.spend(45)
    shop.until_stage("Warning")
    shop.until("warned", lambda: "budget left" in shop.would_deploy().said)
    warned = shop.attempt("set", "image", "deployment/web", "web=nginx:1.29")
    assert warned.passed
    assert re.fullmatch(
        r"Warning: Validation failed for ValidatingAdmissionPolicy 'sluice-shop\.default-0' with "
        r"binding 'sluice-shop\.default-0': ErrorBudgetPolicy shop/default: SLO "
        r"checkout-availability has 3\d\.\d% of its 30d budget left \(freeze below 20%\)\. "
        r"Change of Deployment shop/web passes\.\n",
        warned.said,
    )


def test_below_a_fifth_of_the_budget_a_deployment_is_denied(shop: Team) -> None:
    shop.service.spend(26)
    shop.until_stage("Exhausted")
    shop.until_denied()
    denied = shop.attempt("set", "image", "deployment/web", "web=nginx:1.30")
    assert DENIED.fullmatch(denied.said), denied.said
    message = denied.said[denied.said.index("FROZEN") : -1]
    assert len(message) <= 600
    assert shop.field("deployment", "web", ".spec.template.spec.containers[0].image") == (
        "nginx:1.29"
    )


def test_a_gitops_tool_is_told_403_and_not_to_recreate(shop: Team) -> None:
    path = "/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=probe"
    template = '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"nginx:9"}]}}}}'
    with pytest.raises(KubectlError) as refused:
        shop.kubectl("patch", "deployment", "web", "-p", template, "-v=8")
    answer = refused.value.result.stderr
    assert re.search(r'status="403 Forbidden"', answer), answer
    assert '"reason":"Forbidden"' in answer
    assert '"code":403' in answer
    assert path.partition("?")[0] in answer


def test_scaling_and_a_restart_pass_the_freeze(shop: Team) -> None:
    assert shop.attempt("scale", "deployment/web", "--replicas=2").passed
    assert shop.attempt("patch", "deployment", "web", "-p", '{"spec":{"replicas":4}}').passed
    assert shop.attempt("rollout", "restart", "deployment/web").passed


def test_a_rollback_passes_the_freeze_and_going_forward_again_does_not(shop: Team) -> None:
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    back = shop.attempt("rollout", "undo", "deployment/web", "--to-revision=1")
    assert back.passed, back.said
    assert shop.field("deployment", "web", ".spec.template.spec.containers[0].image") == (
        "nginx:1.27"
    )
    assert shop.would_deploy().denied


def test_deleting_and_creating_pass_the_freeze(shop: Team) -> None:
    assert shop.attempt("create", "deployment", "other", "--image=nginx:1").passed
    assert shop.attempt("delete", "deployment", "other").passed


def test_a_freeze_is_seen_in_columns_conditions_history_and_events(shop: Team) -> None:
    shop.until("one workload", lambda: shop.status()["workloads"]["governed"] == 1)
    shown = shop.columns(POLICY, "default")
    assert shown.pop("REMAINING").startswith(("8.", "9."))
    assert re.fullmatch(r"\d+m?\d*s", shown.pop("SINCE"))
    assert re.fullmatch(r"\d+m?\d*s", shown.pop("AGE"))
    assert shown == {
        "NAME": "default",
        "MODE": "Enforce",
        "STAGE": "Exhausted",
        "ADMISSION": "Deny",
        "OBJECTIVE": SLO,
    }
    shown = shop.columns(OBJECTIVE, SLO)
    assert shown["REMAINING"].startswith(("8.", "9."))
    assert (shown["NAME"], shown["OBJECTIVE"], shown["WINDOW"]) == (SLO, "99.9", "30d")
    assert shown["LEVEL"] == "Critical"
    found = shop.get(POLICY, "default")
    assert found["metadata"]["finalizers"] == ["sluice.dev/thaw"]
    conditions = {one["type"]: (one["status"], one["reason"]) for one in shop.conditions(POLICY)}
    assert conditions == {
        "Ready": ("True", "Reconciled"),
        "BudgetKnown": ("True", "BudgetKnown"),
        "Frozen": ("True", "Frozen"),
        "Enforcing": ("True", "Enforced"),
    }
    history = [(one["from"], one["to"]) for one in found["status"]["history"]]
    assert history == [("Warning", "Exhausted"), ("Healthy", "Warning"), ("", "Healthy")]
    assert shop.events(POLICY, "default") >= {
        ("Normal", "WithinBudget"),
        ("Warning", "StageEntered"),
    }
    assert ("Warning", "BudgetLow") in shop.events(OBJECTIVE, SLO)


def test_a_frozen_policy_is_current_to_tools_that_ask_kstatus(shop: Team) -> None:
    for kind, name in ((POLICY, "default"), (OBJECTIVE, SLO)):
        found = shop.get(kind, name)
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
        assert {one["type"] for one in shop.conditions(kind, name)}.isdisjoint(
            {"Reconciling", "Stalled"}
        )
    shop.kubectl("wait", f"{POLICY}/default", "--for=condition=Ready", "--timeout=1s")


def test_sluice_writes_status_and_a_finalizer_and_nothing_else(shop: Team) -> None:
    assert shop.written(OBJECTIVE, SLO) == {"status"}
    assert shop.written(POLICY, "default") == {"status", "metadata.finalizers"}
    assert shop.written("deployment", "web") == set()
    for kind, name in ((OBJECTIVE, SLO), (POLICY, "default"), ("deployment", "web")):
        notes = shop.get(kind, name)["metadata"].get("annotations", {})
        assert [key for key in notes if key.startswith("sluice.dev/")] == []


def test_a_recovered_budget_thaws_after_the_time_that_recovery_takes(shop: Team) -> None:
    began = time.monotonic()
    shop.service.recover()
    shop.until("recovering", lambda: "recoveringSince" in shop.status()["timers"])
    waiting = shop.status()
    assert waiting["stage"] == "Exhausted"
    assert waiting["decision"]["reason"] == "Recovering"
    assert re.search(r", thaw at 20\S+Z if it holds\)\.$", waiting["decision"]["message"])
    assert shop.would_deploy().denied
    shop.until_stage("Healthy", timeout=60)
    assert time.monotonic() - began >= 29
    shop.until_passes()
    assert shop.attempt("set", "image", "deployment/web", "web=nginx:1.31").passed


def test_after_the_thaw_nothing_is_left_but_the_history(shop: Team) -> None:
    shop.until("no finalizer", lambda: shop.field(POLICY, "default", ".metadata.finalizers") == "")
    assert shop.gates() == []
    assert shop.written(POLICY, "default") == {"status"}
    history = [(one["from"], one["to"]) for one in shop.status()["history"]]
    assert history == [
        ("Exhausted", "Healthy"),
        ("Warning", "Exhausted"),
        ("Healthy", "Warning"),
        ("", "Healthy"),
    ]
    assert shop.condition("Frozen", POLICY, "default")["reason"] == "NotFrozen"
    assert "expires" not in shop.status()["decision"]
