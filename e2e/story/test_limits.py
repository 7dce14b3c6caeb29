"""A stage in which one deployment passes in an interval."""

import re

import pytest

from e2e.story.manifests import override
from e2e.story.team import POLICY, Team

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.prometheus,
    pytest.mark.usefixtures("controller"),
]

INTERVAL = "40s"
STAGES = [
    {"name": "Healthy"},
    {
        "name": "Warning",
        "when": {"remainingBelow": "50"},
        "admission": "Limit",
        "limit": {"interval": INTERVAL},
    },
    {"name": "Exhausted", "when": {"remainingBelow": "10"}, "admission": "Deny"},
]


def test_one_deployment_passes_in_an_interval_or_with_an_approval_and_a_rollback_always(
    team: Team,
) -> None:
    team.start(stages=STAGES)
    team.service.spend(60)
    team.until_stage("Warning")
    assert team.columns(POLICY, "default")["ADMISSION"] == "Limit"
    team.until_denied()
    team.until(
        "the Deployment's creation to be an interval ago", lambda: team.deploy().passed, timeout=60
    )
    team.until("limited", lambda: team.would_deploy().denied)
    said = team.would_deploy().said
    assert "is forbidden" in said
    assert "LIMITED by ErrorBudgetPolicy" in said
    told = re.search(
        r"one deploy in 40s: the last was (\S+Z), the next may pass after (\S+Z);", said
    )
    assert told is not None, said
    (waits,) = team.status()["decision"]["limit"]["waiting"]
    assert (waits["name"], waits["last"], waits["next"]) == ("web", *told.groups())
    assert team.attempt("rollout", "restart", "deployment/web").passed
    undone = team.attempt("rollout", "undo", "deployment/web", "--to-revision=1")
    assert undone.passed, undone.said
    team.apply(override("chg-1", effect="Approve", workloads=["web"]))
    team.until("approved", lambda: team.deploy().passed, timeout=10)
    team.until("used up", lambda: team.would_deploy().denied, timeout=10)
    team.until_passes(timeout=60)
