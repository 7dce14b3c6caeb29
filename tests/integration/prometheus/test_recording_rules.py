"""The rules that record counts, by promtool's unit tests of rules."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness.prometheus_programs import NoPrometheus, prometheus_programs
from sluice.indicators.counted import Counted
from sluice.indicators.expressions import Expression
from sluice.indicators.promql import Matcher, Selector, Side, quote
from sluice.indicators.query_reader import Limited, Queried
from sluice.indicators.recording import MINUTES, SLICES, Subject, render

pytestmark = pytest.mark.prometheus

ODD = 'a"b\\c\n}$1 {{ $value }} é'
JOB = Matcher("job", "=", "shop")
TOTAL = Selector("requests_total", (JOB,))
BAD = TOTAL.narrowed(Matcher("code", "=~", "5.."))
COUNTED = Counted(TOTAL, BAD, Side.BAD)
LATENCY = Counted(
    Selector("duration_count", (JOB,)),
    Selector("duration_bucket", (JOB, Matcher("le", "=~", "0\\.5"))),
    Side.GOOD,
    always=True,
)
QUERIED = Queried(
    Expression("sum(increase(requests_total[$window])) # all", "total"),
    Expression('requests_total{code="500"} - requests_total{code="500"} offset 5m', "bad"),
    Side.BAD,
)


@dataclass(frozen=True)
class Case:
    """Samples a minute from time 0, and what is recorded of the slices that end at a time.

    Attributes:
        series: by labels, in promtool's notation.
        at: minutes after which the last slice that has settled ends.
        slices: by side and part; nothing is recorded of what is not here.
        minutes: the same of the last minute.
    """

    series: dict[str, str]
    at: int
    slices: dict[tuple[str, str], float]
    minutes: dict[tuple[str, str], float] = field(default_factory=dict)
    counted: Counted | Queried | Limited = COUNTED


OK = 'requests_total{job="shop",code="200"}'
FAILED = 'requests_total{job="shop",code="500"}'
CASES = {
    "a counter moves by what it counted between the slice's ends": Case(
        {OK: "0+60x30", FAILED: "0+2x30"},
        10,
        {
            ("total", "moved"): 310,
            ("total", "doubt"): 0,
            ("bad", "moved"): 10,
            ("bad", "doubt"): 0,
        },
        {("total", "moved"): 62, ("bad", "moved"): 2},
    ),
    "a reset is in doubt, and nobody's movement but the others'": Case(
        {OK: "0+60x30", FAILED: "100 110 120 130 140 150 160 170 3 5 7 9 11"},
        10,
        {
            ("total", "moved"): 300,
            ("total", "doubt"): 2,
            ("bad", "doubt"): 2,
        },
        {("total", "moved"): 62, ("bad", "moved"): 2},
    ),
    "a counter that was reset and has caught up is in doubt, too": Case(
        {OK: "0 1 2 3 4 5 6 0 10 20 30 40 50 60"},
        10,
        {("total", "moved"): 25, ("total", "doubt"): 1, ("bad", "doubt"): -1},
        {("total", "moved"): 10},
    ),
    "a new series is in doubt": Case(
        {OK: "0+60x30", FAILED: "_ _ _ _ _ _ _ 50 50 50 50 50"},
        10,
        {("total", "moved"): 300, ("total", "doubt"): 1, ("bad", "doubt"): 1},
        {("total", "moved"): 60, ("bad", "moved"): 0},
    ),
    "a series that went is in doubt": Case(
        {OK: "0+60x30", FAILED: "0 1 2 3 4 5 6 stale"},
        10,
        {("total", "moved"): 300, ("total", "doubt"): 1, ("bad", "doubt"): 1},
        {("total", "moved"): 60},
    ),
    "without bad series there is no doubt that nothing failed": Case(
        {OK: "0+60x30"},
        10,
        {("total", "moved"): 300, ("total", "doubt"): 0, ("bad", "doubt"): -1},
        {("total", "moved"): 60},
    ),
    "a gap is a rule that was evaluated and found nothing": Case(
        {OK: "0+60x10 stale", FAILED: "0+2x10 stale"},
        25,
        {("total", "doubt"): -1, ("bad", "doubt"): -1},
    ),
    "another service's series are not its": Case(
        {OK: "0+60x30", 'requests_total{job="shop2",code="500"}': "0+1000x30"},
        10,
        {("total", "moved"): 300, ("total", "doubt"): 0, ("bad", "doubt"): -1},
        {("total", "moved"): 60},
    ),
    "what is no number is in doubt": Case(
        {OK: "0+60x30", FAILED: "0 1 2 3 4 5 NaN NaN NaN NaN NaN"},
        10,
        {("total", "moved"): 300, ("total", "doubt"): 1, ("bad", "doubt"): 1},
        {("total", "moved"): 60},
    ),
    "a histogram counts its bucket and all": Case(
        {
            'duration_count{job="shop"}': "0+60x30",
            'duration_bucket{job="shop",le="0.5"}': "0+50x30",
            'duration_bucket{job="shop",le="+Inf"}': "0+60x30",
        },
        10,
        {
            ("total", "moved"): 300,
            ("total", "doubt"): 0,
            ("good", "moved"): 250,
            ("good", "doubt"): 0,
        },
        {("total", "moved"): 60, ("good", "moved"): 50},
        LATENCY,
    ),
    "a pair of Prometheus counts once": Case(
        {
            'requests_total{job="shop",replica="a"}': "0+60x30",
            'requests_total{job="shop",replica="b"}': "_ 58+60x29",
        },
        15,
        {("total", "moved"): 300, ("total", "doubt"): 0, ("bad", "doubt"): -1},
        {("total", "moved"): 60},
        Counted(
            Selector("requests_total", (JOB,), "replica"),
            Selector("failures_total", (JOB,), "replica"),
            Side.BAD,
        ),
    ),
    "a query is what it gives at the slice's end": Case(
        {OK: "0+60x30", FAILED: "0+2x30"},
        10,
        {
            ("total", "value"): 310,
            ("total", "series"): 1,
            ("bad", "value"): 10,
            ("bad", "series"): 1,
        },
        {("total", "value"): 62, ("bad", "value"): 2},
        QUERIED,
    ),
    "a query that finds nothing has no series": Case(
        {OK: "0+60x30"},
        10,
        {("total", "value"): 300, ("total", "series"): 1, ("bad", "series"): 0},
        {("total", "value"): 60},
        QUERIED,
    ),
    "a query that gives several series says so": Case(
        {OK: "0+60x30", FAILED: "0+2x30", 'requests_total{job="b",code="500"}': "0+2x30"},
        10,
        {
            ("total", "value"): 320,
            ("total", "series"): 1,
            ("bad", "value"): 20,
            ("bad", "series"): 2,
        },
        {("total", "value"): 64, ("bad", "value"): 4},
        QUERIED,
    ),
    "a value is what it is at the slice's end": Case(
        {'queue_depth{queue="mail"}': "0+7x30"},
        10,
        {("total", "value"): 70, ("total", "series"): 1},
        {("total", "value"): 14},
        Limited(Expression("max(queue_depth)", "threshold"), lambda values: values > 0),
    ),
    "labels of any text are data": Case(
        {f"requests_total{{path={quote(ODD)}}}": "0+60x30"},
        10,
        {("total", "moved"): 300, ("total", "doubt"): 0, ("bad", "doubt"): -1},
        {("total", "moved"): 60},
        Counted(
            Selector("requests_total", (Matcher("path", "=", ODD),)),
            Selector("requests_total", (Matcher("path", "=", ODD + '"} or vector(1) #'),)),
            Side.BAD,
        ),
    ),
}


@pytest.fixture(scope="session")
def promtool() -> Path:
    try:
        return prometheus_programs().promtool
    except NoPrometheus as reason:
        pytest.skip(str(reason))


def sample(record: str, labels: dict[str, str], side: str, part: str) -> str:
    text = ",".join(
        f'{name}="{value}"'
        for name, value in {**labels, "sluice_side": side, "sluice_part": part}.items()
    )
    return f"{record}{{{text}}}"


@pytest.mark.parametrize("name", CASES)
def test_promtool_finds_in_the_rules_that(name: str, promtool: Path, tmp_path: Path) -> None:
    case = CASES[name]
    rules = render(case.counted, Subject("u-1", "shop", "checkout"), settle=30)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules.spec()))
    labels = {
        "sluice_id": rules.id,
        "sluice_namespace": "shop",
        "sluice_objective": "checkout",
    }
    # Whenever a group is evaluated: at half a minute to five and a half after the slice's end.
    expectations: list[dict[str, Any]] = [
        {
            "expr": record,
            "eval_time": f"{minutes}m",
            "exp_samples": [
                {"labels": sample(record, labels, side, part), "value": value}
                for (side, part), value in expected.items()
            ],
        }
        for record, expected, minutes in (
            (SLICES, case.slices, case.at + 1),
            (SLICES, case.slices, case.at + 5),
            (MINUTES, case.minutes, case.at + 1),
        )
    ]
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump(
            {
                "rule_files": ["rules.yaml"],
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [
                            {"series": series, "values": values}
                            for series, values in case.series.items()
                        ],
                        "promql_expr_test": expectations,
                    }
                ],
            }
        )
    )
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
