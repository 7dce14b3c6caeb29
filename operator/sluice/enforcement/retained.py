"""Retained revisions as CEL literals, cut to the limits of expressions and of objects.

A rollback is recognised in two ways. What goes back to the images of a retained revision is one,
if it changes the images at all. Templates are spelled out whole only where images do not tell
revisions apart: where several of a workload's have the images that it runs now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.enforcement import cel
from sluice.enforcement.freeze import Revision, Workload
from sluice.policy.pod_defaults import without_defaults

SHARD_LIMIT = 500_000
"""Characters of literals in one object. etcd would take 1.5 MiB; the API server needs some seconds
to compile this many, and a request to it ends after 34."""

CHUNK_SIZE = 10_000
"""Characters that an expression with several literals is cut at. The time to compile one grows with
the square of the number of its `dyn()`: 100,000 characters took 6 s at once, 0.7 s in ten parts.
"""

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
    """The literals of one workload, newest revision first; `workload` is its key.

    `waiting` is what a limit says of it, if it must wait; `approved` are its approvals.
    """

    workload: str
    templates: tuple[str, ...]
    images: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()
    waiting: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Characters, with what surrounds the literals in a chunk."""
        literals = (*self.templates, *self.images, *self.waiting, *self.approved)
        return sum(len(self.workload) + _ENTRY_MARGIN + len(text) for text in literals)


@dataclass(slots=True)
class _Selection:
    """Literals of one workload while they are gathered, each only once."""

    workload: Workload
    templates: dict[str, None] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    size: int = 0

    def add(self, revision: Revision, text: str, among: dict[str, None]) -> None:
        size = len(self.workload.key) + _ENTRY_MARGIN + len(text)
        if text in among:
            return
        if size > cel.MAX_EXPRESSION - _ENTRY_MARGIN:
            self._drop(revision, f"it needs {size} characters of CEL, too many for one expression")
        elif self.size + size > SHARD_LIMIT:
            self._drop(revision, "newer revisions fill one admission policy")
        else:
            among[text] = None
            self.size += size

    def _drop(self, revision: Revision, why: str) -> None:
        whose, number = f"{self.workload.kind} {self.workload.name}", revision.number
        message = f"a rollback of {whose} to revision {number} would be denied: {why}"
        self.dropped.append(Dropped(self.workload.key, number, message))


def entry(workload: Workload, exempt_keys: Sequence[str]) -> Entry:
    """What `workload` can roll back to, as literals; what does not fit is in `dropped`."""
    selection = _Selection(workload)
    newest_first = sorted(workload.revisions, key=lambda one: one.number, reverse=True)
    for revision in newest_first:
        selection.add(revision, cel.json(dict(revision.images)), selection.images)
    alike = [one for one in newest_first if one.images == workload.images]
    for revision in alike if len(alike) > 1 else ():
        for template in _as_written(revision, workload):
            selection.add(revision, template_literal(template, exempt_keys), selection.templates)
    return Entry(
        workload.key,
        tuple(selection.templates),
        tuple(selection.images),
        tuple(selection.dropped),
    )


def _as_written(revision: Revision, workload: Workload) -> Iterator[Mapping[str, Any]]:
    """The templates that mean a revision: as it is retained, and as in a manifest."""
    yield revision.template
    if not workload.fills_in:
        yield without_defaults(revision.template)


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


def shards(entries: Iterable[Entry]) -> list[list[Entry]]:
    """`entries` by workload, cut where an object would become too large; at least one shard."""
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
    size = 0
    for workload, text in ((name, text) for name, texts in literals for text in texts):
        needed = len(workload) + _ENTRY_MARGIN + len(text)
        if not result or size + needed > CHUNK_SIZE:
            result.append({})
            size = 0
        result[-1].setdefault(workload, []).append(text)
        size += needed
    return [
        cel.mapping({name: f"dyn([{','.join(texts)}])" for name, texts in chunk.items()})
        for chunk in result
    ]


def of_this_workload(chunk_names: Iterable[str]) -> str:
    """The list of the object's workload's literals in all chunks."""
    key = "variables.workload"
    found = [
        f"({key} in variables.{chunk} ? variables.{chunk}[{key}] : [])" for chunk in chunk_names
    ]
    return " + ".join(found) or "[]"
