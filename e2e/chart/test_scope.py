"""Installed into the one namespace that is theirs, by somebody who has no rights in the cluster."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.chart.conftest import CHART, Helm
from e2e.chart.hook_jobs import HELD, HookJobs
from e2e.chart.rights import Rights
from e2e.harness import ControlPlane, NoPrometheus, wait_until
from e2e.harness.command import sluice
from e2e.harness.ports import free_port
from e2e.stack import SERVICES, Stack, stack
from e2e.story.manifests import stages
from e2e.story.team import Team

# It ends with an uninstall, which waits for a Job.
pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(400)]

TENANT = "tenant-admin"
AS_TENANT = (f"--kube-as-user={TENANT}",)
RELEASE = "own-sluice"
INSTALLER: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "sluice-installer"},
    "rules": [
        {"apiGroups": ["sluice.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
    ],
}
"""What whoever installs needs beside `admin`: nobody may grant what they have not, docs/guides."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A release that lives in one namespace, and its team."""

    found: Stack
    team: Team


@pytest.fixture(scope="module")
def tenancy(control_plane: ControlPlane, helm: Helm) -> Iterator[Tenancy]:
    plane = control_plane
    if not plane.rolls_out or plane.local is None:
        pytest.skip("hooks are Jobs, which need our own control plane with a job controller")
    plane.apply(*(path.read_text() for path in sorted(CHART.glob("crds/*.yaml"))))
    with plane.namespace("tenant") as home, ExitStack() as resources:
        grant(plane, home)
        values = "scope=Namespace,replicas=0,gate.enabled=true,gate.replicas=0"
        source = "prometheusUrl=http://prometheus.invalid:9090,argoRollouts.enabled=false"
        where = ("--namespace", home, *AS_TENANT)
        chosen = ("--set", values, "--set", source, *HELD)
        helm("install", "own", str(CHART), *where, "--skip-crds", *chosen)
        account = plane.service_account_kubeconfig(home, RELEASE)
        try:
            found = resources.enter_context(stack(plane, account, SERVICES[:1]))
        except NoPrometheus as reason:
            pytest.skip(str(reason))
        yield Tenancy(found, Team(found, home, found.take()))


def grant(plane: ControlPlane, namespace: str) -> None:
    """What an administrator does once."""
    bind = ("create", "rolebinding", f"--user={TENANT}")
    plane.kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(INSTALLER))
    plane.kubectl("-n", namespace, *bind, "admin", "--clusterrole=admin")
    plane.kubectl("-n", namespace, *bind, "installer", "--role=sluice-installer")


def test_the_release_has_no_right_anywhere_else(tenancy: Tenancy) -> None:
    namespace = tenancy.team.namespace
    for name in (RELEASE, f"{RELEASE}-gate"):
        account = f"system:serviceaccount:{namespace}:{name}"
        assert Rights(tenancy.found.plane).of(account, "default") == set()
        assert Rights(tenancy.found.plane).of(account, namespace)


def test_it_measures_pauses_and_tells_verdicts_and_says_that_nothing_is_denied(
    tenancy: Tenancy, helm: Helm
) -> None:
    found, team = tenancy.found, tenancy.team
    home, plane = team.namespace, found.plane
    flags = ("--scope=namespace", "--watch-namespaces", home, "--no-argo-rollouts")
    running = found.run("--namespace", home, *flags)
    team.start(stages=stages(pauseRollouts=True, annotate={"team.example/frozen": "yes"}))
    team.service.spend(90)
    team.until_stage("Exhausted")
    team.until("paused", lambda: team.field("deployment", "web", ".spec.paused") == "true")
    enforcing = team.until_condition("Enforcing", "NoClusterRights")
    assert enforcing["status"] == "False"
    assert enforcing["message"].startswith("Nothing denies or warns at admission: ")
    assert team.condition("Frozen", "ebp", "default")["status"] == "True"
    assert team.deploy().passed
    assert asked(found, home).returncode == 3
    said = running.log
    assert "Traceback" not in said
    refused = [line for line in said.splitlines() if "forbidden" in line.lower()]
    assert not refused, refused[:3]
    jobs = HookJobs(plane, home)
    with jobs.running():
        helm("uninstall", "own", "--namespace", home, *AS_TENANT, "--timeout", "110s")
    [told] = jobs.outputs.values()
    assert f"errorbudgetpolicy {home}/default lifted" in told
    web = team.get("deployment", "web")
    assert "paused" not in web["spec"]
    assert "team.example/frozen" not in web["metadata"].get("annotations", {})
    assert "finalizers" not in team.get("ebp", "default")["metadata"]
    running.kill()


def asked(found: Stack, home: str) -> subprocess.CompletedProcess[str]:
    """A pipeline asks the gate for a verdict."""
    url = f"127.0.0.1:{free_port()}"
    account = found.plane.service_account_kubeconfig(home, f"{RELEASE}-gate")
    gate = found.processes.start(
        "gate",
        [
            *(sys.executable, "-m", "sluice", "gate", "--namespace", home, "--drain=0"),
            *("--watch-namespaces", home, "--listen", url, "--no-argo-rollouts"),
            *("--kubeconfig", str(account)),
        ],
    )

    def ask() -> subprocess.CompletedProcess[str]:
        return sluice("verdict", "deployment/web", "-n", home, SLUICE_GATE_URL=f"http://{url}")

    try:
        wait_until(lambda: ask().returncode != 4, timeout=60, what=f"a verdict: {gate.tail()}")
        return ask()
    finally:
        assert gate.stop(grace=10) == 0, gate.tail()
        assert "forbidden" not in gate.log.read_text().lower(), gate.tail()
