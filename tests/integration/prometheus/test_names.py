"""Names that only Prometheus 3 accepts: any text in quotes."""

import aiohttp
import pytest

from e2e.harness.prometheus_server import prometheus
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.ledger import Counts
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.remote_write import Written, write

pytestmark = pytest.mark.prometheus

START = 1_790_000_100


async def test_counters_with_names_of_any_text_are_counted_also_where_they_are_reset() -> None:
    samples = [
        Written(
            {"__name__": "http.requests", "service.name": 'mein "Laden"', "ok?": ok},
            START + at,
            # Reset in the middle, so that the series is looked at sample by sample.
            float(at if at < 450 else at - 450) * (1 if ok == "yes" else 0.1),
        )
        for at in range(0, 900, 30)
        for ok in ("yes", "no")
    ]
    total = '{"http.requests", "service.name"="mein \\"Laden\\""}'
    bad = total.replace("}", ', "ok?"="no"}')
    spec = ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99.9",
            "window": {"rolling": "6h"},
            "indicator": {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}},
        }
    )
    flags = ["--web.enable-remote-write-receiver"]
    with prometheus(version="3", flags=flags) as server:
        write(server.url, samples)
        async with aiohttp.ClientSession() as session:
            meter = Meter(spec, Prometheus("default", server.url, session))
            assert isinstance(await meter.advance(START + 960), Reading)
    found = meter.account.counts(START, START + 900)
    assert found == Counts(pytest.approx(840 * 1.1), pytest.approx(84), 900)
