"""The chart, installed by the real Helm into a real control plane."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.harness import ControlPlane
from e2e.harness import helm as helm_program

CHART = Path(__file__).parents[2] / "deploy/helm/sluice"
RELEASE = "sluice"

Helm = Callable[..., str]


@pytest.fixture(scope="session")
def helm(control_plane: ControlPlane) -> Helm:
    """Runs Helm against the control plane; returns what it prints."""
    program = str(helm_program())
    environment = os.environ | {
        "KUBECONFIG": str(control_plane.kubeconfig),
        "HELM_CACHE_HOME": str(control_plane.directory / "helm-cache"),
    }

    def run(*arguments: str) -> str:
        answer = subprocess.run(
            [program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return run


@pytest.fixture(scope="session")
def install(control_plane: ControlPlane, helm: Helm) -> Callable[[str, str], str]:
    """Installs the chart as a release into a namespace and waits until it is up."""
    if control_plane.provider == "existing":
        # What Helm installs from crds/ it leaves behind; what this run applies is cleaned up.
        control_plane.apply(*(path.read_text() for path in sorted(CHART.glob("crds/*.yaml"))))

    def run(release: str, namespace: str) -> str:
        return helm(
            *("install", release, str(CHART), "--namespace", namespace, "--no-hooks"),
            *("--set", "prometheusUrl=http://prometheus.monitoring:9090", "--set", "replicas=2"),
            *(("--wait", "--timeout", "60s") if control_plane.rolls_out else ()),
        )

    return run


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that admits pods of the `restricted` standard only."""
    with control_plane.namespace("sluice-chart") as name:
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        control_plane.kubectl("label", "namespace", name, enforce)
        yield name


@pytest.fixture(scope="module")
def installed(
    helm: Helm, install: Callable[[str, str], str], restricted: str
) -> Iterator[tuple[str, str]]:
    """The release's namespace, and the notes that Helm showed.

    Gone before other modules begin: its admission policy has a say in every GateOverride.
    """
    notes = install(RELEASE, restricted)
    try:
        yield restricted, notes
    finally:
        helm("uninstall", RELEASE, "--namespace", restricted, "--wait", "--no-hooks")
