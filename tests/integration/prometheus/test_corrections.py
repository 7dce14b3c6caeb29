"""Corrected budgets measured in a real Prometheus, compared with what truly happened."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from sluice.api.correction import BudgetCorrection
from sluice.api.slo import ServiceLevelObjective
from sluice.budget.account import Evaluation
from sluice.budget.budget import Budget
from sluice.budget.corrections import Range, Ranges, rounded
from sluice.budget.counts import SLICE
from sluice.controller.applicable import Applicable
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import NamedSource
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import BEGIN, DAY, END, HOUR, Scenario

pytestmark = pytest.mark.prometheus

_POINTS = 0.1
OUTAGE = BEGIN + 20 * DAY + 15 * HOUR
"""Two hours by night in which everything fails, ten days ago; its hours are no clock's."""
BERLIN = "Europe/Berlin"


def declared(scenario: Scenario, **spec: Any) -> ServiceLevelObjective:
    return ServiceLevelObjective.model_validate(
        {
            "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": {
                "objective": scenario.target,
                "window": {"rolling": scenario.window},
                "indicator": INDICATORS["bad"](scenario.service.job),
                **spec,
            },
        }
    )


def correction(effect: str = "Exclude", name: str = "c", **when: Any) -> BudgetCorrection:
    return BudgetCorrection.model_validate(
        {
            "metadata": {"name": name, "namespace": "shop", "uid": str(uuid4())},
            "spec": {
                "objectives": {"selector": {}},
                "effect": effect,
                "reason": "a test",
                "createdBy": "alice",
                **when,
            },
        }
    )


def once(start: float, end: float, **more: Any) -> BudgetCorrection:
    times = (datetime.fromtimestamp(int(at), UTC).isoformat() for at in (start, end))
    return correction(once=dict(zip(("start", "end"), times, strict=True)), **more)


class Measuring:
    """One objective, measured with the corrections of the moment."""

    def __init__(self, slo: ServiceLevelObjective, source: Prometheus) -> None:
        self.slo = slo
        self.named = NamedSource(source)
        self.meter = Meter(slo.spec, self.named)
        self.applicable = Applicable()

    async def evaluate(
        self, *corrections: BudgetCorrection, at: float = END, read: bool = True
    ) -> Evaluation:
        if read:
            reading = await self.meter.advance(at)
            assert isinstance(reading, Reading), reading
        apply = self.applicable.of(self.slo, corrections, at)
        assert await self.meter.correct(apply, at) is None
        return self.meter.evaluate(objective_of(self.slo.spec, at), at)

    def ranges(self, *corrections: BudgetCorrection, at: float = END) -> list[Range]:
        apply = self.applicable.of(self.slo, corrections, at)
        return [one for each in apply for one in each.ranges]


def budget_of(evaluation: Evaluation) -> Budget:
    assert isinstance(evaluation.budget, Budget), evaluation.budget
    return evaluation.budget


def truth(scenario: Scenario, start: float, excluded: list[Range]) -> tuple[float, float]:
    """Total and bad events since `start` outside of ranges."""
    total, bad = scenario.service.truth(start, END)
    for one in Ranges(excluded).within(start, END):
        taken = scenario.service.truth(one.start, one.end)
        total, bad = total - taken[0], bad - taken[1]
    return total, bad


def consumption(scenario: Scenario, start: float, excluded: list[Range]) -> float:
    total, bad = truth(scenario, start, excluded)
    return 100 * bad / (total * (1 - float(scenario.target) / 100))


async def test_an_old_outage_that_cuts_hours_is_excluded_to_the_event(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """Its hours hold good minutes as well, which stay: in proportion a third would be off."""
    scenario = scenarios["outage at night"]
    assert OUTAGE % HOUR
    measuring = Measuring(declared(scenario), source)
    before = await measuring.evaluate()
    assert budget_of(before).bad == 720
    # Scrapes are two minutes apart: the outage reaches into the slice after it.
    outage = once(OUTAGE, OUTAGE + 2 * HOUR + SLICE)
    after = await measuring.evaluate(outage, read=False)
    assert budget_of(after).bad == 0
    assert after.corrected is not None
    (effect,) = after.corrected.effects
    assert effect.counts.bad == budget_of(before).bad
    assert not effect.approximate
    again = await measuring.evaluate(read=False)
    assert again == before


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(END - 2 * DAY - 1234, END - DAY + 77, id="within three days"),
        pytest.param(END - 12 * DAY - 1234, END - 9 * DAY + 77, id="older, with cut hours"),
        pytest.param(END - 5 * DAY - 900, END - 5 * DAY - 300, id="a part of one hour"),
        pytest.param(END - 5 * DAY, END - HOUR, id="across both"),
        pytest.param(END - 40 * DAY, END - 20 * DAY, id="from before the window"),
        pytest.param(END - 2 * HOUR, END + DAY, id="going on"),
    ],
)
async def test_a_range_is_excluded_as_if_it_had_not_been(
    scenarios: Mapping[str, Scenario], source: Prometheus, start: float, end: float
) -> None:
    for name in ("steady errors", "first errors at once"):
        scenario = scenarios[name]
        measuring = Measuring(declared(scenario), source)
        budget = budget_of(await measuring.evaluate(once(start, end)))
        excluded = [rounded(Range(start, end))]
        expected = consumption(scenario, budget.bounds.start, excluded)
        assert float(budget.consumed) == pytest.approx(expected, abs=_POINTS)
        total, _ = truth(scenario, budget.bounds.start, excluded)
        assert budget.total == pytest.approx(total, rel=1e-4, abs=1300)
        assert budget.covered > 99


async def test_weekly_maintenance_is_excluded_by_the_clocks_of_its_zone(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    scenario = scenarios["steady errors"]
    weekly = correction(
        recurrence={
            "rule": "FREQ=WEEKLY;BYDAY=SU,WE",
            "start": "2026-01-04T02:20:00+01:00",
            "duration": "3h",
            "timeZone": BERLIN,
        }
    )
    measuring = Measuring(declared(scenario), source)
    evaluation = await measuring.evaluate(weekly)
    ranges = [one for one in measuring.ranges(weekly) if one.start > END - 30 * DAY - HOUR]
    locals_ = {f"{datetime.fromtimestamp(one.start, UTC):%a %H:%M}" for one in ranges}
    assert locals_ == {"Sun 00:20", "Wed 00:20"}
    budget = budget_of(evaluation)
    expected = consumption(scenario, budget.bounds.start, ranges)
    assert float(budget.consumed) == pytest.approx(expected, abs=_POINTS)
    assert evaluation.measured.excluded == pytest.approx(len(ranges) * 3 * HOUR, abs=3 * HOUR)
    assert evaluation.corrected is not None
    assert not evaluation.corrected.effects[0].approximate


async def test_a_period_expects_nothing_of_the_maintenance_to_come(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """One event in 2,000 fails at all times: half of the budget of what counts, so far."""
    scenario = scenarios["steady errors"]
    month = {"calendar": {"period": "Month", "timeZone": BERLIN}}
    measuring = Measuring(declared(scenario, window=month), source)
    nightly = correction(
        recurrence={
            "rule": "FREQ=DAILY",
            "start": "2026-01-04T22:00:00+01:00",
            "duration": "8h",
            "timeZone": BERLIN,
        }
    )
    evaluation = await measuring.evaluate(nightly)
    budget, outlook = budget_of(evaluation), evaluation.measured.outlook
    assert outlook is not None
    assert outlook.excluded == pytest.approx(outlook.rest / 3, abs=8 * HOUR)
    length = evaluation.measured.length
    passed = length / (length + outlook.rest - outlook.excluded)
    assert float(budget.consumed) == pytest.approx(50 * passed, abs=_POINTS)


@pytest.mark.parametrize(("length", "seconds"), [("5m", 300), ("15m", 900), ("1h", 3600)])
async def test_time_slices_are_excluded_as_wholes(
    scenarios: Mapping[str, Scenario], source: Prometheus, length: str, seconds: int
) -> None:
    scenario = scenarios["outage at night"]
    slices = {"timeslices": {"objective": "95", "length": length}}
    measuring = Measuring(declared(scenario, objective="99", budgeting=slices), source)
    before = budget_of(await measuring.evaluate())
    assert before.bad >= 2 * HOUR // seconds
    half = await measuring.evaluate(once(OUTAGE, OUTAGE + HOUR), read=False)
    excluded = rounded(Range(OUTAGE, OUTAGE + HOUR), width=seconds)
    assert budget_of(half).bad == before.bad - round(excluded.length / seconds)
    assert budget_of(half).total == before.total - round(excluded.length / seconds)
    whole = await measuring.evaluate(once(OUTAGE, OUTAGE + 2 * HOUR + SLICE), read=False)
    assert budget_of(whole).bad == 0


async def test_what_the_source_has_no_more_is_counted_in_proportion_which_is_said(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """Read when it still had it; then another Prometheus without any data takes its place."""
    scenario = scenarios["outage at night"]
    measuring = Measuring(declared(scenario), source)
    await measuring.evaluate()

    class Emptied(Prometheus):
        async def range(self, *_: Any, **__: Any) -> Any:
            return []

    measuring.named.stand_behind(Emptied("default", "http://localhost:9", source._session))
    evaluation = await measuring.evaluate(once(OUTAGE, OUTAGE + 2 * HOUR + SLICE), read=False)
    assert evaluation.corrected is not None
    assert evaluation.corrected.effects[0].approximate
    assert budget_of(evaluation).bad > 0


async def test_what_is_added_in_place_of_what_was_excluded_makes_up_the_truth(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    scenario = scenarios["steady errors"]
    start, end = END - 10 * DAY, END - 8 * DAY - 1234
    span = rounded(Range(start, end))
    total, bad = scenario.service.truth(span.start, span.end)
    measuring = Measuring(declared(scenario), source)
    before = budget_of(await measuring.evaluate())
    after = await measuring.evaluate(
        once(start, end),
        once(start, end, effect="Add", name="truth", add={"total": int(total), "bad": int(bad)}),
        read=False,
    )
    assert float(budget_of(after).consumed) == pytest.approx(float(before.consumed), abs=_POINTS)
    assert budget_of(after).total == pytest.approx(before.total, abs=1300)
