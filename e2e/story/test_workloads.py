"""What a stage does to workloads, and that it is undone to the last field."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from e2e.stack import Controller, Stack
from e2e.story.manifests import Object, deployment, objective, policy, stages
from e2e.story.team import POLICY, Team

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.prometheus,
    pytest.mark.usefixtures("controller"),
]

NOTE = "team.example/freeze"
NOTED = {NOTE: "$(policy) $(stage) $(objective) $(since)"}
GRACE = 31.0
"""Seconds after which a change that was taken back counts as taken back by somebody."""


def asked_for(team: Team, name: str = "web") -> Object:
    """All of a Deployment that people and tools decide on, and who decided."""
    found = team.get("deployment", name)
    metadata = found["metadata"]
    managed = [one for one in metadata["managedFields"] if "subresource" not in one]
    # The controller manager's own note of the revision is no one's wish.
    return {
        "annotations": metadata.get("annotations"),
        "labels": metadata["labels"],
        "spec": found["spec"],
        "managers": sorted(
            json.dumps([one["manager"], one["operation"], one["fieldsV1"]]) for one in managed
        ),
    }


def paused(team: Team, name: str = "web") -> bool:
    return team.field("deployment", name, ".spec.paused") == "true"


def note(team: Team, name: str = "web") -> str:
    notes: dict[str, str] = team.get("deployment", name)["metadata"].get("annotations", {})
    return notes.get(NOTE, "")


@pytest.fixture(scope="module")
def disputed(everything: Stack, controller: Controller) -> Iterator[Team]:
    """A team whose Deployment is paused from the module's beginning on."""
    del controller
    with everything.plane.namespace("disputed") as namespace:
        team = Team(everything, namespace, everything.take())
        team.start(stages=stages(pauseRollouts=True))
        team.freeze()
        team.until("paused", lambda: paused(team))
        yield team


def resume_after_grace(team: Team) -> None:
    """Take the pause back, late enough for it to count; other tests have passed the time."""
    (record,) = team.status()["workloads"]["changed"]
    since = datetime.now(UTC) - datetime.fromisoformat(record["time"])
    time.sleep(max(0.0, GRACE - since.total_seconds()))
    team.kubectl("rollout", "resume", "deployment/web")


@pytest.mark.usefixtures("disputed")
def test_governed_deployments_are_annotated_and_paused_and_given_back_exactly(team: Team) -> None:
    only_web = {"selector": {"matchLabels": {"app": "web"}}}
    freeze = stages(pauseRollouts=True, annotate=NOTED)
    team.start(deployment("other"), workloads=only_web, stages=freeze)
    team.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    before, other = asked_for(team), asked_for(team, "other")
    team.freeze()
    team.until("annotated and paused", lambda: note(team) != "" and paused(team))
    assert note(team) == f"default Exhausted availability {team.status()['decision']['since']}"
    records = [(one["name"], one["field"]) for one in team.status()["workloads"]["changed"]]
    assert records == [("web", f"metadata.annotations[{NOTE}]"), ("web", "spec.paused")]
    assert asked_for(team, "other") == other
    team.service.recover()
    team.until_stage("Healthy")
    team.until("given back", lambda: team.written("deployment", "web") == set())
    assert asked_for(team) == before
    team.until("no records", lambda: team.status()["workloads"]["changed"] == [])


def test_a_rollout_under_way_is_held_and_goes_on_after_the_thaw(team: Team) -> None:
    def updated() -> str:
        return team.field("deployment", "web", ".status.updatedReplicas")

    slow = deployment(replicas=3)
    slow["spec"] |= {"minReadySeconds": 500, "progressDeadlineSeconds": 550}
    team.start(slow, stages=stages(pauseRollouts=True))
    team.until("replicas", lambda: team.field("deployment", "web", ".status.readyReplicas") == "3")
    assert team.deploy().passed
    team.until("a rollout that is under way", lambda: updated() == "1")
    team.freeze()
    team.until("paused", lambda: paused(team))
    ready_at_once = '{"spec":{"minReadySeconds":0}}'
    assert team.attempt("patch", "deployment", "web", "-p", ready_at_once).passed
    held = team.attempt("rollout", "status", "deployment/web", "--timeout=3s")
    assert not held.passed
    assert updated() == "1"
    undone = team.attempt("rollout", "undo", "deployment/web")
    assert "you cannot rollback a paused deployment" in undone.said
    team.service.recover()
    team.until_stage("Healthy")
    team.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert updated() == "3"


def test_a_deployment_that_its_owner_paused_stays_paused(team: Team) -> None:
    team.start(stages=stages(pauseRollouts=True, annotate=NOTED))
    team.kubectl("rollout", "pause", "deployment/web")
    before = asked_for(team)
    team.freeze()
    team.until("annotated", lambda: note(team) != "")
    records = [one["field"] for one in team.status()["workloads"]["changed"]]
    assert records == [f"metadata.annotations[{NOTE}]"]
    team.service.recover()
    team.until_stage("Healthy")
    team.until("given back", lambda: team.written("deployment", "web") == set())
    assert asked_for(team) == before
    assert paused(team)


def test_a_pause_that_somebody_takes_back_once_is_made_again(disputed: Team) -> None:
    resume_after_grace(disputed)
    disputed.until("paused again", lambda: paused(disputed), timeout=10)
    assert "Contested" not in [one["type"] for one in disputed.conditions(POLICY)]


def test_a_deployment_recreated_under_the_name_is_frozen_and_given_back_anew(team: Team) -> None:
    team.start(stages=stages(pauseRollouts=True))
    team.freeze()
    team.until("paused", lambda: paused(team))
    old = team.field("deployment", "web", ".metadata.uid")
    team.kubectl("delete", "deployment", "web")
    team.apply(deployment())
    new = team.field("deployment", "web", ".metadata.uid")
    assert new != old

    def recorded() -> list[str]:
        return [one["uid"] for one in team.status()["workloads"]["changed"]]

    team.until("paused anew", lambda: paused(team) and recorded() == [new])
    team.service.recover()
    team.until_stage("Healthy")
    team.until("given back", lambda: not paused(team) and recorded() == [])


def test_annotations_that_a_rollback_brings_back_do_not_stay(team: Team) -> None:
    team.start(stages=stages(annotate=NOTED))
    team.freeze()
    team.until("annotated", lambda: note(team) != "")
    # The controller manager copies a Deployment's annotations to its ReplicaSets ...
    assert team.attempt("rollout", "restart", "deployment/web").passed
    team.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    # ... and kubectl copies them back from the one that is rolled back to.
    assert team.attempt("rollout", "undo", "deployment/web").passed
    assert note(team) != ""
    team.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    team.service.recover()
    team.until_stage("Healthy")
    team.until("no annotation", lambda: note(team) == "")
    assert team.attempt("rollout", "undo", "deployment/web").passed
    team.until("no annotation after a later rollback", lambda: note(team) == "")
    assert "sluice.dev/undo" not in team.get("deployment", "web")["metadata"]["annotations"]


def test_two_policies_of_one_deployment_each_give_back_their_own(team: Team) -> None:
    half = {"name": "Early", "when": {"remainingBelow": "50"}, "admission": "Deny"}
    early = [
        {"name": "Healthy", "admission": "Allow"},
        half | {"pauseRollouts": True, "annotate": {"team.example/early": "yes"}},
    ]
    team.start(policy(name="early", stages=early), stages=stages(pauseRollouts=True))
    team.service.spend(60)
    team.until_stage("Early", name="early")
    team.until("paused", lambda: paused(team))
    assert team.status()["workloads"]["changed"] == []
    team.service.spend(30)
    team.until_stage("Exhausted")
    both = "frozen by default-0"
    team.until(both, lambda: len(team.gates()) == 4)
    team.until("recorded by both", lambda: len(team.status()["workloads"]["changed"]) == 1)
    team.kubectl("delete", POLICY, "early", "--timeout=10s")
    assert paused(team)
    notes = team.get("deployment", "web")["metadata"]["annotations"]
    assert "team.example/early" not in notes
    assert team.would_deploy().denied
    team.kubectl("delete", POLICY, "default", "--timeout=10s")
    assert not paused(team)
    assert team.written("deployment", "web") == set()
    team.until_passes(timeout=5)


def test_a_value_that_somebody_else_has_set_is_left_and_said(team: Team) -> None:
    team.apply(objective(team.service.job), deployment())
    team.kubectl("annotate", "deployment", "web", f"{NOTE}=mine")
    team.apply(policy(stages=stages(annotate=NOTED)))
    team.until_stage("Healthy")
    team.freeze()
    failed = team.until_condition("Enforcing", "WriteFailed")
    assert failed["message"] == (
        f'metadata.annotations[{NOTE}] is not written: kubectl-annotate set it to "mine"'
    )
    assert note(team) == "mine"
    team.service.recover()
    team.until_stage("Healthy")
    team.until_condition("Enforcing", "NothingToEnforce")
    assert note(team) == "mine"


def test_a_pause_that_somebody_takes_back_again_is_contested_and_left_alone(
    disputed: Team,
) -> None:
    resume_after_grace(disputed)
    contested = disputed.until_condition("Contested", "RevertedByOthers", timeout=10)
    assert contested["status"] == "True"
    assert contested["message"] == "spec.paused is not written: somebody else took it back 2 times"
    assert not paused(disputed)
    assert disputed.would_deploy().denied
