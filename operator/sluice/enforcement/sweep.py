"""Which admission policies and bindings to apply and which to delete, from what is there.

They are cluster-scoped, so no owner reference to a namespaced policy can collect them: they carry
its uid as a label, and whatever is labelled as ours without a policy that wants it goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluice.enforcement.names import CONTENT_HASH, POLICY_UID
from sluice.enforcement.native import Manifest

_BINDING = "ValidatingAdmissionPolicyBinding"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What to do, in order: `apply` first, so that no moment is without a gate.

    Attributes:
        apply: manifests for a server-side apply: new ones before changed ones, because a shard
            that shrinks must not do so before the one that takes over; a policy before its binding.
        delete: (kind, name), a binding before its policy, because one without the other is an
            error that the API server reports.
    """

    apply: tuple[Manifest, ...] = ()
    delete: tuple[Key, ...] = ()


def sweep(existing: Iterable[Manifest], wanted: Mapping[str, Sequence[Manifest] | None]) -> Sweep:
    """The difference between `existing` and `wanted`.

    Args:
        existing: all admission policies and bindings labelled as managed by Sluice.
        wanted: the manifests of every policy that exists, by its uid; None for one that has not
            been decided on yet, whose gates are left as they are. Gates of a uid that is not here
            are deleted.
    """
    there = {_key(one): one for one in existing}
    desired = {_key(one): one for some in wanted.values() for one in some or ()}
    undecided = {uid for uid, manifests in wanted.items() if manifests is None}
    changed = [
        one for key, one in desired.items() if key not in there or _hash(there[key]) != _hash(one)
    ]
    gone = [key for key, one in there.items() if key not in desired and _uid(one) not in undecided]
    return Sweep(
        apply=tuple(sorted(changed, key=lambda one: (_key(one) in there, _is_binding(_key(one))))),
        delete=tuple(sorted(gone, key=lambda key: (not _is_binding(key), key))),
    )


def _key(manifest: Manifest) -> Key:
    return manifest["kind"], manifest["metadata"]["name"]


def _is_binding(key: Key) -> bool:
    return key[0] == _BINDING


def _hash(manifest: Manifest) -> str | None:
    notes = manifest["metadata"].get("annotations") or {}
    found: str | None = notes.get(CONTENT_HASH)
    return found


def _uid(manifest: Manifest) -> str | None:
    found: str | None = (manifest["metadata"].get("labels") or {}).get(POLICY_UID)
    return found
