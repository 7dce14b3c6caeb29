"""CEL conditions over one admission request; every one is total for a valid workload.

An expression that fails to evaluate lets the request pass (`failurePolicy: Ignore`), so whatever
a requester could do to make one fail would be a way around the freeze: fields that may be absent
are asked for with `has()`, and what grows with the object is bounded.
Source: Kubernetes, "Validating Admission Policy"; the variables are its `object`, `oldObject` and
`request`.
"""

from collections.abc import Sequence
from datetime import datetime

from sluice.api.metadata import LabelRequirement, LabelSelector
from sluice.enforcement import cel
from sluice.enforcement.freeze import Override

WORKLOAD = "request.kind.kind + '/' + object.metadata.name"
"""The workload's kind and name, as `Workload.key`."""


def has_pods(subject: str) -> str:
    """Whether `subject` (`object` or `oldObject`) says what its pods are like.

    A Rollout need not: it may take its template from another workload, by `workloadRef`, and the
    API server takes one without a pod spec, which Argo Rollouts then calls invalid.
    """
    return f"has({subject}.spec.template) && has({subject}.spec.template.spec)"


_MAX_ANNOTATIONS = 256
"""Pod template annotations compared one by one; more of them are compared by nothing and denied."""


def selected(selector: LabelSelector, subject: str) -> str:
    """Whether `subject` (`object` or `oldObject`) has labels that match.

    The four operators hold as in Kubernetes: NotIn holds where the label is absent.
    """
    terms = [
        cel.every([f"{cel.string(key)} in l", f"l[{cel.string(key)}] == {cel.string(value)}"])
        for key, value in selector.match_labels.items()
    ]
    terms += [_requirement(requirement) for requirement in selector.match_expressions]
    if not terms:
        return "true"
    labels = f"has({subject}.metadata.labels) ? {subject}.metadata.labels : {{}}"
    return f"[{labels}].all(l, {cel.every(terms)})"


def _requirement(requirement: LabelRequirement) -> str:
    key = cel.string(requirement.key)
    member = f"l[{key}] in {cel.strings(requirement.values)}"
    match requirement.operator:
        case "In":
            return f"{key} in l && {member}"
        case "NotIn":
            return f"!({key} in l) || !({member})"
        case "Exists":
            return f"{key} in l"
        case "DoesNotExist":
            return f"!({key} in l)"


def controlled(subject: str) -> str:
    """Whether `subject` belongs to a controller, which is then what decides on it."""
    references = f"{subject}.metadata.ownerReferences"
    return f"has({references}) && {references}.exists(o, has(o.controller) && o.controller)"


def written_after(instant: datetime) -> str:
    """Whether any field of the object was written after `instant`.

    Admission expressions have no clock. The API server stamps the request's own time into
    `managedFields` before it asks, so the newest of these times is the request's, unless it only
    removes fields or forges a time.
    """
    fields = "object.metadata.managedFields"
    later = f"has(f.time) && timestamp(f.time) > {cel.timestamp(instant)}"
    return f"has({fields}) && {fields}.exists(f, {later})"


def written_by(instant: str) -> str:
    """Whether any field was written at the instant of an expression, a timestamp, or later.

    See `written_after`.
    """
    fields = "object.metadata.managedFields"
    return f"has({fields}) && {fields}.exists(f, has(f.time) && timestamp(f.time) >= {instant})"


def between(low: str | None, high: str | None) -> str:
    """Whether the workload's kind and name are in [low, high); None is unbounded."""
    bounds = [f"{WORKLOAD} >= {cel.string(low)}"] if low is not None else []
    bounds += [f"{WORKLOAD} < {cel.string(high)}"] if high is not None else []
    return cel.every(bounds)


def overridden(overrides: Sequence[Override]) -> str:
    """Whether an override names the object (or all), has not ended, and admits the new images.

    Needs `template_variables`.
    """
    return cel.some(map(_override, overrides))


def _override(override: Override) -> str:
    terms = []
    if override.workloads:
        terms.append(f"object.metadata.name in {cel.strings(override.workloads)}")
    if override.images:
        terms.append(has_pods("object"))
        terms.append(f"variables.newImages.all(i, i[1] in {cel.strings(override.images)})")
    return cel.every([*terms, f"!({written_after(override.until)})"])


def declared(types: Sequence[str], key: str) -> str:
    """Whether the update itself declares a change of one of `types`.

    A declaration that is there already is one of an earlier change: left in a manifest it must not
    let the next change pass.
    """
    if not types:
        return "false"
    return cel.some(_declared(types, key, place) for place in ("labels", "annotations"))


def _declared(types: Sequence[str], key: str, place: str) -> str:
    name = cel.string(key)
    new, old = (f"{subject}.metadata.{place}" for subject in ("object", "oldObject"))
    value = f"{new}[{name}]"
    there_before = cel.every([f"has({old})", f"{name} in {old}", f"{old}[{name}] == {value}"])
    named = f"{value} == t || {value}.startsWith(t + '.') || {value}.startsWith(t + '/')"
    return cel.every(
        [
            f"has({new})",
            f"{name} in {new}",
            f"!({there_before})",
            f"{cel.strings(types)}.exists(t, {named})",
        ]
    )


def template_or_reference_changes() -> str:
    """Whether the template changes, or what it is taken from; of a kind that may have either."""
    new, old = "has(object.spec.template)", "has(oldObject.spec.template)"
    changes = [
        f"{new} != {old}",
        cel.every([new, "object.spec.template != oldObject.spec.template"]),
        f"{_reference('object')} != {_reference('oldObject')}",
    ]
    return cel.some(changes)


def _reference(subject: str) -> str:
    """The workload that `subject` refers to; `scaleDown` beside it says nothing of a template."""
    # Behind `dyn()`: other kinds have no such field, which the API server would remark on.
    found = f"dyn({subject}.spec).workloadRef"
    parts = [f"has({found}.{key}) ? {found}.{key} : ''" for key in ("apiVersion", "kind", "name")]
    return f"(has({found}) ? [{', '.join(parts)}] : [])"


def template_variables(exempt_keys: Sequence[str]) -> dict[str, str]:
    """The parts of the new and the old pod template that `same_template` compares.

    The template's own annotations are taken apart from the rest of its metadata, because exempt
    ones do not count; `creationTimestamp` is null on some versions of the API server.
    """
    variables: dict[str, str] = {}
    for subject, name in (("object", "new"), ("oldObject", "old")):
        metadata = f"{subject}.spec.template.metadata"
        variables |= {
            f"{name}Meta": f"has({metadata}) ? {metadata} : {{}}",
            f"{name}Notes": (
                f"has(variables.{name}Meta.annotations) ? variables.{name}Meta.annotations : {{}}"
            ),
            f"{name}MetaKeys": (
                f"variables.{name}Meta.filter(k, k != 'annotations' && k != 'creationTimestamp')"
            ),
            f"{name}NoteKeys": (
                f"variables.{name}Notes.filter(k, !(k in {cel.strings(exempt_keys)}))"
            ),
        }
    containers = "{0}.spec.template.spec.containers + ({1} ? {2} : [])"
    for subject, name in (("object", "newImages"), ("oldObject", "oldImages")):
        init = f"{subject}.spec.template.spec.initContainers"
        every_one = containers.format(subject, f"has({init})", init)
        variables[name] = f"({every_one}).map(c, [c.name, has(c.image) ? c.image : dyn('')])"
    return variables


def same_template(
    *, spec: str, metadata: str, metadata_size: str, notes: str, notes_size: str
) -> str:
    """Whether the new template equals another one but for exempt annotations.

    Args:
        spec: an expression for the other one's pod spec.
        metadata: for its metadata; keys that do not count may be left in.
        metadata_size: for the number of keys that count.
        notes: for its annotations; exempt ones may be left in.
        notes_size: for the number of annotations that are not exempt.
    """
    same_metadata = f"k in {metadata} && variables.newMeta[k] == {metadata}[k]"
    same_notes = f"k in {notes} && variables.newNotes[k] == {notes}[k]"
    return cel.every(
        [
            f"object.spec.template.spec == {spec}",
            f"size(variables.newMetaKeys) == {metadata_size}",
            f"size(variables.newNoteKeys) == {notes_size}",
            f"{notes_size} <= {_MAX_ANNOTATIONS}",
            f"variables.newMetaKeys.all(k, {same_metadata})",
            f"variables.newNoteKeys.all(k, {same_notes})",
        ]
    )


def only_exempt_annotations_differ() -> str:
    """Whether the change is none but for exempt annotations, such as that of a restart."""
    return same_template(
        spec="oldObject.spec.template.spec",
        metadata="variables.oldMeta",
        metadata_size="size(variables.oldMetaKeys)",
        notes="variables.oldNotes",
        notes_size="size(variables.oldNoteKeys)",
    )
