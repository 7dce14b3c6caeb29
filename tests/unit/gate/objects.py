"""Objects as the API server shows them, and a gate that has seen them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.gate import kinds
from sluice.gate.judge import Judge
from sluice.gate.memory import Memory
from sluice.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    OVERRIDES,
    POLICIES,
    REPLICA_SETS,
    Resource,
)

Object = dict[str, Any]

NOW = datetime(2026, 8, 20, 10, 30, tzinfo=UTC)
SINCE = "2026-08-20T10:04:00Z"
LATER = "2026-08-20T11:00:00Z"
GOVERNED = {"gate": "on"}
ROBOT = "system:serviceaccount:flux-system:kustomize-controller"

_uids = itertools.count(1)


def template(image: str = "web:1", **annotations: str) -> Object:
    return {
        "metadata": {"labels": {"run": "web"}, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


def workload(
    kind: str = "Deployment", name: str = "web", *, image: str = "web:1", **metadata: Any
) -> Object:
    resource = next(one for one in kinds.WORKLOADS if one.kind == kind)
    return {
        "apiVersion": resource.api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-of-{name}",
            "labels": GOVERNED,
            **metadata,
        },
        "spec": {"replicas": 1, "template": template(image)},
    }


def owned_by(owner: Object) -> list[Object]:
    return [
        {
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]


def replica_set(owner: Object, image: str, number: int, *, formerly: str = "") -> Object:
    prefix = "rollout.argoproj.io" if owner["kind"] == "Rollout" else "deployment.kubernetes.io"
    label = "rollouts-pod-template-hash" if owner["kind"] == "Rollout" else "pod-template-hash"
    name = f"{owner['metadata']['name']}-{number}"
    found = template(image)
    found["metadata"]["labels"][label] = f"hash-{number}"
    notes = {f"{prefix}/revision": str(number)}
    if formerly:
        notes[f"{prefix}/revision-history"] = formerly
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-of-{name}",
            "labels": {label: f"hash-{number}"},
            "annotations": notes,
            "ownerReferences": owned_by(owner),
        },
        "spec": {"template": found},
    }


def controller_revision(owner: Object, image: str, number: int) -> Object:
    return {
        "metadata": {
            "name": f"{owner['metadata']['name']}-{number}",
            "namespace": "shop",
            "ownerReferences": owned_by(owner),
        },
        "revision": number,
        "data": {"spec": {"template": {**template(image), "$patch": "replace"}}},
    }


def policy(
    name: str = "default", *, admission: str | None = "Deny", expires: str = LATER, **spec: Any
) -> Object:
    decision = {
        "admission": admission,
        "since": SINCE,
        "reason": "StageEntered",
        "message": "SLO checkout has 12.0% of its 30d budget left (freeze below 20%).",
        "objective": "checkout",
        "remaining": "12.000",
        "recoveredAt": "2026-09-01T10:00:00Z",
        **({"expires": expires} if admission == "Deny" else {}),
    }
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-of-policy-{name}"},
        "spec": {
            "objectives": {"selector": {}},
            "workloads": {"selector": {"matchLabels": GOVERNED}},
            "mode": "Enforce",
            "exemptions": {"serviceAccounts": [ROBOT]},
            **spec,
        },
        "status": {"stage": "Exhausted", "decision": decision} if admission else {},
    }


def override(name: str = "fix", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": SINCE},
        "spec": {
            "policy": "default",
            "reason": "fixes checkout",
            "createdBy": "ada",
            "expiresAt": LATER,
            **spec,
        },
    }


def review(
    before: Object | None,
    after: Object | None,
    *,
    operation: str = "",
    user: str = "alice",
    group: str | None = None,
    **request: Any,
) -> Object:
    about = after or before or {}
    own_group = about["apiVersion"].rpartition("/")[0]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"review-{next(_uids)}",
            "kind": {
                "group": own_group if group is None else group,
                "version": "v1",
                "kind": about["kind"],
            },
            "namespace": "shop",
            "name": about["metadata"].get("name", ""),
            "operation": operation or ("CREATE" if before is None else "UPDATE"),
            "userInfo": {"username": user},
            "object": after,
            "oldObject": before,
            **request,
        },
    }


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **length: float) -> None:
        self.now += timedelta(**length)


class Known:
    """A gate's memory, filled as reflectors would."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.memory = Memory(clock=self.clock)
        self.judge = Judge(self.memory, clock=self.clock)
        self.judge.switch = None

    def see(self, resource: Resource, *bodies: Object) -> "Known":
        for body in bodies:
            self.memory.put(resource, body)
        if resource is POLICIES:
            self.memory.listed(["shop"])
        return self


def frozen() -> Known:
    """Deployment `web` runs web:2 and has run web:1; its policy denies changes."""
    live = workload(image="web:2")
    known = Known().see(POLICIES, policy())
    known.see(DEPLOYMENTS, live)
    return known.see(REPLICA_SETS, replica_set(live, "web:1", 1), replica_set(live, "web:2", 2))


RESOURCES = {
    **{one.kind: one for one in kinds.WORKLOADS},
    "ReplicaSet": REPLICA_SETS,
    "ControllerRevision": CONTROLLER_REVISIONS,
    "GateOverride": OVERRIDES,
}
