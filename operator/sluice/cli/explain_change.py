"""The change that `kubectl sluice explain` asks about: any deployment, images, or a manifest."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.cli.workload_name import WorkloadName
from sluice.gate import kinds
from sluice.gate.answers import Asked, some_deployment
from sluice.policy.admission import Change, State

Object = dict[str, Any]

PROBE_IMAGE = "sluice.dev/explain:dry-run"
"""An image that nothing runs, for a dry-run of a deployment of which nothing is known."""

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class UnusableChangeError(Exception):
    """The change makes no sense for this workload; the message says what to correct."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be changed: at most one of the two.

    Attributes:
        images: New images by container.
        manifest: The new manifest; None if it is none.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    manifest: Object | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is known what would be deployed."""
        return bool(self.images) or self.manifest is not None

    def __str__(self) -> str:
        if self.manifest is not None:
            return "the manifest"
        if self.images:
            return ", ".join(f"{name}={image}" for name, image in self.images.items())
        return "some change of the pod template"


def images_of(values: list[str]) -> dict[str, str]:
    """`web=web:2` as container and image.

    Raises:
        ValueError: one is not of that form.
    """
    found = {}
    for value in values:
        name, sign, image = value.partition("=")
        if not (name and sign and image):
            raise ValueError(f"{value!r} names no image: write CONTAINER=IMAGE")
        found[name] = image
    return found


def with_images(live: Object, images: Mapping[str, str]) -> Object:
    """The object with other images.

    Raises:
        UnusableChangeError: it has no such container, or no pod template of its own.
    """
    result: Object = copy.deepcopy(live)
    pod = ((result.get("spec") or {}).get("template") or {}).get("spec") or {}
    groups = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
    containers = {one["name"]: one for one in groups}
    missing = sorted(images.keys() - containers.keys())
    if missing:
        there = ", ".join(containers) or "none of its own"
        raise UnusableChangeError(f"there is no container {missing[0]!r}: it has {there}")
    for name, image in images.items():
        containers[name]["image"] = image
    return result


def with_probe(live: Object) -> Object:
    """The object with an image that nothing runs; as it is if it has no template of its own."""
    pod = ((live.get("spec") or {}).get("template") or {}).get("spec") or {}
    containers = pod.get("containers") or []
    return with_images(live, {containers[0]["name"]: PROBE_IMAGE}) if containers else live


def change_of(workload: WorkloadName, live: Object, changed: Object | None, *, user: str) -> Change:
    """The change from `live` to `changed`, as a gate sees it; any deployment if that is None.

    Raises:
        TypeError: a pod template is none.
    """
    kind = workload.resource.kind
    before = _state(kind, live)
    if changed is None:
        return some_deployment(kind, workload.namespace, workload.name, before, asked=Asked(user))
    return Change(
        kind=kind,
        namespace=workload.namespace,
        name=workload.name,
        user=user,
        before=before,
        after=_state(kind, changed),
        deleting=bool(live["metadata"].get("deletionTimestamp")),
    )


def _state(kind: str, body: Object) -> State:
    return State(
        labels=kinds.labels_of(kind, body),
        controlled=kinds.is_controlled(body),
        deploys=kinds.deploys(body),
        annotations=body["metadata"].get("annotations") or {},
    )


def applied(live: Object, manifest: Object, defaulted: Object) -> Object:
    """The object as `kubectl apply` leaves it: what others have set on it stays.

    Args:
        live: The object as it is.
        manifest: What is applied.
        defaulted: The manifest with the defaults of the API server filled in.
    """
    metadata = {
        **live["metadata"],
        "labels": _merged(live, manifest, "labels"),
        "annotations": _merged(live, manifest, "annotations"),
    }
    return {**live, "metadata": metadata, "spec": defaulted["spec"]}


def _merged(live: Object, manifest: Object, key: str) -> dict[str, str]:
    """Labels or annotations: those that were applied before, and are not any more, go."""
    new = (manifest.get("metadata") or {}).get(key) or {}
    gone = _applied_before(live, key) - new.keys()
    kept = {name: it for name, it in (live["metadata"].get(key) or {}).items() if name not in gone}
    return {**kept, **new}


def _applied_before(live: Object, key: str) -> set[str]:
    text = (live["metadata"].get("annotations") or {}).get(_LAST_APPLIED, "{}")
    try:
        return set((json.loads(text).get("metadata") or {}).get(key) or {})
    except (ValueError, AttributeError):
        return set()
