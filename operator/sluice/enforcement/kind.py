"""What is particular to a kind that is governed or held."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.enforcement.freeze import Revision
from sluice.enforcement.hold import Hold

Object = Mapping[str, Any]


def _never(live: Object) -> bool:
    del live
    return False


@dataclass(frozen=True, slots=True)
class HeldKind:
    """A kind that can be told to hold.

    Attributes:
        name: the kind.
        plural: its resource.
        hold: how it is held.
        holdable: whether an object as it is has something to hold, seeing what is retained of
            workloads, of its own and of others.
        over: whether an object is over, so that what holds it stays: without it, it began anew.
    """

    name: str
    plural: str
    hold: Hold
    holdable: Callable[[Object, Sequence[Object]], bool]
    over: Callable[[Object], bool] = field(default=_never, kw_only=True)


@dataclass(frozen=True, slots=True)
class WorkloadKind(HeldKind):
    """A kind whose pod template is what is deployed.

    Attributes:
        stamp: a text that changes once the cluster retains another revision of the workload.
        retained_as: the kind of the objects that its revisions are retained as.
        revision: one of these objects as a revision; None if it is none.
        group: its API group.
        version: the version of that.
        fills_in: whether the API server fills defaults into its pod template.
    """

    stamp: Callable[[Object], str]
    retained_as: str
    revision: Callable[[Object], Revision | None]
    group: str = "apps"
    version: str = "v1"
    fills_in: bool = True


def always(live: Object, retained: Sequence[Object]) -> bool:
    """That there is something to hold, whatever the object is like."""
    del live, retained
    return True


def by_itself(holdable: Callable[[Object], bool]) -> Callable[[Object, Sequence[Object]], bool]:
    """`holdable` of a kind to which what is retained is no matter."""

    def check(live: Object, retained: Sequence[Object]) -> bool:
        del retained
        return holdable(live)

    return check


def text_at(live: Object, *path: str) -> str:
    """A field as text; empty if there is none, whatever is in its way."""
    found: Any = live
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)


def update_strategy(live: Object) -> str:
    """The type of `spec.updateStrategy`; empty if it has none."""
    return text_at(live, "spec", "updateStrategy", "type")
