import json
import re
from collections.abc import AsyncIterator

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.indicators.counted import Counted, GridCounts
from sluice.indicators.grid import Grid
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import PART, SIDE, Part, Selector, Side
from sluice.indicators.reader import Reader, runs

GRID = Grid(3000, 300, 3)


@pytest.mark.parametrize(
    ("flagged", "expected"),
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
    flagged: list[int], expected: list[tuple[int, int]]
) -> None:
    flags = np.zeros(100, bool)
    flags[flagged] = True
    assert list(runs(flags)) == expected


def test_the_slices_of_a_grid_are_found_by_their_ends() -> None:
    assert GRID.end == 3900
    assert [GRID.index(time) for time in (3300, 3600, 3900)] == [0, 1, 2]
    assert GRID.part(1, 3) == Grid(3300, 300, 2)
    assert GRID.within([3000, 3300, 3900, 4200], [1, 2, 3, 4]) == {0: 2, 2: 3}


class Backend:
    """Answers every query with the same members of a union."""

    def __init__(self) -> None:
        self.members: list[tuple[dict[str, str], list[tuple[float, str]]]] = []
        self.queries: list[str] = []

    def add(self, side: Side, part: Part, *values: float | str) -> None:
        pairs = [(GRID.start + 300.0 * n, str(value)) for n, value in enumerate(values, 1)]
        self.members.append(({SIDE: side, PART: part}, pairs))

    def plain(self, side: Side, *moved: float) -> None:
        """A side with one series that moves, from 100 on in every slice."""
        self.add(side, Part.VALUE, *(100 + it for it in moved))
        self.add(side, Part.START_VALUE, *(100 for _ in moved))
        for part in (Part.SEEN, Part.PRESENT, Part.START_PRESENT):
            self.add(side, part, *(1.0 for _ in moved))

    async def handle(self, request: web.Request) -> web.Response:
        query = str((await request.post())["query"])
        self.queries.append(query)
        if request.path.endswith("/query") and not query.endswith("]"):
            kind = "vector"
            result = [{"metric": labels, "value": values[0]} for labels, values in self.members]
        else:
            kind = "matrix"
            result = [{"metric": labels, "values": values} for labels, values in self.members]
        data = {"status": "success", "data": {"resultType": kind, "result": result}}
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
    backend.add(Side.BAD, Part.START_VALUE, "0", "0", "0")
    backend.add(Side.BAD, Part.VALUE, "NaN", "+Inf", "2")
    backend.members.append(({SIDE: "other", PART: "value"}, [(3300, "5")]))
    backend.members.append(({}, [(3300, "5")]))
    backend.members.append(({SIDE: "bad", PART: "value"}, [(1e12, "5")]))
    assert (await read(source, Side.BAD)).bad.tolist() == [0, 0, 2]


async def looked_back(backend: Backend, source: Prometheus, *ages: float) -> list[int]:
    """How many seconds before the slice are read, slice by slice, by the ages of its first value.

    A slice is read twice if the first time was not enough.
    """
    reader, found = Reader(source, Counted(Selector("a"), Selector("b"), Side.BAD)), []
    for age in ages:
        backend.members, backend.queries = [], []
        backend.plain(Side.TOTAL, 10)
        backend.add(Side.TOTAL, Part.START_OLDEST, GRID.start - age)
        counts = await reader.read(Grid(GRID.start, 300, 1))
        assert isinstance(counts, GridCounts)
        assert counts.total.tolist() == [10]
        ranges = (re.search(r"resets\(a\[(\d+)s\]", query) for query in backend.queries)
        found += [int(match[1]) - 300 for match in ranges if match]
    return found


@pytest.mark.parametrize(
    ("ages", "seconds"),
    [
        ((59.5, 59.5, 59.5), [300, 61, 61]),
        ((14, 44, 29), [300, 15, 300, 45]),
        ((300, 10), [300, 300]),
        ((30, 31), [300, 31, 300]),
        ((250, *[10.0] * 13), [300, *[251] * 12, 11]),
    ],
)
async def test_a_slice_is_looked_back_from_as_far_as_an_hour_needed_and_never_less_than_it_needs(
    backend: Backend, source: Prometheus, ages: tuple[float, ...], seconds: list[int]
) -> None:
    assert await looked_back(backend, source, *ages) == seconds


@pytest.mark.parametrize(("value", "one_by_one"), [(2.0**53 - 200, False), (2.0**60, True)])
async def test_values_too_large_to_be_added_exactly_are_subtracted_one_by_one(
    backend: Backend, source: Prometheus, value: float, one_by_one: bool
) -> None:
    backend.plain(Side.TOTAL, value, 0.0, 0.0)
    await read(source, Side.BAD)
    assert any(" unless " in query for query in backend.queries) == one_by_one


@pytest.mark.parametrize("age", [0.0, 15.0])
async def test_many_slices_are_looked_back_from_in_full(
    backend: Backend, source: Prometheus, age: float
) -> None:
    backend.plain(Side.TOTAL, 10, 10, 10)
    backend.add(Side.TOTAL, Part.START_OLDEST, *[GRID.start - age] * 3)
    await read(source, Side.BAD)
    assert "resets(a[600s])" in backend.queries[0]


@pytest.mark.parametrize(("side", "watched"), [(Side.BAD, Side.BAD), (Side.GOOD, Side.TOTAL)])
async def test_a_tick_counts_the_series_of_the_side_that_shows_a_first_error(
    backend: Backend, source: Prometheus, side: Side, watched: Side
) -> None:
    counted = Counted(Selector("a"), Selector("b"), side)
    await Reader(source, counted).tick(Grid(3000, 60, 1))
    assert backend.queries[0].count("count(") == 1
    assert f"count({counted.selectors[watched]}<Inf)" in backend.queries[0]


REPLICATED = Counted(Selector("a", replica="r"), Selector("b", replica="r"), Side.BAD)


async def test_counters_with_replicas_move_as_far_as_counter_by_counter(
    backend: Backend, source: Prometheus
) -> None:
    backend.plain(Side.TOTAL, 10, 20, 30)
    backend.add(Side.TOTAL, Part.MOVED, 11, 21, 31)
    backend.add(Side.TOTAL, Part.MATCHED, 1, 1, 1)
    counts = await Reader(source, REPLICATED).read(GRID)
    assert isinstance(counts, GridCounts)
    assert counts.total.tolist() == [11, 21, 31]
    assert counts.covered.all()
    assert len(backend.queries) == 1


async def test_a_counter_that_goes_down_as_a_replica_is_gone_is_looked_at_by_its_samples(
    backend: Backend, source: Prometheus
) -> None:
    """It is there at both ends and was not reset, but the replica that is left is behind."""
    backend.plain(Side.TOTAL, -5)
    await Reader(source, REPLICATED).read(Grid(GRID.start, 300, 1))
    assert any(" unless " in query for query in backend.queries)


async def test_counters_with_replicas_are_always_looked_back_from_in_full(
    backend: Backend, source: Prometheus
) -> None:
    backend.plain(Side.TOTAL, 10)
    backend.add(Side.TOTAL, Part.MATCHED, 1)
    backend.add(Side.TOTAL, Part.MOVED, 10)
    backend.add(Side.TOTAL, Part.START_OLDEST, GRID.start - 10)
    reader = Reader(source, REPLICATED)
    for _ in range(3):
        await reader.read(Grid(GRID.start, 300, 1))
    assert len(backend.queries) == 3
    assert all("resets(a[600s])" in query for query in backend.queries)


async def test_a_tick_without_any_series_of_the_total_is_read_in_full(
    backend: Backend, source: Prometheus
) -> None:
    backend.plain(Side.BAD, 1)
    await Reader(source, Counted(Selector("a"), Selector("b"), Side.BAD)).tick(Grid(3000, 300, 1))
    assert "resets(" in backend.queries[1]
