"""Series that come and go as Prometheus itself records it: with staleness markers, and late."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import aiohttp
import pytest

from e2e.harness.prometheus_programs import Version
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.budget.counts import SLICE, Counts
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.remote_write import STALE, Written, write
from tests.integration.prometheus.scenarios import HOUR, Scenario
from tests.integration.prometheus.synthetic import REQUESTS, Service
from tests.integration.prometheus.test_truth import spec

pytestmark = pytest.mark.prometheus

# Slice boundaries, one for each test: Prometheus takes no samples much older than its newest.
_beginnings = count(1_790_000_100, 3 * HOUR)


@pytest.fixture(scope="module")
def server(version: Version) -> Iterator[Server]:
    with prometheus(flags=["--web.enable-remote-write-receiver"], version=version) as running:
        yield running


@pytest.fixture
async def source(server: Server) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus("default", server.url, session)


class Job:
    """Writes what a scraper would, for one job; times are in seconds after its beginning."""

    def __init__(self, server: Server) -> None:
        self.start = next(_beginnings)
        self.name = f"job{self.start}"
        self._server = server
        self._pending: list[Written] = []

    def scrape(
        self,
        instance: str,
        at: float,
        codes: dict[str, float],
        *,
        started: float | None = None,
        exposed: float | None = None,
    ) -> None:
        """One scrape of counters by code."""
        for code, value in codes.items():
            self._add(REQUESTS, instance, at, value, code=code)
        self._add("up", instance, at, 1)
        if started is not None:
            self._add("process_start_time_seconds", instance, at, self.start + started)
        if exposed is not None:
            self._add("scrape_samples_scraped", instance, at, exposed)

    def gone(self, instance: str, at: float, codes: tuple[str, ...], *, up: bool = False) -> None:
        """Staleness markers: of a target that is gone, or that does not answer (`up` is 0)."""
        for code in codes:
            self._add(REQUESTS, instance, at, STALE, code=code)
        self._add("up", instance, at, 0 if up else STALE)

    def dropped(self, instance: str, at: float, code: str) -> None:
        """The staleness marker of one series of a target that stays."""
        self._add(REQUESTS, instance, at, STALE, code=code)

    def write(self) -> None:
        """Write all that was scraped since the last time."""
        write(self._server.url, self._pending)
        self._pending = []

    def _add(self, name: str, instance: str, at: float, value: float, **labels: str) -> None:
        every = {"__name__": name, "job": self.name, "instance": instance, **labels}
        self._pending.append(Written(every, self.start + at, value))

    async def follow(self, meter: Meter, at: float) -> Counts:
        """What a meter counts up to a time, after it has read up to it."""
        self.write()
        assert isinstance(await meter.advance(self.start + at), Reading)
        return meter.account.counts(self.start - SLICE, self.start + at)

    def meter(self, source: Prometheus) -> Meter:
        return Meter(spec(Scenario(Service(self.name, []), "6h")), source)


@pytest.fixture
def job(server: Server) -> Job:
    return Job(server)


async def counted(job: Job, source: Prometheus, seconds: float) -> Counts:
    """What a meter finds that reads back all slices."""
    meter = job.meter(source)
    await job.follow(meter, seconds + 60)
    return meter.account.counts(job.start - SLICE, job.start + seconds)


async def test_a_pod_that_is_replaced_in_the_middle_loses_nothing(
    job: Job, source: Prometheus
) -> None:
    for at in range(7, 451, 30):
        job.scrape("old", at, {"200": 100 + at, "500": 5}, started=-9000)
    job.gone("old", 467, ("200", "500"))
    for at in range(475, 900, 30):
        job.scrape("new", at, {"200": 10 * (at - 450), "500": 3}, started=450)
    # The first scrape of the old pod is where its counting begins.
    expected = Counts((427 - 7) + 10 * (895 - 450) + 3, 3, 900)
    assert await counted(job, source, 900) == expected


async def test_a_pod_that_lives_for_less_than_a_slice_is_counted(
    job: Job, source: Prometheus
) -> None:
    for at in range(7, 900, 30):
        job.scrape("a", at, {"200": 100})
    for at in (340, 370, 400):
        job.scrape("b", at, {"200": at - 330, "500": 2}, started=330)
    job.gone("b", 430, ("200", "500"))
    assert await counted(job, source, 900) == Counts(70 + 2, 2, 900)


async def test_failed_scrapes_delay_events_and_do_not_lose_them(
    job: Job, source: Prometheus
) -> None:
    """Twenty minutes in which the target counts unseen, across four boundaries."""
    for at in range(7, 2400, 30):
        if 600 <= at < 1800:
            job.gone("a", at, ("200",), up=True)
        else:
            job.scrape("a", at, {"200": float(at)}, started=-9000)
    found = await counted(job, source, 2400)
    assert found == Counts(2377 - 7, 0, 1200)


async def test_a_counter_that_passes_its_old_value_after_a_reset_is_counted_in_full(
    job: Job, source: Prometheus
) -> None:
    job.scrape("a", 270, {"200": 50})
    job.scrape("a", 310, {"200": 20})
    for at in (340, 370, 400, 580):
        job.scrape("a", at, {"200": 90})
    assert await counted(job, source, 600) == Counts(90, 0, 600)


@pytest.mark.parametrize(
    ("name", "exposed", "bad"),
    [("a first error", (10, 11), 50), ("let in again by our scraping", (11, 11), 0)],
)
async def test_a_new_code_counts_from_zero_unless_it_was_only_not_scraped(
    job: Job, source: Prometheus, name: str, exposed: tuple[float, float], bad: float
) -> None:
    for at in range(7, 900, 30):
        later = at > 450
        codes = {"200": 1000.0} | ({"500": 50.0} if later else {})
        job.scrape("a", at, codes, started=-9000, exposed=exposed[later])
    assert await counted(job, source, 900) == Counts(bad, bad, 900), name


async def test_a_series_that_is_back_after_an_hour_counts_only_its_movement(
    job: Job, source: Prometheus
) -> None:
    for at in range(7, 5400, 30):
        away = 300 < at < 4500
        codes = {"200": 1000.0} | ({} if away else {"500": 40.0 + (at > 4800)})
        job.scrape("a", at, codes, started=-9000, exposed=11)
        if away and at < 340:
            job.dropped("a", at, "500")
    assert (await counted(job, source, 5400)).bad == 1


async def test_a_relabelled_target_counts_only_its_movement(job: Job, source: Prometheus) -> None:
    for at in range(7, 450, 30):
        job.scrape("old-name", at, {"200": float(at)}, started=-9000)
    job.gone("old-name", 457, ("200",))
    for at in range(460, 900, 30):
        job.scrape("new-name", at, {"200": float(at)}, started=-9000)
    assert (await counted(job, source, 900)).total == (427 - 7) + (880 - 460)


async def test_samples_that_come_late_are_added_to_their_slices(
    job: Job, source: Prometheus
) -> None:
    for at in range(7, 900, 30):
        job.scrape("a", at, {"200": float(at)})
    for at in range(7, 600, 30):
        job.scrape("late", at, {"200": float(at)})
    meter = job.meter(source)
    await job.follow(meter, 940)
    assert meter.account.counts(job.start, job.start + 900).total == (877 - 7) + (577 - 7)
    for at in range(607, 1200, 30):
        job.scrape("late", at, {"200": float(at)})
    for at in range(907, 1200, 30):
        job.scrape("a", at, {"200": float(at)})
    await job.follow(meter, 1240)
    assert meter.account.counts(job.start, job.start + 900).total == 2 * (877 - 7)
    assert meter.account.counts(job.start, job.start + 1200).total == 2 * (1177 - 7)


async def test_errors_of_a_new_series_show_at_the_next_tick(job: Job, source: Prometheus) -> None:
    for at in range(7, 700, 30):
        bad = {"500": 50.0} if at > 660 else {}
        job.scrape("a", at, {"200": float(at)} | bad, started=-9000, exposed=10 + len(bad))
    meter = job.meter(source)
    assert (await job.follow(meter, 650)).bad == 0
    assert (await job.follow(meter, 680)).bad == 50
