from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from sluice.telemetry.metrics import Metrics, PolicyReading, ProcessReading
from sluice.telemetry.objective_samples import ObjectiveReading, Shown


def watched(objectives: list[ObjectiveReading], policies: list[PolicyReading]) -> Metrics:
    metrics = Metrics()
    process = ProcessReading(
        leading=True, synced=True, killed=False, lag=0.5, ledgers_overdue=2, clock_offset=-3.5
    )
    metrics.watch(
        lambda: ((one.name, Shown((one,), lambda one=one: one)) for one in objectives),
        lambda: policies,
        lambda: process,
    )
    return metrics


def exposed(objectives: list[ObjectiveReading], policies: list[PolicyReading]) -> str:
    return watched(objectives, policies).page("")[0].decode()


def reading(name: str, *, known: bool = True) -> ObjectiveReading:
    return ObjectiveReading("shop", name, known, 0.5, 0.999, {"1h": 14.4}, {("Page", "1h"): True})


def test_the_process_shows_how_many_ledgers_wait_to_be_stored() -> None:
    assert "sluice_ledgers_overdue 2.0" in exposed([], [])
    assert "sluice_clock_offset_seconds -3.5" in exposed([], [])


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
                corrections=2,
            )
        ],
        [],
    )
    labels = 'namespace="shop",objective="availability"'
    assert f"sluice_objective_budget_remaining_ratio{{{labels}}} -0.25" in text
    assert f'sluice_objective_burn_rate{{{labels},window="1h"}} 14.4' in text
    assert f"sluice_objective_corrections{{{labels}}} 2.0" in text
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


def test_a_policy_shows_how_many_overrides_are_active_by_effect() -> None:
    reading = PolicyReading("shop", "p", "Healthy", frozen=True, governed=3)
    text = exposed([], [replace(reading, overrides={"Freeze": 2})])
    labels = 'namespace="shop",policy="p"'
    assert f'sluice_policy_overrides{{effect="Freeze",{labels}}} 2.0' in text
    assert f'sluice_policy_overrides{{effect="Allow",{labels}}} 0.0' in text


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("", text_format), ("application/openmetrics-text; version=1.0.0", open_metrics)],
)
def test_a_page_is_of_the_format_that_is_asked_for(accept: str, parse: Any) -> None:
    odd = ObjectiveReading('a"b\\c\n', "x", True, float("inf"), 1e21, {"1h": 3.0}, {})
    page, kind = watched([odd, reading("y")], []).page(accept)
    assert kind.partition(";")[0] == (accept.partition(";")[0] or "text/plain")
    families = {family.name: family.samples for family in parse(page.decode())}
    left = families["sluice_objective_budget_remaining_ratio"]
    assert [sample.value for sample in left] == [float("inf"), 0.5]
    assert left[0].labels == {"namespace": 'a"b\\c\n', "objective": "x"}
    assert [sample.value for sample in families["sluice_objective_sli_ratio"]] == [1e21, 0.999]
    assert families["sluice_leader"][0].value == 1


def test_an_objective_is_shown_as_it_is_now_and_one_that_is_gone_no_more() -> None:
    objectives = [reading("a"), reading("b")]
    metrics = watched(objectives, [])
    known = 'sluice_objective_budget_known{namespace="shop",objective="%s"} %s'
    for _ in range(2):
        page = metrics.page("")[0].decode()
        assert known % ("a", "1.0") in page
    objectives[:] = [reading("a", known=False)]
    page = metrics.page("")[0].decode()
    assert known % ("a", "0.0") in page
    assert 'objective="b"' not in page


def test_what_has_not_changed_is_not_read_again() -> None:
    read, state = [], object()

    def shown() -> list[tuple[object, Shown]]:
        return [("a", Shown((state,), lambda: read.append(1) or reading("a")))]  # type: ignore[func-returns-value]

    metrics = Metrics()
    metrics.watch(shown, list, lambda: ProcessReading(True, True, False, 0.0))
    assert metrics.page("")[0] == metrics.page("")[0]
    assert read == [1]
