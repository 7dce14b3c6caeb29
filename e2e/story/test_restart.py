"""The controller or the API server restarts: nothing is lost, nothing is written for nothing."""

import time

import pytest

from e2e.stack import Controller, Stack
from e2e.story.conftest import Start
from e2e.story.manifests import Object
from e2e.story.team import OBJECTIVE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

SLICE = 300
IDLE = 10
SLO = "availability"


def remembered(team: Team) -> Object:
    """What must outlive a restart."""
    status = team.status()
    return {
        "since": status["decision"]["since"],
        "history": status["history"],
        "transitions": {
            (kind, one["type"]): one["lastTransitionTime"]
            for kind, name in ((POLICY, "default"), (OBJECTIVE, SLO))
            for one in team.conditions(kind, name)
        },
    }


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
    before = remembered(team)
    assert first.stop() == 0
    time.sleep(1)  # times have whole seconds: what was written anew would show
    second = start()
    team.until("evaluated again", lambda: evaluated(second, "errorbudgetpolicies") > 3)
    assert remembered(team) == before
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


def test_a_freeze_outlives_a_restart_of_the_api_server(
    team: Team, everything: Stack, start: Start
) -> None:
    if everything.plane.local is None:
        pytest.skip(f"the API server of provider {everything.plane.provider} is not ours to stop")
    running = start()
    team.start()
    team.freeze()
    before = remembered(team)
    everything.plane.stop_api_server()
    time.sleep(10)
    everything.plane.start_api_server()
    if running.daemon.exit_code is not None:  # a pod would be started again
        assert running.daemon.exit_code != 0
        running = start()
    assert team.would_deploy().denied
    team.until("leading", lambda: running.metric("sluice_leader") == 1)
    seen = evaluated(running, "errorbudgetpolicies")
    team.until("evaluated again", lambda: evaluated(running, "errorbudgetpolicies") > seen + 3)
    assert remembered(team) == before
    team.service.recover()
    team.until_stage("Healthy")
    team.until_passes(timeout=5)
