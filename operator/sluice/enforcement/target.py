"""A live workload as the planner sees it, and the two kinds of field that Sluice writes on one.

A field is named as in an undo record: `spec.paused` or `metadata.annotations[<key>]`. Its value is
JSON text, `null` where there is none; `paused: false` is the same as none.
Source: Kubernetes, "Server-Side Apply": `managedFields` and its FieldsV1 format.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from sluice.enforcement.names import MANAGER

PAUSED = "spec.paused"
NONE = "null"

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
        values: fields that are set, as JSON; `spec.paused` only if true.
        ours: fields that field manager `sluice` has applied and that nobody has changed since.
        others: another field manager by field, where one owns it (too).
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

    @classmethod
    def of(cls, live: Mapping[str, Any]) -> Self:
        """The view of an object as the API server shows it, with its managed fields.

        Only what the API server sets itself is taken for granted: one odd object must not stop
        what is done for all others.
        """
        metadata = live["metadata"]
        ours: set[str] = set()
        others: dict[str, str] = {}
        for entry in metadata.get("managedFields") or []:
            manager = entry.get("manager") or _UNNAMED
            mine = manager == MANAGER and entry.get("operation") == "Apply"
            for field in _fields(entry.get("fieldsV1")):
                ours.update({field} if mine else ())
                others.update({} if mine else {field: manager})
        return cls(
            api_version=live["apiVersion"],
            kind=live["kind"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            values=_values(live),
            ours=frozenset(ours),
            others=others,
        )

    def value(self, field: str) -> str:
        """The field's value as JSON, `null` if it has none."""
        return self.values.get(field, NONE)


def _values(live: Mapping[str, Any]) -> dict[str, str]:
    notes = live["metadata"].get("annotations") or {}
    values = {annotation(key): json.dumps(value) for key, value in notes.items()}
    return values | ({PAUSED: "true"} if live["spec"].get("paused") else {})


def _fields(managed: Any) -> Iterator[str]:
    for key in _members(_members(managed, "f:metadata"), "f:annotations"):
        if key.startswith("f:"):
            yield annotation(key.removeprefix("f:"))
    if "f:paused" in _members(managed, "f:spec"):
        yield PAUSED


def _members(managed: Any, key: str) -> Mapping[str, Any]:
    found = managed.get(key) if isinstance(managed, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def body(target: Target, values: Mapping[str, str]) -> dict[str, Any]:
    """`values` as a server-side apply of this very object, never of a successor of its name."""
    metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    result: dict[str, Any] = {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "metadata": metadata,
    }
    return _put(result, values)


def clearing(target: Target, fields: frozenset[str]) -> dict[str, Any]:
    """A JSON merge patch that removes `fields` if the object has not changed since it was read."""
    result: dict[str, Any] = {
        "metadata": {"uid": target.uid, "resourceVersion": target.resource_version}
    }
    return _put(result, dict.fromkeys(sorted(fields), NONE))


def _put(result: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    notes = {
        key: json.loads(value)
        for field, value in values.items()
        if (key := annotation_key(field)) is not None
    }
    if notes:
        result["metadata"]["annotations"] = notes
    if PAUSED in values:
        result["spec"] = {"paused": json.loads(values[PAUSED])}
    return result
