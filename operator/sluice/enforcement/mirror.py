"""The annotation `sluice.dev/undo`: a workload's own copy of the records of what was changed on it.

The truth is the policy's status. The copy serves where that does not reach: an object restored from
a backup or copied into another cluster, and annotations that `kubectl rollout undo` brought back
from an old ReplicaSet. It is data that whoever may edit the workload may edit, so what it says is
believed only of the two kinds of field that Sluice writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from sluice.api.base import Status, Time
from sluice.api.policy import UndoRecord
from sluice.enforcement.kinds import HOLDS
from sluice.enforcement.target import annotation_key


class Change(Status):
    """A record as the workload carries it."""

    policy: str
    field: str
    previous: str
    value: str
    time: Time


class Mirror(Status):
    """What the annotation holds: the workload that it was written for, and the changes."""

    uid: str
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Owned:
    """An undo record and the uid of the policy whose status holds it."""

    policy: str
    record: UndoRecord


def write(uid: str, owned: Iterable[Owned]) -> str:
    """The annotation's value for the workload `uid`."""
    changes = [
        Change(
            policy=one.policy,
            field=one.record.field,
            previous=one.record.previous,
            value=one.record.value,
            time=one.record.time,
        )
        for one in sorted(owned, key=lambda one: one.record.field)
    ]
    return Mirror(uid=uid, changes=changes).model_dump_json(by_alias=True)


def read(annotations: Mapping[str, str], key: str) -> Mirror | None:
    """The mirror in `annotations`; None if there is none, or one that makes no sense."""
    if key not in annotations:
        return None
    try:
        mirror = Mirror.model_validate_json(annotations[key])
    except ValidationError:
        return None
    known = [one for one in mirror.changes if one.field in HOLDS or annotation_key(one.field)]
    return Mirror(uid=mirror.uid, changes=known)
