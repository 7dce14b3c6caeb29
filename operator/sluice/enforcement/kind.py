"""What is particular to a kind of workload that is governed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.enforcement.freeze import Revision
from sluice.enforcement.hold import Hold

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A kind of `apps/v1` whose pod template is what is deployed.

    Attributes:
        name: the kind.
        plural: its resource.
        hold: how its rollouts are held.
        holdable: whether a workload as it is has rollouts to hold.
        stamp: a text that changes once the cluster retains another revision of the workload.
        retained_as: the kind of the objects that its revisions are retained as.
        revision: one of these objects as a revision; None if it is none.
    """

    name: str
    plural: str
    hold: Hold
    holdable: Callable[[Object], bool]
    stamp: Callable[[Object], str]
    retained_as: str
    revision: Callable[[Object], Revision | None]


def update_strategy(live: Object) -> str:
    """The type of `spec.updateStrategy`; empty if it has none."""
    strategy = (live.get("spec") or {}).get("updateStrategy") or {}
    return str(strategy.get("type") or "")
