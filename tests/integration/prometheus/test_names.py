"""What Prometheus 3 writes otherwise: names of any text, and whole boundaries of buckets."""

import aiohttp
import pytest

from e2e.harness.prometheus_server import prometheus
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.counts import Counts
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


async def test_an_upgrade_that_respells_a_boundary_makes_no_event_bad() -> None:
    """Prometheus is stopped at 437 s, without staleness markers, and is back as 3 at 601 s."""
    samples = []
    for at in (*range(-7193, 437, 30), *range(601, 1500, 30)):
        le = "1" if at < 500 else "1.0"
        for name, labels, bad in (("count", {}, 0), ("bucket", {"le": le}, max(0, at // 500))):
            series = {"__name__": f"d_seconds_{name}", "job": "a", "instance": "a", **labels}
            samples.append(Written(series, START + at, 10.0 * (at + 8000) - bad))
        samples.append(Written({"__name__": "up", "job": "a", "instance": "a"}, START + at, 1))
    spec = ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99.9",
            "window": {"rolling": "6h"},
            "indicator": {"latency": {"metric": "d_seconds", "threshold": "1s"}},
        }
    )
    flags = ["--web.enable-remote-write-receiver"]
    with prometheus(version="3", flags=flags) as server:
        write(server.url, samples)
        async with aiohttp.ClientSession() as session:
            source = Prometheus("default", server.url, session)
            back, live = Meter(spec, source), Meter(spec, source)
            assert isinstance(await back.advance(START + 1560), Reading)
            for at in range(300, 1560, 60):
                assert isinstance(await live.advance(START + at), Reading)
    for meter in (back, live):
        found = meter.account.counts(START, START + 1500)
        assert (found.total, found.bad) == (10.0 * (samples[-1].time - START + 23), 2)
