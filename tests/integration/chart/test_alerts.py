"""The chart's alerts, evaluated by promtool: each fires on what it is for, and not before."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness import helm, prometheus_programs
from e2e.harness.gotools import NoGoError
from e2e.harness.prometheus_programs import NoPrometheus

pytestmark = pytest.mark.prometheus

CHART = Path(__file__).parents[3] / "deploy/helm/sluice"
CONTROLLER = 'job="sluice",namespace="sluice-system",instance="a"'
STANDBY = 'job="sluice",namespace="sluice-system",instance="b"'
GATE = 'job="sluice-gate",namespace="sluice-system",instance="g"'
SHOP = 'job="sluice",instance="a",namespace="shop"'

HEALTHY = {
    f"sluice_leader{{{CONTROLLER}}}": "1x300",
    f"sluice_leader{{{STANDBY}}}": "0x300",
    f"sluice_synced{{{CONTROLLER}}}": "1x300",
    f"sluice_synced{{{STANDBY}}}": "1x300",
    f"sluice_kill_switch{{{CONTROLLER}}}": "0x300",
    f"sluice_schedule_lag_seconds{{{CONTROLLER}}}": "0.5x300",
    f"sluice_ledgers_overdue{{{CONTROLLER}}}": "0x300",
    f"sluice_clock_offset_seconds{{{CONTROLLER}}}": "-29x300",
    f"sluice_gate_clock_offset_seconds{{{GATE}}}": "29x300",
    f'sluice_evaluations_total{{{CONTROLLER},kind="slo",outcome="ok"}}': "0+100x300",
    f'sluice_evaluations_total{{{CONTROLLER},kind="slo",outcome="error"}}': "0+1x300",
    f'sluice_source_failures_total{{{CONTROLLER},source="default",reason="Timeout"}}': "5x300",
    f'sluice_writes_total{{{CONTROLLER},target="status",outcome="ok"}}': "0+10x300",
    f'sluice_writes_total{{{CONTROLLER},target="gate",outcome="error"}}': "2x300",
    f'sluice_ledger_reads_total{{{CONTROLLER},outcome="resumed"}}': "_x30 7x270",
    f'sluice_objective_budget_known{{{SHOP},objective="a"}}': "1x300",
    f'sluice_objective_budget_known{{{SHOP},objective="b"}}': "0x300",
    f"sluice_gate_synced{{{GATE}}}": "1x300",
    f"sluice_gate_lost_seconds{{{GATE}}}": "0x300",
    f"sluice_gate_certificate_expiration_timestamp_seconds{{{GATE}}}": "8640000x300",
    f"sluice_gate_unreadable_policies{{{GATE}}}": "0x300",
    f"sluice_gate_throttled_total{{{GATE}}}": "9x300",
    f'sluice_gate_request_duration_seconds_bucket{{{GATE},endpoint="validate",le="0.5"}}': (
        "0+60x300"
    ),
    f'sluice_gate_request_duration_seconds_bucket{{{GATE},endpoint="validate",le="2"}}': (
        "0+60x300"
    ),
    f'sluice_gate_request_duration_seconds_bucket{{{GATE},endpoint="validate",le="+Inf"}}': (
        "0+60x300"
    ),
}
"""A sample a minute for five hours: all that the alerts look at, with nothing wrong."""


@dataclass(frozen=True)
class Case:
    """What goes wrong an hour after the start, in place of or beside the healthy series.

    `quiet` and `fires` are minutes after the start: at the one the alert does not fire yet, at the
    other it does.
    """

    wrong: dict[str, str]
    quiet: int
    fires: int

    def series(self) -> dict[str, str]:
        return {**HEALTHY, **self.wrong}


CASES = {
    "SluiceNotLeading": Case({f"sluice_leader{{{CONTROLLER}}}": "1x59 0x240"}, 64, 66),
    "SluiceSeveralLeaders": Case({f"sluice_leader{{{STANDBY}}}": "0x59 1x240"}, 61, 63),
    "SluiceNotSynced": Case({f"sluice_synced{{{STANDBY}}}": "1x59 0x240"}, 69, 71),
    "SluiceClockWrong": Case(
        {f"sluice_clock_offset_seconds{{{CONTROLLER}}}": "-29x59 -3600x240"}, 61, 63
    ),
    "SluiceEvaluationsFailing": Case(
        {
            f'sluice_evaluations_total{{{CONTROLLER},kind="slo",outcome="error"}}': (
                "0+0x60 0+20x240"
            )
        },
        74,
        85,
    ),
    "SluiceBehindSchedule": Case(
        {f"sluice_schedule_lag_seconds{{{CONTROLLER}}}": "0.5x59 61x240"}, 74, 76
    ),
    "SluiceSourceFailing": Case(
        {
            f'sluice_source_failures_total{{{CONTROLLER},source="default",reason="Timeout"}}': (
                "5x60 6+1x240"
            )
        },
        71,
        76,
    ),
    "SluiceBudgetsUnknown": Case(
        {f'sluice_objective_budget_known{{{SHOP},objective="a"}}': "1x59 0x240"}, 119, 121
    ),
    "SluiceWritesFailing": Case(
        {f'sluice_writes_total{{{CONTROLLER},target="gate",outcome="error"}}': "2x60 3+1x240"},
        71,
        76,
    ),
    "SluiceLedgersOverdue": Case({f"sluice_ledgers_overdue{{{CONTROLLER}}}": "0x59 1x240"}, 74, 76),
    "SluiceLedgerUnreadable": Case(
        {f'sluice_ledger_reads_total{{{CONTROLLER},outcome="damaged"}}': "_x60 1x240"}, 59, 62
    ),
    "SluiceKillSwitchEngaged": Case(
        {f"sluice_kill_switch{{{CONTROLLER}}}": "0x59 1x240"}, 119, 121
    ),
    "SluiceGateDown": Case({f"sluice_gate_synced{{{GATE}}}": "1x59 0x240"}, 64, 66),
    "SluiceGateCutOff": Case({f"sluice_gate_lost_seconds{{{GATE}}}": "0x59 61+60x240"}, 64, 66),
    "SluiceGateCertificateExpires": Case(
        # Seven days and an hour after the start of promtool's time, which is 1970.
        {f"sluice_gate_certificate_expiration_timestamp_seconds{{{GATE}}}": "608400x300"},
        119,
        122,
    ),
    "SluiceGateUnreadablePolicies": Case(
        {f"sluice_gate_unreadable_policies{{{GATE}}}": "0x59 1x240"}, 74, 76
    ),
    "SluiceGateFailing": Case(
        {f'sluice_gate_exceptions_total{{{GATE},endpoint="validate"}}': "_x60 1x240"}, 59, 62
    ),
    "SluiceGateThrottling": Case(
        {f"sluice_gate_throttled_total{{{GATE}}}": "9x60 10+1x240"}, 69, 73
    ),
    "SluiceGateSlow": Case(
        {
            name: values.replace("0+60x300", "0+30x300")
            for name, values in HEALTHY.items()
            if 'le="0.5"' in name
        },
        9,
        15,
    ),
}
ENDED = {"SluiceLedgerUnreadable": 125, "SluiceGateFailing": 80}
"""The minute at which an alert about something that happened once is over."""


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return prometheus_programs().promtool
    except NoPrometheus as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        program = helm()
    except NoGoError as error:
        pytest.skip(f"no Helm to render the chart with: {error}")
    values = ("prometheusRule.enabled=true", "gate.enabled=true")
    rendered = subprocess.run(
        [
            *(str(program), "template", "sluice", str(CHART), "--namespace", "sluice-system"),
            *("--show-only", "templates/prometheusrule.yaml"),
            *(f"--set={value}" for value in values),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    path = tmp_path_factory.mktemp("alerts") / "rules.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(rendered)["spec"]))
    return path


def run(promtool: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(promtool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def firing(at: int, *alerts: str) -> dict[str, Any]:
    return {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{at}m",
        "exp_samples": [
            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)
        ],
    }


def unit_test(series: dict[str, str], *expected: dict[str, Any]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": list(expected),
    }


def verdict(
    promtool: Path, rules: Path, *tests: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    path = rules.with_name("tests.yaml")
    path.write_text(
        yaml.safe_dump(
            {"rule_files": [rules.name], "evaluation_interval": "1m", "tests": list(tests)}
        )
    )
    return run(promtool, "test", "rules", path)


def test_promtool_takes_the_rules(promtool: Path, rules: Path) -> None:
    answer = run(promtool, "check", "rules", rules)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_has_a_case(rules: Path) -> None:
    groups = yaml.safe_load(rules.read_text())["groups"]
    assert {rule["alert"] for group in groups for rule in group["rules"]} == set(CASES)


def test_nothing_fires_while_all_is_well(promtool: Path, rules: Path) -> None:
    quiet = unit_test(HEALTHY, *(firing(at) for at in (20, 70, 130, 290)))
    answer = verdict(promtool, rules, quiet)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_on_what_it_is_for_in_time_and_alone(
    promtool: Path, rules: Path, alert: str
) -> None:
    case = CASES[alert]
    expected = [firing(case.quiet), firing(case.fires, alert)]
    if alert in ENDED:
        expected.append(firing(ENDED[alert]))
    answer = verdict(promtool, rules, unit_test(case.series(), *expected))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_pod_at_all_is_no_leader(promtool: Path, rules: Path) -> None:
    answer = verdict(
        promtool, rules, unit_test({}, firing(10, "SluiceGateDown", "SluiceNotLeading"))
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
