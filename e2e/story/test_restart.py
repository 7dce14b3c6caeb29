"""The controller or the API server restarts: nothing is lost, nothing is written for nothing."""

import time

import pytest

from e2e.stack import Controller
from e2e.story.conftest import Start
from e2e.story.team import OBJECTIVE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

SLICE = 300
IDLE = 10
SLO = "availability"


def versions(team: Team) -> list[str]:
    path = ".metadata.resourceVersion"
    return [team.field(OBJECTIVE, SLO, path), team.field(POLICY, "default", path)]


def evaluated(running: Controller, kind: str) -> float:
    sample = f'sluice_evaluations_total{{kind="{kind}",outcome="ok"}}'
    return running.metric(sample) or 0.0


def test_a_restart_keeps_what_the_status_remembers(team: Team, start: Start) -> None:
    first = start()
    team.start()
    team.freeze()
    before = team.remembered()
    assert first.stop() == 0
    time.sleep(1)  # times have whole seconds: what was written anew would show
    second = start()
    team.until("evaluated again", lambda: evaluated(second, "errorbudgetpolicies") > 3)
    assert team.remembered() == before
    assert team.would_deploy().denied


def test_nothing_is_written_while_nothing_happens(team: Team, start: Start) -> None:
    running = start()
    team.start()
    left = SLICE - time.time() % SLICE
    if left < IDLE + 5:
        time.sleep(left + 3)  # a closed slice is written, which is no idleness
    before, seen = versions(team), evaluated(running, "servicelevelobjectives")
    time.sleep(IDLE)
    assert versions(team) == before
    assert evaluated(running, "servicelevelobjectives") - seen >= IDLE / 2
