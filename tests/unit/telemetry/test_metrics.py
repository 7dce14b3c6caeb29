from prometheus_client import generate_latest

from sluice.telemetry.metrics import Metrics, ObjectiveReading, PolicyReading, ProcessReading


def exposed(objectives: list[ObjectiveReading], policies: list[PolicyReading]) -> str:
    metrics = Metrics()
    process = ProcessReading(leading=True, synced=True, killed=False, lag=0.5)
    metrics.watch(lambda: objectives, lambda: policies, lambda: process)
    return generate_latest(metrics.registry).decode()


def test_an_objective_shows_ratios_and_burn_rates() -> None:
    text = exposed(
        [
            ObjectiveReading(
                namespace="shop",
                name="availability",
                known=True,
                remaining=-0.25,
                sli=0.999,
                burn_rates={"1h": 14.4},
                alerts={("Page", "1h"): True, ("Page", "6h"): False},
            )
        ],
        [],
    )
    labels = 'namespace="shop",objective="availability"'
    assert f"sluice_objective_budget_remaining_ratio{{{labels}}} -0.25" in text
    assert f'sluice_objective_burn_rate{{{labels},window="1h"}} 14.4' in text
    firing = f"sluice_objective_alert_firing{{{labels},severity="
    assert f'{firing}"Page",window="1h"}} 1.0' in text
    assert f'{firing}"Page",window="6h"}} 0.0' in text


def test_an_unknown_budget_has_no_number_at_all() -> None:
    unknown = ObjectiveReading(namespace="shop", name="a", known=False, remaining=None, sli=None)
    text = exposed([unknown], [])
    assert 'sluice_objective_budget_known{namespace="shop",objective="a"} 0.0' in text
    assert "sluice_objective_budget_remaining_ratio{" not in text


def test_a_policy_shows_its_stage_and_a_gone_one_leaves_nothing_behind() -> None:
    policies = [
        PolicyReading(namespace="shop", name="p", stage="Exhausted", frozen=True, governed=3)
    ]
    assert 'sluice_policy_stage{namespace="shop",policy="p",stage="Exhausted"} 1.0' in exposed(
        [], policies
    )
    assert "sluice_policy_stage{" not in exposed([], [])
