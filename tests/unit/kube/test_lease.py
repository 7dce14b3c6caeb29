"""Who leads, and for how long, when the API server does not answer; time is the loop's own."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from copy import deepcopy
from typing import Any

import pytest

from sluice.kube.api_server import ApiError
from sluice.kube.lease import Lease, Timing

TIMING = Timing()
PROMISED = 15.0
"""Seconds until a standby leads, with what requests take."""
UNREACHABLE = ApiError(status=0, reason="Unreachable", message="gone")


class Skipping(asyncio.SelectorEventLoop):
    """An event loop whose time is not waited for: when all sleep, it is when the first wakes up."""

    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()


def skipping(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in such a loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=Skipping) as runner:
            runner.run(test(*args, **kwargs))

    return run


class OneLease:
    """An API server that holds a Lease, and answers while it `answers`."""

    def __init__(self) -> None:
        self.body: dict[str, Any] | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.refuses = False
        self._version = 0

    async def get(self, *_: object, **__: object) -> dict[str, Any] | None:
        await self._answer()
        return deepcopy(self.body)

    async def create(self, _: object, body: dict[str, Any], **__: object) -> None:
        await self.replace(_, body)

    async def replace(self, _: object, body: dict[str, Any], **__: object) -> None:
        await self._answer()
        known = 0 if self.body is None else self.body["metadata"]["resourceVersion"]
        if body["metadata"].get("resourceVersion", 0) != known:
            raise ApiError(status=409, reason="Conflict", message="somebody was faster")
        self._version += 1
        self.body = deepcopy(body)
        self.body["metadata"]["resourceVersion"] = self._version

    async def _answer(self) -> None:
        if self.refuses:
            raise UNREACHABLE
        await self.answers.wait()


class Candidate:
    """A process that competes for a Lease."""

    def __init__(self, api: OneLease, identity: str) -> None:
        self.lease = Lease(
            api,  # type: ignore[arg-type]
            namespace="sluice-system",
            name="sluice",
            identity=identity,
            monotonic=asyncio.get_running_loop().time,
        )
        self.task = asyncio.create_task(self.lease.run())

    async def until(self, *, held: bool) -> float:
        """Wait until it leads, or does not; seconds waited."""
        began = asyncio.get_running_loop().time()
        while self.lease.held != held:
            await asyncio.sleep(0.01)
        return asyncio.get_running_loop().time() - began

    async def die(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@skipping
async def test_a_request_that_hangs_for_a_while_costs_no_leadership() -> None:
    api = OneLease()
    leader = Candidate(api, "first")
    await leader.until(held=True)
    for _ in range(3):
        api.answers.clear()
        await asyncio.sleep(TIMING.attempt + TIMING.retry - 0.5)
        assert leader.lease.held
        api.answers.set()
        await asyncio.sleep(TIMING.attempt + TIMING.retry)
        assert leader.lease.held
    await leader.die()


@skipping
async def test_a_leader_without_answers_stops_before_another_one_may_begin() -> None:
    api = OneLease()
    leader = Candidate(api, "first")
    await leader.until(held=True)
    api.answers.clear()
    assert await leader.until(held=False) <= TIMING.renew_deadline
    assert leader.lease.remaining == 0
    api.answers.set()
    await leader.until(held=True)
    await leader.die()


@skipping
async def test_it_may_write_until_another_one_may_take_the_lease() -> None:
    leader = Candidate(OneLease(), "first")
    assert leader.lease.remaining == 0
    await leader.until(held=True)
    await asyncio.sleep(TIMING.retry / 2)
    least = TIMING.duration - TIMING.retry
    assert least <= leader.lease.remaining <= TIMING.duration
    await leader.die()


@pytest.mark.parametrize("late", [0.0, 0.7, 1.3, 1.9])
@skipping
async def test_a_standby_takes_over_one_retry_after_the_lease_has_expired_at_the_latest(
    late: float,
) -> None:
    api = OneLease()
    leader = Candidate(api, "first")
    await leader.until(held=True)
    await asyncio.sleep(late)  # the standby looks at another moment than the leader renews
    standby = Candidate(api, "second")
    await asyncio.sleep(5 * TIMING.retry + 0.1)
    await leader.die()
    waited = await standby.until(held=True)
    assert TIMING.duration - TIMING.retry < waited <= TIMING.duration + TIMING.retry < PROMISED
    await standby.die()


@skipping
async def test_a_standby_whose_requests_hang_takes_over_soon_after_they_are_answered() -> None:
    api = OneLease()
    leader = Candidate(api, "first")
    await leader.until(held=True)
    standby = Candidate(api, "second")
    await asyncio.sleep(TIMING.retry)
    await leader.die()
    api.answers.clear()
    await asyncio.sleep(TIMING.duration)
    # The request that hangs is lost: only the next one is answered.
    api.refuses = True
    api.answers.set()
    await asyncio.sleep(0.1)
    api.refuses = False
    assert await standby.until(held=True) <= TIMING.attempt + TIMING.retry
    await standby.die()


@pytest.mark.parametrize("answered", [True, False])
@skipping
async def test_a_process_that_ends_does_not_wait_long_to_give_its_lease_up(answered: bool) -> None:
    api = OneLease()
    leader = Candidate(api, "first")
    await leader.until(held=True)
    await leader.die()
    if not answered:
        api.answers.clear()
    began = asyncio.get_running_loop().time()
    await leader.lease.release()
    assert asyncio.get_running_loop().time() - began <= TIMING.release
    assert not leader.lease.held
    assert api.body is not None
    assert api.body["spec"]["holderIdentity"] == ("" if answered else "first")
