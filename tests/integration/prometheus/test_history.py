"""History that is read by the hour against the same read slice by slice, in a real Prometheus."""

from collections.abc import Mapping

import aiohttp
import numpy as np
import pytest

from e2e.harness.prometheus_server import Prometheus as Server
from sluice.budget.counts import SLICE, SLICES_PER_HOUR
from sluice.budget.windows import HOUR
from sluice.indicators.answers import Answer
from sluice.indicators.counted import Counted, GridCounts, Whole
from sluice.indicators.grid import Grid
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.reader import Reader
from sluice.indicators.resolve import resolve
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import END, Scenario
from tests.integration.prometheus.test_truth import NAMES, spec

pytestmark = pytest.mark.prometheus

_HOURS = 7 * 24


@pytest.mark.parametrize("kind", INDICATORS)
@pytest.mark.parametrize("name", NAMES)
async def test_an_hour_that_is_sure_is_what_its_slices_add_up_to(
    scenarios: Mapping[str, Scenario], source: Prometheus, name: str, kind: str
) -> None:
    found = await resolve(spec(scenarios[name], kind).indicator, source, END)
    assert isinstance(found, Counted)
    reader = Reader(source, found)
    start = int(END // HOUR - _HOURS) * HOUR
    whole = await reader.hours(Grid(start, HOUR, _HOURS))
    slices = await reader.read(Grid(start, SLICE, _HOURS * SLICES_PER_HOUR))
    assert isinstance(whole, Whole)
    assert isinstance(slices, GridCounts)
    total, bad, covered = (
        row.reshape(_HOURS, SLICES_PER_HOUR).sum(axis=1)
        for row in (slices.total, slices.bad, slices.covered)
    )
    sure = whole.sure
    assert sure.mean() > 0.5
    np.testing.assert_allclose(whole.hours.total[sure], total[sure], atol=1e-6)
    np.testing.assert_allclose(whole.hours.bad[sure], bad[sure], atol=1e-6)
    assert (whole.hours.covered[sure] * SLICES_PER_HOUR).tolist() == covered[sure].tolist()
    assert not whole.hours.covered[~sure].any()


class Noting(Prometheus):
    """A client that notes the steps of the ranges that it asks for."""

    steps: list[float]

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        self.steps.append(step)
        return await super().range(query, start, end, step)


async def test_a_month_takes_a_handful_of_queries_where_nothing_happens(
    scenarios: Mapping[str, Scenario], server: Server
) -> None:
    async with aiohttp.ClientSession() as session:
        source = Noting("default", server.url, session)
        source.steps = []
        assert isinstance(
            await Meter(spec(scenarios["steady errors"]), source).advance(END), Reading
        )
    assert source.steps == [SLICE] * 3 + [HOUR] * 3
