"""Which objectives a policy looks at and which workloads it governs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sluice.api.policy import ObjectiveReference, WorkloadReference
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.policy.objective import ObjectiveState


@dataclass(frozen=True, slots=True)
class Labelled:
    """An object in the policy's namespace: all that a selector looks at."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """The objectives that a policy selects.

    Attributes:
        names: Those that exist, sorted.
        missing: Those that are referenced by name and do not exist, as unknown objectives; they
            belong into `decide` with the others: a deleted objective blinds, it does not thaw.
    """

    names: tuple[str, ...]
    missing: tuple[ObjectiveState, ...]


def select_objectives(reference: ObjectiveReference, existing: Iterable[Labelled]) -> Selection:
    """The objectives of `existing` (one namespace) that `reference` selects."""
    if reference.names is None:
        return Selection(_matching(reference, existing), missing=())
    wanted = set(reference.names)
    found = wanted & {objective.name for objective in existing}
    return Selection(
        names=tuple(sorted(found)),
        missing=tuple(_missing(name) for name in sorted(wanted - found)),
    )


class WorkloadName(NamedTuple):
    """What tells a workload from all others of its namespace."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """Kind and name in one text, such as `Deployment/web`."""
        return f"{self.kind}/{self.name}"


def select_workloads(
    reference: WorkloadReference,
    existing: Iterable[tuple[WorkloadName, Mapping[str, str]]],
    *,
    own: Collection[WorkloadName] = (),
) -> tuple[WorkloadName, ...]:
    """The workloads that are governed, sorted, of those that exist in the namespace.

    Args:
        reference: which ones are.
        existing: all of the namespace, with their labels.
        own: those of Sluice itself there, which are never governed.
    """
    return tuple(
        sorted(
            workload
            for workload, labels in existing
            if workload not in own
            and workload.kind in reference.kinds
            and reference.selector.matches(dict(labels))
        )
    )


def _matching(reference: ObjectiveReference, existing: Iterable[Labelled]) -> tuple[str, ...]:
    selector = reference.selector
    if selector is None:
        return ()
    return tuple(sorted(it.name for it in existing if selector.matches(dict(it.labels))))


def gone(name: str) -> ObjectiveState:
    """An objective that decided and is not selected any more, as an unknown one."""
    return _absent(
        name,
        f"ServiceLevelObjective {name} was deleted or relabelled, or cannot be read: restore it",
    )


def _missing(name: str) -> ObjectiveState:
    return _absent(
        name,
        f"ServiceLevelObjective {name} does not exist in the policy's namespace: "
        "create it or take it out of spec.objectives.names",
    )


def _absent(name: str, message: str) -> ObjectiveState:
    return ObjectiveState(
        name=name,
        known=False,
        level=Level.UNKNOWN,
        remaining=None,
        burn_rates={},
        window="",
        recovered_at=None,
        reason=Reason.OBJECTIVE_NOT_FOUND,
        message=message,
    )
