"""What the watches have shown: our own objects parsed, workloads cut down to what is asked of them.

kopf can miss a deletion when it lists anew; a full list and `retain` are the repair. An
object of ours that the models can't read (written for another version of the CRD) is kept as
`Malformed`, so that its owner gets a condition instead of silence.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from sluice.api.correction import BudgetCorrection
from sluice.api.override import GateOverride
from sluice.api.owners import controller_of
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reading import read
from sluice.api.slo import ServiceLevelObjective
from sluice.api.source import MetricSource
from sluice.enforcement.kinds import KINDS
from sluice.enforcement.names import UNDO
from sluice.kube.resources import (
    CORRECTIONS,
    OBJECTIVES,
    OPTIONAL,
    OVERRIDES,
    POLICIES,
    SOURCES,
    WORKLOADS,
    Resource,
)

# Sources and corrections first: an objective that is new must find its own.
WATCHED = (
    *(SOURCES, CORRECTIONS, OBJECTIVES, POLICIES, OVERRIDES),
    *(it for it in WORKLOADS.values() if it.kind not in OPTIONAL),
)
"""What must be there; the rest may come later, see `sluice.controller.rollouts`."""


@dataclass(frozen=True, slots=True)
class Key:
    """An object: its resource's plural, namespace (empty if it is the cluster's) and name."""

    plural: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.plural, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class Workload:
    """What deciding needs of a workload; a template is read only when a gate is rendered.

    Its replicas are not among it, nor its generation: scaling is nobody's business here.
    """

    key: Key
    kind: str
    uid: str
    revision: str
    """A text that changes once the cluster retains another revision of it."""
    labels: Mapping[str, str]
    controlled: bool
    held: bool
    """Whether its rollouts are held, by whomsoever."""
    marked: bool
    """Whether it carries the annotation that tells of changes of ours."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """An object of ours that could not be read, and why; of its status, what is there."""

    key: Key
    uid: str
    generation: int
    problem: str
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict, compare=False)


type_of: Mapping[str, type[BaseModel]] = {
    OBJECTIVES.plural: ServiceLevelObjective,
    POLICIES.plural: ErrorBudgetPolicy,
    OVERRIDES.plural: GateOverride,
    CORRECTIONS.plural: BudgetCorrection,
    SOURCES.plural: MetricSource,
}

_Kind = TypeVar("_Kind")

_Ours = ServiceLevelObjective | ErrorBudgetPolicy | GateOverride | BudgetCorrection | MetricSource
Object = _Ours | Workload | Malformed


def key_of(resource: Resource, body: Mapping[str, Any]) -> Key:
    """The key of an object as the API server sent it."""
    metadata = body["metadata"]
    return Key(resource.plural, metadata.get("namespace", ""), metadata["name"])


def parse(resource: Resource, body: Mapping[str, Any]) -> Object:
    """The object as it is kept."""
    if resource.kind in WORKLOADS:
        return _workload(resource, body)
    found = read(type_of[resource.plural], body)
    if isinstance(found, list):
        metadata = body["metadata"]
        return Malformed(
            key=key_of(resource, body),
            uid=metadata.get("uid", ""),
            generation=metadata.get("generation", 0),
            problem="; ".join(str(problem) for problem in found),
            deleting=bool(metadata.get("deletionTimestamp")),
            finalizers=tuple(metadata.get("finalizers") or ()),
            status=body.get("status") or {},
        )
    assert isinstance(found, _Ours)
    return found


def _workload(resource: Resource, body: Mapping[str, Any]) -> Workload:
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    kind = KINDS[resource.kind]
    return Workload(
        key=key_of(resource, body),
        kind=kind.name,
        uid=metadata["uid"],
        revision=kind.stamp(body),
        labels=metadata.get("labels") or {},
        controlled=bool(controller_of(body)),
        held=kind.hold.read(body) == kind.hold.text,
        marked=UNDO in annotations,
    )


def _with_known_spec(before: Object | None, after: Object) -> Object:
    """The object with the same spec as before, not one that is equal: it is kept and read once."""
    if (
        isinstance(before, ServiceLevelObjective)
        and isinstance(after, ServiceLevelObjective)
        and before.spec == after.spec
    ):
        return after.model_copy(update={"spec": before.spec})
    return after


def _version(body: Mapping[str, Any]) -> int:
    """The resourceVersion as a number, as Kubernetes lets clients compare them since 1.35.

    Another API server's that is no number counts as the newest.
    """
    text = str(body["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else sys.maxsize


class Cache:
    """All watched objects, by resource and namespace: both are asked for at every decision."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], dict[str, Object]] = {}
        self._versions: dict[Key, tuple[int, int]] = {}
        self.stamp = 0
        """Grows with every object that is taken in."""

    def put(self, resource: Resource, body: Mapping[str, Any]) -> tuple[Object | None, Object]:
        """Take an object in; what was known of it before, and what is known now.

        A list that was long on its way may bring an older version than a watch: that is dropped. So
        is one that is there already, as is each of our own writes when the watch tells of it.
        """
        key = key_of(resource, body)
        names = self._objects.setdefault((key.plural, key.namespace), {})
        before = names.get(key.name)
        version = _version(body)
        self.stamp += 1
        known = self._versions[key][0] if before is not None else -1
        if before is not None and version < known:
            return before, before
        self._versions[key] = (version, self.stamp)
        if before is not None and version == known < sys.maxsize:
            return before, before
        names[key.name] = after = _with_known_spec(before, parse(resource, body))
        return before, after

    def drop(self, key: Key) -> Object | None:
        """Forget an object; what was known of it."""
        self._versions.pop(key, None)
        return self._objects.get((key.plural, key.namespace), {}).pop(key.name, None)

    def retain(self, resource: Resource, listed: set[Key], *, began: int) -> set[Key]:
        """Forget the objects that a full list did not have; their keys.

        What came in after the list began, at `stamp` = `began`, is newer than the list.
        """
        gone = {key for key in set(self.keys(resource)) - listed if self._versions[key][1] <= began}
        for key in gone:
            self.drop(key)
        return gone

    def get(self, key: Key) -> Object | None:
        """One object."""
        return self._objects.get((key.plural, key.namespace), {}).get(key.name)

    def uid(self, key: Key) -> str:
        """The uid of an object; empty if there is none."""
        found = self.get(key)
        if found is None:
            return ""
        return found.uid if isinstance(found, Workload | Malformed) else found.metadata.uid

    def keys(self, resource: Resource) -> list[Key]:
        """The keys of all objects of a resource."""
        return [key for key in self._versions if key.plural == resource.plural]

    def objectives(self, namespace: str) -> list[ServiceLevelObjective]:
        """The readable objectives of a namespace, by name."""
        return self._readable(OBJECTIVES, namespace, ServiceLevelObjective)

    def policies(self, namespace: str) -> list[ErrorBudgetPolicy]:
        """The readable policies of a namespace, by name."""
        return self._readable(POLICIES, namespace, ErrorBudgetPolicy)

    def overrides(self, namespace: str) -> list[GateOverride]:
        """The readable overrides of a namespace, by name."""
        return self._readable(OVERRIDES, namespace, GateOverride)

    def corrections(self, namespace: str) -> list[BudgetCorrection]:
        """The readable corrections of a namespace, by name."""
        return self._readable(CORRECTIONS, namespace, BudgetCorrection)

    def workloads(self, namespace: str) -> list[Workload]:
        """The workloads of a namespace, by kind and name."""
        return [
            found
            for resource in WORKLOADS.values()
            for found in self._readable(resource, namespace, Workload)
        ]

    def _readable(self, resource: Resource, namespace: str, kind: type[_Kind]) -> list[_Kind]:
        names = self._objects.get((resource.plural, namespace), {})
        return [found for _, found in sorted(names.items()) if isinstance(found, kind)]
