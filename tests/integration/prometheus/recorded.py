"""Objectives of the scenarios whose counts rules record."""

from typing import Any

import aiohttp

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.indicators.failure import Failure
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.recording import Subject, render
from sluice.indicators.resolve import resolve
from tests.integration.prometheus.indicators import INDICATORS as COUNTED
from tests.integration.prometheus.scenarios import END, HOUR, Scenario
from tests.integration.prometheus.synthetic import REQUESTS

SETTLE = 30
SINCE = END - 10 * HOUR
"""Since when rules were evaluated: what was before, nobody has recorded."""
LIVE_SINCE = END - 1.5 * HOUR
"""The same of what counts minutes."""
STAYS = "scraped every 15 s, phase 0"
"""A service of one process that is there all the time."""

INDICATORS = COUNTED | {
    "query": lambda job: {
        "ratio": {
            "total": {"query": f'sum(increase({REQUESTS}{{job="{job}"}}[$window])) # all'},
            "bad": {"query": f'sum(increase({REQUESTS}{{job="{job}",code=~"5.."}}[$window]))'},
        }
    },
}
THRESHOLD = {
    "threshold": {"query": 'sum(up{job="deploy"})', "operator": "GreaterThan", "value": "3"}
}


def declared(scenario: Scenario, kind: str) -> ServiceLevelObjectiveSpec:
    window = {"rolling": scenario.window}
    if kind != "threshold":
        indicator = INDICATORS[kind](scenario.service.job)
        spec = {"objective": scenario.target, "window": window, "indicator": indicator}
    else:
        budgeting = {"timeslices": {"objective": "95"}}
        spec = {"objective": "99", "window": window, "indicator": THRESHOLD, "budgeting": budgeting}
    return ServiceLevelObjectiveSpec.model_validate(spec)


def subject(name: str, kind: str) -> Subject:
    return Subject(f"uid-of-{name}-{kind}", "shop", f"{name} {kind}")


def pairs(scenarios: dict[str, Scenario]) -> list[tuple[str, str]]:
    """Scenarios and kinds of indicators, of windows that do not take long to record."""
    short = [name for name, it in scenarios.items() if it.length <= 24 * HOUR]
    more = {
        "restarts inside slices": ("good", "latency"),
        "rolling deploy": ("good", "latency", "query", "threshold"),
        "unscraped for 20 minutes": ("latency", "query"),
    }
    return [(name, kind) for name in short for kind in ("bad", *more.get(name, ()))]


async def rule_files(url: str, scenarios: dict[str, Scenario]) -> dict[float, dict[str, Any]]:
    """The rules of all objectives, as files' contents, by the time since when to evaluate them."""
    files: dict[float, dict[str, Any]] = {SINCE: {"groups": []}, LIVE_SINCE: {"groups": []}}
    async with aiohttp.ClientSession() as session:
        source = Prometheus("default", url, session)
        for name, kind in pairs(scenarios):
            found = await resolve(declared(scenarios[name], kind).indicator, source, END)
            assert not isinstance(found, Failure), found
            groups = render(found, subject(name, kind), settle=SETTLE).spec()["groups"]
            for file, group in zip(files.values(), groups, strict=True):
                file["groups"].append(group)
    return files
