"""How far measured budgets are from the truth: `python -m benchmarks.accuracy`.

Services whose every event is known are scraped at random phases into a real Prometheus: of version
2 and of version 3, unless `--prometheus` says which. The budget spent is then asked of Sluice, once
reading back and once followed live for half an hour, and of the rules that Sloth and Pyrra
generate, evaluated by the same Prometheus over the same window. Exits with 1 if Sluice is more than
0.1 points off in a scenario that is not one of its documented limits.
"""

import argparse
import asyncio
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import aiohttp

from benchmarks.calendar_cases import calendar_cases
from benchmarks.cases import cases
from benchmarks.peers import Question, pyrra, sloth, versions
from benchmarks.recordings import inlined
from benchmarks.report import environment, keep, show
from benchmarks.services import Case, Scraping
from e2e.harness.prometheus_programs import Version
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import NamedSource
from tests.integration.prometheus.synthetic import REQUESTS

POINTS = 0.1
SEEDS = (1, 2, 3)
_TOOLS = ("Sluice", "Sloth", "Sloth unoptimized", "Pyrra", "Pyrra, fast")
"""Sloth without its optimization of the long window, and Pyrra with `performanceOverAccuracy`."""
_TICK = 60
_FOLLOWED = 1800
_NOT_COVERED = ("time slices, queries, thresholds, latency (see tests/integration/prometheus)",)
"""What the benchmark has no scenario of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Percent of the budget spent: in truth, and by tool (NaN, or None without an answer).

    A tool that has no such window is not among them.
    """

    truth: float
    spent: dict[str, float | None]

    def error(self, tool: str) -> float:
        """Points that a tool is off; infinite if it has no number."""
        spent = self.spent.get(tool)
        return math.inf if spent is None or math.isnan(spent) else abs(spent - self.truth)


def main() -> int:
    """Run the benchmark and say whether Sluice is as exact as it promises."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--prometheus", choices=("2", "3"), help="only this version")
    chosen = parser.parse_args().prometheus
    results: dict[str, Version] = {"2": "debian", "3": "3"}
    return max(_run(number, results[number]) for number in ([chosen] if chosen else results))


def _run(number: str, version: Version) -> int:
    found: list[tuple[Case, list[Outcome]]] = []
    # The calendar's are of another time, and Prometheus takes long to load two times at once.
    for build in (cases, calendar_cases):
        by_seed = _by_seed(build)
        with prometheus(history=_history(by_seed), version=version) as server:
            used = environment(prometheus=server.api("status/buildinfo")["version"], **versions())
            found += asyncio.run(_measure_all(server, by_seed))
    _show(found, used["prometheus"])
    wrong = [case.name for case, outcomes in found if not case.limit and _worst(outcomes) > POINTS]
    keep(f"accuracy-prometheus-{number}", {"environment": used, **_content(found)})
    for name in wrong:
        print(f"Sluice is more than {POINTS} points off: {name}")
    return 1 if wrong else 0


def _by_seed(build: Callable[[Scraping], list[Case]]) -> dict[int, list[Case]]:
    return {seed: build(Scraping(seed, random.Random(seed), random.Random(0))) for seed in SEEDS}


def _history(by_seed: dict[int, list[Case]]) -> Iterator[str]:
    for seed, some in by_seed.items():
        for case in some:
            yield from case.lines(random.Random(seed))
    yield "# EOF"


async def _measure_all(
    server: Server, by_seed: dict[int, list[Case]]
) -> list[tuple[Case, list[Outcome]]]:
    async with aiohttp.ClientSession() as session:
        return [
            (some[0], [await _measure(case, session, server) for case in some])
            for some in zip(*by_seed.values(), strict=True)
        ]


async def _measure(case: Case, session: aiohttp.ClientSession, server: Server) -> Outcome:
    source = Prometheus("default", server.url, session, timeout=120, dedup_label=case.replica)
    total = f'{REQUESTS}{{job="{case.job}"}}'
    bad = f'{REQUESTS}{{job="{case.job}",code=~"5.."}}'
    spec = ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": case.objective,
            "window": case.declared,
            "indicator": {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}},
        }
    )
    budgets = [await _read(spec, source, case, case.at - early) for early in (0, _FOLLOWED)]
    start = budgets[0].bounds.start
    truth = case.truth(start)
    spent: dict[str, float | None] = {
        "Sluice": max(
            (float(100 - it.to_date if case.to_date else it.consumed) for it in budgets),
            key=lambda consumed: abs(consumed - truth),
        )
    }
    if case.calendar is not None or case.corrections:
        return Outcome(truth, spent)
    allowed = float(objective_of(spec, case.at).allowance)
    question = Question(case.job, total, bad, case.objective)
    for tool, formula in _peers(question, round(case.at - start)).items():
        ratio = server.value(formula, case.at)
        spent[tool] = None if ratio is None else 100 * ratio / allowed
    return Outcome(truth, spent)


def _peers(question: Question, seconds: int) -> dict[str, str]:
    """The share of bad events in the last `seconds`, by the rules of each peer."""
    ratio, availability = "slo:sli_error:ratio_rate30d", "pyrra_availability"
    unoptimized, fast = sloth(question, optimized=False), pyrra(question, fast=True, generic=True)
    return {
        "Sloth": inlined(sloth(question), ratio, seconds),
        "Sloth unoptimized": inlined(unoptimized, ratio, seconds),
        "Pyrra": f"1 - ({inlined(pyrra(question, generic=True), availability, seconds)})",
        "Pyrra, fast": f"1 - ({inlined(fast, availability, seconds)})",
    }


async def _read(
    spec: ServiceLevelObjectiveSpec, source: Prometheus, case: Case, begin: float
) -> Budget:
    """The budget at the end, of a meter that begins at `begin` and ticks from then on."""
    meter, now, end = Meter(spec, NamedSource(source)), begin, case.at
    while now <= end:
        reading = await meter.advance(now)
        if not isinstance(reading, Reading):
            raise TypeError(f"{spec.indicator}: {reading.message}")
        now += _TICK
    problem = await meter.correct(case.corrections, end)
    if problem is not None:
        raise TypeError(f"{case.name}: {problem.message}")
    budget = meter.evaluate(objective_of(spec, end), end).budget
    if not isinstance(budget, Budget):
        raise TypeError(f"{spec.indicator}: {budget.message}")
    return budget


def _worst(outcomes: list[Outcome], tool: str = "Sluice") -> float:
    return max(outcome.error(tool) for outcome in outcomes)


def _show(found: list[tuple[Case, list[Outcome]]], version: str) -> None:
    rows = []
    for case, outcomes in found:
        cells = [_text(outcomes[0].truth)]
        for tool in _TOOLS:
            worst = max(outcomes, key=lambda outcome: outcome.error(tool))
            if tool not in worst.spent:
                cells.append("-")
                continue
            cells.append(_text(worst.spent[tool], exact=worst.error(tool) <= POINTS))
        mark = " (a documented limit)" if case.limit else ""
        rows.append([case.name + mark, *cells])
    show(
        f"Error budget spent, in percent, on Prometheus {version}; "
        f"the worst of {len(SEEDS)} scrape phases (* more than {POINTS} points off)",
        ("scenario", "truth", *_TOOLS),
        rows,
    )
    print("Without a scenario: " + "; ".join(_NOT_COVERED))


def _text(percent: float | None, *, exact: bool = True) -> str:
    if percent is None:
        return "no answer *"
    return "NaN *" if math.isnan(percent) else f"{percent:,.3f}" + (" " if exact else " *")


def _content(found: list[tuple[Case, list[Outcome]]]) -> dict[str, object]:
    return {
        "unit": "percent of the error budget",
        "seeds": SEEDS,
        "notCovered": _NOT_COVERED,
        "scenarios": [
            {
                "name": case.name,
                "window": case.declared,
                "objective": case.objective,
                **({"limit": case.limit} if case.limit else {}),
                "worstError": {tool: _number(_worst(outcomes, tool)) for tool in outcomes[0].spent},
                "runs": [
                    {
                        "truth": _number(outcome.truth),
                        **{tool: _number(spent) for tool, spent in outcome.spent.items()},
                    }
                    for outcome in outcomes
                ],
            }
            for case, outcomes in found
        ],
    }


def _number(value: float | None) -> float | str | None:
    """A number with three decimals; JSON has no NaN and no infinity."""
    if value is None or math.isfinite(value):
        return None if value is None else float(round(Decimal(value), 3))
    return "NaN" if math.isnan(value) else "unknown"


if __name__ == "__main__":
    sys.exit(main())
