"""A freeze as ValidatingAdmissionPolicies: enforced by the API server itself, with no webhook.

Everything is a literal in the policy, so that nothing has to be looked up while a request waits,
and the freeze outlives the controller until its expiry. Requires Kubernetes 1.30.
Source: Kubernetes, "Validating Admission Policy", admissionregistration.k8s.io/v1.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sluice.enforcement import cel, conditions, names
from sluice.enforcement.freeze import Freeze, Limit
from sluice.enforcement.kinds import KINDS
from sluice.enforcement.retained import (
    Dropped,
    Entry,
    chunks,
    entry,
    of_this_workload,
    shards,
)

Manifest = dict[str, Any]

_API_VERSION = "admissionregistration.k8s.io/v1"
_LONGEST_MESSAGE_PART = 590
"""Twice this, a kind, a namespace and a name, in UTF-8, stay below the 5 KiB of a message
expression's result."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A freeze as manifests, policies before bindings, and what had to be left out."""

    manifests: tuple[Manifest, ...]
    dropped: tuple[Dropped, ...] = ()


def render(freeze: Freeze) -> Rendered:
    """The admission policies and bindings that enforce `freeze`.

    One policy and one binding a shard; most freezes have one. Shards divide the workloads' kinds
    and names between them without a gap, so that a workload that appears later is governed by
    exactly one.

    Raises:
        ValueError: an instant of `freeze` has no time zone.
    """
    waiting, approved = _waiting(freeze.limit), _approved(freeze.limit)
    entries = [
        replace(
            entry(workload, freeze.exempt_template_keys),
            waiting=waiting.get(workload.key, ()),
            approved=approved.get(workload.key, ()),
        )
        for workload in freeze.workloads
    ]
    parts = shards(entries)
    lows = [None, *(part[0].workload for part in parts[1:])]
    highs = [*lows[1:], None]
    policies, bindings = [], []
    for number, (part, low, high) in enumerate(zip(parts, lows, highs, strict=True)):
        name = names.gate_name(
            namespace=freeze.namespace, policy=freeze.policy, shard=number, part=freeze.part
        )
        spec = _policy_spec(freeze, part, conditions.between(low, high))
        policies.append(_manifest(freeze, "ValidatingAdmissionPolicy", name, spec))
        binding = {"policyName": name, "validationActions": [freeze.action, "Audit"]}
        bindings.append(_manifest(freeze, "ValidatingAdmissionPolicyBinding", name, binding))
    dropped = tuple(one for part in parts for each in part for one in each.dropped)
    return Rendered((*policies, *bindings), dropped)


def _waiting(limit: Limit | None) -> dict[str, tuple[str]]:
    """The literals of the workloads that a limit makes wait, by key."""
    return {
        one.workload: (cel.json({"until": _second(one.until), "text": _one_line(one.text)}),)
        for one in (limit.waiting if limit is not None else ())
    }


def _approved(limit: Limit | None) -> dict[str, tuple[str]]:
    """The literals of the workloads that are approved, by key."""
    return {
        one.workload: (cel.json({"until": _second(one.until)}),)
        for one in (limit.approved if limit is not None else ())
    }


def _second(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _manifest(freeze: Freeze, kind: str, name: str, spec: Manifest) -> Manifest:
    metadata: Manifest = {
        "name": name,
        "labels": {names.MANAGED_BY: names.MANAGER, names.POLICY_UID: freeze.uid},
        "annotations": {
            names.POLICY: f"{freeze.namespace}/{freeze.policy}",
            names.EXPIRES: freeze.expires.isoformat(timespec="seconds"),
        },
    }
    manifest = {"apiVersion": _API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    metadata["annotations"][names.CONTENT_HASH] = _content_hash(manifest)
    return manifest


def _content_hash(manifest: Manifest) -> str:
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _policy_spec(freeze: Freeze, part: Sequence[Entry], in_shard: str) -> Manifest:
    return {
        # A freeze that cannot be evaluated must not stop deployments for its own fault.
        "failurePolicy": "Ignore",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": freeze.namespace}},
            "resourceRules": list(_resource_rules(freeze)),
        },
        "matchConditions": list(_match_conditions(freeze, in_shard)),
        **_validation(freeze, part),
    }


def _resource_rules(freeze: Freeze) -> Iterator[Manifest]:
    kinds = [KINDS[kind] for kind in freeze.kinds]
    for group, version in sorted({(kind.group, kind.version) for kind in kinds}):
        yield {
            "apiGroups": [group],
            "apiVersions": [version],
            "operations": ["UPDATE"],
            # Without subresources: scaling goes through deployments/scale.
            "resources": sorted(kind.plural for kind in kinds if kind.group == group),
            "scope": "Namespaced",
        }


def _match_conditions(freeze: Freeze, in_shard: str) -> Iterator[dict[str, str]]:
    """What the policy is about at all; scaling, pausing and status end here, cheaply."""
    yield {"name": "in-shard", "expression": in_shard}
    if freeze.only:
        named = f"object.metadata.name in {cel.strings(freeze.only)}"
        yield {"name": "named", "expression": named}
    if freeze.own:
        yield {
            "name": "not-own",
            "expression": f"!({conditions.WORKLOAD} in {cel.strings(freeze.own)})",
        }
    governed = [
        conditions.selected(freeze.selector, "oldObject"),
        f"!({conditions.controlled('oldObject')})",
    ]
    yield {"name": "governed", "expression": cel.every(governed)}
    changes = [_template_changes(freeze), _leaves(freeze)]
    deleted = "has(object.metadata.deletionTimestamp)"
    yield {"name": "changed", "expression": f"!{deleted} && ({cel.some(changes)})"}


def _template_changes(freeze: Freeze) -> str:
    if _all_have_templates(freeze):
        return "object.spec.template != oldObject.spec.template"
    return conditions.template_or_reference_changes()


def _all_have_templates(freeze: Freeze) -> bool:
    """Whether none of the governed kinds can refer to the template of another workload."""
    return all(KINDS[kind].fills_in for kind in freeze.kinds)


def _leaves(freeze: Freeze) -> str:
    """Whether the change takes the object out of the policy, to change it freely afterwards."""
    selected = conditions.selected(freeze.selector, "object")
    return f"!({selected}) || ({conditions.controlled('object')})"


def _validation(freeze: Freeze, part: Sequence[Entry]) -> Manifest:
    variables = {
        "workload": conditions.WORKLOAD,
        "expired": conditions.written_after(freeze.expires),
        "leaves": _leaves(freeze),
        **conditions.template_variables(freeze.exempt_template_keys),
        "overridden": conditions.overridden(freeze.overrides),
        "declared": conditions.declared(freeze.change_types, freeze.change_type_key),
        "restarted": conditions.only_exempt_annotations_differ(),
        **_retained(part),
    }
    if freeze.limit is not None:
        variables |= _limit(freeze.limit, part)
    same = cel.some(["variables.restarted", "variables.rolledBack"])
    if not _all_have_templates(freeze):
        both = [conditions.has_pods("object"), conditions.has_pods("oldObject")]
        same = cel.every([*both, same])
    harmless = [same, "variables.declared"]
    harmless += ["variables.within"] if freeze.limit is not None else []
    passes = [
        "variables.expired",
        f"request.userInfo.username in {cel.strings(freeze.exempt_users)}",
        "variables.overridden",
        # Who may not change the template may not take the object out of the policy to change it.
        f"!variables.leaves && ({cel.some(harmless)})",
    ]
    return {
        "variables": [{"name": name, "expression": text} for name, text in variables.items()],
        "validations": [
            {
                "expression": cel.some(passes),
                "messageExpression": _message(freeze),
                # The default, Invalid (422), makes Flux and `kubectl --force` recreate the object.
                "reason": "Forbidden",
            }
        ],
    }


def _limit(limit: Limit, part: Sequence[Entry]) -> dict[str, str]:
    """Whether a limit lets the workload be deployed, and if not what it says of it."""
    over = conditions.written_by("timestamp(string(variables.waiting[0].until))")
    ended = conditions.written_by("timestamp(string(variables.approvals[0].until))")
    both = ["variables.due", "variables.approved"]
    return {
        **_family("waiting", [(one.workload, one.waiting) for one in part]),
        "due": f"size(variables.waiting) == 0 || ({over})",
        **_family("approvals", [(one.workload, one.approved) for one in part]),
        "approved": f"size(variables.approvals) > 0 && !({ended})",
        "within": cel.every(both) if limit.needs_approval else cel.some(both),
    }


def _family(name: str, literals: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Variable `name`, the list of the object's workload's literals, and those that it is from."""
    maps = {f"{name}{number}": text for number, text in enumerate(chunks(literals))}
    return {**maps, name: of_this_workload(maps)}


def _retained(part: Sequence[Entry]) -> dict[str, str]:
    variables = {
        **_family("templates", [(one.workload, one.templates) for one in part]),
        **_family("images", [(one.workload, one.images) for one in part]),
    }
    same_template = conditions.same_template(
        spec="r.spec",
        metadata="r.meta",
        metadata_size="size(r.meta)",
        notes="r.notes",
        notes_size="size(r.notes)",
    )
    same_images = (
        "size(r) == size(variables.newImages) && "
        "variables.newImages.all(i, i[0] in r && r[i[0]] == i[1])"
    )
    changed = "variables.newImages != variables.oldImages"
    earlier = f"{changed} && variables.images.exists(r, {same_images})"
    exact = f"variables.templates.exists(r, {same_template})"
    variables["rolledBack"] = cel.some([earlier, exact])
    return variables


def _message(freeze: Freeze) -> str:
    prefix = cel.string(_one_line(freeze.message_prefix))
    infix = cel.string(_one_line(freeze.message_infix))
    suffix = cel.string(_one_line(freeze.message_suffix))
    limit = f" + {_limit_text(freeze.limit)}" if freeze.limit is not None else ""
    return f"{prefix} + request.kind.kind + {infix} + object.metadata.name{limit} + {suffix}"


def _limit_text(limit: Limit) -> str:
    leaves, unapproved = (cel.string(_one_line(text)) for text in (limit.leaves, limit.unapproved))
    waits = f"variables.due ? {unapproved} : string(variables.waiting[0].text)"
    return f"(variables.leaves ? {leaves} : {waits})"


def _one_line(text: str) -> str:
    """The API server drops a message with a line break, and the requester would read CEL."""
    return re.sub(r"\s+", " ", text)[:_LONGEST_MESSAGE_PART]
