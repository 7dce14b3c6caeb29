"""What rows count, how few queries read the past, and what a value without a past is."""

from collections.abc import Sequence

import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Origin
from sluice.budget.budget import Budget, UnknownBudget
from sluice.budget.counts import SLICE
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.database import Range, Row
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.sources import NamedSource
from sluice.indicators.sql_reader import SqlCountsReader
from sluice.indicators.statement import Shape, Statement, parse_statement

NOON = 1_800_000_000.0
START = int(NOON) // HOUR * HOUR
COUNTS = {"counts": {"query": "select 9 as total, 1 as bad where $start < $end"}}
VALUE = {"value": {"query": "select 1", "operator": "LessThan", "value": "100"}}
SLICES = {"timeslices": {"length": "5m", "objective": "95"}}
NAN, INF = float("nan"), float("inf")
DOWN = Failure(Reason.SOURCE_UNREACHABLE, "nobody there")


class Fake:
    """A database in which every second has an event, and each thousandth is bad."""

    def __init__(self) -> None:
        self.asked: list[Range] = []
        self.batches = 0
        self.fails_after: int | None = None
        self.value: float | None = 50.0

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        self.batches += 1
        if self.fails_after is not None and self.batches > self.fails_after:
            return DOWN
        self.asked.extend(ranges)
        if statement.shape is Shape.VALUE:
            return [{"p99": self.value} for _ in ranges]
        return [
            {"total": float(end - start), "bad": float(end // 1000 - start // 1000)}
            for start, end in ranges
        ]


def declared(
    sql: dict[str, object], window: str = "30d", **fields: object
) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99",
            "window": {"rolling": window},
            "indicator": {"sql": sql},
            "source": {"name": "db"},
            **fields,
        }
    )


def meter_of(spec: ServiceLevelObjectiveSpec, database: Fake) -> Meter:
    return Meter(spec, NamedSource(database))


async def budget_at(meter: Meter, spec: ServiceLevelObjectiveSpec, now: float) -> Budget:
    reading = await meter.advance(now)
    assert isinstance(reading, Reading), reading
    budget = meter.evaluate(objective_of(spec, now), now).budget
    assert isinstance(budget, Budget), budget
    return budget


@pytest.mark.parametrize(
    ("row", "counted"),
    [
        ({"total": 10.0, "bad": 3.0}, (10, 3, True)),
        ({"total": 10.0, "good": 3.0}, (10, 7, True)),
        ({"total": 0.0, "bad": 0.0}, (0, 0, True)),
        ({"total": 10.0, "bad": None}, (10, 0, True)),
        ({"total": 10.0, "good": None}, (10, 10, True)),
        ({"total": None, "bad": None}, (0, 0, False)),
        ({"total": None, "bad": 3.0}, (0, 0, False)),
        ({"total": NAN, "bad": 0.0}, (0, 0, False)),
        ({"total": 1.0, "bad": NAN}, (0, 0, False)),
        ({"total": INF, "bad": 0.0}, (0, 0, False)),
        (None, (0, 0, False)),
        ({"total": 0.1 + 0.2, "good": 0.3000000001}, (0.1 + 0.2, 0, True)),
    ],
)
async def test_a_row_counts_or_is_a_gap(
    row: Row | None, counted: tuple[float, float, bool]
) -> None:
    class One(Fake):
        async def rows(
            self, statement: Statement, ranges: Sequence[Range]
        ) -> list[Row | None] | Failure:
            del statement
            return [row for _ in ranges]

    counts = await SqlCountsReader(One(), statement()).read(Grid(START, SLICE, 1))
    assert not isinstance(counts, Failure)
    found = (counts.total[0], counts.bad[0], bool(counts.covered[0]))
    assert found == pytest.approx(counted)


@pytest.mark.parametrize(
    ("row", "given"),
    [
        ({"total": 5.0, "good": 7.0}, "total = 5 and good = 7"),
        ({"total": -1.0, "bad": 0.0}, "total = -1 and bad = 0"),
        ({"total": 5.0, "bad": -2.0}, "total = 5 and bad = -2"),
    ],
)
async def test_what_cannot_be_counts_is_told_with_the_time(row: Row, given: str) -> None:
    class One(Fake):
        async def rows(
            self, statement: Statement, ranges: Sequence[Range]
        ) -> list[Row | None] | Failure:
            del statement
            return [row for _ in ranges]

    failure = await SqlCountsReader(One(), statement()).read(Grid(START, SLICE, 1))
    assert failure == Failure(
        Reason.INVALID_QUERY,
        f"spec.indicator.sql.counts.query: from 2027-01-15 08:00:00Z to 08:05:00Z it gives {given}:"
        " counts are not negative, and good or bad events are a part of the total",
    )


def statement() -> Statement:
    found = parse_statement("select $start, $end", "spec.indicator.sql.counts.query", Shape.COUNTS)
    assert isinstance(found, Statement)
    return found


@pytest.mark.parametrize(
    ("window", "budgeting", "most"),
    [
        ("30d", None, 300 + 29 * 24),
        ("90d", None, 300 + 89 * 24),
        ("30d", {"timeslices": {"length": "1h", "objective": "95"}}, 300 + 29 * 24),
        ("30d", {"timeslices": {"length": "5m", "objective": "95"}}, 300 + 29 * 288),
    ],
)
async def test_the_past_is_read_by_the_hour_unless_slices_are_judged(
    window: str, budgeting: dict[str, object] | None, most: int
) -> None:
    database, spec = Fake(), declared(COUNTS, window, budgeting=budgeting)
    meter = meter_of(spec, database)
    budget = await budget_at(meter, spec, NOON)
    assert most - 14 <= len(database.asked) <= most + 2
    assert len(set(database.asked)) == len(database.asked)
    seconds = budget.newest - budget.bounds.start
    if budgeting is None:
        assert (budget.total, budget.bad) == (seconds, NOON // 1000 - budget.bounds.start // 1000)
    assert budget.covered == 100


async def test_a_slice_costs_three_queries_and_a_tick_one() -> None:
    database, spec = Fake(), declared(COUNTS)
    meter = meter_of(spec, database)
    await budget_at(meter, spec, NOON + 40)
    database.asked.clear()
    for second in range(100, 341, 60):
        await budget_at(meter, spec, NOON + second)
    ticks = [span for span in database.asked if span[1] - span[0] != SLICE or span[1] % SLICE]
    assert len(ticks) == 5
    assert len(database.asked) - len(ticks) == 3


async def test_what_was_answered_before_a_failure_is_not_asked_again() -> None:
    database, spec = Fake(), declared(COUNTS)
    meter = meter_of(spec, database)
    database.fails_after = 10
    assert await meter.advance(NOON) == DOWN
    assert len(database.asked) == 10 * 12
    database.fails_after = None
    budget = await budget_at(meter, spec, NOON)
    assert len(set(database.asked)) == len(database.asked)
    assert budget.total == NOON - budget.bounds.start


class Small(Fake):
    """A database that has no time for more than 20 minutes at once."""

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        if max(end - start for start, end in ranges) > 1200:
            self.batches += 1
            return Failure(Reason.SOURCE_TIMEOUT, "canceling statement due to statement timeout")
        return await super().rows(statement, ranges)


async def test_hours_that_are_too_much_for_a_query_are_read_in_parts() -> None:
    database, spec = Small(), declared(COUNTS, "7d")
    meter = meter_of(spec, database)
    late = await meter.advance(NOON)
    assert isinstance(late, Failure)
    assert late.reason is Reason.SOURCE_TIMEOUT
    budget = await budget_at(meter, spec, NOON)
    assert budget.total == NOON - budget.bounds.start
    assert {end - start for start, end in database.asked} <= {SLICE, 900, NOON % SLICE}
    assert len(set(database.asked)) == len(database.asked)


async def test_a_value_is_looked_at_once_in_a_slice_and_has_no_past() -> None:
    database, spec = Fake(), declared(VALUE, budgeting=SLICES)
    meter = meter_of(spec, database)
    begin = START + 40.0
    first = await budget_at(meter, spec, begin)
    assert database.asked == [(START - SLICE, START)]
    assert (first.total, first.bad, float(first.covered)) == (1, 0, pytest.approx(0, abs=0.1))
    database.value = 200.0
    for minute in range(1, 60):
        budget = await budget_at(meter, spec, begin + 60 * minute)
        assert begin + 60 * minute - budget.newest < 60
    ends = [end for _, end in database.asked]
    assert ends == [START + SLICE * number for number in range(12)]
    assert (budget.total, budget.bad) == (12, 11)
    # The window is as good as new: an hour of bad slices is no month of them.
    assert meter.account.origin is not None
    assert meter.account.origin == Origin(START - SLICE, budget.bounds.start)
    assert float(budget.consumed) == pytest.approx(11 / (0.01 * 30 * DAY / SLICE) * 100, rel=0.1)


@pytest.mark.parametrize("nothing", [None, NAN])
async def test_a_slice_without_a_value_does_not_count(nothing: float | None) -> None:
    database, spec = Fake(), declared(VALUE, budgeting=SLICES)
    meter = meter_of(spec, database)
    await budget_at(meter, spec, START + 40.0)
    database.value = nothing
    budget = await budget_at(meter, spec, START + SLICE + 40.0)
    assert (budget.total, budget.bad) == (1, 0)


async def test_a_value_that_was_missed_is_a_gap_and_is_not_asked_for_later() -> None:
    database, spec = Fake(), declared(VALUE, budgeting=SLICES)
    meter = meter_of(spec, database)
    await budget_at(meter, spec, START + 40.0)
    budget = await budget_at(meter, spec, START + 6 * SLICE + 40.0)
    assert [end for _, end in database.asked] == [START, START + 6 * SLICE]
    assert budget.total == 2
    again = meter_of(spec, database)
    database.asked.clear()
    assert isinstance(await again.advance(START + 7 * SLICE + 40.0), Reading)
    assert [end for _, end in database.asked] == [START + 7 * SLICE]


async def test_a_value_that_is_never_there_is_no_data() -> None:
    database, spec = Fake(), declared(VALUE, budgeting=SLICES)
    database.value = None
    meter = meter_of(spec, database)
    assert isinstance(await meter.advance(NOON), Reading)
    budget = meter.evaluate(objective_of(spec, NOON), NOON).budget
    assert isinstance(budget, UnknownBudget)
    assert budget.reason == "NoData"


@pytest.mark.parametrize(
    ("operator", "bad"),
    [("LessThan", True), ("LessOrEqual", False), ("GreaterThan", True), ("GreaterOrEqual", False)],
)
async def test_a_value_keeps_to_its_limit_or_not(operator: str, bad: bool) -> None:
    value = {"value": {"query": "select 1", "operator": operator, "value": "50"}}
    database, spec = Fake(), declared(value, budgeting=SLICES)
    budget = await budget_at(meter_of(spec, database), spec, START + 40.0)
    assert (budget.total, budget.bad) == (1, int(bad))
