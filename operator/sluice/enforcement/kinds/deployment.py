"""Deployments: `spec.paused`.

A paused Deployment makes no ReplicaSet and shifts no replicas between them, but goes on scaling and
replacing pods. It also refuses `kubectl rollout undo` and `restart`.
Source: Kubernetes, "Deployments", sections "Pausing and Resuming a rollout" and "Proportional
scaling", and the Deployment controller's annotations.
"""

from sluice.enforcement.hold import Hold, nothing
from sluice.enforcement.kind import Object, WorkloadKind, always
from sluice.enforcement.revisions import REVISION, of_replica_set

PAUSED = Hold(path=("spec", "paused"), value=True, unset=False, takes_over=False, restores=nothing)


def _stamp(live: Object) -> str:
    """The revision that the controller notes once its ReplicaSet is there."""
    return str((live["metadata"].get("annotations") or {}).get(REVISION, ""))


DEPLOYMENT = WorkloadKind(
    name="Deployment",
    plural="deployments",
    hold=PAUSED,
    holdable=always,
    stamp=_stamp,
    retained_as="ReplicaSet",
    revision=of_replica_set,
)
