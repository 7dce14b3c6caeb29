"""The PrometheusRules that are wanted, and what there is to do to have them. Pure.

They are all in the controller's namespace, where no tenant can edit what a budget is counted by.
No owner reference can collect them there: they carry their objective's uid as a label, and whatever
is labelled as ours without an objective that wants it goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.enforcement.names import (
    MANAGED_BY,
    MANAGER,
    OBJECTIVE,
    OBJECTIVE_UID,
    SOURCE,
    owned_name,
)
from sluice.indicators.recording import Rules

Manifest = dict[str, Any]

OURS = f"{MANAGED_BY}={MANAGER},{OBJECTIVE_UID}"
"""Selects them by label."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Manifests to apply, and names to delete."""

    apply: tuple[Manifest, ...]
    delete: tuple[str, ...]


def manifest(rules: Rules, *, namespace: str, source: str, labels: Mapping[str, str]) -> Manifest:
    """The PrometheusRule of one objective.

    Args:
        rules: what it holds.
        namespace: where it is.
        source: the objective's MetricSource.
        labels: what a `ruleSelector` finds it by; ours go before them.
    """
    subject = rules.subject
    own = {MANAGED_BY: MANAGER, OBJECTIVE_UID: subject.uid}
    return {
        "metadata": {
            "name": owned_name(namespace=subject.namespace, name=subject.name),
            "namespace": namespace,
            "labels": {**labels, **own},
            "annotations": {OBJECTIVE: str(subject), SOURCE: source},
        },
        "spec": rules.spec(),
    }


def changes(existing: Iterable[Manifest], wanted: Mapping[str, Manifest | None]) -> Changes:
    """What makes the objects `wanted` of those that there are.

    Args:
        existing: all that are labelled as ours.
        wanted: what each objective that has its counts recorded wants, by its uid; None for one of
            which that is not known yet, whose object is left as it is. What is of another uid goes.
    """
    there = {one["metadata"]["name"]: one for one in existing}
    desired = {one["metadata"]["name"]: one for one in wanted.values() if one is not None}
    kept = {uid for uid, one in wanted.items() if one is None}
    return Changes(
        apply=tuple(
            one for name, one in desired.items() if name not in there or not _has(there[name], one)
        ),
        delete=tuple(
            name
            for name, one in there.items()
            if name not in desired and one["metadata"]["labels"][OBJECTIVE_UID] not in kept
        ),
    )


def _has(found: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is there as it is wanted; others may have added to it.

    Not so to lists: another rule in a group of ours would be evaluated, too.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and _has(found[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(map(_has, found, wanted))
    return bool(found == wanted)
