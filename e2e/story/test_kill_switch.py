"""The kill switch: a ConfigMap that lifts everything, whatever the budgets say."""

from collections.abc import Iterator

import pytest

from e2e.stack import NAMESPACE, Controller, Stack
from e2e.story.manifests import stages
from e2e.story.team import POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


@pytest.fixture
def switch(everything: Stack) -> Iterator[tuple[str, ...]]:
    """kubectl's arguments that engage it; it is disengaged afterwards."""
    name = ("configmap", "sluice-kill-switch")
    data = ("--from-literal=reason=outage of the gate", "--from-literal=engagedBy=alice")
    kubectl = everything.plane.kubectl
    yield ("-n", NAMESPACE, "create", *name, *data)
    kubectl("-n", NAMESPACE, "delete", *name, "--ignore-not-found")


def test_the_switch_lifts_everything_keeps_it_lifted_and_lets_go_of_it(
    team: Team, controller: Controller, switch: tuple[str, ...]
) -> None:
    kubectl = team.stack.plane.kubectl
    team.start(stages=stages(pauseRollouts=True, annotate={"team.example/state": "$(stage)"}))
    team.freeze()
    team.until("paused", lambda: team.field("deployment", "web", ".spec.paused") == "true")

    kubectl(*switch)
    team.until_passes(timeout=12)
    enforcing = team.until_condition("Enforcing", "KillSwitch", timeout=5)
    assert enforcing["status"] == "False"
    assert enforcing["message"] == (
        "The kill switch lifts all enforcement: outage of the gate (alice)."
    )
    team.until("no gates", lambda: team.gates() == [], timeout=5)
    team.until("given back", lambda: team.written("deployment", "web") == set(), timeout=5)
    assert team.field("deployment", "web", ".spec.paused") == ""
    assert controller.metric("sluice_kill_switch") == 1

    before = team.status()
    team.service.spend(50)
    team.until("measured on", lambda: team.status()["decision"]["remaining"].startswith("-"))
    assert before["stage"] == team.status()["stage"] == "Exhausted"
    assert team.condition("Frozen", POLICY, "default")["reason"] == "ObserveOnly"
    assert team.deploy().passed

    kubectl("-n", NAMESPACE, "delete", "configmap", "sluice-kill-switch")
    team.until_denied(timeout=12)
    team.until("paused", lambda: team.field("deployment", "web", ".spec.paused") == "true")
    assert team.condition("Enforcing", POLICY, "default")["reason"] == "Enforced"
    assert controller.metric("sluice_kill_switch") == 0
