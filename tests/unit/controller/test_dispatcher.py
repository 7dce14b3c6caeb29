import asyncio
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from sluice.controller.dispatcher import Dispatcher, Lane, Reconcile
from sluice.controller.lifting import NotLiftedError
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Key
from sluice.telemetry.metrics import Metrics

A = Key("things", "shop", "a")
B = Key("things", "shop", "b")


def dispatcher(reconcile: Reconcile, *, concurrency: int = 4) -> tuple[Dispatcher, Metrics]:
    metrics = Metrics()
    lanes = {
        "things": Lane(reconcile, concurrency),
        "others": Lane(reconcile, concurrency, one_a_namespace=True),
    }
    made = Dispatcher(lanes, metrics=metrics, monotonic=time.monotonic)
    return made, metrics


async def run_until(made: Dispatcher, done: asyncio.Event) -> None:
    task = asyncio.create_task(made.run())
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_object_whose_evaluation_fails_does_not_disturb_the_others() -> None:
    done, seen = asyncio.Event(), []

    async def reconcile(key: Key) -> float | None:
        if key == A:
            raise ApiError(status=500, reason="InternalError", message="broken")
        seen.append(key)
        if len(seen) == 3:
            done.set()
        return 0.01

    made, metrics = dispatcher(reconcile)
    made.now(A)
    made.now(B)
    await run_until(made, done)
    assert seen == [B, B, B]
    assert metrics.evaluations.labels("things", "error")._value.get() == 1


@pytest.mark.parametrize(
    ("error", "says", "unforeseen"),
    [
        (ApiError(status=500, reason="InternalError", message="broken"), "broken", False),
        (NotLiftedError("a gate is still there"), "a gate is still there", False),
        (ValueError("what"), "ValueError('what')", True),
    ],
)
async def test_only_what_nobody_foresaw_is_logged_with_where_it_happened(
    error: Exception, says: str, unforeseen: bool
) -> None:
    done = asyncio.Event()

    async def reconcile(_: Key) -> float | None:
        done.set()
        raise error

    made, _ = dispatcher(reconcile)
    made.now(A)
    with capture_logs() as logs:
        await run_until(made, done)
    assert [(one["error"], one["exc_info"]) for one in logs] == [(says, unforeseen)]


async def test_what_failed_is_tried_again_when_what_was_in_the_way_is_gone() -> None:
    failed, done, away = asyncio.Event(), asyncio.Event(), True

    async def reconcile(key: Key) -> float | None:
        if not away:
            done.set()
            return 60.0
        if made._failures.get(key, 0) == 1:
            failed.set()
        raise ApiError(status=0, reason="Unreachable", message="away")

    made, _ = dispatcher(reconcile)
    made._failures[A] = 5
    made.now(A)
    made.now(B)
    task = asyncio.create_task(made.run())
    await asyncio.wait_for(failed.wait(), 10)
    away = False
    made.try_again()
    # On its own A would wait for half a minute.
    await asyncio.wait_for(done.wait(), 0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert made._failures == {}


async def test_one_object_is_never_evaluated_twice_at_once() -> None:
    done, under_way, most, count = asyncio.Event(), 0, 0, 0

    async def reconcile(key: Key) -> float | None:
        nonlocal under_way, most, count
        under_way += 1
        most = max(most, under_way)
        made.now(key)
        await asyncio.sleep(0.01)
        under_way -= 1
        count += 1
        if count == 3:
            done.set()
        return 0.0

    made, _ = dispatcher(reconcile)
    made.now(A)
    await run_until(made, done)
    assert most == 1


async def test_no_more_than_the_allowed_number_run_at_once() -> None:
    done, under_way, most, count = asyncio.Event(), 0, 0, 0

    async def reconcile(_: Key) -> float | None:
        nonlocal under_way, most, count
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        count += 1
        if count == 8:
            done.set()
        return None

    made, _ = dispatcher(reconcile, concurrency=3)
    for number in range(8):
        made.now(Key("things", "shop", str(number)))
    await run_until(made, done)
    assert most == 3


async def test_cancelled_it_cancels_what_is_under_way() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def reconcile(_: Key) -> float | None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return None

    made, _ = dispatcher(reconcile)
    made.now(A)
    await run_until(made, started)
    assert cancelled.is_set()


async def test_objects_of_one_kind_that_hang_do_not_hold_up_another_kind() -> None:
    done = asyncio.Event()

    async def reconcile(key: Key) -> float | None:
        if key.plural == "things":
            await asyncio.sleep(60)
        done.set()
        return None

    made, _ = dispatcher(reconcile, concurrency=2)
    for number in range(20):
        made.now(Key("things", "shop", str(number)))
    made.now(Key("others", "shop", "a"))
    await run_until(made, done)


async def test_the_loop_turns_on_while_everything_hangs() -> None:
    async def reconcile(_: Key) -> float | None:
        await asyncio.sleep(60)
        return None

    made, _ = dispatcher(reconcile, concurrency=1)
    for number in range(20):
        made.now(Key("things", "shop", str(number)))
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.2)
    before = made.alive_at
    made.now(Key("things", "shop", "one more"))
    await asyncio.sleep(0.1)
    assert made.alive_at > before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_objects_that_take_turns_in_a_namespace_leave_the_slots_to_others() -> None:
    done, running, most = asyncio.Event(), 0, 0

    async def reconcile(key: Key) -> float | None:
        nonlocal running, most
        if key.namespace == "calm":
            done.set()
            return None
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1
        return None

    made, _ = dispatcher(reconcile, concurrency=2)
    for number in range(10):
        made.now(Key("others", "busy", str(number)))
    made.now(Key("others", "calm", "a"))
    started = time.monotonic()
    await run_until(made, done)
    assert time.monotonic() - started < 1.0
    assert most == 1


class PanicError(BaseException):
    """What an extension module may raise: none of Exception."""


async def test_not_even_a_panic_of_one_object_ends_the_others() -> None:
    done = asyncio.Event()

    async def reconcile(key: Key) -> float | None:
        if key == A:
            raise PanicError
        await asyncio.sleep(0.05)
        done.set()
        return None

    made, metrics = dispatcher(reconcile)
    made.now(A)
    made.now(B)
    await run_until(made, done)
    assert metrics.evaluations.labels("things", "error")._value.get() == 1


def behind_all_but(*on_time: Key) -> Lane:
    """A lane of which only some objects must be on time; what waits behind takes 50 ms."""

    async def reconcile(key: Key) -> float | None:
        if key not in on_time:
            await asyncio.sleep(0.05)
        return 0.02

    return Lane(reconcile, 4, behind=lambda key: None if key in on_time else 0, behind_at_once=2)


async def test_what_waits_behind_does_not_delay_what_must_be_on_time() -> None:
    seen: list[float] = []
    lane = behind_all_but(A)

    async def reconcile(key: Key) -> float | None:
        if key == A:
            seen.append(time.monotonic())
        return await lane.reconcile(key)

    made = Dispatcher(
        {"things": replace(lane, reconcile=reconcile)},
        metrics=Metrics(),
        monotonic=time.monotonic,
    )
    for number in range(500):
        made.now(Key("things", "shop", str(number)))
    made.now(A)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(seen) > 10
    assert max(after - before for before, after in pairwise(seen)) < 0.5
    assert made.lag < 0.5


async def test_what_waits_behind_is_placed_anew_when_it_is_to_be_evaluated_now() -> None:
    urgent: set[Key] = set()
    done = asyncio.Event()

    async def reconcile(key: Key) -> float | None:
        if key in urgent:
            done.set()
            return None
        await asyncio.sleep(60)
        return None

    lane = Lane(reconcile, 1, behind=lambda key: None if key in urgent else 0)
    made = Dispatcher({"things": lane}, metrics=Metrics(), monotonic=time.monotonic)
    for key in (A, B):
        made.now(key)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.05)
    urgent.add(B)
    made.now(B)
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_cannot_begin_is_late_as_long_as_it_waits() -> None:
    async def reconcile(_: Key) -> float | None:
        await asyncio.sleep(60)
        return None

    made, _ = dispatcher(reconcile, concurrency=1)
    made.now(A)
    made.now(B)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.3)
    assert 0.2 < made.lag < 5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_schedule_that_was_given_up_is_worked_off_when_it_is_taken_up_again() -> None:
    seen: list[Key] = []

    async def reconcile(key: Key) -> float | None:
        seen.append(key)
        await asyncio.sleep(0.05)
        return None

    made, _ = dispatcher(reconcile, concurrency=1)
    for _ in range(2):
        for key in (A, B):
            made.now(key)
        task = asyncio.create_task(made.run())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    made.now(B)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen.count(B) == 1


async def test_nothing_begins_while_the_process_must_not_decide() -> None:
    evaluated: list[float] = []
    done = asyncio.Event()

    async def reconcile(_: Key) -> float | None:
        evaluated.append(time.monotonic())
        done.set()
        return None

    metrics, began = Metrics(), time.monotonic()
    made = Dispatcher(
        {"things": Lane(reconcile, 1)},
        metrics=metrics,
        monotonic=time.monotonic,
        ready=lambda: time.monotonic() > began + 0.5,
    )
    made.now(Key("things", "shop", "a"))
    await run_until(made, done)
    assert len(evaluated) == 1
    assert evaluated[0] > began + 0.5
