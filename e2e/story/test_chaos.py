"""Chaos is paused while a stage says so, and comes back as it was."""

from collections.abc import Iterator

import pytest

from e2e.chaos.definitions import defined, is_held, trial
from e2e.stack import Controller, Stack
from e2e.story.conftest import Start
from e2e.story.manifests import Object, stages
from e2e.story.team import POLICY, Team
from sluice.kube.held import CHAOS

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(300)]

FLAGS = ("--no-leader-elect", "--chaos-tools=chaos-mesh,litmus")
RECOVERY: Object = {"above": "5", "for": "1s", "stagger": {"within": "0s"}}
KINDS = ",".join(f"{it.plural}.{it.group}" for it in CHAOS.values())
LEFT_ALONE = [
    trial("PodChaos", "kills-once", action="pod-kill"),
    trial("NetworkChaos", "over", status={"experiment": {"desiredPhase": "Stop"}}),
    trial("Schedule", "of-workflows", type="Workflow"),
    trial("ChaosEngine", "completed", engineState="stop", status={"engineStatus": "completed"}),
    trial("ChaosSchedule", "stopped", scheduleState="stop"),
]
PIPELINE = trial("CronWorkflow", "pipeline") | {"metadata": {"name": "pipeline"}}


@pytest.fixture(scope="module")
def chaotic(everything: Stack) -> Iterator[Stack]:
    """A cluster that has the kinds of both tools."""
    with defined(everything.plane):
        yield everything


def seen(team: Team) -> dict[tuple[str, str], Object]:
    """All chaos objects of the namespace, by kind and name."""
    arguments = ("-n", team.namespace, "get", KINDS, "--show-managed-fields")
    items: list[Object] = team.stack.plane.kubectl.json(*arguments)["items"]
    return {(it["kind"], it["metadata"]["name"]): it for it in items}


def held(team: Team) -> set[tuple[str, str]]:
    """What Sluice holds."""
    return {
        key
        for key, it in seen(team).items()
        if is_held(it) and "sluice.dev/undo" in it["metadata"].get("annotations", {})
    }


def asked_for(found: Object) -> Object:
    """What somebody decided about an object, and which fields are Sluice's alone."""
    notes = found["metadata"].get("annotations", {})
    applied = [
        it["fieldsV1"]
        for it in found["metadata"]["managedFields"]
        if (it["manager"], it["operation"]) == ("sluice", "Apply")
    ]
    return {"spec": found["spec"], "notes": notes, "applied": applied}


@pytest.fixture
def running(chaotic: Stack, start: Start) -> Controller:
    del chaotic
    return start(*FLAGS)


def test_every_kind_is_held_and_given_back_across_a_crash_and_nothing_else_is_touched(
    team: Team, running: Controller, start: Start
) -> None:
    team.create(*map(trial, CHAOS), *LEFT_ALONE, PIPELINE)
    team.start(stages=stages(pauseChaos=True), recovery=RECOVERY)
    before = {key: asked_for(it) for key, it in seen(team).items()}
    trials = {(kind, "trial") for kind in CHAOS}
    team.freeze()
    team.until("all held", lambda: held(team) == trials)
    now = {key: asked_for(it) for key, it in seen(team).items()}
    assert {key for key in now if now[key] == before[key]} == before.keys() - trials
    assert len(team.status()["workloads"]["changed"]) == len(trials)
    enforcing = team.condition("Enforcing", POLICY, "default")
    assert (enforcing["status"], enforcing["message"]) == ("True", "")

    running.kill()
    done = '{"status":{"engineStatus":"completed"}}'
    team.kubectl("patch", "chaosengine", "trial", "--type=merge", "-p", done)
    start(*FLAGS)
    team.service.recover()
    team.until_stage("Healthy", timeout=90)
    team.until("given back", lambda: team.status()["workloads"]["changed"] == [])
    team.until("nothing held", lambda: held(team) == set())
    after = {key: asked_for(it) for key, it in seen(team).items()}
    engine = ("ChaosEngine", "trial")
    # It had completed: with `active`, or without a state, it would be run again.
    assert after.pop(engine)["spec"] == {"engineState": "stop"}
    del before[engine]
    assert after == before


def test_who_may_not_read_chaos_is_told_what_to_set_and_freezes_all_the_same(
    team: Team, chaotic: Stack, start: Start
) -> None:
    team.create(trial("NetworkChaos"))
    start("--no-leader-elect")
    team.start(stages=stages(pauseChaos=True), recovery=RECOVERY)
    team.freeze()
    enforcing = team.until_condition("Enforcing", "WriteFailed")
    assert "set the chart's value chaos.chaosMesh or chaos.litmus" in enforcing["message"]
    assert held(team) == set()
    del chaotic
