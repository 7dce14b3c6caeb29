"""From documents to objects of `sluice.dev`, with everything that is wrong with them. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sluice.api import API_VERSION, GROUP
from sluice.api.base import without_nulls
from sluice.api.correction import BudgetCorrection
from sluice.api.crds import RESOURCES
from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reading import NO_SUCH_FIELD, Problem, path_of, printable, read
from sluice.api.slo import ServiceLevelObjective
from sluice.cli.check_files import Document, Finding
from sluice.policy.validation import validate

_MODELS = {resource.kind: resource.model for resource in RESOURCES}
_FIELDS = {"apiVersion", "kind", "metadata", "spec", "status"}
# A misspelt `labels` would be selected by nothing, silently. Source: Kubernetes API reference,
# "ObjectMeta".
_METADATA = {
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
}

Kind = TypeVar("Kind", ServiceLevelObjective, ErrorBudgetPolicy)
Object = ServiceLevelObjective | ErrorBudgetPolicy | GateOverride | BudgetCorrection


@dataclass(frozen=True, slots=True)
class Declared(Generic[Kind]):
    """An object, and where it stands."""

    where: str
    object: Kind


@dataclass(frozen=True, slots=True)
class Declarations:
    """What the documents declare.

    Attributes:
        objectives: those that can be read.
        policies: those that can be read and make sense.
        overrides: how many GateOverrides can be read; there is nothing to evaluate in them.
        corrections: those that can be read; objectives are measured with them.
        findings: what is wrong with the others.
        ignored: how many objects there are of kinds that are not ours, by kind.
    """

    objectives: list[Declared[ServiceLevelObjective]] = field(default_factory=list)
    policies: list[Declared[ErrorBudgetPolicy]] = field(default_factory=list)
    overrides: list[GateOverride] = field(default_factory=list)
    corrections: list[BudgetCorrection] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def declared(documents: Iterable[Document]) -> Declarations:
    """What `documents` declare."""
    found = Declarations()
    places: dict[str, str] = {}
    for document in documents:
        kind = _kind(document.body)
        if isinstance(kind, Problem):
            found.findings.append(Finding(document.where, str(kind)))
        elif kind is None:
            found.ignored[document.body["kind"]] += 1
        else:
            _take_in(found, document, kind, places)
    return found


def _kind(body: Any) -> str | Problem | None:
    """Which of our kinds the object is of; None if it is somebody else's."""
    match body:
        case {"apiVersion": str(version), "kind": str(kind)}:
            pass
        case _:
            return Problem("", "this is no Kubernetes object: apiVersion and kind are needed")
    if version.partition("/")[0] != GROUP:
        return None
    if version != API_VERSION:
        return Problem("apiVersion", f"there is no {version}: write {API_VERSION}")
    if kind not in _MODELS:
        return Problem("kind", f"there is no {kind} in {GROUP}: write {' or '.join(_MODELS)}")
    return kind


def _take_in(found: Declarations, document: Document, kind: str, places: dict[str, str]) -> None:
    """Add the object to what was `found`, unless something is wrong with it."""
    title = f"{kind} {_title(document.body)}"
    where = f"{document.where} ({title})"
    problems = list(_unknown_fields(document.body))
    # A status is the controller's; here it is as if the objects were applied for the first time.
    body = {name: it for name, it in document.body.items() if name in _FIELDS - {"status"}}
    result = read(_MODELS[kind], without_nulls(body))
    if isinstance(result, list):
        problems += result
    elif isinstance(result, ErrorBudgetPolicy):
        problems += validate(result.spec)
    if title in places:
        problems.append(Problem("metadata.name", f"{places[title]} has it too: delete one of them"))
    places.setdefault(title, document.where)
    if problems:
        found.findings.extend(Finding(where, str(problem)) for problem in problems)
        return
    match result:
        case ServiceLevelObjective():
            found.objectives.append(Declared(where, result))
        case ErrorBudgetPolicy():
            found.policies.append(Declared(where, result))
        case GateOverride():
            found.overrides.append(result)
        case BudgetCorrection():
            found.corrections.append(result)


def _title(body: dict[str, Any]) -> str:
    """Namespace and name, as far as they can be told."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return "without a name"
    return printable(f"{metadata.get('namespace') or 'default'}/{metadata.get('name', '')}")


def _unknown_fields(body: dict[str, Any]) -> Iterator[Problem]:
    """Fields outside of spec that the API server does not know either."""
    metadata = body.get("metadata")
    inside = metadata.keys() - _METADATA if isinstance(metadata, dict) else set()
    unknown = [
        *((str(it),) for it in body.keys() - _FIELDS),
        *(("metadata", it) for it in map(str, inside)),
    ]
    for path in sorted(unknown):
        yield Problem(path_of(path), NO_SUCH_FIELD)
