"""The objects that scenarios are made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]

DENY: Object = {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"}


def objective(job: str, *, name: str = "availability", **spec: Any) -> Object:
    """99 % of a day's requests of `job` are answered without a server error."""
    requests = f'http_requests_total{{job="{job}"}}'
    failures = f'http_requests_total{{job="{job}",code=~"5.."}}'
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "objective": "99",
            "window": {"rolling": "1d"},
            "indicator": {"ratio": {"total": {"metric": requests}, "bad": {"metric": failures}}},
        }
        | spec,
    }


def policy(*, name: str = "default", **spec: Any) -> Object:
    """Warns below half of the budget of all objectives, freezes below a fifth, thaws quickly."""
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": name},
        "spec": {
            "objectives": {"selector": {}},
            "mode": "Enforce",
            "recovery": {"above": "5", "for": "1s"},
        }
        | spec,
    }


def override(name: str, **spec: Any) -> Object:
    """What an administrator lets pass, or asks for, for an hour."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "GateOverride",
        "metadata": {"name": name},
        "spec": {
            "policy": "default",
            "reason": "the fix",
            "createdBy": "kubernetes-admin",
            "expiresAt": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }
        | spec,
    }


def stages(**freeze: Any) -> list[Object]:
    """Two stages: healthy, and below a fifth of the budget a freeze that also does `freeze`."""
    return [{"name": "Healthy", "admission": "Allow"}, DENY | freeze]


def stateful_set(name: str = "web", **spec: Any) -> Object:
    """A StatefulSet of one container, which is called after it."""
    found = deployment(name)
    return {**found, "kind": "StatefulSet", "spec": found["spec"] | {"serviceName": name} | spec}


def daemon_set(name: str = "web", **spec: Any) -> Object:
    """A DaemonSet of one container, which is called after it."""
    found = deployment(name)
    del found["spec"]["replicas"]
    return {**found, "kind": "DaemonSet", "spec": found["spec"] | spec}


def rollout(name: str = "web") -> Object:
    """A Rollout of Argo Rollouts, of one container, which is called after it."""
    found = deployment(name)
    spec = found["spec"] | {"strategy": {"canary": {}}}
    return {**found, "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": spec}


def deployment(name: str = "web", *, replicas: int = 1) -> Object:
    """A Deployment of one container, which is called after it."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": f"{name}:1"}]},
            },
        },
    }
