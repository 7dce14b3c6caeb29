"""A process that is killed, wherever, and the next one: no number changes."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Evaluation
from sluice.budget.archive import Archive, decode, encode
from sluice.budget.budget import Budget, Objective
from sluice.budget.ledger import SLICE, Floats, Hours
from sluice.budget.windows import DAY, HOUR, CalendarWindow
from sluice.indicators.answers import Answer, Series
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.promql import Side
from sluice.indicators.reader import GridCounts, Whole

NOON = 500_000 * HOUR
BEGIN = NOON + 1000.0
EVERY = 120
END = BEGIN + 2.5 * HOUR
WINDOWS = [
    {"rolling": "3d"},
    {"calendar": {"period": "Month", "timeZone": "Asia/Kolkata"}},
]
SLICES = {"timeslices": {"length": "10m", "objective": "99"}}


def spec(**more: object) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99.9",
            "window": WINDOWS[0],
            "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
            **more,
        }
    )


class Killed(BaseException):
    """What happens to the process."""


class World:
    """A source and its reader: two counters that grow unevenly, and a memory with a beginning.

    Attributes:
        begins: what was before is gone, as by a short retention or with a volume.
        reads: how often it was asked.
        killed_at: the number of the read that the process does not survive.
        late: by so many events the boundary at a time was too low, until `late_until`.
    """

    dedup_label = ""
    names = "a or b"

    def __init__(self) -> None:
        self.begins = 0.0
        self.now = BEGIN
        self.reads = 0
        self.asked: list[int] = []
        self.killed_at: int | None = None
        self.late: dict[int, float] = {}
        self.late_until = 0.0

    def counter(self, time: float, side: Side) -> float:
        if time < self.begins:
            return np.nan
        value = time // 3 + time // 700 * 40 + time // 3100 * 91
        if side is Side.BAD:
            value = time // 900 + (time // 5000) * 7
        return value - (self.late.get(int(time), 0.0) if self.now < self.late_until else 0.0)

    def trace(self) -> str:
        return "trace"

    async def read(self, grid: Grid) -> GridCounts | Failure:
        self.reads += 1
        self.asked.append(grid.start)
        if self.reads == self.killed_at:
            raise Killed
        edges = [grid.start + n * grid.width for n in range(grid.count + 1)]
        rows = {
            side: np.array([self.counter(time, side) for time in edges])
            for side in (Side.TOTAL, Side.BAD)
        }
        moved = {side: np.diff(row) for side, row in rows.items()}
        covered = ~np.isnan(moved[Side.TOTAL])
        return GridCounts(
            total=np.nan_to_num(moved[Side.TOTAL]),
            bad=np.maximum(np.nan_to_num(moved[Side.BAD]), 0.0),
            covered=covered,
            present=2.0,
            values={side: row[1:] for side, row in rows.items()},
            start={side: float(row[0]) for side, row in rows.items()},
            restlessness=0.0,
        )

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        return await self.read(grid)

    async def hours(self, grid: Grid) -> Whole | Failure:
        """Every other hour is not sure."""
        counts = await self.read(grid)
        assert isinstance(counts, GridCounts)
        sure = np.arange(grid.count) % 2 == 0
        covered = counts.covered & sure
        return Whole(Hours(grid.start, counts.total, counts.bad, covered), sure)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        counts = await self.read(grid)
        assert isinstance(counts, GridCounts)
        return counts.values

    async def exists(self, start: int, end: int) -> bool | Failure:
        del start
        return end > self.begins

    async def instant(self, query: str, at: float) -> Answer:
        assert query
        return [Series({}, [at], [1.0])] if at > self.begins else []

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        assert query == "count(up)"
        times = [time for time in np.arange(start, end, step).tolist() if time >= self.begins]
        return [Series({}, times, [1.0] * len(times))]

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        raise AssertionError((selector, seconds, at))

    async def metric_type(self, metric: str) -> str | Failure | None:
        raise AssertionError(metric)


class Process:
    """What a controller does with one objective, and the store that outlives it."""

    def __init__(self, world: World, declared: ServiceLevelObjectiveSpec) -> None:
        self.world, self.declared = world, declared
        self.stored: bytes | None = None
        self.stored_hour = 0
        self.start()

    def start(self) -> None:
        self.meter = Meter(self.declared, self.world)
        self.meter._reader = self.world
        if self.stored is not None:
            archive = decode(self.stored, key="k")
            assert isinstance(archive, Archive)
            self.meter.resume(archive)

    async def step(self, now: float) -> Evaluation:
        """One evaluation; what was read is stored once an hour has closed."""
        self.world.now = now
        reading = await self.meter.advance(now)
        assert isinstance(reading, Reading)
        if reading.closed // HOUR != self.stored_hour and self.meter.account.complete(now):
            self.store()
            self.stored_hour = reading.closed // HOUR
        return self.meter.evaluate(self.objective(now), now)

    def objective(self, now: float) -> Objective:
        return objective_of(self.declared, now)

    def store(self) -> None:
        archive = self.meter.archive()
        assert archive is not None
        self.stored = encode(archive, key="k")

    async def run(self, happens: Callable[[float], None] = lambda _: None) -> list[Evaluation]:
        """All evaluations to the end; a process that is killed is started again at once."""
        found = []
        now = BEGIN
        while now <= END:
            happens(now)
            try:
                found.append(await self.step(now))
            except Killed:
                self.world.killed_at = None
                self.start()
                continue
            now += EVERY
        return found


DECLARED = [
    pytest.param(spec(), id="rolling"),
    pytest.param(spec(window=WINDOWS[1]), id="calendar"),
    pytest.param(spec(budgeting=SLICES), id="time slices"),
]


@pytest.mark.parametrize("declared", DECLARED)
async def test_wherever_the_process_is_killed_no_number_changes(
    declared: ServiceLevelObjectiveSpec,
) -> None:
    world = World()
    expected = await Process(world, declared).run()
    assert isinstance(expected[-1].budget, Budget)
    reads = world.reads
    assert reads > 90
    for number in [*range(1, 12), *range(12, reads + 1, 11)]:
        killing = World()
        killing.killed_at = number
        assert await Process(killing, declared).run() == expected, f"killed at read {number}"
        assert killing.killed_at is None


@pytest.mark.parametrize("declared", DECLARED)
async def test_the_budget_outlives_the_retention(declared: ServiceLevelObjectiveSpec) -> None:
    expected = await Process(World(), declared).run()
    world = World()
    process = Process(world, declared)

    def lose(now: float) -> None:
        if now == BEGIN + 60 * EVERY:
            world.begins = now - 3 * HOUR
            process.start()

    assert await process.run(lose) == expected


@pytest.mark.parametrize("declared", DECLARED)
async def test_what_a_source_knew_before_it_was_emptied_stays_counted(
    declared: ServiceLevelObjectiveSpec,
) -> None:
    world = World()
    process = Process(world, declared)

    def lose(now: float) -> None:
        if now == BEGIN + 60 * EVERY:
            process.store()
            world.begins = now
            process.start()

    await process.run(lose)
    then = BEGIN + 59 * EVERY
    closed = then // SLICE * SLICE - SLICE
    start = closed - DAY
    complete = Process(World(), declared)
    await complete.run()
    counts = process.meter.account.counts(start, closed)
    assert counts == complete.meter.account.counts(start, closed)
    assert process.meter.account.origin == complete.meter.account.origin


async def test_a_restart_reads_only_the_tail() -> None:
    world = World()
    process = Process(world, spec())
    await process.step(BEGIN)
    later = BEGIN + 2 * HOUR
    process.start()
    world.asked.clear()
    await process.step(later)
    closed = BEGIN // SLICE * SLICE
    assert min(world.asked) >= closed - 2 * SLICE
    assert len(world.asked) <= 4


async def test_late_samples_of_before_a_restart_are_still_found() -> None:
    closed = int(BEGIN // SLICE * SLICE)
    found = []
    for late in ({}, {closed: 40.0}):
        world = World()
        world.late, world.late_until = late, BEGIN + 60
        process = Process(world, spec())
        await process.step(BEGIN)
        process.start()
        found.append(await process.step(BEGIN + SLICE))
    assert found[0] == found[1]


@pytest.mark.parametrize("restarted", [False, True])
async def test_late_samples_are_found_and_what_a_source_forgot_is_not(restarted: bool) -> None:
    """Also while the process lives on, a source that comes back empty takes nothing back."""
    world = World()
    process = Process(world, spec())
    before = await process.step(BEGIN)
    closed = int(BEGIN // SLICE * SLICE)
    process.store()
    if restarted:
        process.start()
    world.begins = closed + 1
    await process.step(BEGIN + SLICE)
    start = closed - DAY
    assert process.meter.account.counts(start, closed).covered == DAY
    assert before.measured.seen.bad <= process.meter.account.counts(0, closed).bad + 1


@pytest.mark.parametrize(
    ("away", "begins_anew"), [(HOUR, False), (2 * DAY, False), (2.9 * DAY, False), (4 * DAY, True)]
)
async def test_whoever_was_away_for_the_whole_window_begins_anew(
    away: float, begins_anew: bool
) -> None:
    world = World()
    process = Process(world, spec())
    await process.step(BEGIN)
    process.start()
    world.begins = BEGIN + away - 2 * HOUR
    evaluation = await process.step(BEGIN + away)
    covered = evaluation.measured.seen.covered
    if begins_anew:
        assert covered <= 2 * HOUR + EVERY
        assert process.meter.account.origin is not None
        assert process.meter.account.origin.first_sample >= world.begins - SLICE
    else:
        assert covered >= 3 * DAY - max(0.0, away - 2 * HOUR) - HOUR


async def test_a_month_closes_with_the_same_budget_after_a_restart() -> None:
    process = Process(World(), spec(window=WINDOWS[1]))
    window = process.meter.account.window
    assert isinstance(window, CalendarWindow)
    end = window.span(BEGIN).end
    closings = []
    for restarts in (False, True):
        process = Process(World(), spec(window=WINDOWS[1]))
        for now in (end - 5000.0, end - 100.0, end + 500.0):
            if restarts and process.stored:
                process.start()
            await process.step(now)
        closings.append(process.meter.account.closing(process.objective(end - 1), end + 500))
    assert isinstance(closings[0], Budget)
    assert closings[0] == closings[1]


async def test_the_objective_may_be_another_one_after_a_restart() -> None:
    world = World()
    process = Process(world, spec())
    before = (await process.step(BEGIN)).budget
    assert isinstance(before, Budget)
    process.declared = spec(objective="99.5")
    process.start()
    world.asked.clear()
    found = (await process.step(BEGIN + EVERY)).budget
    assert isinstance(found, Budget)
    assert (found.allowed, before.allowed) == (found.total // 200, before.total // 1000)
    assert len(world.asked) == 1
