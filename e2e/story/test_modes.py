"""How far a policy reaches."""

import pytest

from e2e.story.team import POLICY, Team

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.prometheus,
    pytest.mark.usefixtures("controller"),
]


def set_mode(team: Team, mode: str) -> None:
    team.kubectl(
        "patch", POLICY, "default", "--type=merge", "-p", f'{{"spec":{{"mode":"{mode}"}}}}'
    )


def test_observe_records_what_would_happen_and_enforces_nothing(team: Team) -> None:
    team.start(mode="Observe")
    team.service.spend(90)
    team.until_stage("Exhausted")
    frozen = team.until_condition("Frozen", "ObserveOnly")
    assert frozen["status"] == "False"
    assert frozen["message"].startswith(
        "In mode Enforce changes WOULD be denied. SLO availability has 1"
    )
    enforcing = team.condition("Enforcing", POLICY, "default")
    assert (enforcing["status"], enforcing["reason"], enforcing["message"]) == (
        "False",
        "ObserveOnly",
        "Mode Observe records the decision and enforces nothing.",
    )
    assert team.status()["decision"]["admission"] == "Allow"
    deployed = team.deploy()
    assert (deployed.passed, deployed.said) == (True, "")
    assert team.gates() == []
    assert "finalizers" not in team.get(POLICY, "default")["metadata"]


def test_warn_lets_pass_and_says_that_enforce_would_deny(team: Team) -> None:
    team.start(mode="Warn")
    team.service.spend(90)
    team.until_stage("Exhausted")
    team.until("warned", lambda: "WOULD be denied" in team.would_deploy().said)
    deployed = team.deploy()
    assert deployed.passed
    assert "In mode Enforce this change WOULD be denied. Change of Deployment" in deployed.said
    assert team.condition("Frozen", POLICY, "default")["reason"] == "WarnOnly"


def test_lowering_the_mode_thaws_and_raising_it_freezes_at_once(team: Team) -> None:
    team.start()
    team.freeze()
    since = team.status()["decision"]["since"]
    set_mode(team, "Observe")
    team.until_passes(timeout=5)
    team.until("nothing left", lambda: team.gates() == [])
    set_mode(team, "Enforce")
    team.until_denied(timeout=5)
    assert team.status()["decision"]["since"] == since
    assert [one["to"] for one in team.status()["history"]] == ["Exhausted", "Healthy"]


def test_deleting_a_frozen_policy_thaws_and_lets_it_go(team: Team) -> None:
    team.start()
    team.freeze()
    team.kubectl("delete", POLICY, "default", "--timeout=10s")
    assert team.gates() == []
    team.until_passes(timeout=5)
