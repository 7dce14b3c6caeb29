"""Values that keep to a limit, in a real Prometheus, compared with what truly happened."""

from collections.abc import Mapping

import pytest

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.scenarios import END, HOUR, Scenario
from tests.integration.prometheus.synthetic import REQUESTS

pytestmark = pytest.mark.prometheus


def declared(scenario: Scenario, length: str = "5m") -> ServiceLevelObjectiveSpec:
    """More than 50 requests a second in the last two minutes."""
    query = f'sum(rate({REQUESTS}{{job="{scenario.service.job}"}}[2m]))'
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99",
            "window": {"rolling": "1d"},
            "budgeting": {"timeslices": {"length": length, "objective": "95", "empty": "Bad"}},
            "indicator": {"threshold": {"query": query, "operator": "GreaterThan", "value": "50"}},
        }
    )


async def budget_of(meter: Meter, spec: ServiceLevelObjectiveSpec, at: float = END) -> Budget:
    reading = await meter.advance(at)
    assert isinstance(reading, Reading), reading
    budget = meter.evaluate(objective_of(spec, at), at).budget
    assert isinstance(budget, Budget), budget
    return budget


def ended(budget: Budget) -> int:
    """Slices that were closed after the window's start."""
    return int((END - 30) // SLICE) - budget.bounds.start // SLICE


async def test_slices_that_end_beyond_the_limit_are_bad(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """20 minutes without a request: four slices end in them."""
    spec = declared(scenarios["idle for 20 minutes"])
    budget = await budget_of(Meter(spec, source), spec)
    assert (budget.total, budget.bad) == (ended(budget), 4)
    assert float(budget.consumed) == pytest.approx(100 * 4 / (0.01 * budget.total), abs=0.001)


async def test_slices_that_end_without_a_value_do_not_count(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """20 minutes without a scrape: whatever `empty` says."""
    spec = declared(scenarios["unscraped for 20 minutes"])
    budget = await budget_of(Meter(spec, source), spec)
    assert (budget.total, budget.bad) == (ended(budget) - 4, 0)


async def test_an_hour_is_bad_if_too_many_of_its_values_are(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """The pause is from 07:17 to 07:37: four of the twelve values of that hour."""
    spec = declared(scenarios["idle for 20 minutes"], "1h")
    budget = await budget_of(Meter(spec, source), spec)
    assert (budget.total, budget.bad) == (24, 1)


async def test_a_value_is_followed_live(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    spec = declared(scenarios["idle for 20 minutes"])
    meter, now = Meter(spec, source), END - 7 * HOUR - 60
    bad = []
    while now < END - 6 * HOUR:
        budget = await budget_of(meter, spec, now)
        assert budget.newest == pytest.approx(now, abs=1)
        bad.append(budget.bad)
        now += 60
    assert sorted(set(bad)) == [0, 1, 2, 3, 4]
    assert bad == sorted(bad)
