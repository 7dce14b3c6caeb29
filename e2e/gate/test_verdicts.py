"""What a freeze denies and what it lets pass, one change at a time, by either gate.

The changes are server-side dry-runs: admission decides on them as on real ones.
"""

import json
from collections.abc import Iterator

import pytest

from e2e.gate.shop import Shop, deployment, merged
from e2e.gate.webhook import frozen as frozen_by_webhook
from e2e.gate.webhook import opted_in
from e2e.harness import ControlPlane

pytestmark = pytest.mark.controlplane

CONTAINERS = ("spec", "template", "spec", "containers")


@pytest.fixture(scope="module", params=["native", "webhook"])
def frozen(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """`web` ran with web:1, then with web:2 in three variants; web:2 is running."""
    with opted_in(control_plane, f"gate-verdicts-{request.param}") as shop:
        shop.deploy(deployment("web", image="web:1"))
        shop("annotate", "deployment/web", "kubernetes.io/change-cause=first")
        shop.deploy(deployment("web", image="web:2"))
        for mode in ("fast", "safe"):
            shop("set", "env", "deployment/web", f"MODE={mode}")
            shop("rollout", "status", "deployment/web")
        shop.settle("web")
        shop.deploy(merged(deployment("aside"), {"metadata": {"labels": {"gate": "off"}}}))
        if request.param == "native":
            with shop.frozen():
                yield shop
        else:
            request.getfixturevalue("gate")
            with frozen_by_webhook(shop):
                yield shop


DENIED = {
    "a new image": ("set", "image", "deployment/web", "web=web:3"),
    "another environment": ("set", "env", "deployment/web", "MODE=new"),
    "an environment less": ("set", "env", "deployment/web", "MODE-"),
    "other resources": ("set", "resources", "deployment/web", "--limits=cpu=1"),
    "another service account": ("set", "serviceaccount", "deployment/web", "robot"),
}


@pytest.mark.parametrize("change", DENIED.values(), ids=DENIED.keys())
def test_a_change_of_the_pod_template_is_denied(frozen: Shop, change: tuple[str, ...]) -> None:
    verdict = frozen.attempt(*change, "--dry-run=server")
    assert verdict.denied
    assert "web denied; scaling, restart and rollback are allowed." in verdict.said


PATCHES_DENIED = {
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
def test_a_change_that_deploys_or_evades_is_denied(frozen: Shop, patch: dict[str, object]) -> None:
    verdict = frozen.patch("web", patch, "--dry-run=server")
    assert verdict.denied, verdict.said


PASSES = {
    "scaling": ("scale", "deployment/web", "--replicas=3"),
    "undo": ("rollout", "undo", "deployment/web"),
    "undo to another environment of the same image": (
        *("rollout", "undo", "deployment/web"),
        "--to-revision=2",
    ),
    "undo to another image": ("rollout", "undo", "deployment/web", "--to-revision=1"),
    "an annotation": ("annotate", "deployment/web", "note=x"),
    "a label that does not govern": ("label", "deployment/web", "team=x"),
    "deletion": ("delete", "deployment/web"),
    "creation": ("create", "deployment", "fresh", "--image=web:9"),
    "an image of an ungoverned workload": ("set", "image", "deployment/aside", "web=web:9"),
}


@pytest.mark.parametrize("change", PASSES.values(), ids=PASSES.keys())
def test_what_does_not_deploy_passes(frozen: Shop, change: tuple[str, ...]) -> None:
    verdict = frozen.attempt(*change, "--dry-run=server")
    assert verdict.passed, verdict.said


PATCHES_PASS = {
    "a restart": {
        "spec": {
            "template": {
                "metadata": {
                    "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-08-20T10:04:00Z"}
                }
            }
        }
    },
    "replicas through the spec": {"spec": {"replicas": 7}},
    "pause": {"spec": {"paused": True}},
    "strategy": {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    "history limit": {"spec": {"revisionHistoryLimit": 3}},
    "progress deadline": {"spec": {"progressDeadlineSeconds": 30}},
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


@pytest.mark.parametrize("patch", PATCHES_PASS.values(), ids=PATCHES_PASS.keys())
def test_a_change_beside_the_pod_template_passes(frozen: Shop, patch: dict[str, object]) -> None:
    verdict = frozen.patch("web", patch, "--dry-run=server")
    assert verdict.passed, verdict.said


def test_the_status_subresource_passes(frozen: Shop) -> None:
    patch = json.dumps({"status": {"replicas": 1}})
    arguments = ("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", patch)
    verdict = frozen.attempt(*arguments, "--dry-run=server")
    assert verdict.passed, verdict.said
