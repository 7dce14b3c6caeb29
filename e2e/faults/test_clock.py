"""The controller's clock is set hours ahead or back while it runs, and then right again.

A process with a wrong clock is as good as dead: it decides nothing and writes nothing, so that a
freeze ends when it was promised to.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.harness.faketime import FakeClock, NoFaketime, faketime_library
from e2e.stack import Controller
from e2e.story.conftest import Start
from e2e.story.manifests import stages
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

HOURS = 7200
PAUSE = stages(pauseRollouts=True)
ALONE = "--no-leader-elect"


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    try:
        found = FakeClock(faketime_library(), tmp_path / "offset")
    except NoFaketime as reason:
        if os.environ.get("CI"):
            raise  # there, a test that is skipped is a test that fails
        pytest.skip(str(reason))
    found.step(0)
    return found


def leads(running: Controller) -> bool:
    return running.metric("sluice_leader") == 1


def writes(running: Controller) -> float:
    _, text = running.page("/metrics")
    lines = [line for line in text.splitlines() if line.startswith("sluice_writes_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def set_wrong(clock: FakeClock, team: Team, running: Controller, seconds: int) -> None:
    """Step the clock, and see that the controller notices and says so."""
    clock.step(seconds)
    team.until("it decides nothing", lambda: not leads(running), timeout=10)
    assert running.metric("sluice_clock_offset_seconds") == pytest.approx(seconds, abs=5)
    side = "ahead of" if seconds > 0 else "behind"
    status, text = running.page("/readyz")
    assert status == 503
    assert f"s {side} the API server's: nothing is decided or written" in text
    team.until("it says so", lambda: "clock is wrong" in running.log)


def set_right(clock: FakeClock, team: Team, running: Controller) -> None:
    clock.step(0)
    team.until("it decides again", lambda: leads(running))
    assert running.metric("sluice_clock_offset_seconds") == pytest.approx(0, abs=5)


@pytest.mark.parametrize("seconds", [HOURS, -HOURS], ids=["ahead", "back"])
def test_a_clock_set_hours_off_changes_nothing(
    seconds: int, team: Team, start: Start, clock: FakeClock
) -> None:
    running = start(ALONE, env=clock.environment)
    team.start(stages=PAUSE)
    team.freeze()
    team.until_condition("Enforcing", "Enforced")
    before = team.remembered()
    set_wrong(clock, team, running, seconds)
    written = writes(running)
    team.service.recover()  # what would thaw, were it measured
    time.sleep(4)
    assert writes(running) == written
    assert team.remembered() == before
    assert team.would_deploy().denied
    set_right(clock, team, running)
    team.until_stage("Healthy")
    team.until_passes(timeout=5)
    assert team.status()["workloads"]["changed"] == []
    set_wrong(clock, team, running, -seconds)
    team.service.spend(90)  # what would freeze
    time.sleep(4)
    assert team.would_deploy().passed
    set_right(clock, team, running)
    team.until_stage("Exhausted")
    team.until_denied(timeout=5)
    assert [one["to"] for one in team.status()["history"]] == [
        *("Exhausted", "Healthy", "Exhausted", "Healthy")
    ]
    assert running.daemon.exit_code is None


@pytest.mark.parametrize("seconds", [HOURS, -HOURS], ids=["ahead", "back"])
def test_a_freeze_ends_in_time_by_a_wrong_clock(
    seconds: int, team: Team, start: Start, clock: FakeClock
) -> None:
    running = start(ALONE, env=clock.environment)
    team.start(whenBlind={"holdFor": "15s", "then": "Open"})
    team.freeze()
    set_wrong(clock, team, running, seconds)
    expires = datetime.fromisoformat(team.status()["decision"]["expires"])
    assert timedelta(0) < expires - datetime.now(UTC) <= timedelta(seconds=15)
    assert team.would_deploy().denied
    team.until_passes(timeout=20)
    assert timedelta(0) < datetime.now(UTC) - expires < timedelta(seconds=4)
    set_right(clock, team, running)
    team.until_denied(timeout=10)


def test_who_has_a_right_clock_takes_over_at_once_and_who_starts_with_a_wrong_one_never_leads(
    team: Team, start: Start, clock: FakeClock
) -> None:
    clock.step(HOURS)
    wrong = start(env=clock.environment)
    team.until("it has listed", lambda: wrong.metric("sluice_synced") == 1)
    time.sleep(5)  # longer than it takes to get a Lease that nobody has
    assert not leads(wrong)
    clock.step(0)
    team.until("a leader", lambda: leads(wrong))
    team.start()
    team.freeze()
    before = team.remembered()
    right = start()
    team.until("a standby", lambda: right.metric("sluice_synced") == 1)
    clock.step(-HOURS)
    # Less than a Lease's life: it was given up.
    team.until("the other one leads", lambda: leads(right), timeout=12)
    assert not leads(wrong)
    time.sleep(3)
    assert team.would_deploy().denied
    assert {**team.remembered(), "transitions": 0} == {**before, "transitions": 0}
