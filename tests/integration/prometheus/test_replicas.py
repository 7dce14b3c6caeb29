"""Two Prometheus that scrape the same, read as one source: budgets stay as true as with one."""

import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace

import aiohttp
import pytest

from e2e.harness.prometheus_programs import Version
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.scenarios import DAY, END, HOUR, SEED, Scenario, build
from tests.integration.prometheus.synthetic import Service, Target, history
from tests.integration.prometheus.test_truth import (
    INDICATORS,
    SHORT,
    advance,
    measured,
    spec,
    true_consumption,
)

pytestmark = pytest.mark.prometheus

_POINTS = 0.1
_NAMES = tuple(name for name in SHORT if build(SEED)[name].length <= DAY)
_GAP = 25 * 60


def pair(target: Target, chance: random.Random, away: Mapping[str, float]) -> Iterator[Target]:
    """What two replicas scrape of a target: each at its own phase, and each with a gap."""
    for name, start in away.items():
        yield replace(
            target,
            replica=name,
            phase=round(chance.random() * target.interval, 3),
            unseen=[*target.unseen, (start, start + _GAP)],
        )


@pytest.fixture(scope="module")
def scraped_twice(scenarios: Mapping[str, Scenario], version: Version) -> Iterator[Server]:
    chance = random.Random(SEED)
    services = []
    for name in _NAMES:
        service = scenarios[name].service
        away = {"a": END - 4.3 * HOUR, "b": END - 3.1 * HOUR}
        targets = [twin for target in service.targets for twin in pair(target, chance, away)]
        services.append(Service(service.job, targets))
    with prometheus(history=history(services, chance), version=version) as running:
        yield running


@pytest.fixture
async def twins(scraped_twice: Server) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus("pair", scraped_twice.url, session, dedup_label="replica")


@pytest.mark.parametrize("kind", INDICATORS)
@pytest.mark.parametrize("name", _NAMES)
async def test_a_pair_measures_a_budget_within_a_tenth_of_a_point_of_the_truth(
    scenarios: Mapping[str, Scenario], twins: Prometheus, name: str, kind: str
) -> None:
    scenario = scenarios[name]
    budget = (await measured(scenario, twins, kind)).budget
    assert isinstance(budget, Budget), budget
    truth = true_consumption(scenario, budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(truth, abs=_POINTS)
    total, _ = scenario.service.truth(budget.bounds.start, END)
    # What a pod counts between its last scrape and its end is lost; nothing is found twice.
    assert 0.98 * total <= budget.total <= 1.001 * total


@pytest.mark.parametrize("name", ["idle for 20 minutes", "one scrape in ten fails"])
async def test_without_the_label_all_is_counted_twice(
    scenarios: Mapping[str, Scenario], scraped_twice: Server, name: str
) -> None:
    """Else the tests above would show nothing."""
    async with aiohttp.ClientSession() as session:
        source = Prometheus("pair", scraped_twice.url, session)
        budget = (await measured(scenarios[name], source)).budget
    assert isinstance(budget, Budget)
    total, _ = scenarios[name].service.truth(budget.bounds.start, END)
    assert budget.total > 1.9 * total


@pytest.mark.parametrize("name", ["restarts inside slices", "rolling deploy"])
async def test_following_a_pair_live_gives_the_same_counts_as_reading_back(
    scenarios: Mapping[str, Scenario], twins: Prometheus, name: str
) -> None:
    """Ticks through both gaps, and one backfill of the same time."""
    scenario = scenarios[name]
    live, back = Meter(spec(scenario), twins), Meter(spec(scenario), twins)
    now = END - 5 * HOUR
    begin = now // SLICE * SLICE
    while now <= END:
        await advance(live, now)
        seen = live.account.counts(begin, now)
        total, _ = scenario.service.truth(begin - SLICE, now)
        assert seen.total <= total + 1
        now += 120
    await advance(back, END)
    closed = int((END - 30) // SLICE * SLICE)
    for start in range(int(begin), closed, SLICE):
        assert live.account.counts(start, start + SLICE) == back.account.counts(
            start, start + SLICE
        )
    budget = live.evaluate(objective_of(spec(scenario), END), END).budget
    assert isinstance(budget, Budget)
    assert float(budget.consumed) == pytest.approx(
        true_consumption(scenario, budget.bounds.start), abs=_POINTS
    )
