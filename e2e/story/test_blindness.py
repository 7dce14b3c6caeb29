"""Prometheus is away: blind is not bad, and not for ever."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.harness import Prometheus
from e2e.stack import Controller, Stack
from e2e.story.team import OBJECTIVE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

SLO = "availability"


@pytest.fixture
def source(everything: Stack) -> Iterator[Prometheus]:
    """Prometheus, to stop; it runs again afterwards."""
    yield everything.prometheus
    try:
        everything.prometheus.api("query", query="up")
    except OSError:
        everything.prometheus.start()


def six_minutes_pass(team: Team) -> None:
    """Make the newest measurement old: for five minutes a budget still counts as known."""
    window = team.get(OBJECTIVE, SLO)["status"]["window"]
    window["end"] = f"{datetime.now(UTC) - timedelta(minutes=6):%Y-%m-%dT%H:%M:%SZ}"
    patch = json.dumps({"status": {"window": window}})
    team.kubectl("patch", OBJECTIVE, SLO, "--subresource=status", "--type=merge", "-p", patch)


def go_blind(team: Team, source: Prometheus) -> None:
    # A policy is healthy also before anything was measured; then there were nothing to lose.
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name=SLO)
    source.stop()
    team.until_condition("Ready", "SourceUnreachable", of=OBJECTIVE, name=SLO)
    six_minutes_pass(team)
    team.until_condition("BudgetKnown", "SourceUnreachable", of=OBJECTIVE, name=SLO)


def hold(**when_blind: str) -> dict[str, Any]:
    return {"whenBlind": when_blind}


def assert_held(team: Team) -> None:
    known = team.until_condition("BudgetKnown", "SourceUnreachable")
    assert known["status"] == "False"
    assert known["message"] == "SLO availability is unknown: SourceUnreachable"
    assert team.condition("Ready", POLICY, "default")["status"] == "True"
    assert team.status()["decision"]["reason"] == "BlindHolding"


def test_a_freeze_is_held_and_then_opens_and_closes_again_with_sight(
    team: Team, controller: Controller, source: Prometheus
) -> None:
    del controller
    team.start(**hold(holdFor="15s", then="Open"))
    team.freeze()
    go_blind(team, source)
    assert_held(team)
    assert team.would_deploy().denied
    ready = team.condition("Ready", OBJECTIVE, SLO)
    assert ready["message"] == (
        f"source 'default' ({source.url}) cannot be reached: connection refused at "
        f"{source.url.removeprefix('http://')}; check its URL, and that it runs"
    )
    team.until_stage("Healthy")
    assert team.status()["decision"]["reason"] == "BlindOpen"
    assert team.status()["history"][0]["reason"] == "BlindOpen"
    team.until_passes(timeout=5)
    source.start()
    team.until_stage("Exhausted")
    team.until_denied(timeout=5)
    assert team.condition("BudgetKnown", POLICY, "default")["status"] == "True"


def test_a_freeze_that_closes_stays_and_thaws_when_it_sees_that_all_is_well(
    team: Team, controller: Controller, source: Prometheus
) -> None:
    del controller
    team.start(**hold(holdFor="5s", then="Closed"))
    team.freeze()
    go_blind(team, source)
    team.until("closed", lambda: team.status()["decision"]["reason"] == "BlindClosed")
    assert team.would_deploy().denied
    team.service.recover()
    source.start()
    team.until_stage("Healthy")
    team.until_passes(timeout=5)


def test_an_outage_of_prometheus_alone_never_freezes(
    team: Team, controller: Controller, source: Prometheus
) -> None:
    del controller
    team.start(**hold(holdFor="4s", then="Open"))
    go_blind(team, source)
    assert_held(team)
    assert team.would_deploy().passed
    team.until("open", lambda: team.status()["decision"]["reason"] == "BlindOpen")
    assert team.status()["stage"] == "Healthy"
    assert team.would_deploy().passed
    assert [one["to"] for one in team.status()["history"]] == ["Healthy"]
    source.start()
    team.until("seen", lambda: team.status()["decision"]["reason"] == "WithinBudget")
