"""The last four things that go wrong, as docs/operations.md tells and mends them."""

import json
import re

import pytest

from e2e.first_ten.handbook import Terminal, advice
from e2e.stack import NAMESPACE, Controller, Stack, upgrade
from e2e.story.conftest import team_of
from e2e.story.manifests import policy
from e2e.story.team import OVERRIDE, Team

# Each command of `kubectl sluice` starts a Python of its own, and a namespace takes its time to go.
pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(300)]

STATUS = "kubectl sluice status"


@pytest.mark.usefixtures("controller")
def test_7_nothing_is_denied_in_mode_observe_of_other_workloads_or_with_the_switch(
    team: Team, terminal: Terminal
) -> None:
    told = advice(7, namespace=team.namespace)
    team.start(mode="Observe")
    team.service.spend(90)
    team.until_stage("Exhausted")
    assert re.search(r"^default +Observe +Exhausted ", terminal(STATUS), re.MULTILINE)
    assert team.would_deploy().passed
    team.apply(policy(mode="Enforce"))
    team.until_denied()

    team.apply(policy(workloads={"selector": {"matchLabels": {"app": "wbe"}}}))
    team.until_passes()
    assert re.search(r"^default .* 0 *$", terminal(STATUS), re.MULTILINE)
    told.assert_quotes(terminal(told.command("kubectl sluice explain")), "governs Deployment")
    team.apply(policy(workloads={"selector": {"matchLabels": {"app": "web"}}}))
    team.until_denied()

    switch = f"-n {NAMESPACE} create configmap sluice-kill-switch --from-literal=reason=a-trial"
    terminal(f"kubectl {switch}")
    team.until_passes()
    told.assert_quotes(terminal(STATUS), "Kill switch: ENGAGED")
    terminal(told.command(f"kubectl -n {NAMESPACE}"))
    team.until_denied()


@pytest.mark.usefixtures("controller")
def test_8_without_the_right_to_deny_it_says_which_is_missing_until_it_is_back(
    team: Team, terminal: Terminal
) -> None:
    """What an older Kubernetes says, tests/unit/test_operations_doc.py compares."""
    kubectl = team.stack.plane.kubectl
    role = kubectl.json("get", "clusterrole", "sluice")
    rules = [it for it in role["rules"] if "validatingadmissionpolicies" not in it["resources"]]
    assert len(rules) < len(role["rules"])
    team.start()
    kubectl("replace", "-f", "-", input=json.dumps(role | {"rules": rules}))
    try:
        team.service.spend(90)
        enforcing = team.until_condition("Enforcing", "GateRejected")
        assert "`Enforcing=False`, `GateRejected`" in advice(8).text
        advice(8).assert_quotes(enforcing["message"], "refuses a gate", "cannot list resource")
        assert 'cannot list resource "validatingadmissionpolicies"' in enforcing["message"]
        assert "Enforcing=False (GateRejected)" in terminal(STATUS)
        assert team.would_deploy().passed
    finally:
        assert "with `--force-conflicts`, if they were taken by hand" in advice(8).text
        upgrade(team.stack.plane, flags=["--force-conflicts"])
    team.until_denied()
    team.until_condition("Enforcing", "Enforced")


@pytest.mark.usefixtures("controller")
def test_9_the_fix_gets_through_by_the_commands_as_they_are_printed(
    team: Team, terminal: Terminal
) -> None:
    told = advice(9, namespace=team.namespace)
    team.start()
    team.freeze()
    denied = team.deploy()
    told.assert_quotes(denied.said, "FROZEN by")
    assert "Override: kubectl sluice override." in denied.said
    assert "--reason 'fix for INC-4711'" in terminal("kubectl sluice override", status=2)
    terminal(told.command("kubectl sluice override"))
    team.until_passes()
    assert team.deploy().passed
    terminal(f"kubectl delete {OVERRIDE} --all")
    team.until_denied()

    explained = terminal(told.command("kubectl sluice explain"), status=3)
    undo, restart, override = re.findall(r"^ +(kubectl .+)$", explained, re.MULTILINE)
    assert "restarted" in terminal(restart)
    assert "rolled back" in terminal(undo)
    team.until_denied()
    terminal(override)
    team.until_passes()


def test_10_a_namespace_that_hangs_is_let_go_also_if_the_controllers_own_is_gone(
    stage: Stack, controller: Controller
) -> None:
    """It ends the controller, and with the kill switch what all others enforce."""
    with team_of(stage, "left-over") as one, team_of(stage, "left-behind") as other:
        for team in (one, other):
            team.start(whenBlind={"holdFor": "10s", "then": "Open"})
            team.freeze()
        assert controller.stop() == 0
        other.until_passes()
        terminal = Terminal(one)
        advice(7).assert_quotes(terminal(STATUS), "EXPIRED FREEZE")
        stage.plane.kubectl("delete", "namespace", one.namespace, other.namespace, "--wait=false")
        for team in (one, other):
            until_it_hangs(team)
        lift = advice(10).command("kubectl sluice thaw")
        said = terminal(f"{lift} --watch-namespaces {one.namespace} --system-namespace deleted")
        assert "namespace deleted is gone, so no kill switch is engaged" in said
        assert other.gates()
        said = terminal(lift)
        for team in (one, other):
            until_let_go(team)
        [disengage] = re.findall(r"^ +(kubectl .+)$", said, re.MULTILINE)
        assert disengage in advice(7).text
        assert "deleted" in terminal(disengage)


def until_it_hangs(team: Team) -> None:
    """Wait until Kubernetes says what is left of the namespace."""
    left = '.status.conditions[?(@.type=="NamespaceContentRemaining")]'
    named = ("namespace", team.namespace)
    team.until("remains", lambda: team.field(*named, f"{left}.status") == "True")
    message = team.field(*named, f"{left}.message")
    advice(10).assert_quotes(message, "errorbudgetpolicies.sluice.dev has 1 resource")


def until_let_go(team: Team) -> None:
    """Wait until the namespace is gone, and see to it that nothing is left in the cluster."""
    team.kubectl("wait", f"namespace/{team.namespace}", "--for=delete", "--timeout=30s")
    assert team.gates() == []
