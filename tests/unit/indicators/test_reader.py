import json
from collections.abc import AsyncIterator

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.indicators.grid import Grid
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import PART, SIDE, Part, Selector, Side
from sluice.indicators.reader import Counted, GridCounts, Reader, _runs

GRID = Grid(3000, 300, 3)


@pytest.mark.parametrize(
    ("flagged", "runs"),
    [
        ([], []),
        ([5], [(5, 6)]),
        ([5, 6, 8], [(5, 9)]),
        ([5, 9], [(5, 6), (9, 10)]),
        ([0, 99], [(0, 1), (99, 100)]),
        (list(range(100)), [(0, 72), (72, 100)]),
    ],
)
def test_exceptions_near_each_other_are_asked_for_together(
    flagged: list[int], runs: list[tuple[int, int]]
) -> None:
    flags = np.zeros(100, bool)
    flags[flagged] = True
    assert list(_runs(flags)) == runs


def test_the_slices_of_a_grid_are_found_by_their_ends() -> None:
    assert GRID.end == 3900
    assert [GRID.index(time) for time in (3300, 3600, 3900)] == [0, 1, 2]
    assert GRID.part(1, 3) == Grid(3300, 300, 2)
    assert GRID.within([3000, 3300, 3900, 4200], [1, 2, 3, 4]) == {0: 2, 2: 3}


class Backend:
    """Answers every query with the same members of a union."""

    def __init__(self) -> None:
        self.members: list[tuple[dict[str, str], list[tuple[float, str]]]] = []

    def add(self, side: Side, part: Part, *values: float | str) -> None:
        pairs = [(GRID.start + 300.0 * n, str(value)) for n, value in enumerate(values, 1)]
        self.members.append(({SIDE: side, PART: part}, pairs))

    def plain(self, side: Side, *moved: float) -> None:
        """A side with one series that moves."""
        self.add(side, Part.MOVED, *moved)
        for part in (Part.MATCHED, Part.SEEN, Part.PRESENT):
            self.add(side, part, *(1.0 for _ in moved))

    async def handle(self, _: web.Request) -> web.Response:
        result = [{"metric": labels, "values": values} for labels, values in self.members]
        data = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return web.Response(text=json.dumps(data), content_type="application/json")


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def source(backend: Backend) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", backend.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Prometheus("default", str(server.make_url("/")), session)


async def read(source: Prometheus, side: Side, *, always: bool = False) -> GridCounts:
    counts = await Reader(source, Counted(Selector("a"), Selector("b"), side, always)).read(GRID)
    assert isinstance(counts, GridCounts)
    return counts


async def test_no_bad_series_is_no_bad_event(backend: Backend, source: Prometheus) -> None:
    backend.plain(Side.TOTAL, 10, 20, 30)
    counts = await read(source, Side.BAD)
    assert counts.total.tolist() == [10, 20, 30]
    assert counts.bad.tolist() == [0, 0, 0]
    assert counts.covered.all()


async def test_no_total_series_is_a_gap(backend: Backend, source: Prometheus) -> None:
    backend.plain(Side.TOTAL, 10)
    backend.plain(Side.BAD, 1, 1, 1)
    counts = await read(source, Side.BAD)
    assert counts.covered.tolist() == [True, False, False]
    assert counts.bad.tolist() == [1, 0, 0]


async def test_what_is_not_good_is_bad_and_never_less_than_nothing(
    backend: Backend, source: Prometheus
) -> None:
    backend.plain(Side.TOTAL, 10, 20, 30)
    backend.plain(Side.GOOD, 7, 21)
    assert (await read(source, Side.GOOD)).bad.tolist() == [3, 0, 30]


async def test_a_histogram_without_the_bucket_is_a_gap_unless_it_is_idle(
    backend: Backend, source: Prometheus
) -> None:
    """All its requests would be bad otherwise."""
    backend.plain(Side.TOTAL, 10, 20, 0)
    backend.plain(Side.GOOD, 7)
    counts = await read(source, Side.GOOD, always=True)
    assert counts.covered.tolist() == [True, False, True]
    assert counts.bad.tolist() == [3, 0, 0]


async def test_values_that_are_no_numbers_and_members_not_asked_for_are_left_out(
    backend: Backend, source: Prometheus
) -> None:
    backend.plain(Side.TOTAL, 10, 20, 30)
    backend.add(Side.BAD, Part.MOVED, "NaN", "+Inf", "2")
    backend.members.append(({SIDE: "other", PART: "moved"}, [(3300, "5")]))
    backend.members.append(({}, [(3300, "5")]))
    backend.members.append(({SIDE: "bad", PART: "moved"}, [(1e12, "5")]))
    assert (await read(source, Side.BAD)).bad.tolist() == [0, 0, 2]
