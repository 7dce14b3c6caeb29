"""A real Kubernetes control plane, a real Prometheus and a simulated service to test with."""

from e2e.harness.client import Kubectl, KubectlError
from e2e.harness.cluster import RUN_LABEL, ControlPlane
from e2e.harness.controlplane import control_plane
from e2e.harness.errors import NoControlPlane
from e2e.harness.polling import wait_until
from e2e.harness.processes import Daemon, DaemonFailedError, Scope, scope
from e2e.harness.programs import helm, kubectl

__all__ = [
    "RUN_LABEL",
    "ControlPlane",
    "Daemon",
    "DaemonFailedError",
    "Kubectl",
    "KubectlError",
    "NoControlPlane",
    "Scope",
    "control_plane",
    "helm",
    "kubectl",
    "scope",
    "wait_until",
]
