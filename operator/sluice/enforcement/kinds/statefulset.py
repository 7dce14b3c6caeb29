"""StatefulSets: `spec.updateStrategy.rollingUpdate.partition`.

Pods whose ordinal is below the partition keep their revision, also when they are replaced. The
largest number there is holds whatever the number of replicas becomes: pods beyond a smaller
partition would be created with the new revision.
Source: Kubernetes, "StatefulSets", section "Partitioned rolling updates".
"""

from typing import Any

from sluice.enforcement.hold import Hold
from sluice.enforcement.kind import Object, WorkloadKind, by_itself, update_strategy
from sluice.enforcement.revisions import of_controller_revision

_LARGEST = 2**31 - 1


def _is_partition(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


PARTITION = Hold(
    path=("spec", "updateStrategy", "rollingUpdate", "partition"),
    value=_LARGEST,
    # Without a partition the API server leaves `rollingUpdate` out as well, which is not the same.
    unset=None,
    takes_over=True,
    restores=_is_partition,
)


def _rolls(live: Object) -> bool:
    """With OnDelete nothing rolls by itself, and the API server takes no partition."""
    return update_strategy(live) != "OnDelete"


def _stamp(live: Object) -> str:
    """The name of the newest revision, which the controller notes once that is there."""
    return str((live.get("status") or {}).get("updateRevision", ""))


STATEFUL_SET = WorkloadKind(
    name="StatefulSet",
    plural="statefulsets",
    hold=PARTITION,
    holdable=by_itself(_rolls),
    stamp=_stamp,
    retained_as="ControllerRevision",
    revision=of_controller_revision,
)
