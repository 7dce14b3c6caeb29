"""One Prometheus with the history of all scenarios."""

import random
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.scenarios import SEED, Scenario, build
from tests.integration.prometheus.synthetic import history


@pytest.fixture(scope="session")
def scenarios() -> dict[str, Scenario]:
    return build(SEED)


@pytest.fixture(scope="session")
def server(scenarios: dict[str, Scenario]) -> Iterator[Server]:
    services = [scenario.service for scenario in scenarios.values()]
    with prometheus(history=history(services, random.Random(SEED))) as running:
        yield running


@pytest.fixture
async def source(server: Server) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus("default", server.url, session)
