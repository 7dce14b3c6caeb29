"""Latency from native histograms, compared with what truly happened."""

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

import aiohttp
import pytest

from e2e.harness.histograms import CUSTOM, NativeHistogram
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from tests.integration.prometheus.native import BOUNDS, SHAPES, Shape, histograms
from tests.integration.prometheus.scenarios import DAY, END, HOUR, SEED, Scenario, build
from tests.integration.prometheus.synthetic import DURATION, Events, Process, Service, Target
from tests.integration.prometheus.synthetic import history as written
from tests.integration.prometheus.test_sharing import Counting, sharing
from tests.integration.prometheus.test_truth import advance, true_consumption

pytestmark = pytest.mark.prometheus

_POINTS = 0.1
_LONG = "scraped every 60 s, phase 0"
"""A week, of which most is read by the hour."""
NAMES = (*(name for name, it in build(SEED).items() if it.length <= DAY), _LONG)
CHANGE = END - 5 * HOUR - 77
"""When shapes change, in the middle of a slice."""
FAR = (0.1, 1.0, 10.0)
"""Custom buckets without a boundary at half a second."""

MIXING = "one target of two from custom to exponential"
CHANGING: dict[str, tuple[Shape, Shape]] = {
    "coarser": ((3, ()), (0, ())),
    "finer": ((1, ()), (6, ())),
    "other custom buckets": ((CUSTOM, BOUNDS), (CUSTOM, (0.2, 0.5, 3.0))),
    "from custom to exponential": ((CUSTOM, BOUNDS), (3, ())),
    "so coarse that half a second is no boundary": ((0, ()), (-1, ())),
    "to custom buckets without half a second": ((CUSTOM, BOUNDS), (CUSTOM, FAR)),
    "from custom buckets without half a second": ((CUSTOM, FAR), (CUSTOM, BOUNDS)),
    MIXING: ((CUSTOM, BOUNDS), (3, ())),
}


def job_of(change: str) -> str:
    return change.replace(" ", "-")


def changing(change: str) -> Scenario:
    """Two targets with traffic that is scraped every 30 s, at different phases."""
    job, start = job_of(change), END - 2 * DAY
    good, bad = Events(start).until(END, 100), Events(start).until(END, 0.05)
    targets = [
        Target(job, name, [Process(start, END, good, bad)], interval=30, phase=phase)
        for name, phase in (("a", 7), ("b", 22))
    ]
    return Scenario(Service(job, targets), "1d")


def shape_of(target: Target, time: float) -> Shape:
    """Every job has a shape of its own, and that of some changes."""
    for change, (before, after) in CHANGING.items():
        if target.job == job_of(change):
            stays = change == MIXING and target.instance == "a"
            return before if stays or time < CHANGE else after
    return list(SHAPES.values())[zlib.crc32(target.job.encode()) % len(SHAPES)]


def spec(
    scenario: Scenario, threshold: str = "500ms", histogram: str = "Native", metric: str = DURATION
) -> ServiceLevelObjectiveSpec:
    latency = {
        "metric": metric,
        "selector": f'job="{scenario.service.job}"',
        "threshold": threshold,
        "histogram": histogram,
    }
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": scenario.target,
            "window": {"rolling": scenario.window},
            "indicator": {"latency": latency},
        }
    )


def without_classic(services: Iterable[Service]) -> Iterator[str]:
    lines = written(list(services), random.Random(SEED))
    return (line for line in lines if not line.startswith(DURATION))


def twins(service: Service) -> Service:
    """The targets of a service, scraped by two replicas with a gap each."""
    pairs = [
        replace(target, replica=name, phase=phase, unseen=[(END - gap, END - gap + 900)])
        for target in service.targets
        for name, phase, gap in (("x", 3.5, 4 * HOUR), ("y", 11.25, 3 * HOUR))
    ]
    renamed = [replace(target, job="twins") for target in pairs]
    return Service("twins", renamed)


@pytest.fixture(scope="module")
def native(scenarios: Mapping[str, Scenario]) -> Iterator[Server]:
    services = [
        *(scenarios[name].service for name in NAMES),
        *(changing(change).service for change in CHANGING),
        twins(scenarios["restarts inside slices"].service),
    ]
    classic = scenarios["steady errors"].service
    lines = chain(without_classic(services), written([classic], random.Random(SEED)))
    ordered = (line for line in lines if line != "# EOF")
    samples: Iterator[NativeHistogram] = histograms(services, random.Random(SEED), shape_of)
    with prometheus(history=ordered, histograms=samples, version="3") as running:
        yield running


@pytest.fixture
async def source(native: Server) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus("default", native.url, session)


async def measured(scenario: Scenario, source: Prometheus) -> Budget:
    meter = Meter(spec(scenario), source)
    await advance(meter, END)
    budget = meter.evaluate(objective_of(spec(scenario), END), END).budget
    assert isinstance(budget, Budget), budget
    return budget


@pytest.mark.parametrize("name", NAMES)
async def test_a_budget_of_native_histograms_is_within_a_tenth_of_a_point_of_the_truth(
    scenarios: Mapping[str, Scenario], source: Prometheus, name: str
) -> None:
    budget = await measured(scenarios[name], source)
    truth = true_consumption(scenarios[name], budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(truth, abs=_POINTS)


@pytest.mark.parametrize("change", list(CHANGING)[:4])
async def test_buckets_may_change_as_long_as_the_threshold_stays_a_boundary(
    source: Prometheus, change: str
) -> None:
    scenario = changing(change)
    budget = await measured(scenario, source)
    assert float(budget.consumed) == pytest.approx(
        true_consumption(scenario, budget.bounds.start), abs=_POINTS
    )
    meter = Meter(spec(scenario), source)
    await advance(meter, END)
    around = meter.account.counts(CHANGE - HOUR, CHANGE + HOUR)
    total, bad = scenario.service.truth(CHANGE - HOUR, CHANGE + HOUR)
    assert around.total == pytest.approx(total, abs=200 * 30)
    assert around.bad == pytest.approx(bad, abs=4)


async def test_a_slice_whose_buckets_do_not_tell_is_a_gap_and_no_guess(source: Prometheus) -> None:
    scenario = changing("from custom buckets without half a second")
    meter = Meter(spec(scenario), source)
    await advance(meter, END)
    edge = int(CHANGE // SLICE * SLICE)
    assert meter.account.counts(edge - 6 * HOUR, edge).covered == 0
    after = meter.account.counts(edge + 2 * SLICE, edge + 2 * SLICE + HOUR)
    total, bad = scenario.service.truth(edge + 2 * SLICE, edge + 2 * SLICE + HOUR)
    assert after.covered == HOUR
    assert after.total == pytest.approx(total, abs=200 * 30)
    assert after.bad == pytest.approx(bad, abs=4)


@pytest.mark.parametrize(
    ("change", "soon", "words"),
    [
        ("so coarse that half a second is no boundary", 40, "nearest: 0.25 s and 1 s"),
        ("to custom buckets without half a second", 40, "nearest: 0.1 s and 1 s"),
        # As long as the last boundary tells it does not matter.
        (MIXING, 400, "cannot add up: make the selector narrower"),
    ],
)
async def test_a_meter_says_soon_that_the_threshold_is_no_boundary_any_more(
    source: Prometheus, change: str, soon: float, words: str
) -> None:
    meter = Meter(spec(changing(change)), source)
    await advance(meter, CHANGE - 60)
    before = meter.account.counts(CHANGE - HOUR, CHANGE - 60)
    for at in (CHANGE + soon, END):
        failure = await meter.advance(at)
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.BUCKET_NOT_FOUND
        assert words in failure.message
        assert DURATION in failure.message
    assert meter.account.counts(CHANGE - HOUR, CHANGE - 60).bad == pytest.approx(before.bad, abs=2)


@pytest.mark.parametrize(
    "name", ["restarts inside slices", "rolling deploy", "scraped every 15 s, phase 0"]
)
async def test_following_live_gives_the_same_counts_as_reading_back(
    scenarios: Mapping[str, Scenario], source: Prometheus, name: str
) -> None:
    live, back = Meter(spec(scenarios[name]), source), Meter(spec(scenarios[name]), source)
    now = END - 2 * HOUR
    begin = now // SLICE * SLICE
    while now <= END:
        await advance(live, now)
        total, _ = scenarios[name].service.truth(begin - SLICE, now)
        assert live.account.counts(begin, now).total <= total + 1
        now += 60
    await advance(back, END)
    closed = int((END - 30) // SLICE * SLICE)
    for start in range(int(begin), closed, SLICE):
        assert live.account.counts(start, start + SLICE) == back.account.counts(
            start, start + SLICE
        )


async def test_native_histograms_that_two_replicas_have_scraped_count_once(
    scenarios: Mapping[str, Scenario], native: Server
) -> None:
    scenario = scenarios["restarts inside slices"]
    twin = replace(scenario, service=twins(scenario.service))
    async with aiohttp.ClientSession() as session:
        pair = Prometheus("pair", native.url, session, dedup_label="replica")
        budget = await measured(twin, pair)
    truth = true_consumption(scenario, budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(truth, abs=_POINTS)
    total, _ = scenario.service.truth(budget.bounds.start, END)
    assert 0.98 * total <= budget.total <= 1.001 * total


@pytest.mark.parametrize(
    ("job", "threshold", "words"),
    [
        ("coarser", "300ms", "0.3 s is no bucket boundary"),
        ("coarser", "300ms", "schema 0; nearest: 0.25 s and 0.5 s"),
        ("finer", "300ms", "schema 6; nearest: 0.297302 s and 0.300539 s; powers of two"),
        ("finer", "3s", "nearest: "),  # beyond all events
        ("other-custom-buckets", "1s", "nearest: 0.5 s and 3 s"),
    ],
)
async def test_a_threshold_that_is_no_boundary_is_refused_with_the_nearest(
    source: Prometheus, job: str, threshold: str, words: str
) -> None:
    failure = await Meter(spec(changing(job), threshold), source).advance(END)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.BUCKET_NOT_FOUND
    assert failure.stalled
    assert words in failure.message


async def test_a_histogram_of_the_other_kind_is_told_with_the_setting_that_reads_it(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    for scenario, declared, wanted in (
        (scenarios["steady errors"], "Native", "Classic"),
        (changing("coarser"), "Classic", "Native"),
    ):
        failure = await Meter(spec(scenario, histogram=declared), source).advance(END)
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.NO_DATA
        assert f"{DURATION} is stored as a {wanted.lower()} one" in failure.message
        assert failure.message.endswith(f"set histogram: {wanted}")


async def test_histograms_that_cannot_be_added_up_are_refused_from_the_start(
    source: Prometheus,
) -> None:
    failure = await Meter(spec(changing(MIXING)), source).advance(END)
    assert isinstance(failure, Failure)
    assert "custom buckets, which Prometheus cannot add up" in failure.message


async def test_a_histogram_that_is_not_there_is_no_data(source: Prometheus) -> None:
    declared = spec(changing("coarser"), metric="no_such_seconds")
    failure = await Meter(declared, source).advance(END)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.NO_DATA
    assert "no_such_seconds" in failure.message


async def test_a_server_that_is_too_old_is_told() -> None:
    """Prometheus 2.42 stores exponential histograms, but loses them where they get a label."""
    scenario = changing("coarser")
    samples = histograms([scenario.service], random.Random(SEED), shape_of)
    flags = ["--enable-feature=native-histograms"]
    with prometheus(histograms=samples, flags=flags, version="debian") as server:
        assert server.value(f"sum(histogram_count({DURATION}))", END)
        async with aiohttp.ClientSession() as session:
            old = Prometheus("old", server.url, session)
            found = await Meter(spec(scenario), old).advance(END)
    assert not isinstance(found, Reading)
    assert found.reason is Reason.INVALID_RESPONSE
    assert "older than Prometheus 3.0" in found.message


async def test_native_histograms_that_are_asked_for_together_give_the_same_budgets(
    scenarios: Mapping[str, Scenario], native: Server, source: Prometheus
) -> None:
    declared = [spec(scenarios[name]) for name in NAMES[:5]]
    async with aiohttp.ClientSession() as session:
        counting = Counting(native, session)
        together = sharing(counting)
        meters = [Meter(it, together) for it in declared]
        for at in (END - 2 * SLICE, END):
            await asyncio.gather(*(advance(meter, at) for meter in meters))
    assert counting.shared > 2
    for meter, it in zip(meters, declared, strict=True):
        own = Meter(it, source)
        for at in (END - 2 * SLICE, END):
            await advance(own, at)
        objective = objective_of(it, END)
        assert meter.evaluate(objective, END).budget == own.evaluate(objective, END).budget
        assert meter.account.ledger.live == own.account.ledger.live
