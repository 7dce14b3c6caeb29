"""The controller, or the API server, is away during a freeze; or another version comes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from e2e.stack import Controller, Stack, upgrade
from e2e.story.conftest import Start
from e2e.story.manifests import deployment, stages
from e2e.story.team import Team
from sluice.enforcement.names import CONTENT_HASH

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(700)]

ALONE = "--no-leader-elect"
"""A killed leader's Lease would have to expire first, which is tested elsewhere."""

PAUSE = stages(pauseRollouts=True, annotate={"team.example/frozen": "yes"})
OTHER = "of-another-version"
OUTAGE = 300
"""Seconds: as long as a budget counts as known without an evaluation."""
OUTAGE_OF_ETCD = 20
"""Seconds: longer than a write is waited for, with the API server's own patience."""
RECORDED = {"spec.paused", "metadata.annotations[team.example/frozen]"}


def paused(team: Team) -> bool:
    return team.field("deployment", "web", ".spec.paused") == "true"


def freeze(team: Team) -> None:
    """Freeze and pause, and see that what has to be undone is on record."""
    team.freeze()
    team.until("paused", lambda: paused(team))
    team.until_condition("Enforcing", "Enforced")
    assert {one["field"] for one in team.status()["workloads"]["changed"]} == RECORDED


def thaw(team: Team) -> None:
    """See that the thaw gives everything back."""
    team.service.recover()
    team.until_stage("Healthy")
    team.until_passes(timeout=5)
    team.until("no records", lambda: team.status()["workloads"]["changed"] == [])
    assert not paused(team)
    assert team.written("deployment", "web") == set()
    assert team.gates() == []


def evaluated(running: Controller) -> float:
    return running.metric('sluice_evaluations_total{kind="errorbudgetpolicies",outcome="ok"}') or 0


def until_evaluated(team: Team, running: Controller) -> None:
    """Wait until a controller that leads has decided some more times."""
    team.until("leading", lambda: running.metric("sluice_leader") == 1, timeout=60)
    seen = evaluated(running)
    team.until("evaluated again", lambda: evaluated(running) > seen + 3)


def test_a_freeze_without_a_controller_ends_as_promised_and_is_taken_up_again_by_the_next_one(
    team: Team, start: Start
) -> None:
    running = start(ALONE)
    team.start(stages=PAUSE, whenBlind={"holdFor": "15s", "then": "Open"})
    freeze(team)
    running.kill()
    before = team.remembered()
    expires = datetime.fromisoformat(team.status()["decision"]["expires"])
    assert timedelta(0) < expires - datetime.now(UTC) <= timedelta(seconds=15)
    assert team.would_deploy().denied
    team.until_passes(timeout=20)
    assert timedelta(0) < datetime.now(UTC) - expires < timedelta(seconds=4)
    assert team.deploy().passed
    assert len(team.gates()) == 2
    # What was paused stays so: nobody is there to take it back, and everything is on record.
    assert paused(team)
    assert team.remembered() == before

    running = start(ALONE)
    until_evaluated(team, running)
    team.until_denied(timeout=5)
    assert team.remembered() == before
    assert paused(team)
    thaw(team)


def holds(team: Team, count: int) -> bool:
    """Whether the team's policy governs so many workloads, and knows that each is held."""
    found = team.status()["workloads"]
    confirmed = [one for one in found["changed"] if one["confirmed"]]
    return found["governed"] == count and len(confirmed) == count * len(RECORDED)


def test_a_freeze_and_its_undo_records_outlive_long_outages_of_the_api_server_and_of_etcd(
    team: Team, everything: Stack, start: Start
) -> None:
    plane = everything.plane
    if plane.local is None:
        pytest.skip(f"the API server of provider {plane.provider} is not ours to stop")
    running = start(ALONE)
    team.start(stages=PAUSE)
    freeze(team)
    before = team.remembered()
    for stop, begin, seconds in (
        (plane.stop_api_server, plane.start_api_server, OUTAGE),
        (plane.stop_etcd, plane.start_etcd, OUTAGE_OF_ETCD),
    ):
        stop()
        time.sleep(seconds)
        assert running.page("/healthz")[0] == 200
        begin()
        assert team.would_deploy().denied
        until_evaluated(team, running)
        assert team.remembered() == before
        assert paused(team)
        # It watches again.
        seen = team.status()["workloads"]["governed"]
        team.apply(deployment(f"after-{seconds}"))
        team.until("one more is held", partial(holds, team, seen + 1))
        before = team.remembered()
    assert running.daemon.exit_code is None, running.daemon.tail()
    thaw(team)
    team.until_controllers_work()  # other tests need them


@contextmanager
def never_passing(team: Team) -> Iterator[None]:
    """Deployments are tried all the time, and none may pass."""
    done, passed, tried = threading.Event(), [], []

    def keep_trying() -> None:
        while not done.is_set():
            verdict = team.would_deploy()
            tried.append(verdict)
            if not verdict.denied:
                passed.append(f"{datetime.now(UTC):%H:%M:%S.%f}: {verdict.result}")

    trying = threading.Thread(target=keep_trying)
    trying.start()
    try:
        yield
    finally:
        done.set()
        trying.join()
    assert passed == []
    assert len(tried) > 5


def content_hash(team: Team, gate: str) -> str:
    path = CONTENT_HASH.replace(".", "\\.")
    kind, name = gate.split("/")
    return team.field(kind, name, f".metadata.annotations.{path}")


def as_of_another_version(team: Team) -> str:
    """Make the admission policy say that it was rendered otherwise; its kind and name."""
    [gate] = [one for one in team.gates() if "binding" not in one]
    team.kubectl("annotate", gate, f"{CONTENT_HASH}={OTHER}", "--overwrite")
    return gate


def test_nothing_thaws_while_the_chart_and_the_controller_are_upgraded(
    team: Team, everything: Stack, start: Start
) -> None:
    old = start()
    team.start(stages=PAUSE)
    freeze(team)
    before = team.remembered()
    generation = team.field("deployment", "web", ".metadata.generation")
    with never_passing(team):
        # Two replicas for a while, as in a rolling update: the new one waits for the Lease.
        new = start()
        upgrade(everything.plane, "interval=30", "podLabels.release=next")
        assert old.stop() == 0
        gate = as_of_another_version(team)
        until_evaluated(team, new)
        team.until(
            "the gate is as this version writes it", lambda: content_hash(team, gate) != OTHER
        )
    assert team.remembered() == before
    assert team.field("deployment", "web", ".metadata.generation") == generation
    thaw(team)
