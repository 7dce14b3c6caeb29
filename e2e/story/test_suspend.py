"""What a stage suspends on a real API server: as its owner left it before, so after the thaw."""

import json
import time
from collections.abc import Iterator

import pytest

from e2e.stack import Controller, Stack
from e2e.story.conftest import running_in, team_of
from e2e.story.gitops import (
    HELM_RELEASE,
    KUSTOMIZATION,
    cron_job,
    helm_release,
    kustomization,
)
from e2e.story.manifests import Object, override, stages
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(600)]

ALL = [KUSTOMIZATION, HELM_RELEASE, "cronjob"]
SUSPEND = {"suspend": {"kinds": ["Kustomization", "HelmRelease", "CronJob"]}}
GRACE = 31.0
"""Seconds after which a change that was taken back counts as taken back by somebody."""


@pytest.fixture(scope="module")
def controller(with_flux: Stack) -> Iterator[Controller]:
    with running_in(with_flux) as found:
        yield found


@pytest.fixture
def team(with_flux: Stack, request: pytest.FixtureRequest) -> Iterator[Team]:
    with team_of(with_flux, request.node.name) as found:
        yield found


def suspended(team: Team, kind: str, name: str = "web") -> str:
    return team.field(kind, name, ".spec.suspend")


def wishes(team: Team, kind: str, name: str = "web") -> Object:
    """The spec, the annotations and who set them."""
    found = team.get(kind, name)
    managed = [it for it in found["metadata"]["managedFields"] if "subresource" not in it]
    return {
        "spec": found["spec"],
        "annotations": found["metadata"].get("annotations"),
        "managers": sorted(json.dumps([it["manager"], it["fieldsV1"]]) for it in managed),
    }


@pytest.mark.usefixtures("controller")
def test_what_was_suspended_is_as_its_owner_left_it(team: Team) -> None:
    # Created by an update, as by `kubectl create`: then the default counts as the creator's.
    team.kubectl("create", "-f", "-", stdin=json.dumps(cron_job("created")))
    paused = kustomization("paused", suspend=True)
    mine = (kustomization("web"), helm_release("web"), cron_job("web"), paused)
    team.start(*mine, stages=stages(**SUSPEND))
    before = {kind: wishes(team, kind) for kind in ALL}
    team.freeze()
    team.until("suspended", lambda: all(suspended(team, kind) == "true" for kind in ALL))
    team.until("the created one too", lambda: suspended(team, "cronjob", "created") == "true")
    records = team.status()["workloads"]["changed"]
    assert sorted((it["kind"], it["name"], it["field"]) for it in records) == [
        ("CronJob", "created", "spec.suspend"),
        ("CronJob", "web", "spec.suspend"),
        ("HelmRelease", "web", "spec.suspend"),
        ("Kustomization", "web", "spec.suspend"),
    ]
    team.service.recover()
    team.until_stage("Healthy")
    team.until("released", lambda: not team.status()["workloads"].get("changed"))
    assert {kind: wishes(team, kind) for kind in ALL} == before
    assert suspended(team, "cronjob", "created") == "false"
    assert suspended(team, KUSTOMIZATION, "paused") == "true"


@pytest.mark.usefixtures("controller")
def test_a_manifest_that_says_not_to_suspend_wins_and_is_told(team: Team) -> None:
    team.start(
        kustomization("web", suspend=False),
        cron_job("web", suspend=False),
        stages=stages(**SUSPEND),
    )
    team.freeze()
    told = team.until_condition("Enforcing", "WriteFailed")["message"]
    assert "spec.suspend is not written: git set it" in told
    assert [suspended(team, kind) for kind in (KUSTOMIZATION, "cronjob")] == ["false", "false"]


@pytest.mark.usefixtures("controller")
def test_what_somebody_resumes_twice_is_contested_and_stays_resumed(team: Team) -> None:
    team.start(kustomization("web"), stages=stages(**SUSPEND))
    team.freeze()
    for _ in range(2):
        team.until("suspended", lambda: suspended(team, KUSTOMIZATION) == "true")
        time.sleep(GRACE)
        team.kubectl(
            "patch", KUSTOMIZATION, "web", "--type=merge", "-p", '{"spec":{"suspend":null}}'
        )
    contested = team.until_condition("Contested", "RevertedByOthers")
    assert contested["message"] == "spec.suspend is not written: somebody else took it back 2 times"
    assert suspended(team, KUSTOMIZATION) == ""
    assert team.would_deploy().denied


@pytest.mark.usefixtures("controller")
def test_what_deploys_goes_on_while_an_override_is_active(team: Team) -> None:
    team.start(kustomization("web"), cron_job("web"), stages=stages(**SUSPEND))
    team.freeze()
    team.until("suspended", lambda: suspended(team, KUSTOMIZATION) == "true")
    team.kubectl("create", "-f", "-", stdin=json.dumps(override("fix")))
    team.until("resumed", lambda: suspended(team, KUSTOMIZATION) == "")
    assert suspended(team, "cronjob") == "true"
    team.kubectl("delete", "gateoverride", "fix")
    team.until("suspended again", lambda: suspended(team, KUSTOMIZATION) == "true")
