"""Scrapes from every second to every ten minutes: what is counted, and what is said of it."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import aiohttp
import pytest

from e2e.harness.prometheus_programs import Version
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.budget.budget import Budget
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.scenarios import END, HOUR, Scenario
from tests.integration.prometheus.synthetic import Events, Process, Service, Target, history
from tests.integration.prometheus.test_truth import advance, spec, true_consumption

pytestmark = pytest.mark.prometheus

INTERVALS = (1, 7, 15, 60, 120, 240, 300, 600)
_START = END - 30 * HOUR


def scraped_every(interval: int) -> Scenario:
    """A steady service, of which one scrape in twenty fails."""
    job = f"pace{interval}"
    start = END - 8 * HOUR if interval < 15 else _START
    good, bad = Events(start).until(END, 50), Events(start).until(END, 0.025)
    target = Target(
        job,
        "a",
        [Process(start, END, good, bad)],
        interval=interval,
        phase=0.613 * interval,
        missing=0.05,
    )
    return Scenario(Service(job, [target]), "6h" if interval < 15 else "1d")


@pytest.fixture(scope="module")
def server(version: Version) -> Iterator[Server]:
    services = [scraped_every(interval).service for interval in INTERVALS]
    with prometheus(history=history(services, random.Random(1)), version=version) as running:
        yield running


@pytest.fixture
async def source(server: Server) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus("default", server.url, session)


@pytest.mark.parametrize("interval", INTERVALS)
async def test_the_scrape_interval_is_told_and_the_budget_is_right_to_one_of_them(
    source: Prometheus, interval: int
) -> None:
    scenario = scraped_every(interval)
    meter = Meter(spec(scenario), source)
    for ago in range(3600, -1, -60):
        await advance(meter, END - ago)
    found = meter.evaluate(objective_of(spec(scenario), END), END)
    assert found.pace == interval
    assert isinstance(found.budget, Budget)
    truth = true_consumption(scenario, found.budget.bounds.start)
    # What has not been scraped yet, and one more scrape that failed.
    edges = 2 * 100 * interval / scenario.length
    assert float(found.budget.consumed) == pytest.approx(truth, abs=max(0.1, edges))
    # With one sample a slice, one that fails is a gap; with less than one every other slice is.
    least = 99 if interval <= 120 else 80 if interval <= 300 else 40
    assert float(found.budget.covered) >= least


async def test_a_service_of_an_hour_is_not_taken_for_one_that_is_scraped_seldom(
    source: Prometheus,
) -> None:
    scenario = scraped_every(60)
    early = _START + 1200
    meter = Meter(spec(replace(scenario, window="6h")), source)
    await advance(meter, early)
    assert meter.evaluate(objective_of(spec(scenario), early), early).pace is None
    await advance(meter, early + 2 * HOUR)
    later = meter.evaluate(objective_of(spec(scenario), early), early + 2 * HOUR)
    assert later.pace == 60


async def test_of_queries_no_interval_is_told(source: Prometheus) -> None:
    scenario = scraped_every(60)
    total = f'sum(increase(http_requests_total{{job="{scenario.service.job}"}}[$window]))'
    declared = spec(scenario).model_validate(
        {
            "objective": "99.9",
            "window": {"rolling": "1d"},
            "indicator": {"ratio": {"total": {"query": total}, "bad": {"query": total}}},
        }
    )
    meter = Meter(declared, source)
    await advance(meter, END)
    assert meter.evaluate(objective_of(declared, END), END).pace is None
