"""What a workload deploys, as digests: enough to know it again, and nothing of what is in it.

The pod template of a workload and those of its retained revisions are compared without what
Kubernetes fills in, so that their canonical forms are equal byte for byte. Hashes that Kubernetes
itself computes change between its versions and are never compared.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sluice.policy.pod_defaults import canonical

_SIZE = 16
"""Bytes of a digest: that two templates share one by chance is out of the question."""

_ADDED_LABELS = frozenset({"pod-template-hash", "rollouts-pod-template-hash"})
"""Labels that a controller adds to the template of a revision, and no workload's template has."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One pod template.

    Attributes:
        rest: Digest of all but the template's own annotations.
        notes: Digest of the value of each annotation, by key: which of them count is for a policy
            to say, and it may say so later.
        images: Digests of the images that it runs, init containers included.
    """

    rest: bytes
    notes: Mapping[str, bytes] = field(default_factory=dict)
    images: frozenset[bytes] = frozenset()

    def equals(self, other: "Fingerprint", *, ignoring: Collection[str] = ()) -> bool:
        """Whether both deploy the same, but for the annotations `ignoring`."""
        return self.rest == other.rest and _without(self.notes, ignoring) == _without(
            other.notes, ignoring
        )


def _without(notes: Mapping[str, bytes], keys: Collection[str]) -> dict[str, bytes]:
    return {key: digest for key, digest in notes.items() if key not in keys}


def fingerprint(template: Mapping[str, Any]) -> Fingerprint:
    """The fingerprint of a pod template as the API server shows it.

    Raises:
        TypeError: `template` is not shaped like a pod template.
    """
    metadata = {key: value for key, value in _members(template.get("metadata")).items() if value}
    notes = _members(metadata.pop("annotations", None))
    labels = _members(metadata.pop("labels", None))
    counted = {key: value for key, value in labels.items() if key not in _ADDED_LABELS}
    # `$patch` tells how a ControllerRevision is to be applied; it is no part of its template.
    # Nothing is filled in in metadata, which may hold tens of thousands of annotations.
    other = canonical(
        {key: value for key, value in template.items() if key not in {"metadata", "$patch"}}
    )
    return Fingerprint(
        rest=_digest({"labels": counted, "metadata": metadata, "rest": other}),
        notes={str(key): _digest(value) for key, value in notes.items()},
        images=image_digests(_images(_members(other.get("spec")))),
    )


def images_of(template: Mapping[str, Any]) -> frozenset[bytes]:
    """`Fingerprint.images` of a pod template as the API server shows it.

    Raises:
        TypeError: `template` is not shaped like a pod template.
    """
    return image_digests(_images(_members(template.get("spec"))))


def image_digests(images: Iterable[str]) -> frozenset[bytes]:
    """`Fingerprint.images` of a template that runs `images`."""
    return frozenset(map(_digest, images))


def _images(spec: Mapping[str, Any]) -> list[str]:
    return [
        str(_members(container).get("image") or "")
        for group in ("initContainers", "containers")
        for container in spec.get(group) or []
    ]


def _members(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"a pod template has {type(value).__name__} where an object belongs")
    return dict(value)


def _digest(value: Any) -> bytes:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return blake2b(canonical.encode(errors="surrogatepass"), digest_size=_SIZE).digest()
