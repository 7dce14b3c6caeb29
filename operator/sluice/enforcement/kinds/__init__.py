"""The kinds of workloads that are governed, one module each."""

from collections.abc import Mapping

from sluice.enforcement.hold import Hold
from sluice.enforcement.kind import WorkloadKind
from sluice.enforcement.kinds.daemonset import DAEMON_SET
from sluice.enforcement.kinds.deployment import DEPLOYMENT
from sluice.enforcement.kinds.statefulset import STATEFUL_SET

KINDS: Mapping[str, WorkloadKind] = {it.name: it for it in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
"""By name of the kind."""

HOLDS: Mapping[str, Hold] = {it.hold.field: it.hold for it in KINDS.values()}
"""By name of the field."""
