"""A live object as the planner sees it, and the two kinds of field that Sluice writes on one.

A field is named as in an undo record: that which holds rollouts of the workload's kind, such as
`spec.paused`, or `metadata.annotations[<key>]`. Its value is JSON text, `null` where there is none.
Source: Kubernetes, "Server-Side Apply": `managedFields` and its FieldsV1 format.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sluice.enforcement.hold import NONE, Hold
from sluice.enforcement.kinds import HELD, HOLDS
from sluice.enforcement.names import MANAGER

_ANNOTATION = "metadata.annotations["
_UNNAMED = "a field manager without a name"
"""The API server leaves an empty name out, and whoever replaces an object may send one."""


def annotation(key: str) -> str:
    """The field of an annotation."""
    return f"{_ANNOTATION}{key}]"


def annotation_key(field: str) -> str | None:
    """The key of an annotation's field; None for any other field."""
    is_annotation = field.startswith(_ANNOTATION) and field.endswith("]")
    return field[len(_ANNOTATION) : -1] if is_annotation else None


@dataclass(frozen=True, slots=True)
class Target:
    """A live workload.

    Attributes:
        api_version: such as `apps/v1`.
        kind: its kind.
        namespace: its namespace.
        name: its name.
        uid: its uid.
        resource_version: the version that was read.
        values: fields that are set, as JSON; that of the kind's hold only if it is not `unset`.
        ours: fields that field manager `sluice` has applied and that nobody has changed since.
        others: another field manager by field, where one owns it (too); of a hold that takes over
            what an update left there, only one that declares it by server-side apply.
        shared: such a hold if an update of somebody else's has set it to its present value, as in a
            copy of the object.
        holdable: whether it has something to hold.
        over: whether it is over, so that what holds it stays.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    values: Mapping[str, str]
    ours: frozenset[str]
    others: Mapping[str, str]
    shared: frozenset[str]
    holdable: bool
    over: bool = False

    @classmethod
    def of(cls, live: Mapping[str, Any], retained: Sequence[Mapping[str, Any]] = ()) -> Self:
        """The view of an object as the API server shows it, with its managed fields.

        `retained` is what its revisions are retained as, among that of others.

        Only what the API server sets itself is taken for granted: one odd object must not stop
        what is done for all others.
        """
        metadata = live["metadata"]
        kind = HELD[live["kind"]]
        ours: set[str] = set()
        others: dict[str, str] = {}
        shared: set[str] = set()
        for entry in metadata.get("managedFields") or []:
            manager = entry.get("manager") or _UNNAMED
            applied = entry.get("operation") == "Apply"
            for field in _fields(entry.get("fieldsV1"), kind.hold):
                if manager == MANAGER and applied:
                    ours.add(field)
                elif applied or not (field == kind.hold.field and kind.hold.takes_over):
                    others[field] = manager
                else:
                    shared.add(field)
        return cls(
            api_version=live["apiVersion"],
            kind=live["kind"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            values=_values(live, kind.hold),
            ours=frozenset(ours),
            others=others,
            shared=frozenset(shared),
            holdable=kind.holdable(live, retained),
            over=kind.over(live),
        )

    @property
    def hold(self) -> Hold:
        """How rollouts of its kind are held."""
        return HELD[self.kind].hold

    def takes_over(self, field: str) -> bool:
        """Whether a value of `field` that somebody else left there may be replaced."""
        return field == self.hold.field and self.hold.takes_over

    def value(self, field: str) -> str:
        """The field's value as JSON, `null` if it has none."""
        return self.values.get(field, NONE)


def _values(live: Mapping[str, Any], hold: Hold) -> dict[str, str]:
    notes = live["metadata"].get("annotations") or {}
    values = {annotation(key): json.dumps(value) for key, value in notes.items()}
    held = hold.read(live)
    return values if held == NONE else {**values, hold.field: held}


def _fields(managed: Any, hold: Hold) -> Iterator[str]:
    for key in _members(_members(managed, "f:metadata"), "f:annotations"):
        if key.startswith("f:"):
            yield annotation(key.removeprefix("f:"))
    if hold.owned_by(managed):
        yield hold.field


def _members(managed: Any, key: str) -> Mapping[str, Any]:
    found = managed.get(key) if isinstance(managed, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def body(target: Target, values: Mapping[str, str], *, pinned: bool = False) -> dict[str, Any]:
    """`values` as a server-side apply of this very object, never of a successor of its name.

    Args:
        target: the live workload.
        values: JSON text by field.
        pinned: whether it is for the version that was read only.
    """
    metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    if pinned:
        metadata["resourceVersion"] = target.resource_version
    result: dict[str, Any] = {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "metadata": metadata,
    }
    return _put(result, values)


def setting(target: Target, values: Mapping[str, str]) -> dict[str, Any]:
    """A JSON merge patch that sets fields, if the object has not changed since it was read.

    `null` removes a field.
    """
    metadata = {"uid": target.uid, "resourceVersion": target.resource_version}
    return _put({"metadata": metadata}, values)


def _put(result: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    notes = {
        key: json.loads(value)
        for field, value in sorted(values.items())
        if (key := annotation_key(field)) is not None
    }
    if notes:
        result["metadata"]["annotations"] = notes
    for field, value in values.items():
        if field in HOLDS:
            HOLDS[field].put(result, value)
    return result
