"""A Prometheus of each version, with the history of all scenarios, and what rules record of it."""

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from e2e.harness.prometheus_programs import NoPrometheus, Version, prometheus_programs
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.recorded import rule_files
from tests.integration.prometheus.scenarios import END, SEED, Scenario, build
from tests.integration.prometheus.synthetic import history


@pytest.fixture(scope="session")
def scenarios() -> dict[str, Scenario]:
    return build(SEED)


@pytest.fixture(scope="session", params=["any", "3"], ids=["at hand", "prometheus 3"])
def version(request: pytest.FixtureRequest) -> Version:
    """In Prometheus 3 ranges and lookbacks leave out a sample on their left boundary."""
    chosen: Version = request.param
    try:
        prometheus_programs(chosen)
    except NoPrometheus as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    return chosen


@pytest.fixture(scope="session")
def server(scenarios: dict[str, Scenario], version: Version) -> Iterator[Server]:
    services = [scenario.service for scenario in scenarios.values()]
    lines = history(services, random.Random(SEED))
    with prometheus(history=lines, version=version) as running:
        yield running


@pytest.fixture
async def source(server: Server) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus("default", server.url, session)


@pytest.fixture(scope="session")
def recorded(
    server: Server,
    scenarios: dict[str, Scenario],
    version: Version,
    tmp_path_factory: pytest.TempPathFactory,
) -> Server:
    """The server with the blocks that promtool makes by evaluating the rules over the history."""
    directory: Path = tmp_path_factory.mktemp("recorded")
    blocks = directory / "blocks"
    for since, content in asyncio.run(rule_files(server.url, scenarios)).items():
        file = directory / f"{since:.0f}.yaml"
        file.write_text(yaml.safe_dump(content))
        command = [prometheus_programs(version).promtool, "tsdb", "create-blocks-from", "rules"]
        times = [f"--start={since:.0f}", f"--end={END:.0f}"]
        options = [f"--url={server.url}", *times, f"--output-dir={blocks}", file]
        subprocess.run([*command, *options], check=True, capture_output=True)
    server.stop()
    for block in blocks.iterdir():
        shutil.move(block, server.data / block.name)
    server.start()
    return server
