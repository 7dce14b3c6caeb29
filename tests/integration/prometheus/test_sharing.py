"""Objectives whose queries share requests, against a real Prometheus."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from itertools import product

import aiohttp
import pytest

from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Evaluation
from sluice.budget.counts import SLICE
from sluice.indicators.answers import Answer
from sluice.indicators.counted import Counted
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.guard import GuardedSource
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import Matcher, Selector, Side
from sluice.indicators.reader import Reader
from sluice.indicators.sharing import Sharing
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import END, Scenario
from tests.integration.prometheus.synthetic import REQUESTS
from tests.integration.prometheus.test_truth import SHORT, spec

pytestmark = pytest.mark.prometheus

_TIMES = (END - 3 * SLICE, END - SLICE - 40, END - SLICE, END)
_LINGER = 0.3
_HEAVY = 400


class Counting(Prometheus):
    """A client that keeps the queries that it sends."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        super().__init__("default", server.url, session)
        self.sent: list[str] = []

    async def instant(self, query: str, at: float) -> Answer:
        self.sent.append(query)
        return await super().instant(query, at)

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        self.sent.append(query)
        return await super().range(query, start, end, step)

    @property
    def shared(self) -> int:
        """How many queries of several objectives were sent."""
        return sum('"sluice_member","1"' in query for query in self.sent)


@pytest.fixture
async def counting(server: Server) -> AsyncIterator[Counting]:
    async with aiohttp.ClientSession() as session:
        yield Counting(server, session)


def sharing(source: Prometheus) -> GuardedSource:
    shared = Sharing(time.monotonic, linger=_LINGER)
    return GuardedSource(source, monotonic=time.monotonic, sharing=shared)


async def followed(meter: Meter, declared: ServiceLevelObjectiveSpec) -> list[Evaluation]:
    evaluations = []
    for at in _TIMES:
        reading = await meter.advance(at)
        assert isinstance(reading, Reading), reading
        evaluations.append(meter.evaluate(objective_of(declared, at), at))
    return evaluations


async def test_budgets_are_the_same_whether_queries_are_shared_or_not(
    scenarios: Mapping[str, Scenario], counting: Counting, source: Prometheus
) -> None:
    declared = [spec(scenarios[name], kind) for name, kind in product(SHORT, INDICATORS)]
    together = sharing(counting)
    meters = [Meter(it, together) for it in declared]
    # All times are those of the past: the objectives go from one to the next together.
    found: list[list[Evaluation]] = [[] for _ in declared]
    for at in _TIMES:
        readings = await asyncio.gather(*(meter.advance(at) for meter in meters))
        assert all(isinstance(it, Reading) for it in readings), readings
        for meter, it, evaluations in zip(meters, declared, found, strict=True):
            evaluations.append(meter.evaluate(objective_of(it, at), at))
    assert counting.shared > len(declared) / 4
    for meter, it, evaluations in zip(meters, declared, found, strict=True):
        own = Meter(it, source)
        assert [it.budget for it in evaluations] == [it.budget for it in await followed(own, it)]
        assert meter.account.ledger.live == own.account.ledger.live
        closed = own.account.ledger.closed
        assert closed is not None
        for start in range(closed - 12 * SLICE, closed, SLICE):
            slice_ = (start, start + SLICE)
            assert meter.account.counts(*slice_) == own.account.counts(*slice_)


def readers(source: GuardedSource, jobs: list[str], code: str = "5..") -> list[Reader]:
    totals = [Selector(REQUESTS, (Matcher("job", "=", job),)) for job in jobs]
    return [
        Reader(source, Counted(it, it.narrowed(Matcher("code", "=~", code)), Side.BAD))
        for it in totals
    ]


async def test_a_selector_that_prometheus_refuses_harms_no_other(
    scenarios: Mapping[str, Scenario], counting: Counting, source: Prometheus
) -> None:
    together = sharing(counting)
    jobs = [scenarios[name].service.job for name in SHORT[:7]]
    # Such a flag is one of the parser's here, but not of Prometheus'.
    wrong = "(?x)5.."
    members = [*readers(together, jobs), *readers(together, jobs[:1], wrong)]
    alone = readers(GuardedSource(source, monotonic=time.monotonic), jobs[:1], wrong)[0]
    grid = Grid(int(END) // SLICE * SLICE - SLICE, SLICE, 1)
    for ask in ("tick", "read"):
        *others, broken = await asyncio.gather(*(getattr(it, ask)(grid) for it in members))
        assert not any(isinstance(it, Failure) for it in others), others
        assert isinstance(broken, Failure)
        assert broken.reason is Reason.INVALID_QUERY
        assert broken == await getattr(alone, ask)(grid)
    assert counting.shared > 2


async def test_one_that_loads_too_many_samples_harms_no_other() -> None:
    chance = random.Random(1)
    sizes = {"heavy": _HEAVY, **{f"light{n}": 2 for n in range(7)}}
    lines = (
        f'{REQUESTS}{{job="{job}",code="500",pod="{pod}"}} {second // 7} {END - 1200 + second:.3f}'
        for job, pods in sizes.items()
        for pod in range(pods)
        for second in range(chance.randrange(30), 1200, 30)
    )
    with prometheus(history=lines, flags=["--query.max-samples=600"]) as limited:
        async with aiohttp.ClientSession() as session:
            counting = Counting(limited, session)
            source = sharing(counting)
            members = readers(source, list(sizes))
            closed = int(END) // SLICE * SLICE
            for grid in (Grid(closed - 2 * SLICE, SLICE, 1), Grid(closed - SLICE, SLICE, 1)):
                heavy, *light = await asyncio.gather(*(it.read(grid) for it in members))
                assert isinstance(heavy, Failure)
                assert "too many samples" in heavy.message
                assert "sluice_member" not in heavy.message
                for counts in light:
                    assert not isinstance(counts, Failure), counts
                    assert counts.covered.all()
                    assert counts.total[0] > 0
            assert counting.shared > 1
