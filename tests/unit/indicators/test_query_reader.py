"""The reader of queries, with a source that answers from a table."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.api.indicator import Indicator
from sluice.api.reasons import Reason
from sluice.indicators.counted import GridCounts
from sluice.indicators.expressions import Answered, Expression
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.promql import PART, SIDE, Side
from sluice.indicators.query_reader import Limited, Queried, QueryReader
from sluice.indicators.resolve import resolve

GRID = Grid(3000, 300, 3)
TOTAL = Expression("sum(increase(x[$window]))", "spec.indicator.ratio.total.query")
OTHER = Expression("sum(increase(y[$window]))", "spec.indicator.ratio.bad.query")


class Backend:
    """Answers every query with the same values, one for each slice; None is nothing."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.rows: dict[tuple[Side, Answered], list[object]] = {}

    def say(self, side: Side, *values: object, series: int = 1) -> None:
        self.rows[side, Answered.VALUE] = list(values)
        self.rows[side, Answered.SERIES] = [None if v is None else series for v in values]

    async def handle(self, request: web.Request) -> web.Response:
        self.queries.append((await request.post())["query"])  # type: ignore[arg-type]
        instant = request.path.endswith("query")
        result = []
        for (side, part), row in self.rows.items():
            pairs = [
                [GRID.start + 300.0 * n, str(value)]
                for n, value in enumerate(row, 1)
                if value is not None
            ]
            if pairs:
                values = {"value": [GRID.end, pairs[-1][1]]} if instant else {"values": pairs}
                result.append({"metric": {SIDE: side, PART: part}, **values})
        kind = "vector" if instant else "matrix"
        data = {"resultType": kind, "result": result}
        return web.json_response({"status": "success", "data": data})


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def source(backend: Backend) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", backend.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Prometheus("default", str(server.make_url("/")), session)


async def counts(source: Prometheus, side: Side = Side.BAD) -> GridCounts:
    found = await QueryReader(source, Queried(TOTAL, OTHER, side)).read(GRID)
    assert isinstance(found, GridCounts), found
    return found


@pytest.mark.parametrize(
    ("total", "other", "bad", "covered"),
    [
        ((10, 20, 30), (1, 0, 3), [1, 0, 3], [True] * 3),
        ((10, 20, 30), (None, None, None), [0, 0, 0], [True] * 3),
        ((10, None, 0), (1, None, None), [1, 0, 0], [True, False, True]),
        ((10, None, 10), (1, 1, 1), [1, 0, 1], [True, False, True]),
        (("NaN", "+Inf", -1), (1, 1, 1), [0, 0, 0], [False] * 3),
        ((10, 10, 10), ("NaN", "+Inf", -1), [0, 0, 0], [False] * 3),
        ((10, 10, 10), (10.5, 11, 9), [10, 10, 9], [True] * 3),
    ],
)
async def test_what_is_no_count_is_a_gap_and_never_a_number(
    *,
    backend: Backend,
    source: Prometheus,
    total: tuple[object, ...],
    other: tuple[object, ...],
    bad: list[float],
    covered: list[bool],
) -> None:
    backend.say(Side.TOTAL, *total)
    backend.say(Side.BAD, *other)
    found = await counts(source)
    assert found.bad.tolist() == bad
    assert found.covered.tolist() == covered
    assert (found.total[~found.covered] == 0).all()


async def test_good_events_are_taken_from_all(backend: Backend, source: Prometheus) -> None:
    backend.say(Side.TOTAL, 10, 10, 10)
    backend.say(Side.GOOD, 9, None, 11)
    assert (await counts(source, Side.GOOD)).bad.tolist() == [1, 10, 0]


async def test_series_that_were_not_asked_for_are_left_out(
    backend: Backend, source: Prometheus
) -> None:
    backend.say(Side.TOTAL, 10, 10, 10)
    backend.say(Side.BAD, 1, 0, 0)
    backend.say(Side.GOOD, 5, 5, 5)
    assert (await counts(source, Side.BAD)).bad.tolist() == [1, 0, 0]


async def test_a_query_of_many_series_is_told_what_to_do(
    backend: Backend, source: Prometheus
) -> None:
    backend.say(Side.TOTAL, 10, 10, 10)
    backend.say(Side.BAD, 1, 1, 1, series=4)
    failure = await QueryReader(source, Queried(TOTAL, OTHER, Side.BAD)).read(GRID)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.message == (
        "spec.indicator.ratio.bad.query: 'sum(increase(y[$window]))' gives 4 series, and one is "
        "needed: add them up with sum(...)"
    )


@pytest.mark.parametrize(("width", "asked", "total"), [(60, "300s", 6), (400, "400s", 30)])
async def test_a_moment_is_read_at_the_rate_of_five_minutes(
    backend: Backend, source: Prometheus, width: int, asked: str, total: float
) -> None:
    backend.say(Side.TOTAL, 10, 20, 30)
    backend.say(Side.BAD, None, None, 30)
    reader = QueryReader(source, Queried(TOTAL, OTHER, Side.BAD))
    found = await reader.tick(Grid(GRID.end - width, width, 1))
    assert isinstance(found, GridCounts)
    assert (found.total.tolist(), found.bad.tolist()) == ([total], [total])
    assert f"increase(x[{asked}])" in backend.queries[0]


@pytest.mark.parametrize(
    ("operator", "bad"),
    [
        ("LessThan", [0, 1, 1]),
        ("LessOrEqual", [0, 0, 1]),
        ("GreaterThan", [1, 1, 0]),
        ("GreaterOrEqual", [1, 0, 0]),
    ],
)
async def test_a_value_is_good_as_its_operator_says(
    backend: Backend, source: Prometheus, operator: str, bad: list[float]
) -> None:
    declared = {"query": "max(depth)", "operator": operator, "value": "-0.5"}
    limited = await resolve(Indicator.model_validate({"threshold": declared}), source, GRID.end)
    assert isinstance(limited, Limited)
    backend.say(Side.TOTAL, -0.75, -0.5, 3)
    found = await QueryReader(source, limited).read(GRID)
    assert isinstance(found, GridCounts)
    assert found.bad.tolist() == bad
    assert found.total.tolist() == [1, 1, 1]


async def test_without_a_value_there_is_nothing_to_judge(
    backend: Backend, source: Prometheus
) -> None:
    declared = {"query": "max(depth)", "operator": "GreaterThan", "value": "0"}
    limited = await resolve(Indicator.model_validate({"threshold": declared}), source, GRID.end)
    assert isinstance(limited, Limited)
    backend.say(Side.TOTAL, None, "NaN", "+Inf")
    found = await QueryReader(source, limited).read(GRID)
    assert isinstance(found, GridCounts)
    assert (found.covered.any(), found.total.sum(), found.bad.sum()) == (False, 0, 0)


async def test_no_day_of_a_query_is_passed_over_as_it_may_tell_of_single_moments(
    backend: Backend, source: Prometheus
) -> None:
    reader = QueryReader(source, Queried(TOTAL, OTHER, Side.BAD))
    assert await reader.exists(0, 86_400) is True
    assert backend.queries == []
