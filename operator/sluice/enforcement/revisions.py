"""What a workload can roll back to: the pod templates that the cluster retains of it.

Those of a Deployment or a Rollout are in its ReplicaSets, those of a StatefulSet or a DaemonSet in
ControllerRevisions. Templates of a workload of `apps/v1` and of what retains them have passed the
same defaulting, so they compare equal field by field; that of a Rollout is stored as written.
Hashes change between versions of Kubernetes and are never compared.
Source: kubectl, `rollout undo` and `rollout history`; the controllers' `ControllerRevision` is a
strategic merge patch `{"spec": {"template": {..., "$patch": "replace"}}}`.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from sluice.enforcement.freeze import Revision
from sluice.policy.numbering import revision_number

REVISION = "deployment.kubernetes.io/revision"
"""The annotation of a Deployment and its ReplicaSets that numbers revisions."""

ROLLOUTS_HASH_LABEL = "rollouts-pod-template-hash"
"""The label by which Argo Rollouts tells a Rollout's ReplicaSets apart."""

_HASH_LABELS = frozenset({"pod-template-hash", ROLLOUTS_HASH_LABEL})
_PATCH_KEY = "$patch"

Object = Mapping[str, Any]


class _Container(BaseModel):
    name: str
    image: str | None = None


class _PodSpec(BaseModel):
    containers: list[_Container]
    init_containers: list[_Container] | None = Field(default=None, alias="initContainers")


class _Metadata(BaseModel):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Template(BaseModel):
    metadata: _Metadata | None = None
    spec: _PodSpec


class _Spec(BaseModel):
    template: _Template


class _Retained(BaseModel):
    """What a ControllerRevision's data must be; the API server takes any JSON for it."""

    spec: _Spec


def of_replica_set(replica_set: Object, *, numbered_by: str = REVISION) -> Revision:
    """A ReplicaSet as a revision; number 0 if annotation `numbered_by` does not number it yet."""
    template = without_hash(replica_set["spec"]["template"])
    return Revision(_number(replica_set, numbered_by), template, images(template))


def of_controller_revision(found: Object) -> Revision | None:
    """A ControllerRevision as a revision; None if its data is no pod template."""
    data = found.get("data")
    try:
        _Retained.model_validate(data)
    except ValidationError:
        return None
    assert isinstance(data, Mapping)
    kept = {key: value for key, value in data["spec"]["template"].items() if key != _PATCH_KEY}
    template = _without_null_creation(kept)
    return Revision(int(found.get("revision") or 0), template, images(template))


def _number(replica_set: Object, annotation: str) -> int:
    return revision_number((replica_set["metadata"].get("annotations") or {}).get(annotation) or "")


def images(template: Object) -> dict[str, str]:
    """Image by container name, init containers included; names are unique across both."""
    spec = template["spec"]
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return {container["name"]: container.get("image") or "" for container in containers}


def without_hash(template: Object) -> dict[str, Any]:
    """A pod template as the Deployment has it: without what the controller adds."""
    cut = _without_null_creation(template)
    labels = cut["metadata"].get("labels") or {}
    cut["metadata"]["labels"] = {
        key: value for key, value in labels.items() if key not in _HASH_LABELS
    }
    return cut


def _without_null_creation(template: Object) -> dict[str, Any]:
    """Without the `creationTimestamp` of null that some versions of Kubernetes show."""
    metadata = dict(template.get("metadata") or {})
    if metadata.get("creationTimestamp", "") is None:
        del metadata["creationTimestamp"]
    return {**template, "metadata": metadata}
