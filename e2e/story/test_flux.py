"""Freezes with Flux itself: its own kustomize-controller applies what a repository has."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.harness import Daemon
from e2e.stack import Controller, Stack
from e2e.story.conftest import running_in, team_of
from e2e.story.flux import LABEL, Repository, repository, start
from e2e.story.gitops import KUSTOMIZATION, kustomization
from e2e.story.manifests import Object, deployment, objective, policy, stages
from e2e.story.team import Team

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.prometheus,
    pytest.mark.usefixtures("controller", "flux"),
    pytest.mark.timeout(600),
]

PATIENCE = 60.0


@pytest.fixture(scope="module")
def controller(with_flux: Stack) -> Iterator[Controller]:
    with running_in(with_flux) as found:
        yield found


@pytest.fixture(scope="module")
def flux(with_flux: Stack) -> Iterator[Daemon]:
    running = start(with_flux, with_flux.plane.kubeconfig)
    yield running
    running.check()
    running.stop()


@pytest.fixture
def team(with_flux: Stack, request: pytest.FixtureRequest) -> Iterator[Team]:
    with team_of(with_flux, request.node.name) as found:
        yield found


@pytest.fixture
def git(team: Team) -> Iterator[Repository]:
    with repository(team) as found:
        yield found


def web(release: int, **spec: Any) -> Object:
    found = deployment()
    found["spec"]["template"]["spec"]["containers"][0]["image"] = f"web:{release}"
    return {**found, "spec": found["spec"] | spec}


def settings(release: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"release": str(release)},
    }


def synced(team: Team, **spec: Any) -> Object:
    """A Kustomization that Flux sees, of the team's namespace; it tries again every two seconds."""
    where = {"targetNamespace": team.namespace, "retryInterval": "2s"}
    found = kustomization("web", **(where | spec))
    found["metadata"]["labels"][LABEL] = "on"
    return found


def applied(team: Team) -> str:
    return team.field(KUSTOMIZATION, "web", ".status.lastAppliedRevision")


def image(team: Team) -> str:
    return team.field("deployment", "web", ".spec.template.spec.containers[0].image")


def begin(team: Team, git: Repository, kustomized: Object, **spec: Any) -> None:
    """The first release is deployed by Flux, and a policy with `spec` finds it healthy."""
    team.apply(objective(team.service.job), policy(**spec), kustomized)
    first = git.push(web(1), settings(1))
    team.until("the first release", lambda: applied(team) == first, timeout=PATIENCE)
    team.until_stage("Healthy")


def test_what_was_denied_is_applied_by_itself_after_the_thaw(team: Team, git: Repository) -> None:
    # With `force` Flux deletes and recreates what it may not change; a denial is no such thing.
    begin(team, git, synced(team, force=True))
    uid = team.field("deployment", "web", ".metadata.uid")
    team.freeze()
    second = git.push(web(2), settings(2))
    ready = '.status.conditions[?(@.type=="Ready")].message'
    team.until(
        "a denial that Flux tells of",
        lambda: "FROZEN by ErrorBudgetPolicy" in team.field(KUSTOMIZATION, "web", ready),
        timeout=PATIENCE,
    )
    failed = team.condition("Ready", KUSTOMIZATION, "web")
    assert (failed["status"], failed["reason"]) == ("False", "ReconciliationFailed")
    assert "dry-run failed (Forbidden)" in failed["message"]
    # Nothing is half applied.
    assert team.field("configmap", "settings", ".data.release") == "1"
    assert (image(team), team.field("deployment", "web", ".metadata.uid")) == ("web:1", uid)

    revert = git.push(web(1), settings(3))
    team.until("the revert", lambda: applied(team) == revert, timeout=PATIENCE)
    assert team.field("configmap", "settings", ".data.release") == "3"
    assert team.status()["stage"] == "Exhausted"

    third = git.push(web(3), settings(4))
    team.until(
        "another denial",
        lambda: "FROZEN by ErrorBudgetPolicy" in team.field(KUSTOMIZATION, "web", ready),
        timeout=PATIENCE,
    )
    assert applied(team) == revert
    team.service.recover()
    team.until_stage("Healthy")
    team.until("the release that waited", lambda: applied(team) == third, timeout=PATIENCE)
    assert (image(team), team.field("deployment", "web", ".metadata.uid")) == ("web:3", uid)
    assert second != third


def test_flux_leaves_what_sluice_writes_on_a_workload(team: Team, git: Repository) -> None:
    hold = stages(pauseRollouts=True, annotate={"team.example/frozen": "yes"})
    begin(team, git, synced(team, interval="2s"), stages=hold)
    team.freeze()
    paused = ".spec.paused"
    team.until("paused", lambda: team.field("deployment", "web", paused) == "true")
    # Drift of its own fields Flux corrects, so it has been there since.
    team.kubectl("scale", "deployment/web", "--replicas=3")
    back = lambda: team.field("deployment", "web", ".spec.replicas") == "1"  # noqa: E731
    team.until("drift corrected", back, timeout=PATIENCE)
    assert team.field("deployment", "web", paused) == "true"
    notes = team.get("deployment", "web")["metadata"]["annotations"]
    assert {"team.example/frozen", "sluice.dev/undo"} <= set(notes)
    team.service.recover()
    team.until_stage("Healthy")
    team.until("resumed", lambda: team.field("deployment", "web", paused) == "")


def test_what_is_suspended_applies_at_once_after_the_thaw(team: Team, git: Repository) -> None:
    suspend = stages(suspend={"kinds": ["Kustomization"]})
    begin(team, git, synced(team), stages=suspend)
    before = applied(team)
    team.freeze()
    team.until("suspended", lambda: team.field(KUSTOMIZATION, "web", ".spec.suspend") == "true")
    second = git.push(web(2), settings(2))
    time.sleep(5)
    assert applied(team) == before
    # A suspended Kustomization stays Ready: nothing turns red.
    assert team.condition("Ready", KUSTOMIZATION, "web")["status"] == "True"
    team.service.recover()
    team.until_stage("Healthy")
    # Its interval is an hour.
    team.until("the release that waited", lambda: applied(team) == second, timeout=PATIENCE)


def test_a_kustomization_that_applies_the_policy_is_not_suspended(
    team: Team, git: Repository
) -> None:
    suspend = stages(suspend={"kinds": ["Kustomization"], "selector": {}})
    team.apply(objective(team.service.job), synced(team))
    first = git.push(web(1), policy(stages=suspend))
    team.until("the first release", lambda: applied(team) == first, timeout=PATIENCE)
    team.until_stage("Healthy")
    team.freeze()
    told = team.until_condition("Enforcing", "Enforced")["message"]
    expected = f"it applies ErrorBudgetPolicy {team.namespace}/default"
    assert told == f"Kustomization web is not suspended: {expected}"
    # So a policy that freezes by mistake can be changed through Git.
    git.push(web(1), policy(stages=suspend, mode="Observe"))
    team.until_passes(timeout=PATIENCE)
