"""DaemonSets: `spec.updateStrategy.type: OnDelete`.

No pod is replaced for a new template, but one that is replaced for another reason, and one of a new
node, gets the new one. `rollingUpdate` may stay beside OnDelete, and with it how many pods may be
unavailable or too many once RollingUpdate is back.
Source: Kubernetes, "Perform a Rolling Update on a DaemonSet".
"""

from sluice.enforcement.hold import Hold, nothing
from sluice.enforcement.kind import Object, WorkloadKind, always
from sluice.enforcement.revisions import of_controller_revision

ON_DELETE = Hold(
    path=("spec", "updateStrategy", "type"),
    value="OnDelete",
    unset="RollingUpdate",
    takes_over=True,
    restores=nothing,
)


def _stamp(live: Object) -> str:
    """The generation that the controller has seen to, which includes retaining its template."""
    return str((live.get("status") or {}).get("observedGeneration", ""))


DAEMON_SET = WorkloadKind(
    name="DaemonSet",
    plural="daemonsets",
    hold=ON_DELETE,
    holdable=always,
    stamp=_stamp,
    retained_as="ControllerRevision",
    revision=of_controller_revision,
)
