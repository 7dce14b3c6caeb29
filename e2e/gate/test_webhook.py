"""The webhook gate on a real API server: what only it does, and what becomes of its failures."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.gate.shop import GOVERNED, OF_KIND, Object, Shop, deployment, later, merged
from e2e.gate.webhook import (
    Gate,
    decide,
    frozen,
    opted_in,
    policy,
    rendered_chart,
    rights,
)
from e2e.harness import ControlPlane, wait_until

pytestmark = pytest.mark.controlplane

ROBOT = "system:serviceaccount:flux-system:kustomize-controller"


@pytest.fixture
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    digest = f"{abs(hash(request.node.name)):x}"[:12]
    with opted_in(control_plane, f"hook-{digest}") as found:
        yield found


def override(shop: Shop, *workloads: str) -> Object:
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "GateOverride",
        "metadata": {"name": "fix", "namespace": shop.namespace},
        "spec": {
            "policy": "default",
            "workloads": list(workloads),
            "reason": "fixes checkout",
            "createdBy": "kubernetes-admin",
            "expiresAt": f"{later(minutes=30):%Y-%m-%dT%H:%M:%SZ}",
        },
    }


def apply(shop: Shop, *objects: Object) -> None:
    shop(
        "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": objects})
    )


def test_a_denial_is_http_403_forbidden_with_the_message_and_a_dry_run_is_one_too(
    gate: Gate, shop: Shop
) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop):
        for flags in ((), ("--dry-run=server",)):
            verdict = shop.set_image("web", "web:9", *flags, "-v=8")
            assert verdict.denied
            assert f"Change of Deployment {shop.namespace}/web denied" in verdict.said
            bare = verdict.said.replace("\\", "")
            assert '"reason":"Forbidden"' in bare
            assert '"code":403' in bare
    assert gate.judged(verdict="Denied", rule="Deploys") >= 2


def test_scaling_and_status_never_reach_it_and_pass(gate: Gate, shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop):
        before = gate.judged()
        shop("scale", "deployment/web", "--replicas=3")
        shop.patch("web", {"spec": {"replicas": 2}})
        shop("annotate", "deployment/web", "note=x")
        shop("rollout", "pause", "deployment/web")
        shop("rollout", "resume", "deployment/web")
        patch = json.dumps({"status": {"collisionCount": 1}})
        shop("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", patch)
        shop("delete", "deployment", "web")
        assert gate.judged() == before


def test_a_namespace_that_has_not_opted_in_is_not_asked_about(
    gate: Gate, shop: Shop, control_plane: ControlPlane
) -> None:
    with control_plane.namespace(f"{shop.namespace}-x") as name, frozen(shop):
        outside = Shop(control_plane, name)
        apply(outside, policy(outside))
        decide(outside, "Deny")
        outside.deploy(deployment("web"))
        before = gate.judged()
        assert outside.set_image("web", "web:9").passed
        assert gate.judged() == before


def test_an_override_passes_from_the_moment_it_is_there_until_it_goes(
    gate: Gate, shop: Shop
) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop):
        apply(shop, override(shop, "web"))
        shop.await_verdict(denied=False, name="web")
        warned = shop.set_image("web", "web:2")
        assert "Warning: An override lets this change pass the freeze" in warned.said
        assert shop.patch(
            "web", {"metadata": {"labels": {"gate": None}}}, "--dry-run=server"
        ).passed
        shop("delete", "gateoverride", "fix")
        shop.await_verdict(denied=True, name="web")
    assert gate.judged(rule="Override") >= 1


def test_an_exempt_service_account_passes_and_others_do_not(gate: Gate, shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop, exemptions={"serviceAccounts": [ROBOT]}):
        as_robot = (f"--as={ROBOT}", "--as-group=system:masters")
        assert shop.set_image("web", "web:9", *as_robot).passed
        other = (as_robot[0].replace("kustomize", "helm"), as_robot[1])
        assert shop.set_image("web", "web:10", *other).denied
    assert gate.judged(rule="ExemptUser") >= 1


def test_a_rollback_and_a_restart_are_real_and_told_of_the_freeze(gate: Gate, shop: Shop) -> None:
    shop.deploy(deployment("web", image="web:1"))
    shop.deploy(deployment("web", image="web:2"))
    with frozen(shop):
        shop("rollout", "restart", "deployment/web")
        shop.settle("web")
        undone = shop("rollout", "undo", "deployment/web", "--to-revision=1")
        assert "Warning: A rollback passes the freeze" in undone.said
        live = shop.get("deployment", "web")["spec"]["template"]["spec"]
        assert live["containers"][0]["image"] == "web:1"
        edited = merged(deployment("web", image="web:2"), {})
        edited["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh"]
        assert shop.attempt("apply", "-f", "-", stdin=json.dumps(edited)).denied
    assert gate.judged(rule="Rollback") >= 1


@pytest.mark.parametrize("kind", OF_KIND)
def test_every_kind_is_frozen_and_can_be_rolled_back_by_kubectl(
    gate: Gate, shop: Shop, kind: str
) -> None:
    target = f"{kind.lower()}/db"
    revisions = "replicasets" if kind == "Deployment" else "controllerrevisions"

    def retained() -> int:
        return len(shop.get(revisions)["items"])

    apply(shop, OF_KIND[kind]("db", image="db:1"))
    wait_until(lambda: retained() == 1, timeout=30, what=f"the first revision of {target}")
    apply(shop, OF_KIND[kind]("db", image="db:2"))
    wait_until(lambda: retained() == 2, timeout=30, what=f"the second revision of {target}")
    with frozen(shop):
        assert shop.attempt("set", "image", target, "web=db:3").denied
        assert shop("rollout", "restart", target).passed
        assert shop("rollout", "undo", target, "--to-revision=1").passed
        image = shop.get(*target.split("/"))["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == "db:1"
    assert gate.judged(rule="Rollback") >= 1


def rollout(image: str, *, replicas: int = 1) -> Object:
    found = deployment("canary-app", image=image)
    found["spec"]["replicas"] = replicas
    return found | {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}


def replica_set(owner: Object, image: str, number: int, **annotations: str) -> Object:
    """As Argo Rollouts makes one; there is no controller of it here."""
    labels = {"run": "canary-app", "rollouts-pod-template-hash": f"h{number}"}
    template = deployment("canary-app", image=image)["spec"]["template"]
    meta = owner["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"canary-app-h{number}",
            "labels": labels,
            "annotations": {"rollout.argoproj.io/revision": str(number), **annotations},
            "ownerReferences": [
                {
                    "apiVersion": owner["apiVersion"],
                    "kind": "Rollout",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": template | {"metadata": {"labels": labels}},
        },
    }


def test_an_argo_rollout_is_frozen_can_go_back_and_its_analysis_waits(
    gate: Gate, shop: Shop
) -> None:
    apply(shop, rollout("web:1"))
    live = shop.get("rollout", "canary-app")
    apply(shop, replica_set(live, "web:1", 1), replica_set(live, "web:2", 2))
    stored = shop.get("replicaset", "canary-app-h1")["spec"]["template"]
    defaulted = {**stored, "metadata": {"labels": {"run": "canary-app"}}}
    with frozen(shop):
        change = json.dumps(rollout("web:3"))
        assert shop.attempt("apply", "-f", "-", stdin=change).denied
        assert shop("apply", "-f", "-", stdin=json.dumps(rollout("web:1", replicas=5))).passed
        back = {"spec": {"template": defaulted}}
        patch = ("patch", "rollout", "canary-app", "--type=merge", "-p", json.dumps(back))
        assert shop.attempt(*patch).passed
        path = f"/v1/argo-rollouts/{shop.namespace}/canary-app?podTemplateHash=h2"
        status, body = gate.page(path)
        assert (status, json.loads(body)["allowed"]) == (200, False)
        history = {"rollout.argoproj.io/revision-history": "0"}
        apply(shop, replica_set(live, "web:2", 2, **history))
        wait_until(lambda: json.loads(gate.page(path)[1])["allowed"], timeout=10, what="go-ahead")


def hook(image: str, **annotations: str) -> str:
    template = deployment("web", image=image)["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    return json.dumps(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "generateName": "migrate-",
                "labels": GOVERNED.match_labels,
                "annotations": annotations,
            },
            "spec": {"template": template},
        }
    )


@pytest.mark.parametrize(
    ("image", "annotations", "passes"),
    [
        ("web:2", {"argocd.argoproj.io/hook": "PreSync"}, False),
        ("web:2", {"helm.sh/hook": "pre-install,pre-upgrade"}, False),
        ("web:1", {"argocd.argoproj.io/hook": "PreSync"}, True),
        ("web:2", {"argocd.argoproj.io/hook": "PostSync"}, True),
        ("web:2", {}, True),
    ],
)
def test_a_hooks_job_of_something_new_is_denied(
    gate: Gate, shop: Shop, image: str, annotations: dict[str, str], passes: bool
) -> None:
    del gate
    shop.deploy(deployment("web", image="web:1"))
    with frozen(shop):
        verdict = shop.attempt("create", "-f", "-", stdin=hook(image, **annotations))
        assert (verdict.passed, verdict.denied) == (passes, not passes), verdict.said


def test_a_promotion_is_denied_and_one_of_another_stage_is_not(gate: Gate, shop: Shop) -> None:
    def promotion(stage: str) -> str:
        spec: dict[str, Any] = {"stage": stage, "freight": "abc"}
        return json.dumps(
            {
                "apiVersion": "kargo.akuity.io/v1alpha1",
                "kind": "Promotion",
                "metadata": {"name": f"{stage}.01"},
                "spec": spec,
            }
        )

    apply(shop, policy(shop))
    stages = {"matchLabels": {"kargo.akuity.io/stage": "prod"}}
    apply(shop, policy(shop, "promotions", workloads={"selector": stages}))
    decide(shop, "Deny", name="promotions")
    create = ("create", "--dry-run=server", "-f", "-")
    wait_until(
        lambda: shop.attempt(*create, stdin=promotion("prod")).denied,
        timeout=10,
        what="a promotion to be denied",
    )
    assert shop.attempt(*create, stdin=promotion("test")).passed
    assert gate.judged(verdict="Denied") >= 1


def test_a_workload_that_is_created_again_passes_with_a_warning(gate: Gate, shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop):
        shop("delete", "deployment", "web")
        time.sleep(1)  # nothing tells when the gate has heard of it
        created = shop("apply", "-f", "-", stdin=json.dumps(deployment("web", image="web:9")))
        assert "Warning: A workload that is created again passes" in created.said
    assert gate.judged(rule="Recreated") >= 1


def test_a_stage_that_warns_says_so_to_whoever_deploys(gate: Gate, shop: Shop) -> None:
    del gate
    shop.deploy(deployment("web"))
    apply(shop, policy(shop))
    decide(shop, "Warn")

    def warned() -> bool:
        verdict = shop.set_image("web", f"web:{time.time():.0f}", "--dry-run=server")
        assert verdict.passed, verdict.said
        return f"Change of Deployment {shop.namespace}/web passes." in verdict.said

    wait_until(warned, timeout=10, what="a warning")


def test_a_freeze_that_nobody_renews_ends_and_so_does_one_that_is_taken_back(
    gate: Gate, shop: Shop
) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop):
        decide(shop, "Allow")
        shop.await_verdict(denied=False)
        decide(shop, "Deny", minutes=0.1)
        shop.await_verdict(denied=True)
        shop.await_verdict(denied=False, timeout=15)
    assert gate.judged(rule="Expired") >= 1


def test_the_kill_switch_lets_everything_pass(gate: Gate, shop: Shop) -> None:
    shop.deploy(deployment("web"))
    switch = ("-n", gate.system, "configmap", "sluice-kill-switch")
    kubectl = shop.plane.kubectl
    with frozen(shop):
        kubectl(*switch[:2], "create", *switch[2:], "--from-literal=reason=wrong")
        try:
            shop.await_verdict(denied=False, timeout=15)
        finally:
            kubectl(*switch[:2], "delete", *switch[2:])
        shop.await_verdict(denied=True, timeout=15)


def test_pipelines_are_told_what_would_happen(gate: Gate, shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with frozen(shop):
        denied = gate.ask(shop.namespace, "web", "-o", "json")
        found = json.loads(denied.stdout)
        assert denied.returncode == 3
        assert (found["allowed"], found["stage"], found["remaining"]) == (
            False,
            "Exhausted",
            "12.000",
        )
        assert gate.ask(shop.namespace, "deployment/nothing").returncode == 4
        decide(shop, "Allow")
        shop.await_verdict(denied=False)
        assert gate.ask(shop.namespace, "web").returncode == 0


def test_nothing_is_denied_and_nothing_told_before_it_has_seen_the_cluster(
    gate: Gate, control_plane: ControlPlane, shop: Shop
) -> None:
    shop("create", "serviceaccount", "powerless")
    kubeconfig = control_plane.service_account_kubeconfig(shop.namespace, "powerless")
    blind = gate.another(kubeconfig)
    wait_until(lambda: blind.page("/livez")[0] == 200, timeout=30, what="a gate that listens")
    status, text = blind.page("/readyz")
    assert status == 503
    assert "errorbudgetpolicies have not been listed yet" in text
    assert blind.page(f"/v1/verdict/{shop.namespace}/Deployment/web")[0] == 503
    status, body = blind.page(f"/v1/argo-rollouts/{shop.namespace}/web")
    assert (status, json.loads(body)["reason"]) == (200, "NotReady")
    assert blind.ask(shop.namespace, "web").returncode == 4
    assert blind.daemon.exit_code is None
    blind.daemon.stop(grace=10)


def test_rights_in_one_namespace_are_enough_to_work_there(
    gate: Gate, control_plane: ControlPlane, shop: Shop
) -> None:
    narrow = rights(rendered_chart("narrow", gate.system, watchNamespaces=[shop.namespace]))
    assert "ClusterRole" not in {one["kind"] for one in narrow}
    control_plane.apply(*narrow)
    kubeconfig = control_plane.service_account_kubeconfig(gate.system, "narrow-sluice-gate")
    there = gate.another(kubeconfig, "--watch-namespaces", shop.namespace)
    shop.deploy(deployment("web"))
    with frozen(shop):
        wait_until(lambda: there.page("/readyz")[0] == 200, timeout=30, what="the narrow gate")
        assert there.ask(shop.namespace, "web").returncode == 3
    there.daemon.stop(grace=10)
