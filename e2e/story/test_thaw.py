"""`sluice thaw --all`: the way out that needs no controller."""

import subprocess

import pytest

from e2e.harness.command import sluice
from e2e.stack import NAMESPACE, Stack
from e2e.story.conftest import Start
from e2e.story.manifests import stages
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


def thaw(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return sluice("thaw", *arguments, "--kubeconfig", str(stack.plane.kubeconfig))


def test_everything_is_lifted_with_the_controller_down_and_stays_lifted(
    team: Team, everything: Stack, start: Start
) -> None:
    controller = start()
    team.start(stages=stages(pauseRollouts=True))
    team.freeze()
    team.until("paused", lambda: team.field("deployment", "web", ".spec.paused") == "true")
    controller.kill()

    done = thaw(everything, "--all", "--reason", "INC-7", "--system-namespace", NAMESPACE)
    try:
        assert done.returncode == 0, done.stderr
        assert f"errorbudgetpolicy {team.namespace}/default lifted (1 workloads" in done.stdout
        assert f"kubectl -n {NAMESPACE} delete configmap sluice-kill-switch" in done.stdout
        assert team.gates() == []
        assert team.field("deployment", "web", ".spec.paused") == ""
        team.until_passes(timeout=10)

        controller = start()
        # The Lease of the one that was killed has to run out first.
        enforcing = team.until_condition("Enforcing", "KillSwitch", timeout=60)
        assert "INC-7" in enforcing["message"]
        assert team.gates() == []
    finally:
        everything.plane.kubectl(
            *("-n", NAMESPACE, "delete", "configmap", "sluice-kill-switch", "--ignore-not-found")
        )
    team.until_denied()
    controller.stop()


def test_it_asks_for_a_word_that_nobody_says_by_mistake(everything: Stack) -> None:
    refused = thaw(everything)
    assert refused.returncode == 2
    assert "--all" in refused.stderr
