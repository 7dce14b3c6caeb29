"""Requests at a fixed rate, whatever becomes of the ones before, and what their times say.

The generator is open-loop: requests come at random (a Poisson process), as from clients that do not
know of each other, and a request's time counts from when it was meant to be sent. A server that is
slow makes those behind it wait, and that wait is in their times (no "coordinated omission").
"""

import asyncio
import gc
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import numpy as np

_RESAMPLES = 1000
_CONFIDENCE = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Block:
    """Requests of one kind in a row.

    Attributes:
        times: milliseconds from when each was meant to be sent until its answer.
        late: milliseconds by which each was sent too late.
        statuses: how often each status was answered.
    """

    times: list[float]
    late: list[float]
    statuses: Counter[int]


class UnexpectedAnswer(Exception):  # noqa: N818 - what happened, for who reads it
    """An answer that is not what the benchmark is about."""


class Client:
    """Connections to one API server, as many as there are requests under way."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._server = server
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=600),
            timeout=aiohttp.ClientTimeout(total=60),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def send(self, call: Call) -> tuple[int, str]:
        """Status and body of the answer."""
        async with self.session.request(
            call.method,
            self._server + call.path,
            data=call.body or None,
            headers={"Content-Type": call.content_type},
        ) as answer:
            return answer.status, await answer.text()

    async def json(self, call: Call) -> Any:
        """The answer's JSON.

        Raises:
            UnexpectedAnswer: it is an error.
        """
        status, text = await self.send(call)
        if status >= HTTPStatus.BAD_REQUEST:
            raise UnexpectedAnswer(f"{call.path}: {status}: {text}")
        return json.loads(text)

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[aiohttp.StreamReader]:
        """What happens to a collection's objects, a line of JSON an event."""
        forever = aiohttp.ClientTimeout(total=None)
        async with self.session.get(f"{self._server}{path}?watch=1", timeout=forever) as answer:
            answer.raise_for_status()
            yield answer.content

    async def block(
        self, calls: Callable[[int], Call], *, rate: float, seconds: float, chance: random.Random
    ) -> Block:
        """Send `rate` requests a second for `seconds`, the n-th of which is `calls(n)`."""
        prepared = [(at, calls(n)) for n, at in enumerate(_arrivals(rate, seconds, chance))]
        gc.collect()
        gc.disable()  # a pause of the generator would look like one of the server
        try:
            begin = time.perf_counter() + 0.05
            async with asyncio.TaskGroup() as tasks:
                under_way = []
                for offset, call in prepared:
                    await asyncio.sleep(begin + offset - time.perf_counter())
                    under_way.append(tasks.create_task(self._timed(call, begin + offset)))
        finally:
            gc.enable()
        found = [task.result() for task in under_way]
        return Block(
            [took for took, _, _ in found],
            [late for _, late, _ in found],
            Counter(status for _, _, status in found),
        )

    async def _timed(self, call: Call, due: float) -> tuple[float, float, int]:
        late = time.perf_counter() - due
        status, _ = await self.send(call)
        return (time.perf_counter() - due) * 1000, late * 1000, status


def _arrivals(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the bounds between which it is with 95 % confidence."""

    value: float
    low: float
    high: float

    def json(self) -> list[float]:
        """Value, lower and upper bound."""
        return [round(one, 3) for one in (self.value, self.low, self.high)]

    def __str__(self) -> str:
        return f"{self.value:+.2f} ±{(self.high - self.low) / 2:.2f}"


def percentile(blocks: Sequence[Block], percent: float) -> float:
    """Of all requests of these blocks, milliseconds."""
    return float(np.percentile(np.concatenate([one.times for one in blocks]), percent))


def added(
    blocks: Sequence[Block], reference: Sequence[Block], percent: float, *, seed: int
) -> Estimate:
    """By how much the percentile is above that of `reference`; the n-th blocks are a pair.

    The bounds are those of a bootstrap that draws whole pairs: requests of a block share what the
    machine did meanwhile, so that they are not independent of each other.
    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 8.
    """
    chance = np.random.default_rng(seed)
    mine = [np.asarray(one.times) for one in blocks]
    theirs = [np.asarray(one.times) for one in reference]

    def difference(chosen: Sequence[int]) -> float:
        of_mine, of_theirs = (
            np.percentile(np.concatenate([side[number] for number in chosen]), percent)
            for side in (mine, theirs)
        )
        return float(of_mine - of_theirs)

    drawn = [
        difference(chance.integers(len(mine), size=len(mine)).tolist()) for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(drawn, _CONFIDENCE)
    return Estimate(difference(range(len(mine))), float(low), float(high))
