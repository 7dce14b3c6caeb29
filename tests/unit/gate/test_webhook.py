"""Reviews as the API server sends them, and what goes back."""

import json
from typing import Any

import pytest

from sluice.gate.metrics import GateMetrics
from sluice.gate.webhook import Webhook
from sluice.kube.kill_switch import KillSwitch, Unread
from sluice.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    OVERRIDES,
    POLICIES,
    REPLICA_SETS,
    ROLLOUTS,
)
from tests.unit.gate.objects import (
    GOVERNED,
    RESOURCES,
    ROBOT,
    Known,
    Object,
    controller_revision,
    frozen,
    override,
    owned_by,
    policy,
    replica_set,
    review,
    template,
    workload,
)

RUNNING = workload(image="web:2")


class Gate:
    """A webhook over what is known."""

    def __init__(self, known: Known, *, unready: str | None = None) -> None:
        self.metrics = GateMetrics()
        self.webhook = Webhook(known.judge, self.metrics, unready=lambda: unready)

    def __call__(self, sent: Object) -> Object:
        answer = self.webhook.review(json.dumps(sent).encode())
        assert answer["apiVersion"] == "admission.k8s.io/v1"
        assert answer["kind"] == "AdmissionReview"
        assert answer["response"]["uid"] == sent["request"]["uid"]
        found: Object = answer["response"]
        return found

    def counted(self, verdict: str, rule: str) -> float | None:
        labels = {"verdict": verdict, "rule": rule}
        return self.metrics.registry.get_sample_value("sluice_gate_requests_total", labels)


def change(**after: Any) -> Object:
    return review(RUNNING, workload(**{"image": "web:2", **after}))


def test_a_denial_is_403_forbidden_with_the_message_and_marks_for_the_audit() -> None:
    response = Gate(frozen())(change(image="web:3"))
    assert response["allowed"] is False
    status = response["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"].startswith("FROZEN by ErrorBudgetPolicy shop/default: SLO checkout")
    assert "immutable" not in status["message"]
    assert response["auditAnnotations"] == {
        "verdict": "Denied",
        "rule": "Deploys",
        "policy": "shop/default",
    }


def test_a_dry_run_gets_the_same_verdict() -> None:
    gate, sent = Gate(frozen()), change(image="web:3")
    real = gate(sent)
    sent["request"]["dryRun"] = True
    assert gate(sent) == real
    assert real["allowed"] is False


@pytest.mark.parametrize(
    "sent",
    [
        change(),
        change(image="web:1"),
        change(labels={"gate": "on", "team": "x"}),
        review(RUNNING, RUNNING | {"spec": {**RUNNING["spec"], "replicas": 9}}),
        review(None, workload(image="web:3")),
        review(RUNNING, None, operation="DELETE"),
        review(RUNNING, workload(image="web:3"), user=ROBOT),
        review(RUNNING, workload(image="web:3"), subResource="scale"),
        review(RUNNING, workload(image="web:3"), group="example.com"),
        review(RUNNING, workload(image="web:3", deletionTimestamp="2026-08-20T10:00:00Z")),
        review(workload(ownerReferences=owned_by(workload("Rollout"))), workload(image="web:3")),
    ],
    ids=[
        *("nothing", "rollback", "label", "replicas", "creation", "deletion", "exempt"),
        *("subresource", "namesake", "deleting", "controlled"),
    ],
)
def test_this_passes_a_freeze(sent: Object) -> None:
    assert Gate(frozen())(sent)["allowed"] is True


@pytest.mark.parametrize(
    "sent",
    [
        change(labels={}),
        change(ownerReferences=owned_by(workload("Rollout"))),
        review(RUNNING, workload(image="web:1", labels={})),
    ],
    ids=["labels", "owner", "rollback that leaves"],
)
def test_leaving_the_policy_does_not(sent: Object) -> None:
    assert Gate(frozen())(sent)["status"]["code"] == 403


def test_an_override_passes_and_is_told_to_the_user_and_the_audit() -> None:
    response = Gate(frozen().see(OVERRIDES, override()))(change(image="web:3"))
    assert response["allowed"] is True
    assert response["auditAnnotations"]["override"] == "fix"
    [warning] = response["warnings"]
    assert len(warning) <= 256


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_a_declared_type_of_change_passes_where_it_is_new(place: str) -> None:
    known = frozen().see(POLICIES, policy(exemptions={"changeTypes": ["security"]}))
    gate = Gate(known)

    def declaring(image: str, value: str | None) -> Object:
        declared = {} if value is None else {"sluice.dev/change-type": value}
        held = {**(GOVERNED if place == "labels" else {}), **declared}
        return workload(image=image, **{place: held})

    before, after = declaring("web:2", "security.1"), declaring("web:3", "security.2")
    assert gate(review(before, after))["auditAnnotations"]["rule"] == "ChangeType"
    assert gate(review(declaring("web:2", None), after))["allowed"] is True
    assert gate(review(before, declaring("web:3", "security.1")))["allowed"] is False
    assert gate(review(before, declaring("web:3", None)))["allowed"] is False
    # The template may also declare something; that is not the workload's declaration.
    inside = workload(image="web:3")
    inside["spec"]["template"]["metadata"][place]["sluice.dev/change-type"] = "security.3"
    assert gate(review(RUNNING, inside))["allowed"] is False
    assert gate.counted("Allowed", "ChangeType") == 2


def test_annotations_that_are_null_declare_nothing() -> None:
    known = frozen().see(POLICIES, policy(exemptions={"changeTypes": ["security"]}))
    sent = review(workload(image="web:2", annotations=None), workload(annotations=None, image="w"))
    assert Gate(known)(sent)["allowed"] is False


def test_a_workload_that_is_created_again_in_a_freeze_passes_with_a_warning() -> None:
    known = frozen()
    known.memory.drop(DEPLOYMENTS, RUNNING)
    gate = Gate(known)
    response = gate(review(None, workload(image="web:3")))
    assert response["allowed"] is True
    assert response["auditAnnotations"]["rule"] == "Recreated"
    assert response["warnings"]
    assert gate.counted("Allowed", "Recreated") == 1


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Rollout"])
def test_every_kind_is_rolled_back_to_what_its_controller_retains(kind: str) -> None:
    live = workload(kind, image="web:2")
    known = Known().see(POLICIES, policy()).see(RESOURCES[kind], live)
    if kind == "Rollout":
        known.see(REPLICA_SETS, replica_set(live, "web:1", 1))
    else:
        known.see(CONTROLLER_REVISIONS, controller_revision(live, "web:1", 1))
    gate = Gate(known)
    assert gate(review(live, workload(kind, image="web:1")))["allowed"] is True
    assert gate(review(live, workload(kind, image="web:3")))["allowed"] is False
    assert gate.counted("Allowed", "Rollback") == 1


def test_a_rollout_that_refers_to_a_deployment_may_not_refer_to_another_one() -> None:
    def referring(name: str, **more: Any) -> Object:
        rollout = workload("Rollout")
        del rollout["spec"]["template"]
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, **more}
        return rollout | {"spec": {**rollout["spec"], "workloadRef": reference}}

    gate = Gate(Known().see(POLICIES, policy()).see(ROLLOUTS, referring("web")))
    scaled = review(referring("web"), referring("web", scaleDown="onsuccess"))
    assert gate(scaled)["allowed"] is True
    assert gate(review(referring("web"), referring("other")))["allowed"] is False


def job(image: str, **annotations: str) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": "migrate-",
            "labels": {"gate": "on"},
            "annotations": annotations,
        },
        "spec": {"template": template(image)},
    }


@pytest.mark.parametrize(
    ("created", "passes"),
    [
        (job("web:3", **{"argocd.argoproj.io/hook": "PreSync"}), False),
        (job("web:3", **{"argocd.argoproj.io/hook": "Sync, PreSync"}), False),
        (job("web:3", **{"helm.sh/hook": "pre-install,pre-upgrade"}), False),
        (job("web:1", **{"helm.sh/hook": "pre-upgrade"}), True),
        (job("web:3", **{"helm.sh/hook": "post-upgrade"}), True),
        (job("web:3", **{"helm.sh/hook": "pre-upgrade-check"}), True),
        (job("web:3"), True),
    ],
)
def test_a_hooks_job_is_denied_unless_it_runs_what_ran_before(
    created: Object, passes: bool
) -> None:
    response = Gate(frozen())(review(None, created))
    assert response["allowed"] is passes
    if not passes:
        assert "Creation of Job shop/migrate denied" in response["status"]["message"]


def promotion(stage: str) -> Object:
    return {
        "apiVersion": "kargo.akuity.io/v1alpha1",
        "kind": "Promotion",
        "metadata": {"name": "prod.01.abc", "labels": {"gate": "on"}},
        "spec": {"stage": stage, "freight": "abc"},
    }


def test_a_promotion_is_denied_unless_an_override_names_its_stage() -> None:
    known = frozen()
    assert Gate(known)(review(None, promotion("prod")))["allowed"] is False
    assert Gate(known)(review(promotion("prod"), promotion("test")))["allowed"] is True
    known.see(OVERRIDES, override(workloads=["prod"]))
    assert Gate(known)(review(None, promotion("prod")))["allowed"] is True
    assert Gate(known)(review(None, promotion("test")))["allowed"] is False


def test_a_policy_may_select_promotions_by_their_stage() -> None:
    selector = {"matchLabels": {"kargo.akuity.io/stage": "prod"}}
    known = Known().see(POLICIES, policy(workloads={"selector": selector}))
    assert Gate(known)(review(None, promotion("prod")))["allowed"] is False
    assert Gate(known)(review(None, promotion("test")))["allowed"] is True


@pytest.mark.parametrize("switch", [KillSwitch("wrong", "alice"), Unread()])
def test_the_kill_switch_lets_everything_pass(switch: KillSwitch | Unread) -> None:
    known = frozen()
    known.judge.switch = switch
    assert Gate(known)(change(image="web:3"))["allowed"] is True


def test_a_freeze_that_nobody_renews_ends() -> None:
    known = frozen()
    known.clock.pass_(minutes=31)
    assert Gate(known)(change(image="web:3"))["allowed"] is True


def test_nothing_is_denied_before_the_cluster_has_been_seen() -> None:
    gate = Gate(frozen(), unready="deployments have not been listed yet")
    response = gate(change(image="web:3"))
    assert response == {"uid": response["uid"], "allowed": True}
    assert gate.counted("Allowed", "NotReady") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"request": {}}',
        b'{"request": {"uid": "u"}}',
        json.dumps(review(RUNNING, None)).encode(),
        json.dumps(review(RUNNING, RUNNING | {"spec": {"template": {"spec": 7}}})).encode(),
    ],
)
def test_a_review_that_makes_no_sense_passes_and_is_counted(body: bytes) -> None:
    gate = Gate(frozen())
    assert gate.webhook.review(body)["response"]["allowed"] is True
    assert gate.counted("Allowed", "Exception") == 1
    failed = gate.metrics.registry.get_sample_value(
        "sluice_gate_exceptions_total", {"endpoint": "validate"}
    )
    assert failed == 1
