"""Two controllers: one leads and writes, the other watches and takes over."""

import signal
import time

import pytest

from e2e.stack import Controller
from e2e.story.conftest import Start
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

TAKES_OVER = 15.0 + 5.0
"""Seconds, at the most, without a leader; and some for other tests beside this one."""


def leads(one: Controller) -> bool:
    return one.metric("sluice_leader") == 1


def writes(one: Controller) -> float:
    """All writes to the API server so far."""
    _, text = one.page("/metrics")
    lines = [line for line in text.splitlines() if line.startswith("sluice_writes_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def two(team: Team, start: Start) -> tuple[Controller, Controller]:
    """A leader, and another one that has seen everything."""
    leader = start()
    team.until("a leader", lambda: leads(leader))
    standby = start()
    team.until("a standby", lambda: standby.metric("sluice_synced") == 1)
    return leader, standby


def transitions(team: Team) -> list[tuple[str, str]]:
    return [(one["from"], one["to"]) for one in team.status()["history"]]


def test_the_standby_writes_nothing_and_takes_over_when_the_leader_is_asked_to_end(
    team: Team, start: Start
) -> None:
    leader, standby = two(team, start)
    team.start()
    team.freeze()
    assert (leads(leader), leads(standby)) == (True, False)
    assert writes(leader) > 0
    assert writes(standby) == 0
    assert standby.page("/readyz")[0] == standby.page("/healthz")[0] == 200
    began = time.monotonic()
    assert leader.stop() == 0
    assert time.monotonic() - began < 10
    team.until("a new leader", lambda: leads(standby), timeout=6)
    team.service.recover()
    team.until_stage("Healthy")
    team.until_passes(timeout=5)
    expected = [("Exhausted", "Healthy"), ("Healthy", "Exhausted"), ("", "Healthy")]
    assert transitions(team) == expected


def test_the_standby_takes_over_from_a_leader_that_was_killed(team: Team, start: Start) -> None:
    leader, standby = two(team, start)
    team.start()
    team.freeze()
    leader.kill()
    team.service.recover()
    assert team.until("a new leader", lambda: leads(standby), timeout=TAKES_OVER) > 5
    team.until_stage("Healthy")
    expected = [("Exhausted", "Healthy"), ("Healthy", "Exhausted"), ("", "Healthy")]
    assert transitions(team) == expected


def test_a_leader_that_hung_does_not_write_when_it_wakes_up(team: Team, start: Start) -> None:
    leader, standby = two(team, start)
    team.start()
    leader.daemon.signal(signal.SIGSTOP)
    team.service.spend(90)
    team.until("a new leader", lambda: leads(standby), timeout=TAKES_OVER)
    team.until_stage("Exhausted")
    before = team.status()["history"]
    leader.daemon.signal(signal.SIGCONT)
    team.until("it knows", lambda: leader.metric("sluice_leader") == 0)
    time.sleep(4)
    assert (leads(leader), leads(standby)) == (False, True)
    assert team.status()["history"] == before
    assert transitions(team) == [("Healthy", "Exhausted"), ("", "Healthy")]
