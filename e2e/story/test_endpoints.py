"""What a running controller serves to Prometheus and to the kubelet."""

import pytest

from e2e.stack import Controller
from e2e.story.conftest import Start
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


def test_metrics_show_budgets_policies_and_the_controller_itself(
    team: Team, controller: Controller
) -> None:
    team.start()
    team.freeze()
    objective = f'{{namespace="{team.namespace}",objective="availability"}}'
    policy = f'{{namespace="{team.namespace}",policy="default"}}'
    assert controller.metric(f"sluice_objective_budget_known{objective}") == 1
    remaining = controller.metric(f"sluice_objective_budget_remaining_ratio{objective}")
    assert remaining is not None
    assert 0.1 < remaining < 0.2
    sli = controller.metric(f"sluice_objective_sli_ratio{objective}")
    assert sli is not None
    assert 0.990 < sli < 0.992
    burn = objective.replace("}", ',window="1h"}')
    rate = controller.metric(f"sluice_objective_burn_rate{burn}")
    assert rate is not None
    assert rate > 1
    assert controller.metric(f"sluice_policy_frozen{policy}") == 1
    stage = policy.replace("}", ',stage="Exhausted"}')
    assert controller.metric(f"sluice_policy_stage{stage}") == 1
    team.until("governed", lambda: controller.metric(f"sluice_policy_workloads{policy}") == 1)
    assert controller.metric("sluice_leader") == 1
    assert controller.metric("sluice_synced") == 1
    assert controller.metric("sluice_kill_switch") == 0
    lag = controller.metric("sluice_schedule_lag_seconds")
    assert lag is not None
    assert lag < 10
    assert (controller.metric('sluice_writes_total{outcome="ok",target="gate"}') or 0) >= 1
    evaluated = 'sluice_evaluations_total{kind="errorbudgetpolicies",outcome="ok"}'
    assert (controller.metric(evaluated) or 0) >= 1


def test_a_policy_that_is_gone_leaves_no_metrics_behind(team: Team, controller: Controller) -> None:
    team.start()
    series = f'namespace="{team.namespace}"'
    assert series in controller.page("/metrics")[1]
    team.kubectl("delete", "slo,ebp", "--all")
    team.until("no series", lambda: series not in controller.page("/metrics")[1])


def test_a_healthy_controller_says_ok(controller: Controller) -> None:
    assert controller.page("/healthz") == (200, "ok\n")
    assert controller.page("/readyz") == (200, "ok\n")
    assert controller.page("/")[0] == 404


def test_a_controller_without_rights_is_not_ready_says_why_and_stays_up(
    team: Team, start: Start
) -> None:
    team.kubectl("create", "serviceaccount", "nobody")
    nobody = team.stack.plane.service_account_kubeconfig(team.namespace, "nobody")
    running = start("--no-leader-elect", "--kubeconfig", str(nobody))
    team.until("listening", lambda: running.page("/healthz") == (200, "ok\n"))
    assert running.page("/readyz") == (503, "the first full list is not there yet\n")
    team.until("said", lambda: "list failed" in running.log)
    assert 'nobody" cannot list resource "metricsources"' in running.log
    assert running.daemon.exit_code is None
    assert running.stop() == 0
