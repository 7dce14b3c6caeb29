"""What deploys a workload, and what is asked of it after a freeze; objects are as documented."""

from typing import Any

import pytest

from sluice.enforcement.deployers import Deployer, deployers, mark, request

DENIAL = mark("shop", "default")
SAID = (
    'one or more objects failed to apply, reason: deployments.apps "web" is forbidden: '
    "ValidatingAdmissionPolicy 'sluice-shop.default-0' denied request: "
    "FROZEN by ErrorBudgetPolicy shop/default: SLO a has 5.0% of its 30d budget left"
)
AUTOMATED = {
    "sync": {"revision": "3f2c1", "prune": True, "syncOptions": ["ServerSideApply=true"]},
    "initiatedBy": {"automated": True},
    "retry": {"limit": 5},
}


def application(**state: Any) -> dict[str, Any]:
    failed = {"phase": "Failed", "message": SAID, "operation": AUTOMATED}
    return {
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd", "resourceVersion": "7"},
        "spec": {"syncPolicy": {"automated": {}}},
        "status": {"operationState": failed | state},
    }


def flux(kind: str, *messages: str, **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "False", "message": one} for one in messages]
    return {
        "kind": kind,
        "metadata": {"name": "shop", "namespace": "shop", "resourceVersion": "7"},
        "spec": spec,
        "status": {"conditions": conditions},
    }


@pytest.mark.parametrize(
    ("labels", "annotations", "found"),
    [
        ({}, {}, []),
        (
            {"kustomize.toolkit.fluxcd.io/name": "a", "kustomize.toolkit.fluxcd.io/namespace": "f"},
            {},
            [Deployer("Kustomization", "f", "a")],
        ),
        (
            {"helm.toolkit.fluxcd.io/name": "a", "helm.toolkit.fluxcd.io/namespace": "f"},
            {},
            [Deployer("HelmRelease", "f", "a")],
        ),
        (
            {},
            {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"},
            [Deployer("Application", "", "shop")],
        ),
        ({"argocd.argoproj.io/instance": "shop"}, {}, [Deployer("Application", "", "shop")]),
        (
            {"argocd.argoproj.io/instance": "old"},
            {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"},
            [Deployer("Application", "", "shop")],
        ),
        ({"app.kubernetes.io/instance": "shop"}, {"argocd.argoproj.io/tracking-id": ""}, []),
    ],
)
def test_a_workload_tells_what_deploys_it(labels: Any, annotations: Any, found: Any) -> None:
    metadata = {"name": "web", "labels": labels, "annotations": annotations}
    assert list(deployers({"metadata": metadata})) == found


def test_a_sync_that_was_denied_is_asked_for_again_as_it_was() -> None:
    assert request(application(), DENIAL, "t") == {
        "metadata": {"resourceVersion": "7"},
        "operation": {
            "sync": AUTOMATED["sync"],
            "retry": {"limit": 5},
            "initiatedBy": {"username": "sluice", "automated": True},
            "info": [{"name": "Reason", "value": "Sluice: the freeze that denied it has ended"}],
        },
    }


def test_a_denial_may_be_told_of_one_resource_alone() -> None:
    state = {
        "message": "one or more objects failed",
        "syncResult": {"resources": [{"message": SAID}]},
    }
    asked = request(application(**state), DENIAL, "t")
    assert asked is not None
    assert "operation" in asked


def test_a_comparison_that_was_denied_is_made_anew() -> None:
    found = application(phase="Succeeded")
    found["status"]["conditions"] = [{"type": "ComparisonError", "message": SAID}]
    assert request(found, DENIAL, "t") == {
        "metadata": {
            "annotations": {"argocd.argoproj.io/refresh": "normal"},
            "resourceVersion": "7",
        }
    }


@pytest.mark.parametrize(
    "found",
    [
        application(phase="Running"),
        application(phase="Succeeded"),
        application(message="image not found"),
        application(message=SAID.replace("shop/default:", "shop/default-2:")),
        application(message=SAID.replace("shop/default:", "other/default:")),
        application(message=None),
        application(operation={**AUTOMATED, "initiatedBy": {"username": "ann"}}),
        {**application(), "operation": AUTOMATED},
        {**application(), "status": {}},
        {**application(), "status": None},
        flux("HelmRelease"),
        flux("HelmRelease", "install retries exhausted"),
        flux("HelmRelease", SAID, suspend=True),
        flux("Kustomization", SAID.replace("shop/default:", "shop/other:")),
    ],
    ids=lambda it: it["kind"],
)
def test_what_was_not_denied_or_is_a_persons_is_left_alone(found: dict[str, Any]) -> None:
    assert request(found, DENIAL, "t") is None


def test_a_helm_release_is_reset_and_a_kustomization_asked() -> None:
    version = {"resourceVersion": "7"}
    at = {"reconcile.fluxcd.io/requestedAt": "t"}
    stalled = flux("HelmRelease", "Failed to upgrade after 1 attempt(s)", SAID)
    assert request(stalled, DENIAL, "t") == {
        "metadata": {"annotations": {**at, "reconcile.fluxcd.io/resetAt": "t"}, **version}
    }
    failed = flux("Kustomization", SAID)
    assert request(failed, DENIAL, "t") == {"metadata": {"annotations": at, **version}}
