"""A frozen policy goes while no controller runs."""

import pytest

from e2e.story.conftest import Start
from e2e.story.manifests import deployment, objective, policy
from e2e.story.team import POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


@pytest.fixture
def left_alone(team: Team, start: Start) -> Team:
    """A frozen team whose controller has ended."""
    running = start()
    team.start()
    team.freeze()
    assert running.stop() == 0
    return team


def remove_by_force(team: Team) -> None:
    """Delete the policy as somebody does who cannot wait for a controller."""
    team.kubectl("delete", POLICY, "default", "--wait=false")
    team.kubectl("patch", POLICY, "default", "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')


def test_a_policy_that_is_deleted_waits_for_a_controller_to_thaw(
    left_alone: Team, start: Start
) -> None:
    left_alone.kubectl("delete", POLICY, "default", "--wait=false")
    hanging = left_alone.attempt("wait", f"{POLICY}/default", "--for=delete", "--timeout=2s")
    assert not hanging.passed
    assert left_alone.would_deploy().denied
    start()
    left_alone.kubectl("wait", f"{POLICY}/default", "--for=delete", "--timeout=20s")
    assert left_alone.gates() == []
    left_alone.until_passes(timeout=5)


def test_gates_of_a_policy_that_was_removed_by_force_are_swept_at_the_start(
    left_alone: Team, start: Start
) -> None:
    remove_by_force(left_alone)
    assert len(left_alone.gates()) == 2
    assert left_alone.would_deploy().denied
    start()
    left_alone.until("swept gates", lambda: left_alone.gates() == [], timeout=20)
    left_alone.until_passes(timeout=5)


def test_a_new_policy_does_not_inherit_the_gates_of_one_of_its_name(
    left_alone: Team, start: Start
) -> None:
    remove_by_force(left_alone)
    left_alone.apply(policy(mode="Observe"), objective(left_alone.service.job), deployment())
    start()
    left_alone.until_stage("Exhausted")
    left_alone.until("swept gates", lambda: left_alone.gates() == [])
    left_alone.until_passes(timeout=5)
