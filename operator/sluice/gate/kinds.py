"""What the gate knows of each kind: where its pod template is, and what it can be rolled back to.

Source of the paths: Kubernetes apps/v1 and batch/v1, Argo Rollouts v1alpha1, Kargo v1alpha1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.api.base import parse_time
from sluice.api.owners import controller_of
from sluice.kube import resources
from sluice.kube.resources import REPLICA_SETS, Resource
from sluice.policy.fingerprint import Fingerprint, fingerprint
from sluice.policy.limit import declarations
from sluice.policy.numbering import had_lower_number, revision_number

Object = Mapping[str, Any]

WORKLOADS = tuple(resources.WORKLOADS.values())
REVISIONS = tuple(resources.RETAINED.values())

_KIND_OF = {kind.kind: kind for kind in WORKLOADS}
_BY_NAME = {name.lower(): kind.kind for kind in WORKLOADS for name in (kind.kind, kind.plural)}

JOB = "Job"
PROMOTION = "Promotion"
_GROUPS = {
    **{kind.kind: kind.group for kind in WORKLOADS},
    JOB: "batch",
    PROMOTION: "kargo.akuity.io",
}
_STAGE_LABEL = "kargo.akuity.io/stage"

_HOOKS = {"argocd.argoproj.io/hook": "PreSync", "helm.sh/hook": "pre-upgrade"}
"""Annotations of a Job that runs before the deployment that it belongs to, and what they hold."""

_HASH_LABELS = ("rollouts-pod-template-hash", "pod-template-hash")
_NUMBERS = ("rollout.argoproj.io/revision", "deployment.kubernetes.io/revision")
_FORMERLY = ("rollout.argoproj.io/revision-history", "deployment.kubernetes.io/revision-history")
"""Annotations with the numbers that a ReplicaSet had before it was rolled back to."""


@dataclass(frozen=True, slots=True)
class Retained:
    """A revision of a workload that the cluster retains.

    Attributes:
        owner: The workload's uid.
        number: Of the rollout; larger is newer. 0 if it has not been numbered yet.
        deploys: Its pod template.
        hash: The value of its label `pod-template-hash`; empty if it has none.
        returned: Whether it had been the current one before, so that it is there by a rollback.
        created: When its object was made.
        annotations: Those of the workload when it was made, as far as they may declare a change.
    """

    owner: str
    number: int
    deploys: Fingerprint
    hash: str = ""
    returned: bool = False
    created: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def kind_named(name: str) -> str | None:
    """The workloads' kind that somebody means, in any case, singular or plural."""
    return _BY_NAME.get(name.lower())


def is_governable(group: str, kind: str) -> bool:
    """Whether changes of such objects are judged at all."""
    return kind in _GROUPS and _GROUPS[kind] == group


def starts_deployment(kind: str) -> bool:
    """Whether the creation of such an object starts a deployment."""
    return kind in {JOB, PROMOTION}


def is_hook(body: Object) -> bool:
    """Whether a Job runs before a deployment, by Argo CD or by Helm."""
    annotations = body["metadata"].get("annotations") or {}
    return any(
        hook in re.split(r"[,\s]+", str(annotations.get(key, ""))) for key, hook in _HOOKS.items()
    )


def labels_of(kind: str, body: Object) -> dict[str, str]:
    """An object's labels; a promotion is labelled with the stage that it is for, if it says so."""
    labels = dict(body["metadata"].get("labels") or {})
    if kind == PROMOTION and "stage" in (body.get("spec") or {}):
        labels.setdefault(_STAGE_LABEL, str(body["spec"]["stage"]))
    return labels


def is_controlled(body: Object) -> bool:
    """Whether a controller owns the object."""
    return bool(controller_of(body))


def deploys(body: Object) -> Fingerprint | None:
    """What an object deploys; None where it says nothing of it.

    A Rollout may refer to another workload in place of a template. That one's template is judged
    where it is; here it is the reference that must not change.

    Raises:
        TypeError: the template is none.
    """
    spec = body.get("spec") or {}
    if spec.get("template") is not None:
        return fingerprint(spec["template"])
    if spec.get("workloadRef") is not None:
        reference = {key: spec["workloadRef"].get(key) for key in ("apiVersion", "kind", "name")}
        return fingerprint({"workloadRef": reference})
    return None


def retained(resource: Resource, body: Object) -> Retained | None:
    """A ReplicaSet or a ControllerRevision as a revision; None if it is none of a workload's.

    Raises:
        TypeError: its template is none.
    """
    metadata = body["metadata"]
    owner = controller_of(body)
    if owner.get("kind") not in _KIND_OF:
        return None
    if resource is REPLICA_SETS:
        template, number = body["spec"]["template"], _first(metadata, "annotations", _NUMBERS)
    else:
        template = ((body.get("data") or {}).get("spec") or {}).get("template")
        number = str(body.get("revision", ""))
    if template is None:
        return None
    current, formerly = revision_number(number), _first(metadata, "annotations", _FORMERLY)
    return Retained(
        owner=owner["uid"],
        number=current,
        deploys=fingerprint(template),
        hash=_first(metadata, "labels", _HASH_LABELS),
        returned=had_lower_number(current, formerly),
        created=parse_time(stamp) if (stamp := metadata.get("creationTimestamp")) else None,
        annotations=declarations(metadata.get("annotations")),
    )


def _first(metadata: Object, field: str, keys: tuple[str, ...]) -> str:
    found = metadata.get(field) or {}
    return next((str(found[key]) for key in keys if key in found), "")
