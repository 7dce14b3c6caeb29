"""The kinds of workloads that are governed, of chaos that is paused, and what is suspended."""

from collections.abc import Mapping

from sluice.enforcement.hold import Hold
from sluice.enforcement.kind import HeldKind, WorkloadKind
from sluice.enforcement.kinds.chaos_mesh import CHAOS_MESH
from sluice.enforcement.kinds.daemonset import DAEMON_SET
from sluice.enforcement.kinds.deployment import DEPLOYMENT
from sluice.enforcement.kinds.litmus import LITMUS
from sluice.enforcement.kinds.rollout import ROLLOUT
from sluice.enforcement.kinds.statefulset import STATEFUL_SET
from sluice.enforcement.kinds.suspended import (
    CRON_JOB,
    HELM_RELEASE,
    KUSTOMIZATION,
    SuspendedKind,
)

KINDS: Mapping[str, WorkloadKind] = {
    it.name: it for it in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ROLLOUT)
}
"""Workloads by name of the kind."""

CHAOS: Mapping[str, HeldKind] = {it.name: it for it in (*CHAOS_MESH, *LITMUS)}
"""Experiments and their schedules by name of the kind."""

SUSPENDED: Mapping[str, SuspendedKind] = {
    it.name: it for it in (KUSTOMIZATION, HELM_RELEASE, CRON_JOB)
}
"""What a stage may suspend, by name of the kind."""

HELD: Mapping[str, HeldKind] = {**KINDS, **CHAOS, **SUSPENDED}
"""All of them."""

HOLDS: Mapping[str, Hold] = {it.hold.field: it.hold for it in HELD.values()}
"""By name of the field. Kinds that share one differ in what may be taken over alone."""
