import asyncio
import time

import pytest

from sluice.controller.dispatcher import Dispatcher, Reconcile
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Key
from sluice.telemetry.metrics import Metrics

A = Key("things", "shop", "a")
B = Key("things", "shop", "b")


def dispatcher(reconcile: Reconcile, *, concurrency: int = 4) -> tuple[Dispatcher, Metrics]:
    metrics = Metrics()
    made = Dispatcher(
        reconcilers={"things": reconcile},
        metrics=metrics,
        monotonic=time.monotonic,
        concurrency=concurrency,
    )
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
