"""How often a source is asked while it is slow, failing or back."""

import asyncio
from collections.abc import Callable

import pytest

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer
from sluice.indicators.breaker import OPENS_AFTER, Breaker
from sluice.indicators.failure import Failure
from sluice.indicators.guard import GuardedSource

DEAD = Failure(Reason.SOURCE_UNREACHABLE, "nobody there")
BAD_QUERY = Failure(Reason.INVALID_QUERY, "no PromQL")
MINUTE = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """A source whose answers are set, and that tells how it was asked."""

    dedup_label = "replica"

    def __init__(self, answer: Callable[[str], Answer] = lambda _: []) -> None:
        self.answer = answer
        self.asked = 0
        self.under_way = 0
        self.most = 0
        self.delay: float | None = None

    async def instant(self, query: str, at: float) -> Answer:
        del at
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.delay is not None:
                await asyncio.sleep(self.delay)
            return self.answer(query)
        finally:
            self.under_way -= 1

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        del seconds
        return await self.instant(selector, at)

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        del start, step
        return await self.instant(query, end)

    async def metric_type(self, metric: str) -> str | Failure | None:
        found = await self.instant(metric, 0)
        return found if isinstance(found, Failure) else None


async def test_two_hundred_objectives_of_a_dead_source_ask_it_a_few_times_a_minute() -> None:
    clock, fake = Clock(), Fake(lambda _: DEAD)
    source = GuardedSource(fake, monotonic=clock)
    asked = []
    for _ in range(10):
        before = fake.asked
        for _ in range(200):
            clock.now += MINUTE / 200
            assert await source.range("x", 0, 1, 1) == DEAD
        asked.append(fake.asked - before)
    assert asked[0] <= OPENS_AFTER + 6
    assert max(asked[2:]) <= 2
    assert sum(asked[2:]) >= 6


async def test_a_source_that_is_back_is_used_by_all_after_one_probe() -> None:
    clock, fake = Clock(), Fake(lambda _: DEAD)
    source = GuardedSource(fake, monotonic=clock)
    for _ in range(20):
        await source.instant("x", 0)
    fake.answer = lambda _: []
    assert await source.instant("x", 0) == DEAD
    clock.now += 2 * MINUTE
    assert await source.instant("x", 0) == []
    before = fake.asked
    for _ in range(10):
        assert await source.instant("x", 0) == []
    assert fake.asked == before + 10


async def test_a_probe_from_outside_opens_the_way_at_once() -> None:
    fake = Fake(lambda _: DEAD)
    source = GuardedSource(fake, monotonic=Clock())
    for _ in range(20):
        await source.instant("x", 0)
    fake.answer = lambda _: []
    assert await source.probe(0) is None
    assert await source.instant("x", 0) == []


async def test_one_objective_that_fails_does_not_shut_the_others_out() -> None:
    def answer(query: str) -> Answer:
        return Failure(Reason.SOURCE_TIMEOUT, "slow", divisible=True) if query == "bad" else []

    source = GuardedSource(Fake(answer), monotonic=Clock())
    for _ in range(50):
        for query in ("bad", "bad", "good"):
            found = await source.instant(query, 0)
        assert found == []


async def test_queries_that_are_wrong_say_nothing_of_the_source() -> None:
    fake = Fake(lambda _: BAD_QUERY)
    source = GuardedSource(fake, monotonic=Clock())
    for _ in range(50):
        assert await source.metric_type("x") == BAD_QUERY
    assert fake.asked == 50


async def test_no_more_queries_are_under_way_than_the_source_allows() -> None:
    fake = Fake()
    fake.delay = 0.01
    source = GuardedSource(fake, monotonic=Clock(), most=3)
    await asyncio.gather(*(source.samples("x", 1, 0) for _ in range(12)))
    assert (fake.asked, fake.most) == (12, 3)


async def test_those_who_wait_for_a_source_that_dies_do_not_ask_it_one_by_one() -> None:
    fake = Fake(lambda _: DEAD)
    fake.delay = 0.01
    source = GuardedSource(fake, monotonic=Clock(), most=2)
    found = await asyncio.gather(*(source.instant("x", 0) for _ in range(100)))
    assert found == [DEAD] * 100
    assert fake.asked <= OPENS_AFTER + 1


async def test_a_query_that_is_cancelled_leaves_its_place() -> None:
    fake = Fake()
    fake.delay = 60
    source = GuardedSource(fake, monotonic=Clock(), most=1)
    task = asyncio.create_task(source.instant("x", 0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    fake.delay = None
    async with asyncio.timeout(5):
        assert await source.instant("x", 0) == []
    assert source.dedup_label == "replica"


def test_a_probe_that_never_comes_back_is_followed_by_another() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(OPENS_AFTER):
        assert breaker.refusal() is None
        breaker.record(DEAD)
    assert breaker.refusal() == DEAD
    clock.now += 2 * MINUTE
    assert breaker.refusal() is None
    assert breaker.refusal() == DEAD
    clock.now += 2 * MINUTE
    assert breaker.refusal() is None
