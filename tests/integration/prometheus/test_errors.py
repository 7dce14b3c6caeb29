"""A real Prometheus behind a proxy that answers wrongly for a while: in the end all is counted."""

from collections.abc import Iterator

import aiohttp
import pytest

from e2e.faults.source import Fault, SourceProxy, nothing, part_of_it, scaled
from e2e.harness.prometheus_programs import Version
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.budget.counts import SLICE, Counts
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import Side
from tests.integration.prometheus.test_series import Job

pytestmark = pytest.mark.prometheus

BOTH = (Side.TOTAL, Side.BAD)
FAULTS = {
    "nothing": Fault(rule=nothing),
    "zero": Fault(rule=scaled(0.0, *BOTH)),
    "no failures": Fault(rule=scaled(0.0, Side.BAD)),
    "a thousand times the failures": Fault(rule=scaled(1000.0, Side.BAD)),
    "a part": Fault(rule=part_of_it),
    "an error": Fault(status=503),
}


@pytest.fixture(scope="module")
def server(version: Version) -> Iterator[Server]:
    with prometheus(flags=["--web.enable-remote-write-receiver"], version=version) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seconds", [100, 1700])
async def test_what_is_counted_in_the_end_is_what_there_was(
    server: Server, fault: str, seconds: int
) -> None:
    job = Job(server)
    for at in range(0, 4200, 30):
        job.scrape("a", at, {"200": 3.0 * at, "500": float(at // 100)})
    job.write()
    begins = 1290
    with SourceProxy(server.url).running() as proxy:
        async with aiohttp.ClientSession() as session:
            meter = job.meter(Prometheus("proxied", proxy.url, session))
            truth = job.meter(Prometheus("direct", server.url, session))
            failed = 0
            for at in range(900, begins + seconds + 2 * SLICE + 100, 100):
                wrong = begins <= at < begins + seconds
                with proxy.failing(FAULTS[fault] if wrong else Fault()):
                    failed += isinstance(await meter.advance(job.start + at), Failure)
            end = at
            assert not isinstance(await truth.advance(job.start + end), Failure)
    assert (failed > 0) == (fault in {"a part", "an error"})
    assert by_slice(meter, job, end) == by_slice(truth, job, end)


def by_slice(meter: Meter, job: Job, end: int) -> list[Counts]:
    starts = range(job.start, job.start + end // SLICE * SLICE, SLICE)
    return [meter.account.counts(start, start + SLICE) for start in starts]
