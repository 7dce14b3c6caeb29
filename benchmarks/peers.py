"""Sloth and Pyrra themselves: the rules that they generate for an objective.

Both are built from their Go modules at pinned versions (`benchmarks/tools`), once, into the cache
of the tests' tools. Sloth is its own program. Pyrra's embeds its web pages, which are not in its
module, so `benchmarks/tools/pyrra` calls the functions that `pyrra generate` does.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.harness.gotools import GoTool, built
from sluice.api.durations import parse_duration

WINDOW = "30d"
_TOOLS = Path(__file__).parent / "tools"
SLOTH = GoTool(
    name="sloth",
    module=str(_TOOLS / "sloth"),
    package="github.com/slok/sloth/cmd/sloth",
    usual="2-5 minutes the first time",
)
PYRRA = GoTool(
    name="pyrra", module=str(_TOOLS / "pyrra"), package=".", usual="2-3 minutes the first time"
)
_EVALUATED_EVERY = 60
"""Prometheus' own evaluation interval, for groups that state none."""
_UNOPTIMIZED = {"id": "sloth.dev/core/sli_rules/v1", "config": {"disableOptimized": True}}


@dataclass(frozen=True, slots=True)
class Question:
    """An objective of 30 days, as the peers are told it.

    Attributes:
        name: lower-case letters, digits and dashes.
        total: a selector of the counter of all events.
        bad: a selector of the counter of the bad ones.
        objective: percent.
    """

    name: str
    total: str
    bad: str
    objective: str = "99.9"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it was generated.

    Attributes:
        name: of the series that it records, or of the alert.
        expression: what is evaluated.
        labels: which it adds.
        interval: seconds between two evaluations.
        records: it is no alert.
    """

    name: str
    expression: str
    labels: Mapping[str, str]
    interval: int
    records: bool


def sloth(question: Question, *, optimized: bool = True) -> list[Rule]:
    """Sloth's rules: those of its default, or without its optimization of the long window."""
    declared = {
        "version": "prometheus/v1",
        "service": question.name,
        "slos": [
            {
                "name": "availability",
                "objective": float(question.objective),
                "sli": {
                    "events": {
                        "error_query": f"sum(rate({question.bad}[{{{{.window}}}}]))",
                        "total_query": f"sum(rate({question.total}[{{{{.window}}}}]))",
                    }
                },
                "alerting": {"name": "Errors"},
            }
        ],
    }
    plugins = [] if optimized else ["--slo-plugins", json.dumps(_UNOPTIMIZED)]
    return _rules(SLOTH, declared, "generate", "--no-log", "--input=/dev/stdin", *plugins)


def pyrra(question: Question, *, fast: bool = False, generic: bool = False) -> list[Rule]:
    """Pyrra's rules; `fast` with its `performanceOverAccuracy`, `generic` with its generic ones."""
    declared = {
        "apiVersion": "pyrra.dev/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": question.name, "namespace": "benchmark"},
        "spec": {
            "target": question.objective,
            "window": WINDOW,
            "performanceOverAccuracy": fast,
            "indicator": {
                "ratio": {"errors": {"metric": question.bad}, "total": {"metric": question.total}}
            },
        },
    }
    return _rules(PYRRA, declared, *(["-generic-rules"] if generic else []))


def versions() -> dict[str, str]:
    """The versions that are pinned, by tool."""
    found = {}
    for tool, module in ((SLOTH, "github.com/slok/sloth"), (PYRRA, "github.com/pyrra-dev/pyrra")):
        text = (tool.directory / "go.mod").read_text()
        match = re.search(rf"{re.escape(module)} (v\S+)", text)
        if match is None:
            raise ValueError(f"{tool.directory / 'go.mod'} does not require {module}")
        found[tool.name] = match[1]
    return found


def _rules(tool: GoTool, declared: Mapping[str, Any], *arguments: str) -> list[Rule]:
    command = [str(built(tool)), *arguments]
    text = yaml.safe_dump(declared)
    ran = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{tool.name}: {ran.stderr.strip()}\n{text}")
    return [
        Rule(
            name=rule.get("record") or rule["alert"],
            expression=str(rule["expr"]).strip(),
            labels=rule.get("labels") or {},
            interval=_seconds(group.get("interval")),
            records="record" in rule,
        )
        for group in yaml.safe_load(ran.stdout)["groups"]
        for rule in group["rules"]
    ]


def _seconds(interval: str | None) -> int:
    return round(parse_duration(interval).total_seconds()) if interval else _EVALUATED_EVERY
