"""Whether both engines come to the same budget: `python -m benchmarks.engines`.

The scenarios of the accuracy benchmark, read by the incremental engine, and by the recorded one
from what a ruler would have recorded over the whole window: each rule's expression, evaluated by a
real Prometheus at every boundary. (That rules give just that whenever they are evaluated, promtool
shows in `tests/integration/prometheus`.) Exits with 1 if the two are more than 0.1 points apart, or
the recorded one is that far from the truth where that is no documented limit.
"""

import asyncio
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

from benchmarks.accuracy import POINTS
from benchmarks.cases import cases
from benchmarks.recorded import inner
from benchmarks.report import environment, keep, show
from benchmarks.services import END, Case, Scraping
from e2e.harness.prometheus_server import prometheus
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget
from sluice.indicators.answers import Answer, Series
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import PART, SIDE, Part, Side
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.recording import ID, SLICES, Rule, Subject
from sluice.indicators.records import Records
from sluice.indicators.sources import NamedSource
from tests.integration.prometheus.synthetic import REQUESTS

SEED = 1
_SETTLE = 30
_PHASE = 17
"""Seconds after a slice has settled at which the ruler comes by."""


class Ruler(Prometheus):
    """A Prometheus in which one objective's rules have always been evaluated."""

    recorder: Recorder | None = None
    evaluated: set[float]
    doubted: set[float]

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """What would have been recorded; of any other selector, samples."""
        record, _, matchers = selector.partition("{")
        if not record.startswith("sluice:"):
            return await super().samples(selector, seconds, at)
        rules = self.recorder.rules if self.recorder else None
        if rules is None:
            raise TypeError("records are read before it is known what is counted")
        found = []
        for rule in rules.rules:
            if rule.record != record or not _selects(matchers, rule.side):
                continue
            series = await self._recorded(rule, rules.id, at - seconds, at)
            if isinstance(series, Failure):
                return series
            found.append(series)
        return found

    async def _recorded(
        self, rule: Rule, identity: str, start: float, end: float
    ) -> Series | Failure:
        width, late = 300 if rule.record == SLICES else 60, _SETTLE + _PHASE
        first = math.ceil((start - late) / width) * width
        last = math.floor((end - late) / width) * width
        answer = await self.range(inner(rule.expression), first, last, width)
        if isinstance(answer, Failure):
            return answer
        times = [time for series in answer for time in series.times]
        values = [value for series in answer for value in series.values]
        if rule.part is Part.DOUBT:
            self.evaluated.update(times)
            pairs = zip(times, values, strict=True)
            self.doubted.update(time for time, value in pairs if value > 0)
        labels = {ID: identity, SIDE: str(rule.side), PART: str(rule.part)}
        return Series(labels, [time + late for time in times], values)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Percent of the budget spent, and the share of the slices that were in doubt."""

    case: Case
    truth: float
    incremental: float
    recorded: float
    doubt: float

    @property
    def kept(self) -> bool:
        """Whether the engines agree, and on what is true."""
        off = 0.0 if self.case.limit else abs(self.recorded - self.truth)
        return max(abs(self.recorded - self.incremental), off) <= POINTS


def main() -> int:
    """Run the benchmark and say whether both engines agree."""
    chosen = cases(Scraping(SEED, random.Random(SEED), random.Random(0)))
    with prometheus(history=_history(chosen)) as server:
        version = server.api("status/buildinfo")["version"]
        found = asyncio.run(_measure_all(server.url, chosen))
    _show(found)
    keep("engines", {"environment": environment(prometheus=version), **_content(found)})
    return 0 if all(outcome.kept for outcome in found) else 1


def _selects(matchers: str, side: Side) -> bool:
    if f'{SIDE}="total"' in matchers:
        return side is Side.TOTAL
    return f'{SIDE}!="total"' not in matchers or side is not Side.TOTAL


def _history(chosen: list[Case]) -> Iterator[str]:
    for case in chosen:
        yield from case.lines(random.Random(SEED))
    yield "# EOF"


async def _measure_all(url: str, chosen: list[Case]) -> list[Outcome]:
    async with aiohttp.ClientSession() as session:
        return [await _measure(case, url, session) for case in chosen]


async def _measure(case: Case, url: str, session: aiohttp.ClientSession) -> Outcome:
    total = f'{REQUESTS}{{job="{case.job}"}}'
    bad = f'{REQUESTS}{{job="{case.job}",code=~"5.."}}'
    spec = ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": case.objective,
            "window": {"rolling": case.window},
            "indicator": {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}},
        }
    )
    ruler = Ruler("default", url, session, timeout=120, dedup_label=case.replica)
    ruler.evaluated, ruler.doubted = set(), set()
    records = Records(ruler, settle=_SETTLE, clock=lambda: END)
    ruler.recorder = Recorder(
        Subject("u", "shop", case.job), settle=_SETTLE, records=lambda: records
    )
    budgets = [
        await _read(Meter(spec, NamedSource(ruler), recorder=recorder), spec, case)
        for recorder in (None, ruler.recorder)
    ]
    incremental, recorded = (
        float(100 - it.to_date if case.to_date else it.consumed) for it in budgets
    )
    return Outcome(
        case,
        case.truth(budgets[0].bounds.start),
        incremental,
        recorded,
        len(ruler.doubted) / max(1, len(ruler.evaluated)),
    )


async def _read(meter: Meter, spec: ServiceLevelObjectiveSpec, case: Case) -> Budget:
    reading = await meter.advance(END)
    if not isinstance(reading, Reading):
        raise TypeError(f"{spec.indicator}: {reading.message}")
    problem = await meter.correct(case.corrections, reading.at)
    if problem is not None:
        raise TypeError(f"{case.name}: {problem.message}")
    budget = meter.evaluate(objective_of(spec, reading.at), reading.at).budget
    if not isinstance(budget, Budget):
        raise TypeError(f"{spec.indicator}: {budget.message}")
    return budget


def _show(found: list[Outcome]) -> None:
    rows = [
        [
            it.case.name + (" (a documented limit)" if it.case.limit else ""),
            f"{it.truth:,.3f}",
            f"{it.incremental:,.3f}",
            f"{it.recorded:,.3f}" + (" " if it.kept else " *"),
            f"{it.doubt:.2%}",
        ]
        for it in found
    ]
    show(
        f"Error budget spent, in percent (* more than {POINTS} points off)",
        ("scenario", "truth", "Incremental", "Recorded", "slices in doubt"),
        rows,
    )


def _content(found: list[Outcome]) -> dict[str, object]:
    return {
        "unit": "percent of the error budget",
        "seed": SEED,
        "scenarios": [
            {
                "name": it.case.name,
                "truth": round(it.truth, 3),
                "incremental": round(it.incremental, 3),
                "recorded": round(it.recorded, 3),
                "shareOfSlicesInDoubt": round(it.doubt, 4),
            }
            for it in found
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
