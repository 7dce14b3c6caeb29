"""Sluice in a frozen namespace: its own upgrade, configuration and rollback get through."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from e2e.harness.command import sluice
from e2e.stack import NAMESPACE, Stack
from e2e.story.conftest import Start
from e2e.story.manifests import deployment, override, stages
from e2e.story.team import OBJECTIVE, OVERRIDE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

BESIDE = "sluice-canary"


@pytest.fixture
def home(everything: Stack, start: Start) -> Iterator[Team]:
    """The release's own namespace, with a policy over all of it, and a workload of a team's.

    That one has every label of Sluice's Deployment. The controller runs with what the chart says.
    """
    team = Team(everything, NAMESPACE, everything.take())
    release = team.get("deployment", "sluice")
    [container] = release["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in container["env"]}["SLUICE_OWN_WORKLOADS"]
    start(f"--own-workloads={told}")
    beside = deployment(BESIDE)
    beside["metadata"]["labels"] = release["metadata"]["labels"]
    try:
        team.start(beside, stages=stages(pauseRollouts=True))
        yield team
    finally:
        team.kubectl("delete", f"{POLICY},{OBJECTIVE},{OVERRIDE}", "--all", "--timeout=60s")
        team.kubectl("delete", "deployment", BESIDE, "web", "--ignore-not-found")


def sluice_is_free_and_its_neighbour_is_not(team: Team) -> None:
    team.until_denied(BESIDE)
    for change in (
        ("set", "image", "deployment/sluice", "controller=sluice:fixed"),
        ("set", "env", "deployment/sluice", "SLUICE_INTERVAL=30"),
        ("patch", "deployment/sluice", "-p", json.dumps({"metadata": {"labels": {"a": "b"}}})),
    ):
        verdict = team.attempt(*change)
        assert verdict.passed, verdict.said
        assert "FROZEN" not in verdict.said
    undo = team.attempt("rollout", "undo", "deployment/sluice")
    assert undo.passed, undo.said
    assert team.would_deploy(BESIDE).denied


def explained(team: Team, name: str) -> subprocess.CompletedProcess[str]:
    access = ("--kubeconfig", str(team.stack.plane.kubeconfig), "--server")
    return sluice("explain", f"deployment/{name}", "-n", NAMESPACE, *access)


def test_a_freeze_of_everything_denies_and_holds_nothing_of_sluice_itself(home: Team) -> None:
    home.apply(override("hands-off", effect="Freeze", workloads=["sluice", BESIDE]))
    sluice_is_free_and_its_neighbour_is_not(home)
    home.kubectl("delete", OVERRIDE, "hands-off")

    home.service.spend(90)
    home.until_stage("Exhausted")
    sluice_is_free_and_its_neighbour_is_not(home)
    home.until("held", lambda: home.field("deployment", BESIDE, ".spec.paused") == "true")
    assert home.field("deployment", "sluice", ".spec.paused") == ""

    workloads = home.status()["workloads"]
    assert workloads["governed"] == 2
    assert "Deployment/sluice" in workloads["own"]
    assert {one["name"] for one in workloads["changed"]} == {BESIDE, "web"}
    own, beside = explained(home, "sluice"), explained(home, BESIDE)
    assert own.returncode == 0, own.stdout + own.stderr
    assert f"Deployment {NAMESPACE}/sluice is a part of Sluice itself" in own.stdout
    assert beside.returncode == 3, beside.stdout + beside.stderr

    home.service.recover()
    home.until_passes(BESIDE)
