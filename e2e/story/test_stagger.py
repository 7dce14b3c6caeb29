"""A fleet that was held is released in waves."""

import json

import pytest

from e2e.stack import Controller
from e2e.story.conftest import Start
from e2e.story.manifests import Object, deployment, stages
from e2e.story.team import POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(300)]

ALONE = "--no-leader-elect"
FLEET = [f"web-{number:02}" for number in range(24)]
RECOVERY: Object = {"above": "5", "for": "1s", "stagger": {"perMinute": 20, "within": "30m"}}


def held(team: Team) -> set[str]:
    paused = "{.items[?(@.spec.paused==true)].metadata.name}"
    return set(team.kubectl("get", "deployments", "-o", f"jsonpath={paused}").stdout.split())


def recorded(team: Team) -> set[str]:
    return {it["name"] for it in team.status()["workloads"]["changed"]}


@pytest.fixture
def running(start: Start) -> Controller:
    return start(ALONE)


def test_the_first_wave_goes_at_once_and_the_rest_after_a_restart_but_not_sooner(
    team: Team, running: Controller, start: Start
) -> None:
    team.start(
        *(deployment(name, replicas=0) for name in FLEET),
        stages=stages(pauseRollouts=True),
        recovery=RECOVERY,
    )
    team.freeze()
    team.until("all held", lambda: held(team) == {"web", *FLEET})
    team.service.recover()
    team.until_stage("Healthy")
    team.until("the first wave is gone", lambda: len(held(team)) == 5)
    # `web` sorts first: those held the longest go first, and of one freeze by name.
    assert held(team) == set(FLEET[-5:])
    team.until_passes(FLEET[-1])

    thawing = team.until_condition("Thawing", "ThawStaggered")
    assert "5 of the 25 that were held still are" in thawing["message"]
    thaw = team.status()["thaw"]
    assert (thaw["total"], thaw["held"]) == (25, 5)
    running.kill()
    # Nobody was there to see that one was released by hand.
    team.kubectl("rollout", "resume", f"deployment/{FLEET[-1]}")
    start(ALONE)

    def counted() -> bool:
        return bool(team.status().get("thaw", {}).get("held") == 4)

    team.until("the one is counted out", counted)
    assert len(held(team)) == 4
    team.until("the second wave is gone", lambda: held(team) == set(), timeout=90)
    team.until("no records", lambda: recorded(team) == set())
    assert "thaw" not in team.status()
    assert {it["type"] for it in team.conditions(POLICY)} >= {"Ready", "Enforcing"}
    assert "Contested" not in {it["type"] for it in team.conditions(POLICY)}
    told = {reason for _, reason in team.events(POLICY, "default")}
    assert {"ThawStaggered", "ThawCompleted"} <= told
    undo = "{.items[*].metadata.annotations.sluice\\.dev/undo}"
    assert team.kubectl("get", "deployments", "-o", f"jsonpath={undo}").stdout == ""


def test_a_freeze_in_the_middle_takes_the_rest_along_and_deletion_releases_all(
    team: Team, running: Controller
) -> None:
    del running
    items = [deployment(name, replicas=0) for name in FLEET]
    team.start(*items, stages=stages(pauseRollouts=True), recovery=RECOVERY)
    team.freeze()
    team.until("all held", lambda: held(team) == {"web", *FLEET})
    before = {it["uid"]: it["time"] for it in team.status()["workloads"]["changed"]}
    team.service.recover()
    team.until("the first wave is gone", lambda: len(held(team)) == 5)
    rest = held(team)
    team.service.spend(5000)
    team.until_stage("Exhausted")
    team.until("all held again", lambda: held(team) == {"web", *FLEET})
    kept = {
        it["name"]
        for it in team.status()["workloads"]["changed"]
        if it["uid"] in before and it["time"] == before[it["uid"]]
    }
    assert kept == rest
    assert "thaw" not in team.status()
    team.kubectl("delete", POLICY, "default", "--timeout=20s")
    assert held(team) == set()
    assert json.loads(team.kubectl("get", "ebp", "-o", "json").stdout)["items"] == []
