"""Budgets of queries measured in a real Prometheus, compared with what truly happened."""

from collections.abc import Mapping

import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Evaluation
from sluice.budget.budget import Budget
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.scenarios import END, HOUR, Scenario
from tests.integration.prometheus.synthetic import REQUESTS
from tests.integration.prometheus.test_truth import true_consumption

pytestmark = pytest.mark.prometheus

INCREASE = "sum(increase({}[$window]))"
DIFFERENCE = "sum({0}) - sum({0} offset $window)"


def declared(
    scenario: Scenario, form: str, side: str = "bad", match: str = 'code=~"5.."'
) -> ServiceLevelObjectiveSpec:
    job = f'job="{scenario.service.job}"'
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": scenario.target,
            "window": {"rolling": scenario.window},
            "indicator": {
                "ratio": {
                    "total": {"query": form.format(f"{REQUESTS}{{{job}}}")},
                    side: {"query": form.format(f"{REQUESTS}{{{job},{match}}}")},
                }
            },
        }
    )


async def evaluated(meter: Meter, spec: ServiceLevelObjectiveSpec, at: float = END) -> Evaluation:
    reading = await meter.advance(at)
    assert isinstance(reading, Reading), reading
    return meter.evaluate(objective_of(spec, at), at)


async def budget_of(spec: ServiceLevelObjectiveSpec, source: Prometheus) -> Budget:
    budget = (await evaluated(Meter(spec, source), spec)).budget
    assert isinstance(budget, Budget), budget
    return budget


@pytest.mark.parametrize("name", ["steady errors", "outage at night", "no error ever"])
async def test_a_query_that_is_exact_gives_an_exact_budget(
    scenarios: Mapping[str, Scenario], source: Prometheus, name: str
) -> None:
    budget = await budget_of(declared(scenarios[name], DIFFERENCE), source)
    truth = true_consumption(scenarios[name], budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(truth, abs=0.1)


@pytest.mark.parametrize(("side", "match"), [("bad", 'code=~"5.."'), ("good", 'code!~"5.."')])
async def test_an_increase_gives_a_budget_that_is_as_good_as_its_extrapolation(
    scenarios: Mapping[str, Scenario], source: Prometheus, side: str, match: str
) -> None:
    scenario = scenarios["scraped every 15 s, phase 0"]
    budget = await budget_of(declared(scenario, INCREASE, side, match), source)
    truth = true_consumption(scenario, budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(truth, rel=0.03)


async def test_a_new_service_is_told_from_short_retention_by_its_query(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    new, short = (declared(scenarios[it], INCREASE) for it in ("new service", "short retention"))
    found = (await evaluated(Meter(new, source), new)).measured
    assert found.newborn == pytest.approx(29 * 24 * HOUR, abs=2 * HOUR)
    assert (await evaluated(Meter(short, source), short)).measured.newborn == 0


async def test_a_query_is_followed_live(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    """Up to the moment, and with closed slices in the end as if it had been read back."""
    spec = declared(scenarios["scraped every 15 s, phase 1"], DIFFERENCE)
    live, back, now = Meter(spec, source), Meter(spec, source), END - HOUR
    while now <= END:
        evaluation = await evaluated(live, spec, now)
        assert evaluation.measured.newest == pytest.approx(now, abs=1)
        now += 60
    await evaluated(back, spec)
    closed = END - 30 - 300
    assert live.account.counts(closed - HOUR, closed) == back.account.counts(closed - HOUR, closed)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"increase({REQUESTS}[$window])", "series, and one is needed: add them up with sum("),
        ("sum(increase(x[$window]) by", "spec.indicator.ratio.total.query"),
        ("sum(no_such_function(x[$window]))", "spec.indicator.ratio.total.query"),
    ],
)
async def test_a_query_that_gives_no_count_is_told_where_and_why(
    scenarios: Mapping[str, Scenario], source: Prometheus, query: str, words: str
) -> None:
    whole = declared(scenarios["steady errors"], INCREASE).model_dump(by_alias=True)
    whole["indicator"]["ratio"]["total"] = {"query": query}
    failure = await Meter(ServiceLevelObjectiveSpec.model_validate(whole), source).advance(END)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert words in failure.message
