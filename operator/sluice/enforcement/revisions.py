"""What a Deployment can roll back to: the pod templates of the ReplicaSets that it retains.

Templates of a Deployment and of its ReplicaSets have passed the same defaulting, so they compare
equal field by field; hashes change between versions of Kubernetes and are never compared.
Source: kubectl, `rollout undo` and `rollout history`, and the Deployment controller's annotations.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sluice.enforcement.freeze import Revision, Workload

_HASH_LABEL = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"
_INT64_DIGITS = 19

Object = Mapping[str, Any]


def workload(deployment: Object, replica_sets: Iterable[Object]) -> Workload:
    """A Deployment with the revisions among `replica_sets` that it owns, newest first."""
    uid = deployment["metadata"]["uid"]
    owned = [revision(one) for one in replica_sets if _controller(one) == uid]
    return Workload(
        name=deployment["metadata"]["name"],
        images=images(deployment["spec"]["template"]),
        revisions=tuple(sorted(owned, key=lambda one: one.number, reverse=True)),
    )


def revision(replica_set: Object) -> Revision:
    """A ReplicaSet as a revision; number 0 if the controller has not numbered it yet."""
    template = without_hash(replica_set["spec"]["template"])
    return Revision(_number(replica_set), template, images(template))


def _number(replica_set: Object) -> int:
    """The annotation is anybody's to edit, and Python refuses to read a number of 5,000 digits."""
    text = (replica_set["metadata"].get("annotations") or {}).get(_REVISION) or ""
    return int(text) if text.isdecimal() and len(text) <= _INT64_DIGITS else 0


def current(deployment: Object, revisions: Iterable[Revision]) -> Revision | None:
    """The revision that the Deployment's template is; None if it has not rolled out yet."""
    template = without_hash(deployment["spec"]["template"])
    return next((one for one in revisions if one.template == template), None)


def images(template: Object) -> dict[str, str]:
    """Image by container name, init containers included; names are unique across both."""
    spec = template["spec"]
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return {container["name"]: container.get("image") or "" for container in containers}


def without_hash(template: Object) -> dict[str, Any]:
    """A pod template as the Deployment has it: without what the controller adds."""
    metadata = dict(template.get("metadata") or {})
    if metadata.get("creationTimestamp", "") is None:
        del metadata["creationTimestamp"]
    labels = metadata.get("labels") or {}
    metadata["labels"] = {key: value for key, value in labels.items() if key != _HASH_LABEL}
    return {**template, "metadata": metadata}


def _controller(replica_set: Object) -> str | None:
    owners = replica_set["metadata"].get("ownerReferences") or []
    return next((owner.get("uid") for owner in owners if owner.get("controller")), None)
