"""Workloads as people name them: `web`, `deployment/web`, `sts/db`."""

from dataclasses import dataclass

from sluice.gate import kinds
from sluice.kube.resources import Resource

_SHORT = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "ro": "Rollout"}
"""kubectl's short names, and that of Argo Rollouts."""
_RESOURCES = {it.kind: it for it in kinds.WORKLOADS}


@dataclass(frozen=True, slots=True)
class WorkloadName:
    """One workload."""

    resource: Resource
    namespace: str
    name: str

    @property
    def reference(self) -> str:
        """As kubectl names it: `deployment/web`."""
        return f"{self.resource.kind.lower()}/{self.name}"

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"


def workload_named(text: str, namespace: str) -> WorkloadName:
    """The workload that `text` names; a Deployment if it names no kind.

    Raises:
        ValueError: there is no such kind, or no name.
    """
    written, slash, name = text.rpartition("/")
    written = written.lower().partition(".")[0]
    kind = _SHORT.get(written) or kinds.kind_named(written or "deployment")
    if kind is None or (slash and not written):
        known = ", ".join(f"{it.kind.lower()}/NAME" for it in kinds.WORKLOADS)
        raise ValueError(f"{text!r} names no workload: write {known}")
    if not name:
        raise ValueError(f"{text!r} has no name: write {kind.lower()}/NAME")
    return WorkloadName(_RESOURCES[kind], namespace, name)
