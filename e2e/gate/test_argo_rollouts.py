"""Rollouts of Argo Rollouts under a freeze, with its real controller and its real commands."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.gate.argo import ROLLOUT, WAITING, Rollouts, referring, rollout
from e2e.gate.shop import Object, Shop, changed, later, merged
from e2e.gate.test_verdicts import PATCHES_DENIED, PATCHES_PASS
from e2e.gate.undoing import Controller
from e2e.gate.webhook import Gate, decide, opted_in, policy
from e2e.gate.webhook import frozen as frozen_by_webhook
from e2e.harness import ControlPlane, wait_until
from e2e.harness.argo_rollouts import ArgoRollouts, argo_rollouts
from e2e.harness.gotools import NoGoError
from e2e.harness.ports import free_port
from e2e.verdict import Verdict
from sluice.enforcement.freeze import Freeze
from sluice.enforcement.history import workload
from sluice.enforcement.kinds import KINDS
from sluice.enforcement.plan import Want

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]

WANT = Want("policy-1", pause=True)
EXAMPLE = Path(__file__).parents[2] / "examples/gates/argo-rollouts.yaml"


@pytest.fixture(scope="module")
def argo(control_plane: ControlPlane) -> Iterator[ArgoRollouts]:
    if not control_plane.rolls_out:
        pytest.skip("the control plane has no controller manager: ReplicaSets make no pods")
    try:
        with argo_rollouts(control_plane) as running:
            yield running
    except NoGoError as reason:
        pytest.skip(str(reason))


@dataclass(frozen=True)
class Frozen:
    """A frozen namespace with Rollout `web`, `ref` that refers to a Deployment, and `aside`."""

    rollouts: Rollouts

    @property
    def shop(self) -> Shop:
        return self.rollouts.shop

    def patch(self, patch: Object, name: str = "web", *, kind: str = ROLLOUT) -> Verdict:
        return self.shop.patch(name, patch, "--dry-run=server", kind=kind)

    def apply(self, manifest: Object) -> Verdict:
        arguments = ("apply", "--dry-run=server", "-f", "-")
        return self.shop.attempt(*arguments, stdin=json.dumps(manifest))


def freeze_of(shop: Shop) -> Freeze:
    retained = shop.retained()
    items = shop.get(f"deployments,{ROLLOUT}", "-lgate=on")["items"]
    found = tuple(workload(item, retained) for item in items)
    return changed(shop.freeze(), kinds=tuple(KINDS), workloads=found)


@pytest.fixture(scope="module", params=["native", "webhook"])
def frozen(
    control_plane: ControlPlane, argo: ArgoRollouts, request: pytest.FixtureRequest
) -> Iterator[Frozen]:
    """`web` ran with web:1, then with web:2 in three variants, of which `safe` is running."""
    with opted_in(control_plane, f"argo-{request.param}") as shop:
        rollouts = Rollouts(shop, argo)
        rollouts.deploy(rollout("web", image="web:1"))
        for mode in ("plain", "fast", "safe"):
            rollouts.deploy(rollout("web", image="web:2", mode=mode))
        rollouts.deploy(merged(rollout("aside"), {"metadata": {"labels": {"gate": "off"}}}))
        source, reference = referring("ref")
        shop.deploy(source)
        rollouts.deploy(reference)
        if request.param == "webhook":
            request.getfixturevalue("gate")
            with frozen_by_webhook(shop):
                yield Frozen(rollouts)
        else:
            with shop.frozen(freeze_of(shop)):
                yield Frozen(rollouts)


DENIED = {
    "a new image": rollout("web", image="web:3", mode="safe"),
    "an environment that never was": rollout("web", image="web:2", mode="new"),
    "another image and environment": rollout("web", image="web:3", mode="fast"),
}
PASSES = {
    "what is there": rollout("web", image="web:2", mode="safe"),
    "the first manifest": rollout("web", image="web:1"),
    "an earlier manifest of the same image": rollout("web", image="web:2", mode="fast"),
    "more replicas": rollout("web", image="web:2", mode="safe", replicas=3),
    "a new image of one that is not governed": merged(
        rollout("aside", image="web:9"), {"metadata": {"labels": {"gate": "off"}}}
    ),
    "a new one": rollout("fresh", image="web:9"),
}
EVADES: dict[str, Object] = {
    "a reference in place of the template": {
        "spec": {"template": None, "workloadRef": {"kind": "Deployment", "name": "ref"}}
    },
    "a template without a pod spec": {"spec": {"template": {"spec": None}}},
    **{name: one for name, one in PATCHES_DENIED.items() if "finalizer" not in name},
}
BESIDE: dict[str, Object] = {
    "a pause": {"spec": {"paused": True}},
    "a restart of Argo Rollouts": {"spec": {"restartAt": "2026-08-20T10:04:00Z"}},
    "another strategy": {"spec": {"strategy": {"canary": {"steps": WAITING}}}},
    **PATCHES_PASS,
}


@pytest.mark.parametrize("manifest", DENIED.values(), ids=DENIED.keys())
def test_a_manifest_that_deploys_is_denied(frozen: Frozen, manifest: Object) -> None:
    verdict = frozen.apply(manifest)
    assert verdict.denied, verdict.said
    assert "Rollout" in verdict.said


@pytest.mark.parametrize("manifest", PASSES.values(), ids=PASSES.keys())
def test_a_manifest_that_goes_back_or_deploys_nothing_passes(
    frozen: Frozen, manifest: Object
) -> None:
    verdict = frozen.apply(manifest)
    assert verdict.passed, verdict.said


@pytest.mark.parametrize("patch", EVADES.values(), ids=EVADES.keys())
def test_a_patch_that_deploys_or_evades_is_denied(frozen: Frozen, patch: Object) -> None:
    verdict = frozen.patch(patch)
    assert verdict.denied, verdict.said


@pytest.mark.parametrize("patch", BESIDE.values(), ids=BESIDE.keys())
def test_a_patch_beside_the_template_passes(frozen: Frozen, patch: Object) -> None:
    verdict = frozen.patch(patch)
    assert verdict.passed, verdict.said


def test_scaling_status_and_deletion_pass(frozen: Frozen) -> None:
    status = json.dumps({"status": {"abort": True}})
    for change in (
        ("scale", f"{ROLLOUT}/web", "--replicas=3"),
        ("patch", ROLLOUT, "web", "--subresource=status", "--type=merge", "-p", status),
        ("delete", ROLLOUT, "web"),
    ):
        verdict = frozen.shop.attempt(*change, "--dry-run=server")
        assert verdict.passed, verdict.said


def test_a_deployment_that_a_rollout_refers_to_is_judged_and_the_reference_stays(
    frozen: Frozen,
) -> None:
    deploys = {"spec": {"template": {"metadata": {"labels": {"new": "one"}}}}}
    assert frozen.patch(deploys, "ref", kind="Deployment").denied
    assert frozen.patch({"spec": {"workloadRef": {"name": "other"}}}, "ref").denied
    assert frozen.patch({"spec": {"workloadRef": {"scaleDown": "never"}}}, "ref").passed
    assert frozen.patch({"spec": {"paused": True}}, "ref").passed
    assert frozen.patch({"metadata": {"labels": {"gate": "off"}}}, "ref").denied


@pytest.mark.parametrize("to", ["--to-revision=3", "--to-revision=1"], ids=["environment", "image"])
def test_kubectl_argo_rollouts_undo_passes_a_freeze_for_real(frozen: Frozen, to: str) -> None:
    before = frozen.shop.get(ROLLOUT, "web")["status"]["stableRS"]
    frozen.rollouts.run("undo", "web", to)
    frozen.rollouts.until_stable("web")
    assert frozen.shop.get(ROLLOUT, "web")["status"]["stableRS"] != before


@pytest.fixture
def rollouts(control_plane: ControlPlane, argo: ArgoRollouts, request: Any) -> Iterator[Rollouts]:
    digest = f"{abs(hash(request.node.name)):x}"[:12]
    with control_plane.namespace(f"argo-{digest}") as namespace:
        yield Rollouts(Shop(control_plane, namespace), argo)


def canary(image: str) -> Object:
    return rollout("web", image=image, replicas=2, strategy={"canary": {"steps": WAITING}})


def paused(rollouts: Rollouts) -> bool:
    return rollouts.shop.get(ROLLOUT, "web")["spec"].get("paused", False) is True


def test_a_canary_is_held_goes_back_and_can_be_aborted(rollouts: Rollouts) -> None:
    rollouts.deploy(canary("web:1"))
    controller = Controller(rollouts.shop, "Rollout")
    controller.run(WANT)
    assert not paused(rollouts)
    rollouts.begin(canary("web:2"))
    controller.run(WANT)
    assert paused(rollouts)
    assert [it.field for it in controller.open] == ["spec.paused"]

    # What the documentation warns of: a held canary does not scale.
    held = rollouts.replicas("web")
    rollouts.shop("scale", f"{ROLLOUT}/web", "--replicas=6")
    with pytest.raises(TimeoutError):
        wait_until(lambda: rollouts.replicas("web") != held, timeout=5, what="another count")

    rollouts.run("undo", "web")
    controller.run(WANT)
    assert not paused(rollouts)
    assert controller.open == []
    rollouts.until_stable("web")
    wait_until(lambda: rollouts.replicas("web") == 6, timeout=60, what="six replicas")

    rollouts.begin(canary("web:3"))
    controller.run(WANT)
    assert paused(rollouts)
    rollouts.run("abort", "web")
    controller.run(WANT)
    assert not paused(rollouts)
    rollouts.until("aborted", "web", lambda it: it.get("phase") == "Degraded")
    rollouts.run("retry", "rollout", "web")
    rollouts.until("under way again", "web", lambda it: not it.get("abort"))
    controller.run(WANT)
    assert paused(rollouts)
    controller.run()
    assert not paused(rollouts)
    assert "sluice.dev/undo" not in rollouts.shop.get(ROLLOUT, "web")["metadata"]["annotations"]


@pytest.mark.parametrize("steps", [1, 2], ids="after {} steps".format)
def test_a_crash_between_a_record_and_its_write_is_made_good(
    rollouts: Rollouts, steps: int
) -> None:
    rollouts.deploy(canary("web:1"))
    rollouts.begin(canary("web:2"))
    controller = Controller(rollouts.shop, "Rollout")
    changes = controller.planned(WANT)
    controller.records = changes.records
    if steps > 1 and changes.apply:
        controller.apply(changes.apply)
    again = Controller(rollouts.shop, "Rollout", controller.records, later(minutes=1))
    again.run(WANT)
    assert paused(rollouts)
    again.run()
    assert not paused(rollouts)
    assert again.open == []


def analysed(rollouts: Rollouts, url: str) -> Object:
    """The shipped example in this namespace, asking at `url`, a measurement a second."""
    text = EXAMPLE.read_text().replace("http://sluice-gate.sluice-system:8080", url)
    text = text.replace("/shop/", f"/{rollouts.shop.namespace}/").replace("namespace: shop, ", "")
    text = text.replace(", namespace: shop", "").replace("interval: 60s", "interval: 1s")
    template, found = yaml.safe_load_all(text)
    rollouts.shop.put(template)
    governed: Object = merged(found, {"metadata": {"labels": {"gate": "on"}}})
    return governed


def release(manifest: Object, image: str) -> Object:
    containers = [{"name": "checkout", "image": image}]
    return merged(manifest, {"spec": {"template": {"spec": {"containers": containers}}}})


def runs(rollouts: Rollouts) -> list[Object]:
    """The status of each AnalysisRun's metric and of the run, oldest first."""
    items = rollouts.shop.get("analysisruns.argoproj.io")["items"]
    items.sort(key=lambda it: str(it["metadata"]["creationTimestamp"]))
    return [
        {"phase": it.get("status", {}).get("phase"), **metric}
        for it in items
        for metric in it.get("status", {}).get("metricResults", [{}])
    ]


def test_the_shipped_analysis_waits_while_frozen_goes_on_and_lets_a_rollback_through(
    gate: Gate, rollouts: Rollouts
) -> None:
    # The namespace has not opted in, so that the webhook does not deny the rollout before.
    shop = rollouts.shop
    shop.put(policy(shop))
    decide(shop, "Deny")
    manifest = analysed(rollouts, gate.url)
    rollouts.deploy(release(manifest, "checkout:1"))
    shop.put(release(manifest, "checkout:2"))
    wait_until(
        lambda: [it.get("failed", 0) >= 3 for it in runs(rollouts)] == [True],
        timeout=60,
        what="three noes",
    )
    (run,) = runs(rollouts)
    measured = [it["value"] for it in run["measurements"]]
    assert (run.get("error", 0), set(measured)) == (0, {"false"})
    status = rollouts.status("checkout")
    assert (status["currentStepIndex"], status.get("abort", False)) == (1, False)

    decide(shop, "Allow")
    rollouts.until_stable("checkout")
    assert [it["phase"] for it in runs(rollouts)] == ["Successful"]

    decide(shop, "Deny")
    shop.put(release(manifest, "checkout:1"))
    rollouts.until_stable("checkout")
    assert {it["phase"] for it in runs(rollouts)} == {"Successful"}


def test_a_gate_that_is_away_makes_the_shipped_analysis_wait_and_not_abort(
    rollouts: Rollouts,
) -> None:
    manifest = analysed(rollouts, f"http://127.0.0.1:{free_port()}")
    rollouts.deploy(release(manifest, "checkout:1"))
    rollouts.shop.put(release(manifest, "checkout:2"))
    # Five in a row would abort it by Argo Rollouts' own default; it tries again after ten seconds.
    wait_until(
        lambda: [it.get("consecutiveError", 0) >= 5 for it in runs(rollouts)] == [True],
        timeout=90,
        what="five errors",
    )
    status = rollouts.status("checkout")
    assert (status["currentStepIndex"], status.get("abort", False)) == (1, False)
    assert runs(rollouts)[0]["phase"] == "Running"
