"""Argo Rollouts beside a control plane: its controller and commands of its kubectl plugin."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from e2e.harness.cluster import ControlPlane
from e2e.harness.gotools import ARGO_ROLLOUTS, ARGO_ROLLOUTS_PLUGIN, argo_rollouts_crds, built
from e2e.harness.ports import free_port
from e2e.harness.processes import Scope, scope
from e2e.harness.starting import started


@dataclass(frozen=True)
class ArgoRollouts:
    """A running controller of Argo Rollouts."""

    plane: ControlPlane
    processes: Scope

    def __call__(self, namespace: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `kubectl argo rollouts`."""
        plugin = str(built(ARGO_ROLLOUTS_PLUGIN))
        where = ["--kubeconfig", str(self.plane.kubeconfig), "--namespace", namespace]
        return subprocess.run(
            [plugin, *args, *where], capture_output=True, text=True, check=False, timeout=60
        )


def install_crds(plane: ControlPlane) -> None:
    """The definitions of Rollouts and of all that belongs to them.

    Raises:
        NoGoError: they cannot be had.
    """
    plane.apply(*(path.read_text() for path in argo_rollouts_crds()))


@contextmanager
def argo_rollouts(plane: ControlPlane) -> Iterator[ArgoRollouts]:
    """The controller of Argo Rollouts, for the whole cluster.

    Raises:
        NoGoError: it cannot be built.
    """
    program = built(ARGO_ROLLOUTS)
    install_crds(plane)
    with scope("sluice-argo-rollouts-") as processes:
        health = free_port()
        command = [
            *(str(program), "--kubeconfig", str(plane.kubeconfig), "--leader-elect=false"),
            *("--healthzPort", str(health), "--metricsPort", str(free_port())),
        ]

        def ready() -> bool:
            try:
                url = f"http://127.0.0.1:{health}/healthz"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        started(
            lambda: processes.start("argo-rollouts", command), ready, name="Argo Rollouts"
        ).check()
        yield ArgoRollouts(plane, processes)
