"""What the benchmarks make of the rules that other tools generate."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.peers import Rule, versions
from benchmarks.recordings import inlined, recorded

ROOT = Path(__file__).parents[3]
TOTAL = 'requests_total{job="shop"}'


def rule(name: str, expression: str, interval: int = 60, **labels: str) -> Rule:
    return Rule(name, expression, labels, interval, records=True)


RATIO = rule("ratio5m", f"sum(rate({TOTAL}[5m]))", id="shop", window="5m")
AVERAGE = rule("ratio30d", 'sum_over_time(ratio5m{id="shop"}[30d])', id="shop")
COUNTS = rule("increase30d", f"sum by (code) (increase({TOTAL}[30d]))", id="shop")
SHORT = rule("increase5m", f"sum by (code) (increase({TOTAL}[5m]))", 30, id="shop")
LONG = rule(
    "increase30d", 'sum by (code) (sum_over_time(increase5m{id="shop"}[30d:5m]))', id="shop"
)
SHARE = rule("share", 'sum(increase30d{code=~"5..",id="shop"}) / sum(increase30d{id="shop"})')
BAD = 'requests_total{job="shop",code=~"5.."}'


@pytest.mark.parametrize(
    ("rules", "name", "formula"),
    [
        ([RATIO], "ratio5m", f"sum(rate({TOTAL}[5m]))"),
        ([RATIO, AVERAGE], "ratio30d", f"sum_over_time((sum(rate({TOTAL}[5m])))[60s:60s])"),
        (
            [COUNTS, SHARE],
            "share",
            (
                f"sum((sum by (code) (increase({BAD}[60s])))) / "
                f"sum((sum by (code) (increase({TOTAL}[60s]))))"
            ),
        ),
        (
            [SHORT, LONG, SHARE],
            "share",
            (
                f"sum((sum by (code) (sum_over_time((sum by (code) (increase({BAD}[5m])))[60s:5m]))"
                f")) / sum((sum by (code) (sum_over_time((sum by (code) (increase({TOTAL}[5m])))"
                "[60s:5m]))))"
            ),
        ),
    ],
    ids=["of raw samples", "a range", "selected by what is grouped by", "a subquery"],
)
def test_recorded_series_are_replaced_by_what_records_them(
    rules: list[Rule], name: str, formula: str
) -> None:
    assert inlined(rules, name, 60) == formula


@pytest.mark.parametrize(
    ("rules", "name", "said"),
    [
        ([RATIO], "ratio1h", "0 rules record ratio1h"),
        ([RATIO, RATIO, AVERAGE], "ratio30d", "2 rules record ratio5m"),
        ([RATIO, rule("x", 'ratio5m{code="500"}')], "x", "does not group by what"),
    ],
)
def test_a_formula_that_would_be_another_one_is_refused(
    rules: list[Rule], name: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        inlined(rules, name, 60)


def test_what_is_read_over_the_window_is_there_for_all_of_it_and_the_rest_for_ten_minutes() -> None:
    alert = Rule("Alert", "ratio30d > 1", {}, 60, records=False)
    lines = list(recorded([RATIO, AVERAGE, AVERAGE, alert, SHORT], 1e9, {"code": ["200", "500"]}))
    assert len(lines) == len(set(lines))
    assert Counter(line.partition(" ")[0] for line in lines) == {
        'ratio5m{id="shop",window="5m"}': 30 * 24 * 60 + 1,
        'ratio30d{id="shop"}': 11,
        'increase5m{code="200",id="shop"}': 21,
        'increase5m{code="500",id="shop"}': 21,
    }
    assert max(float(line.split()[-1]) for line in lines) == 1e9


def test_the_tools_that_were_measured_are_those_that_are_pinned_and_compared_with() -> None:
    pinned = versions()
    text = (ROOT / "README.md").read_text()
    maturity = next(line for line in text.splitlines() if line.startswith("| maturity |"))
    assert re.findall(r"v[\d.]+\d", maturity) == [pinned["sloth"], pinned["pyrra"]]
    for name in ("accuracy-prometheus-2", "accuracy-prometheus-3", "cost"):
        kept = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
        assert pinned.items() <= kept["environment"].items()
