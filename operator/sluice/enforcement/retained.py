"""Retained revisions as CEL literals, cut to the limits of expressions and of objects.

A rollback is recognised in two ways. Templates of revisions that have the workload's current
images are spelled out whole. Of the others the images suffice: what goes back to an earlier set of
images is a rollback, and the rest of a template is most of its size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.enforcement import cel
from sluice.enforcement.freeze import Revision, Workload

SHARD_LIMIT = 900_000
"""Characters of literals in one object; etcd takes requests of 1.5 MiB, other stores less."""

_ENTRY_MARGIN = 16
"""Characters around a workload's literals in a chunk: `:dyn([` and the like."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A revision that could not be rendered: a rollback to it is denied."""

    workload: str
    revision: int
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The literals of one workload, newest revision first."""

    workload: str
    templates: tuple[str, ...]
    images: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()

    @property
    def size(self) -> int:
        """Characters, with what surrounds the literals in a chunk."""
        literals = (*self.templates, *self.images)
        return sum(len(self.workload) + _ENTRY_MARGIN + len(text) for text in literals)


@dataclass(slots=True)
class _Selection:
    """Literals of one workload while they are gathered, each only once."""

    workload: Workload
    templates: dict[str, None] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    size: int = 0

    def add(self, revision: Revision, exempt_keys: Sequence[str]) -> None:
        exact = revision.images == self.workload.images
        text = template_literal(revision.template, exempt_keys) if exact else _images(revision)
        size = len(self.workload.name) + _ENTRY_MARGIN + len(text)
        if size > cel.MAX_EXPRESSION - _ENTRY_MARGIN:
            self._drop(revision, f"its template needs {size} characters of CEL, too many for one")
        elif self.size + size > SHARD_LIMIT:
            self._drop(revision, "newer revisions fill one admission policy")
        else:
            (self.templates if exact else self.images).setdefault(text)
            self.size += size

    def _drop(self, revision: Revision, why: str) -> None:
        name, number = self.workload.name, revision.number
        message = f"a rollback of Deployment {name} to revision {number} would be denied: {why}"
        self.dropped.append(Dropped(name, number, message))


def entry(workload: Workload, exempt_keys: Sequence[str]) -> Entry:
    """What `workload` can roll back to, as literals; what does not fit is in `dropped`."""
    selection = _Selection(workload)
    for revision in sorted(workload.revisions, key=lambda one: one.number, reverse=True):
        selection.add(revision, exempt_keys)
    return Entry(
        workload.name,
        tuple(selection.templates),
        tuple(selection.images),
        tuple(selection.dropped),
    )


def template_literal(template: Mapping[str, Any], exempt_keys: Sequence[str]) -> str:
    """A pod template as `rolled_back` compares it.

    Without exempt annotations, which a later restart leaves behind, and without the
    `creationTimestamp` of null that some versions of the API server show.
    """
    metadata = dict(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    notes = metadata.pop("annotations", None) or {}
    counted = {key: value for key, value in notes.items() if key not in exempt_keys}
    return cel.json({"spec": template["spec"], "meta": metadata, "notes": counted})


def _images(revision: Revision) -> str:
    return cel.json(dict(revision.images))


def shards(entries: Iterable[Entry]) -> list[list[Entry]]:
    """`entries` by name, cut where an object would become too large; at least one shard."""
    result: list[list[Entry]] = [[]]
    size = 0
    for one in sorted(entries, key=lambda one: one.workload):
        if result[-1] and size + one.size > SHARD_LIMIT:
            result.append([])
            size = 0
        result[-1].append(one)
        size += one.size
    return result


def chunks(literals: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Maps from workload to its list of literals, each map an expression of legal length."""
    result: list[dict[str, list[str]]] = []
    size = cel.MAX_EXPRESSION
    for workload, text in ((name, text) for name, texts in literals for text in texts):
        needed = len(workload) + _ENTRY_MARGIN + len(text)
        if size + needed > cel.MAX_EXPRESSION - _ENTRY_MARGIN:
            result.append({})
            size = 0
        result[-1].setdefault(workload, []).append(text)
        size += needed
    return [
        cel.mapping({name: f"dyn([{','.join(texts)}])" for name, texts in chunk.items()})
        for chunk in result
    ]


def any_literal(chunk_names: Iterable[str], condition: str) -> str:
    """Whether `condition` holds for some literal `r` of the object's workload in some chunk."""
    name = "object.metadata.name"
    return cel.some(
        f"{name} in variables.{chunk} && variables.{chunk}[{name}].exists(r, {condition})"
        for chunk in chunk_names
    )
