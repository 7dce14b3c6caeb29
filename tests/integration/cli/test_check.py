"""`sluice check` as it is run, against a real Prometheus."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from e2e.harness import History, Prometheus
from tests.integration.cli.conftest import AT, BEFORE, HOUR, Check, Ran, policy, slo

pytestmark = pytest.mark.prometheus

BY_NAME = {"names": ["low"]}
Run = Callable[..., Ran]


def test_a_healthy_objective_is_well_now(server: Prometheus, check: Check) -> None:
    ran = check(slo("healthy"), flags=("--prometheus", server.url))
    assert (ran.status, ran.err) == (0, "")
    header, row = ran.out.splitlines()
    assert header.split() == [
        *("NAME", "OBJECTIVE", "WINDOW", "SLI", "REMAINING", "BURN", "1H", "LEVEL", "REASON")
    ]
    name, objective, window, _, remaining, _, level, reason = row.split()
    assert (name, objective, window) == ("shop/healthy", "95", "6h")
    assert abs(Decimal(remaining) - 80) <= Decimal("0.1")
    assert (level, reason) == ("Ok", "BudgetKnown")


def test_the_output_is_exactly_this(check_at: Run) -> None:
    warned = policy({"selector": {"matchLabels": {"app": "healthy"}}}, "Enforce")
    ran = check_at(slo("healthy"), warned)
    assert (ran.status, ran.err) == (0, "")
    assert ran.json == {
        "objectives": [
            {
                "namespace": "shop",
                "name": "healthy",
                "sli": "99.000",
                "errorBudget": {
                    "consumed": "20.000",
                    "remaining": "80.000",
                    "events": {"total": "36000", "bad": "360", "allowed": "1800"},
                },
                "corrections": None,
                "burnRates": [
                    {"window": window, "value": "0.20"}
                    for window in ("5m", "30m", "1h", "2h", "6h")
                ],
                "level": "Ok",
                "known": True,
                "reason": "BudgetKnown",
            }
        ],
        "policies": [
            {
                "namespace": "shop",
                "name": "default",
                "stage": "Healthy",
                "admission": "Allow",
                "limit": None,
                "reason": "WithinBudget",
            }
        ],
    }


def test_a_spent_budget_is_told_by_the_exit_status(check_at: Run) -> None:
    ran = check_at(slo("healthy"), slo("spent"))
    assert ran.status == 3
    assert [it["errorBudget"]["remaining"] for it in ran.json["objectives"]] == [
        "80.000",
        "-20.000",
    ]
    assert ran.err == (
        "sluice check: ServiceLevelObjective shop/spent: -20.000% of the error budget is left: "
        "2160 bad events of 1800 allowed\n"
    )


@pytest.mark.parametrize(
    ("mode", "admission", "status"),
    [("Enforce", "Deny", 3), ("Warn", "Warn", 0), ("Observe", "Allow", 0)],
)
def test_a_policy_denies_only_where_it_enforces(
    check_at: Run, mode: str, admission: str, status: int
) -> None:
    ran = check_at(slo("low"), policy(BY_NAME, mode))
    assert ran.status == status
    assert ran.json["objectives"][0]["errorBudget"]["remaining"] == "10.000"
    (decided,) = ran.json["policies"]
    assert (decided["stage"], decided["admission"]) == ("Exhausted", admission)
    assert decided["reason"] == "StageEntered"
    assert ("ErrorBudgetPolicy shop/default: SLO low has 10.0%" in ran.err) is (status == 3)


def test_a_policy_looks_only_at_objectives_of_its_own_namespace(check_at: Run) -> None:
    elsewhere = slo("low")
    elsewhere["metadata"]["namespace"] = "payments"
    ran = check_at(slo("healthy"), elsewhere, policy({"selector": {}}, "Enforce"))
    assert ran.status == 0
    assert ran.json["policies"][0]["stage"] == "Healthy"


def test_too_few_events_leave_the_budget_unknown(check_at: Run) -> None:
    ran = check_at(slo("rare"))
    assert ran.status == 4
    assert ran.json["objectives"] == [
        {
            "namespace": "shop",
            "name": "rare",
            "sli": None,
            "errorBudget": None,
            "corrections": None,
            "burnRates": [],
            "level": "Unknown",
            "known": False,
            "reason": "TooFewEvents",
        }
    ]
    assert "36 events in the window, 100 are needed" in ran.err


def test_an_indicator_that_selects_nothing_leaves_the_budget_unknown(check_at: Run) -> None:
    latency = {"metric": "no_such_seconds", "threshold": "1s"}
    ran = check_at(slo("nobody"), slo("none", indicator={"latency": latency}))
    assert ran.status == 4
    assert [it["reason"] for it in ran.json["objectives"]] == ["NoData", "NoData"]
    assert ran.err.count("ServiceLevelObjective shop/no") == 2


def test_an_objective_that_a_policy_names_and_no_file_has_is_unknown(check_at: Run) -> None:
    ran = check_at(slo("healthy"), policy({"names": ["healthy", "gone"]}, "Enforce"))
    assert ran.status == 4
    assert ran.json["policies"][0]["stage"] == "Healthy"
    assert "ServiceLevelObjective gone does not exist in the policy's namespace" in ran.err


def test_a_spent_budget_is_worse_than_an_unknown_one(check_at: Run) -> None:
    assert check_at(slo("rare"), slo("spent")).status == 3


def test_a_source_that_fails_is_worse_than_a_spent_budget(check_at: Run) -> None:
    wrong = slo("healthy", name="wrong")
    wrong["spec"]["indicator"]["ratio"]["total"]["metric"] = "up"
    wrong["spec"]["indicator"]["ratio"]["bad"]["metric"] = "sum("
    ran = check_at(slo("spent"), wrong)
    assert ran.status == 1
    assert [it["reason"] for it in ran.json["objectives"]] == ["BudgetKnown", "InvalidQuery"]


@pytest.mark.parametrize(("at", "status"), [(BEFORE, 0), (AT, 3)])
def test_a_time_in_the_past_gives_the_numbers_that_were_true_then(
    check_at: Run, past: History, at: float, status: int
) -> None:
    ran = check_at(slo("turned"), at=at)
    assert ran.status == status
    events = past.counts("turned", at) - past.counts("turned", at - 6 * HOUR)
    budget = ran.json["objectives"][0]["errorBudget"]
    consumed = 100 * Decimal(events.bad) / (Decimal("0.05") * events.total)
    assert abs(Decimal(budget["consumed"]) - consumed) <= Decimal("0.1")
    assert abs(int(budget["events"]["total"]) - events.total) <= 1
    assert abs(int(budget["events"]["bad"]) - events.bad) <= 1


def test_a_syntax_error_is_told_with_its_position(check_at: Run) -> None:
    wrong = slo("healthy")
    wrong["spec"]["indicator"]["ratio"]["bad"]["metric"] = 'http_requests_total{code=~"5.."'
    ran = check_at(wrong)
    assert ran.status == 1
    assert ran.err.startswith(
        "sluice check: slo.yaml, document 1 (ServiceLevelObjective shop/healthy): "
        "spec.indicator.ratio.bad.metric: "
    )
    assert "1:32: parse error: unexpected end of input inside braces" in ran.err


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_measured(check_at: Run) -> None:
    unquoted, misread = slo("healthy", objective=99.9), slo("low")
    misread["spec"]["indicator"]["ratio"]["total"]["metric"] = "a b"
    misread["spec"]["indicator"]["ratio"]["bad"]["metric"] = "c d"
    ran = check_at(unquoted, misread, slo("spent", source={"name": "other"}))
    assert (ran.status, ran.out) == (1, "")
    for words in (
        'spec.objective: this must be a string, and 99.9 is a number: quote it, as in "99.9"',
        "spec.indicator.ratio.total.metric: 'a b': 1:3: parse error",
        "spec.indicator.ratio.bad.metric: 'c d': 1:3: parse error",
        "spec.source.name: there is no 'other' here",
    ):
        assert words in ran.err


def test_the_table_cuts_no_number_at_80_columns(server: Prometheus, check: Check) -> None:
    check.environment.update(COLUMNS="80", SLUICE_PROMETHEUS_URL=server.url)
    long = slo("spent", name="a-name-of-an-objective-that-is-longer-than-any-column-could-be")
    ran = check(long, policy({"selector": {}}, "Enforce", name="a-policy-with-a-long-name-as-well"))
    assert ran.status == 3
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "\x1b" not in ran.out
    (row,) = (line for line in ran.out.splitlines() if "-20." in line and "95" in line)
    numbers: list[Any] = row.split()[1:6]
    assert numbers[:2] == ["95", "6h"]
    assert all(Decimal(number).as_tuple().exponent in {-2, -3} for number in numbers[2:])


def correction(start: float, end: float) -> dict[str, Any]:
    """Leaves out a part of what was measured of the service that turned bad."""
    times = (datetime.fromtimestamp(at, UTC).isoformat() for at in (start, end))
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "BudgetCorrection",
        "metadata": {"name": "load-test", "namespace": "shop"},
        "spec": {
            "objectives": {"names": ["turned"]},
            "effect": "Exclude",
            "once": dict(zip(("start", "end"), times, strict=True)),
            "reason": "the load test was announced",
            "createdBy": "alice",
        },
    }


def test_corrections_among_the_files_apply(check_at: Run) -> None:
    """Since it turned two in five fail; the last of the six hours is like the others."""
    without = check_at(slo("turned"))
    (before,) = without.json["objectives"]
    assert (without.status, before["corrections"]) == (3, None)
    ran = check_at(slo("turned"), slo("healthy"), correction(AT - 2 * HOUR, AT))
    after, other = sorted(ran.json["objectives"], key=lambda it: it["name"] != "turned")
    assert after["corrections"] == {
        "applied": 1,
        "names": ["load-test"],
        "excluded": {"total": "12000", "bad": "4800", "time": "2h"},
        "remainingWithout": before["errorBudget"]["remaining"],
        "approximate": False,
    }
    assert after["errorBudget"]["events"]["total"] == "24000"
    assert other["corrections"] is None


def test_the_table_tells_that_corrections_apply(server: Prometheus, check: Check) -> None:
    found = correction(AT - 2 * HOUR, AT)
    ran = check(slo("turned"), found, flags=("--prometheus", server.url))
    header, row = ran.out.splitlines()
    assert "CORRECTIONS" in header
    assert row.split()[6] == "1"
