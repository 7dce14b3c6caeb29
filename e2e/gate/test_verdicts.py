"""What a freeze denies and what it lets pass, one change at a time, by either gate and kind.

The changes are server-side dry-runs: admission decides on them as on real ones.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from e2e.gate.shop import OF_KIND, Object, Shop, merged
from e2e.gate.webhook import frozen as frozen_by_webhook
from e2e.gate.webhook import limited as limited_by_webhook
from e2e.gate.webhook import opted_in
from e2e.harness import ControlPlane
from e2e.verdict import Verdict

pytestmark = pytest.mark.controlplane


OWN = "Deployment/own"
"""What is Sluice's own, by kind and name; all that is governed has the same labels."""


@dataclass(frozen=True)
class Frozen:
    """A frozen namespace with governed workloads of one kind, of which `web` is tried to change."""

    shop: Shop
    kind: str

    def attempt(self, *change: str) -> Verdict:
        """Run kubectl, with the kind in place of KIND."""
        arguments = [it.replace("KIND", self.kind) for it in change]
        return self.shop.attempt(*arguments, "--dry-run=server")

    def patch(self, patch: Object) -> Verdict:
        return self.shop.patch("web", patch, "--dry-run=server", kind=self.kind)


@pytest.fixture(
    scope="module",
    params=[(gate, kind) for gate in ("native", "webhook") for kind in OF_KIND],
    ids="-".join,
)
def frozen(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Frozen]:
    """`web` ran with web:1, then with web:2 in three variants; web:2 is running."""
    gate, kind = request.param
    make = OF_KIND[kind]
    with opted_in(control_plane, f"gate-verdicts-{gate}-{kind.lower()}") as shop:
        shop.deploy(make("web", image="web:1"))
        shop("annotate", f"{kind}/web", "kubernetes.io/change-cause=first")
        shop.deploy(make("web", image="web:2"))
        for mode in ("fast", "safe"):
            shop("set", "env", f"{kind}/web", f"MODE={mode}")
            shop("rollout", "status", f"{kind}/web", "--timeout=60s")
        shop.settle("web", kind=kind)
        shop.deploy(merged(make("aside"), {"metadata": {"labels": {"gate": "off"}}}))
        shop.deploy(make("own"))
        if gate == "webhook":
            request.getfixturevalue("gate")
        with (
            shop.frozen(replace(shop.freeze(), own=(OWN,)))
            if gate == "native"
            else frozen_by_webhook(shop, OWN)
        ):
            yield Frozen(shop, kind)


DENIED = {
    "a new image": ("set", "image", "KIND/web", "web=web:3"),
    "another environment": ("set", "env", "KIND/web", "MODE=new"),
    "an environment less": ("set", "env", "KIND/web", "MODE-"),
    "other resources": ("set", "resources", "KIND/web", "--limits=cpu=1"),
    "another service account": ("set", "serviceaccount", "KIND/web", "robot"),
}


@pytest.mark.parametrize("change", DENIED.values(), ids=DENIED.keys())
def test_a_change_of_the_pod_template_is_denied(frozen: Frozen, change: tuple[str, ...]) -> None:
    verdict = frozen.attempt(*change)
    assert verdict.denied
    said = rf"[Cc]hange of {frozen.kind} (\S+/)?web denied; scaling, restart and rollback are"
    assert re.search(said, verdict.said), verdict.said


PATCHES_DENIED: dict[str, Object] = {
    # As many as are legal: an evaluation that ran out of budget would let the change pass.
    "many annotations of the pods": {
        "spec": {"template": {"metadata": {"annotations": {f"{n}": "" for n in range(45_000)}}}}
    },
    "a label of the pods": {"spec": {"template": {"metadata": {"labels": {"new": "one"}}}}},
    "an annotation of the pods": {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}},
    "a finalizer of the pods": {"spec": {"template": {"metadata": {"finalizers": ["x.io/y"]}}}},
    "a restart with something else": {
        "spec": {
            "template": {
                "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "x"}},
                "spec": {"priority": None, "hostNetwork": True},
            }
        }
    },
    "the governing label removed": {"metadata": {"labels": {"gate": None}}},
    "the governing label changed": {"metadata": {"labels": {"gate": "off"}}},
    "all labels removed": {"metadata": {"labels": None}},
    "a controller added": {
        "metadata": {
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": "owner",
                    "uid": "0f4bd0dc-0000-4000-8000-000000000000",
                    "controller": True,
                }
            ]
        }
    },
}


@pytest.mark.parametrize("patch", PATCHES_DENIED.values(), ids=PATCHES_DENIED.keys())
def test_a_change_that_deploys_or_evades_is_denied(frozen: Frozen, patch: Object) -> None:
    verdict = frozen.patch(patch)
    assert verdict.denied, verdict.said


PASSES = {
    "undo": ("rollout", "undo", "KIND/web"),
    "undo to another environment of the same image": (
        *("rollout", "undo", "KIND/web"),
        "--to-revision=2",
    ),
    "undo to another image": ("rollout", "undo", "KIND/web", "--to-revision=1"),
    "an annotation": ("annotate", "KIND/web", "note=x"),
    "a label that does not govern": ("label", "KIND/web", "team=x"),
    "deletion": ("delete", "KIND/web"),
    "an image of an ungoverned workload": ("set", "image", "KIND/aside", "web=web:9"),
}


@pytest.mark.parametrize("change", PASSES.values(), ids=PASSES.keys())
def test_what_does_not_deploy_passes(frozen: Frozen, change: tuple[str, ...]) -> None:
    verdict = frozen.attempt(*change)
    assert verdict.passed, verdict.said


def test_a_new_workload_passes(frozen: Frozen) -> None:
    manifest = json.dumps(OF_KIND[frozen.kind]("fresh", image="web:9"))
    verdict = frozen.shop.attempt("create", "-f", "-", "--dry-run=server", stdin=manifest)
    assert verdict.passed, verdict.said


def test_scaling_passes(frozen: Frozen) -> None:
    if frozen.kind == "DaemonSet":
        assert "could not find the requested resource" in frozen.attempt(*SCALING).said
    else:
        assert frozen.attempt(*SCALING).passed
        assert frozen.patch({"spec": {"replicas": 7}}).passed


def test_what_is_sluices_own_may_be_changed_and_nothing_of_another_kind_or_name(
    frozen: Frozen,
) -> None:
    own = frozen.attempt("set", "image", "KIND/own", "web=web:3")
    assert own.passed is (frozen.kind == "Deployment"), own.said
    assert own.denied is (frozen.kind != "Deployment"), own.said
    assert frozen.attempt("set", "image", "KIND/web", "web=web:3").denied


SCALING = ("scale", "KIND/web", "--replicas=3")


PATCHES_PASS: dict[str, Object] = {
    "a restart": {
        "spec": {
            "template": {
                "metadata": {
                    "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-08-20T10:04:00Z"}
                }
            }
        }
    },
    "history limit": {"spec": {"revisionHistoryLimit": 3}},
    "seconds until ready": {"spec": {"minReadySeconds": 30}},
    "an owner that does not control": {
        "metadata": {
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": "owner",
                    "uid": "0f4bd0dc-0000-4000-8000-000000000000",
                }
            ]
        }
    },
}


PATCHES_OF_A_KIND: dict[str, list[Object]] = {
    "Deployment": [
        {"spec": {"paused": True}},
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
        {"spec": {"progressDeadlineSeconds": 30}},
    ],
    "StatefulSet": [
        {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}},
        {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}},
        {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}},
    ],
    "DaemonSet": [
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}},
        {"spec": {"updateStrategy": {"type": "OnDelete"}}},
    ],
}


@pytest.mark.parametrize("patch", PATCHES_PASS.values(), ids=PATCHES_PASS.keys())
def test_a_change_beside_the_pod_template_passes(frozen: Frozen, patch: Object) -> None:
    verdict = frozen.patch(patch)
    if "updates to statefulset spec for fields other than" in verdict.said:
        pytest.skip("Kubernetes 1.30 lets nobody change this field of a StatefulSet")
    assert verdict.passed, verdict.said


def test_how_a_kind_rolls_out_may_be_changed(frozen: Frozen) -> None:
    for patch in PATCHES_OF_A_KIND[frozen.kind]:
        verdict = frozen.patch(patch)
        assert verdict.passed, verdict.said


def test_the_status_subresource_passes(frozen: Frozen) -> None:
    patch = json.dumps({"status": {"observedGeneration": 1}})
    arguments = ("patch", "KIND", "web", "--subresource=status", "--type=merge", "-p", patch)
    verdict = frozen.attempt(*arguments)
    assert verdict.passed, verdict.said


@pytest.fixture(
    scope="module",
    params=[(gate, kind) for gate in ("native", "webhook") for kind in ("Deployment", "DaemonSet")],
    ids="-".join,
)
def limited(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Frozen]:
    """One deployment in an hour passes; `web` was deployed just now."""
    gate, kind = request.param
    make = OF_KIND[kind]
    with opted_in(control_plane, f"gate-limits-{gate}-{kind.lower()}") as shop:
        shop.deploy(make("approved"))
        for image in ("web:1", "web:2"):
            shop.deploy(make("web", image=image))
        if gate == "webhook":
            request.getfixturevalue("gate")
            limit = limited_by_webhook(shop, {"interval": "1h"}, "approved")
        else:
            limit = shop.limited("1h", f"{kind}/approved")
        with limit:
            yield Frozen(shop, kind)


LIMITED = {name: DENIED[name] for name in ("a new image", "another environment")}


@pytest.mark.parametrize("change", LIMITED.values(), ids=LIMITED.keys())
def test_a_second_deployment_in_an_interval_is_denied_and_told_when_the_next_may_pass(
    limited: Frozen, change: tuple[str, ...]
) -> None:
    verdict = limited.attempt(*change)
    assert verdict.denied, verdict.said
    said = rf"[Cc]hange of {limited.kind} (\S+/)?web denied: one deploy in 1h: the last was \S+Z, "
    assert re.search(said + r"the next may pass after \S+Z; scaling", verdict.said), verdict.said


def test_a_limit_denies_to_leave_the_policy(limited: Frozen) -> None:
    verdict = limited.patch(PATCHES_DENIED["the governing label removed"])
    assert verdict.denied
    assert "denied: it would take the workload out of the policy; scaling" in verdict.said


UNLIMITED = {
    "undo": ("rollout", "undo", "KIND/web"),
    "a restart": ("rollout", "restart", "KIND/web"),
    "an annotation": ("annotate", "KIND/web", "note=x"),
    "a deployment that is approved": ("set", "image", "KIND/approved", "web=web:3"),
}


@pytest.mark.parametrize("change", UNLIMITED.values(), ids=UNLIMITED.keys())
def test_what_is_no_deployment_or_approved_passes_a_limit(
    limited: Frozen, change: tuple[str, ...]
) -> None:
    verdict = limited.patch(RESTART) if "restart" in change else limited.attempt(*change)
    assert verdict.passed, verdict.said


RESTART = PATCHES_PASS["a restart"]
