"""Queries that share a request: everybody gets what they would have got alone."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.reasons import Reason
from sluice.indicators import promql
from sluice.indicators.answers import Answer, Series
from sluice.indicators.failure import Failure
from sluice.indicators.guard import GuardedSource
from sluice.indicators.promql import Matcher, Selector, Side
from sluice.indicators.sharing import Shareable, Sharing, joined
from sluice.indicators.slots import patiently

LINGER = 0.02
DEAD = Failure(Reason.SOURCE_UNREACHABLE, "nobody there")
SLOW = Failure(Reason.SOURCE_TIMEOUT, "too slow", divisible=True)
WRONG = Failure(Reason.INVALID_QUERY, "no such function")
BROKEN = Failure(Reason.SOURCE_ERROR, "execution: found duplicate series")
STRANGE = Failure(Reason.INVALID_RESPONSE, "HTTP 413 with text/html")
OF_ONE = (SLOW, WRONG, BROKEN, STRANGE)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """A source of vectors by name, which works unions out as Prometheus does.

    Attributes:
        known: what each name gives: series, or how any query fails in which it is.
        most: names that a query may have at most.
        asked: how many names each query had.
    """

    dedup_label = ""

    def __init__(self, known: dict[str, Answer]) -> None:
        self.known = known
        self.most = 1000
        self.asked: list[int] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.cancelled = 0

    async def instant(self, query: str, at: float) -> Answer:
        del at
        expression = promql_parser.parse(query)
        names = _names(expression)
        self.asked.append(len(names))
        try:
            await self.ready.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        failures = [it for name in names if isinstance(it := self.known[name], Failure)]
        if failures:
            return failures[0]
        return BROKEN if len(names) > self.most else self._evaluated(expression)

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        del start, step
        return await self.instant(query, end)

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        raise NotImplementedError

    async def metric_type(self, metric: str) -> str | Failure | None:
        raise NotImplementedError

    def _evaluated(self, expression: Any) -> list[Series]:
        match expression:
            case promql_parser.ParenExpr():
                return self._evaluated(expression.expr)
            case promql_parser.BinaryExpr():
                left, right = self._evaluated(expression.lhs), self._evaluated(expression.rhs)
                there = [dict(it.labels) for it in left]
                return left + [it for it in right if dict(it.labels) not in there]
            case promql_parser.Call():
                inner, label, value = expression.args[0], expression.args[1], expression.args[2]
                found = self._evaluated(inner)
                more = {label.val: value.val}
                return [Series({**it.labels, **more}, it.times, it.values) for it in found]
        found = self.known[expression.name]
        assert not isinstance(found, Failure)
        return found


def _names(expression: Any) -> list[str]:
    match expression:
        case promql_parser.ParenExpr():
            return _names(expression.expr)
        case promql_parser.BinaryExpr():
            return _names(expression.lhs) + _names(expression.rhs)
        case promql_parser.Call():
            return _names(expression.args[0])
    return [expression.name]


def vector(*values: float) -> list[Series]:
    return [Series({"side": str(n)}, [0.0], [value]) for n, value in enumerate(values)]


def shown(answer: Answer) -> Any:
    if isinstance(answer, Failure):
        return answer
    return sorted((sorted(it.labels.items()), it.times, it.values) for it in answer)


def guarded(fake: Fake, clock: Callable[[], float], *, most: int = 4) -> GuardedSource:
    return GuardedSource(
        fake, monotonic=clock, most=most, sharing=Sharing(clock, linger=LINGER, largest=8)
    )


def ask(source: GuardedSource, *names: str, at: float = 0.0) -> list[asyncio.Task[Answer]]:
    """Ask for each name; somebody has asked just before, so that the first waits, too."""
    return [
        asyncio.create_task(source.instant(Shareable(name, f"of {name}"), at)) for name in names
    ]


async def in_company(source: GuardedSource, *names: str, at: float = 0.0) -> list[Answer]:
    """Let somebody ask alone, and then all these near to each other."""
    await source.instant(Shareable("ok", "somebody"), at)
    return list(await asyncio.gather(*ask(source, *names, at=at)))


def healthy(*names: str) -> dict[str, Answer]:
    return {"ok": vector(1), **{name: vector(n, n + 0.5) for n, name in enumerate(names)}}


async def test_those_who_ask_about_one_time_share_a_query_of_eight() -> None:
    names = [f"m{n}" for n in range(20)]
    fake = Fake(healthy(*names))
    answers = await in_company(guarded(fake, Clock()), *names)
    assert [shown(it) for it in answers] == [shown(fake.known[name]) for name in names]
    assert fake.asked == [1, 8, 8, 4]


async def test_who_asks_alone_waits_for_nobody() -> None:
    fake = Fake(healthy("a"))
    source = GuardedSource(fake, monotonic=Clock(), sharing=Sharing(Clock(), linger=3600.0))
    async with asyncio.timeout(5):
        for at in range(5):
            await source.instant(Shareable("a", "a"), at)
            await source.range(Shareable("a", "a"), at, at, 1)
    assert fake.asked == [1] * 10


async def test_company_that_is_long_gone_is_not_waited_for() -> None:
    clock, fake = Clock(), Fake(healthy("a", "b"))
    source = GuardedSource(fake, monotonic=clock, sharing=Sharing(clock, linger=3600.0))
    await source.instant(Shareable("a", "a"), 0)
    clock.now += 3601.0
    async with asyncio.timeout(5):
        await source.instant(Shareable("b", "b"), 0)


async def test_who_asks_the_same_is_asked_for_once() -> None:
    fake = Fake(healthy("a", "b"))
    first, again, other = await in_company(guarded(fake, Clock()), "a", "a", "b")
    assert shown(first) == shown(again) == shown(fake.known["a"])
    assert shown(other) == shown(fake.known["b"])
    assert fake.asked == [1, 2]


async def test_other_times_longer_ranges_and_other_text_are_asked_for_alone() -> None:
    fake = Fake(healthy("a", "b", "c", "d", "e"))
    source = guarded(fake, Clock())
    await source.instant(Shareable("ok", "somebody"), 0)
    await asyncio.gather(
        source.instant(Shareable("a", "a"), 0),
        source.instant(Shareable("b", "b"), 1),
        source.range(Shareable("c", "c"), 0, 900, 300),
        source.range(Shareable("d", "d"), 0, 900, 300),
        source.instant("e", 0),
    )
    assert fake.asked == [1] * 6


async def test_history_is_asked_for_at_once_and_with_nobody() -> None:
    fake = Fake(healthy("a", "b", "c"))
    source = GuardedSource(fake, monotonic=Clock(), sharing=Sharing(Clock(), linger=3600))
    await source.instant(Shareable("ok", "somebody"), 0)
    with patiently():
        behind = ask(source, "a", "b")
    of_now = ask(source, "c")
    await asyncio.gather(*behind)
    assert fake.asked == [1] * 3
    assert not of_now[0].done()
    of_now[0].cancel()


@pytest.mark.parametrize("failure", OF_ONE, ids=lambda it: it.reason)
async def test_one_that_is_broken_harms_no_other(failure: Failure) -> None:
    names = [f"m{n}" for n in range(8)]
    fake = Fake({**healthy(*names), "m5": failure})
    answers = dict(zip(names, await in_company(guarded(fake, Clock()), *names), strict=True))
    assert answers.pop("m5") == failure
    assert all(shown(answer) == shown(fake.known[name]) for name, answer in answers.items())
    alone = [8, 1, 1, 1, 1, 1, 1, 1, 1]
    assert sorted(fake.asked[1:]) == sorted(alone if failure is SLOW else [8, 4, 4, 2, 2, 1, 1])


async def test_who_is_at_fault_goes_alone_for_ten_minutes() -> None:
    clock, names = Clock(), [f"m{n}" for n in range(4)]
    fake = Fake({**healthy(*names), "m2": WRONG})
    source = guarded(fake, clock)
    await in_company(source, *names)
    del fake.asked[:]
    await in_company(source, *names, at=60)
    assert sorted(fake.asked) == [1, 1, 3]
    fake.known["m2"] = vector(7)
    clock.now += 601
    del fake.asked[:]
    await in_company(source, *names, at=660)
    assert fake.asked == [1, 4]


async def test_what_is_too_much_together_goes_alone_though_nobody_is_at_fault() -> None:
    names = [f"m{n}" for n in range(4)]
    fake = Fake(healthy(*names))
    fake.most = 1
    source = guarded(fake, Clock())
    answers = await in_company(source, *names)
    assert [shown(it) for it in answers] == [shown(fake.known[name]) for name in names]
    del fake.asked[:]
    await in_company(source, *names, at=60)
    assert fake.asked == [1] * 5


async def test_a_source_that_is_not_there_is_asked_once_for_all() -> None:
    names = [f"m{n}" for n in range(8)]
    fake = Fake(healthy())
    source = guarded(fake, Clock())
    await source.instant(Shareable("ok", "somebody"), 0)
    fake.known = dict.fromkeys(names, DEAD)
    assert await asyncio.gather(*ask(source, *names)) == [DEAD] * 8
    assert fake.asked == [1, 8]


async def test_a_source_that_times_out_is_asked_as_seldom_as_without_sharing() -> None:
    names = [f"m{n}" for n in range(8)]
    fake = Fake({"ok": vector(1), **dict.fromkeys(names, SLOW)})
    source = guarded(fake, Clock())
    assert await in_company(source, *names) == [SLOW] * 8
    assert fake.asked == [1, 8, 1, 1, 1, 1]


async def test_a_source_that_answers_errors_is_asked_ever_more_seldom() -> None:
    clock, names = Clock(), [f"m{n}" for n in range(8)]
    fake = Fake(dict.fromkeys(["ok", *names], BROKEN))
    source = guarded(fake, clock)
    asked = []
    for minute in range(10):
        before = len(fake.asked)
        for second in range(0, 60, 5):
            clock.now += 5
            assert await in_company(source, *names, at=60 * minute + second) == [BROKEN] * 8
        asked.append(len(fake.asked) - before)
    assert asked[0] <= 25
    assert max(asked[3:]) <= 2


async def test_broken_members_do_not_make_the_source_look_broken() -> None:
    names = [f"m{n}" for n in range(8)]
    fake = Fake({**healthy(*names), "m0": BROKEN, "m4": BROKEN, "m7": BROKEN})
    source = guarded(fake, Clock(), most=1)
    answers = await in_company(source, *names)
    assert [it == BROKEN for it in answers] == [n in {0, 4, 7} for n in range(8)]
    assert not isinstance(await source.instant("ok", 0), Failure)


async def test_who_gives_up_waiting_takes_no_other_along() -> None:
    fake = Fake(healthy("a", "b", "c"))
    source = guarded(fake, Clock())
    await source.instant(Shareable("ok", "somebody"), 0)
    early, late, stays = ask(source, "a", "b", "c")
    await asyncio.sleep(0)
    early.cancel()
    fake.ready.clear()
    await asyncio.sleep(3 * LINGER)
    late.cancel()
    await asyncio.sleep(0)
    fake.ready.set()
    assert shown(await stays) == shown(fake.known["c"])
    assert fake.asked == [1, 2]
    assert early.cancelled()
    assert late.cancelled()


async def test_a_query_that_nobody_waits_for_any_more_is_given_up() -> None:
    fake = Fake(healthy("a", "b"))
    source = guarded(fake, Clock(), most=1)
    await source.instant(Shareable("ok", "somebody"), 0)
    fake.ready.clear()
    waiting = ask(source, "a", "b")
    await asyncio.sleep(3 * LINGER)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert fake.cancelled == 1
    fake.ready.set()
    async with asyncio.timeout(5):
        assert shown(await source.instant("ok", 0)) == shown(fake.known["ok"])


async def test_an_error_that_nobody_foresaw_reaches_all_who_wait() -> None:
    fake = Fake(healthy())
    source = guarded(fake, Clock())
    await source.instant(Shareable("ok", "somebody"), 0)
    answers = await asyncio.gather(*ask(source, "unknown", "to_it"), return_exceptions=True)
    assert [type(it) for it in answers] == [KeyError, KeyError]


async def test_a_shared_query_takes_one_slot() -> None:
    names = [f"m{n}" for n in range(8)]
    fake = Fake(healthy(*names))
    source = guarded(fake, Clock(), most=2)
    await source.instant(Shareable("ok", "somebody"), 0)
    fake.ready.clear()
    waiting = ask(source, *names)
    await asyncio.sleep(LINGER / 2)
    other = asyncio.create_task(source.instant("ok", 0))
    await asyncio.sleep(LINGER / 2)
    assert sorted(fake.asked) == [1, 1, 8]
    fake.ready.set()
    await asyncio.gather(other, *waiting)


ANSWERS = st.one_of(
    st.sampled_from([*OF_ONE]), st.lists(st.floats(0, 9), max_size=3).map(lambda it: vector(*it))
)


@given(st.lists(ANSWERS, min_size=1, max_size=20), st.integers(1, 8), st.integers(2, 9))
def test_with_others_or_alone_the_answer_is_the_same(
    answers: list[Answer], largest: int, most: int
) -> None:
    known = {f"m{n}": answer for n, answer in enumerate(answers)}

    async def both() -> None:
        fake = Fake(known)
        fake.most = most

        def send(text: str, *, members: int) -> Coroutine[None, None, Answer]:
            assert members == len(_names(promql_parser.parse(text)))
            return fake.instant(text, 0)

        sharing = Sharing(Clock(), linger=0.001, largest=largest)
        for _ in range(2):
            found = await asyncio.gather(
                *(sharing.ask(Shareable(name, name), 0, send) for name in known)
            )
            alone = [await fake.instant(name, 0) for name in known]
            assert [shown(it) for it in found] == [shown(it) for it in alone]

    asyncio.run(both())


@given(st.lists(st.text(), min_size=2, max_size=9))
def test_no_text_of_a_selector_leaves_its_own_member(values: list[str]) -> None:
    queries = []
    for value in values:
        selector = Selector("requests_total", (Matcher("code", "=", value),))
        queries.append(promql.tick_query({Side.TOTAL: selector}, Side.TOTAL, 60))
    whole = promql_parser.parse(joined(queries))
    found = _members(whole)
    expected = [
        promql_parser.parse(promql.labelled(q, sluice_member=str(n))) for n, q in enumerate(queries)
    ]
    assert len(found) == len(values)
    assert [it.prettify() for it in found] == [it.prettify() for it in expected]


def _members(expression: Any) -> list[Any]:
    match expression:
        case promql_parser.ParenExpr():
            return _members(expression.expr)
        case promql_parser.BinaryExpr():
            return _members(expression.lhs) + _members(expression.rhs)
    return [expression]
