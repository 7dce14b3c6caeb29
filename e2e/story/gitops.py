"""Objects of GitOps tools, with their own CRDs where a Go module has them."""

from typing import Any

import pytest

from e2e.harness import ControlPlane
from e2e.harness.gotools import NoGoError, flux_crds
from e2e.story.manifests import Object

KUSTOMIZATION = "kustomizations.kustomize.toolkit.fluxcd.io"
HELM_RELEASE = "helmreleases.helm.toolkit.fluxcd.io"
APPLICATION = "applications.argoproj.io"


def _crd(group: str, version: str, kind: str, plural: str) -> Object:
    """A CRD that takes anything: what is documented of the kind is in the tests' objects."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    stored = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [
                stored | {"schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
            ],
        },
    }


def install_crds(plane: ControlPlane) -> None:
    """The CRDs of Kustomizations and sources, Flux' own; of HelmReleases and Applications, ours."""
    try:
        own = [path.read_text() for path in flux_crds()]
    except NoGoError as reason:
        pytest.skip(str(reason))
    release = _crd("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases")
    plane.apply(*own, release, _crd("argoproj.io", "v1alpha1", "Application", "applications"))
    kinds = (f"crd/{KUSTOMIZATION}", f"crd/{HELM_RELEASE}", f"crd/{APPLICATION}")
    plane.kubectl("wait", *kinds, "--for=condition=Established", "--timeout=30s")


def kustomization(name: str, *, source: str = "shop", **spec: Any) -> Object:
    """A Kustomization of an OCI artifact."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "interval": "1h",
            "prune": True,
            "path": "./",
            "sourceRef": {"kind": "OCIRepository", "name": source},
        }
        | spec,
    }


def helm_release(name: str, **spec: Any) -> Object:
    """A HelmRelease of a chart."""
    chart = {"spec": {"chart": name, "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"interval": "1h", "chart": chart} | spec,
    }


def denied_application(namespace: str, name: str, message: str) -> Object:
    """An Application whose automated sync failed for good, with Argo CD's documented fields."""
    operation = {
        "sync": {"revision": "3f2c1", "prune": True, "syncStrategy": {"hook": {}}},
        "initiatedBy": {"automated": True},
        "retry": {"limit": 5},
    }
    state = {"phase": "Failed", "message": message, "operation": operation}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"project": "default", "syncPolicy": {"automated": {"prune": True}}},
        "status": {"sync": {"status": "OutOfSync"}, "operationState": state},
    }


def cron_job(name: str, **spec: Any) -> Object:
    """A CronJob that runs once a year."""
    container = {"name": name, "image": f"{name}:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        }
        | spec,
    }
