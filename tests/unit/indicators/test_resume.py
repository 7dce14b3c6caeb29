"""A process that is killed, wherever, and the next one: no number changes."""

from collections.abc import Callable

import pytest

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Evaluation
from sluice.budget.archive import Archive, decode, encode
from sluice.budget.budget import Budget, Objective
from sluice.budget.corrections import Correction, Range
from sluice.budget.counts import SLICE
from sluice.budget.effects import Corrected
from sluice.budget.windows import DAY, HOUR, CalendarWindow
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from tests.unit.indicators.counters import Counters, Killed, spec

NOON = 500_000 * HOUR
BEGIN = NOON + 1000.0
EVERY = 240
END = BEGIN + 2.2 * HOUR
WINDOWS = [
    {"rolling": "3d"},
    {"calendar": {"period": "Month", "timeZone": "Asia/Kolkata"}},
]
SLICES = {"timeslices": {"length": "10m", "objective": "99"}}


class Process:
    """What a controller does with one objective, and the store that outlives it."""

    def __init__(self, counters: Counters, declared: ServiceLevelObjectiveSpec) -> None:
        self.counters, self.declared = counters, declared
        self.stored: bytes | None = None
        self.stored_hour = 0
        self.start()

    def start(self) -> None:
        self.meter = Meter(self.declared, self.counters)
        self.meter._reader = self.counters
        if self.stored is not None:
            archive = decode(self.stored, key="k")
            assert isinstance(archive, Archive)
            self.meter.resume(archive)

    async def step(self, now: float) -> Evaluation:
        """One evaluation; what was read is stored once an hour has closed."""
        self.counters.now = now
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
                self.counters.killed_at = None
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
    counters = Counters()
    expected = await Process(counters, declared).run()
    assert isinstance(expected[-1].budget, Budget)
    reads = counters.reads
    assert reads > 60
    for number in [*range(1, 12), *range(12, reads + 1, 11)]:
        killing = Counters()
        killing.killed_at = number
        assert await Process(killing, declared).run() == expected, f"killed at read {number}"
        assert killing.killed_at is None


@pytest.mark.parametrize("declared", DECLARED)
async def test_the_budget_outlives_the_retention(declared: ServiceLevelObjectiveSpec) -> None:
    expected = await Process(Counters(), declared).run()
    counters = Counters()
    process = Process(counters, declared)

    def lose(now: float) -> None:
        if now == BEGIN + 30 * EVERY:
            counters.begins = now - 3 * HOUR
            process.start()

    assert await process.run(lose) == expected


@pytest.mark.parametrize("declared", DECLARED)
async def test_what_a_source_knew_before_it_was_emptied_stays_counted(
    declared: ServiceLevelObjectiveSpec,
) -> None:
    counters = Counters()
    process = Process(counters, declared)

    def lose(now: float) -> None:
        if now == BEGIN + 30 * EVERY:
            process.store()
            counters.begins = now
            process.start()

    await process.run(lose)
    then = BEGIN + 29 * EVERY
    closed = then // SLICE * SLICE - SLICE
    start = closed - DAY
    complete = Process(Counters(), declared)
    await complete.run()
    counts = process.meter.account.counts(start, closed)
    assert counts == complete.meter.account.counts(start, closed)
    assert process.meter.account.origin == complete.meter.account.origin


CUTTING = Correction("maintenance", (Range(NOON - 20 * DAY + 600, NOON - 20 * DAY + 2100),))


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(spec(window={"rolling": "30d"}), id="events"),
        pytest.param(spec(window={"rolling": "30d"}, budgeting=SLICES), id="time slices"),
    ],
)
async def test_a_correction_that_cuts_an_old_hour_stays_exact_when_its_source_is_emptied(
    declared: ServiceLevelObjectiveSpec,
) -> None:
    counters = Counters()
    process = Process(counters, declared)
    await process.step(BEGIN)
    process.store()
    without = process.stored
    exact = await corrected(process)
    assert not exact.effects[0].approximate
    process.store()
    counters.begins = BEGIN - HOUR
    # Twice: what was restored is stored again as it was.
    for _ in range(2):
        process.start()
        counters.asked.clear()
        found = await corrected(process)
        assert (found.excluded, found.effects[0].counts) == (exact.excluded, exact.excluded)
        assert not found.effects[0].approximate
        assert counters.asked == []
        process.store()
    process.stored = without
    process.start()
    assert (await corrected(process)).effects[0].approximate
    assert counters.asked


async def corrected(process: Process) -> Corrected:
    """What `CUTTING` changes, as far as its source still knows."""
    assert await process.meter.correct([CUTTING], BEGIN) is None
    found = process.meter.evaluate(process.objective(BEGIN), BEGIN).corrected
    assert found is not None
    return found


async def test_a_restart_reads_only_the_tail() -> None:
    counters = Counters()
    process = Process(counters, spec())
    await process.step(BEGIN)
    later = BEGIN + 2 * HOUR
    process.start()
    counters.asked.clear()
    await process.step(later)
    closed = BEGIN // SLICE * SLICE
    assert min(counters.asked) >= closed - 2 * SLICE
    assert len(counters.asked) <= 4


async def test_late_samples_of_before_a_restart_are_still_found() -> None:
    closed = int(BEGIN // SLICE * SLICE)
    found = []
    for late in ({}, {closed: 40.0}):
        counters = Counters()
        counters.late, counters.late_until = late, BEGIN + 60
        process = Process(counters, spec())
        await process.step(BEGIN)
        process.start()
        found.append(await process.step(BEGIN + SLICE))
    assert found[0] == found[1]


@pytest.mark.parametrize("restarted", [False, True])
async def test_late_samples_are_found_and_what_a_source_forgot_is_not(restarted: bool) -> None:
    """Also while the process lives on, a source that comes back empty takes nothing back."""
    counters = Counters()
    process = Process(counters, spec())
    before = await process.step(BEGIN)
    closed = int(BEGIN // SLICE * SLICE)
    process.store()
    if restarted:
        process.start()
    counters.begins = closed + 1
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
    counters = Counters()
    process = Process(counters, spec())
    await process.step(BEGIN)
    process.start()
    counters.begins = BEGIN + away - 2 * HOUR
    evaluation = await process.step(BEGIN + away)
    covered = evaluation.measured.seen.covered
    if begins_anew:
        assert covered <= 2 * HOUR + EVERY
        assert process.meter.account.origin is not None
        assert process.meter.account.origin.first_sample >= counters.begins - SLICE
    else:
        assert covered >= 3 * DAY - max(0.0, away - 2 * HOUR) - HOUR


async def test_a_month_closes_with_the_same_budget_after_a_restart() -> None:
    process = Process(Counters(), spec(window=WINDOWS[1]))
    window = process.meter.account.window
    assert isinstance(window, CalendarWindow)
    end = window.span(BEGIN).end
    closings = []
    for restarts in (False, True):
        process = Process(Counters(), spec(window=WINDOWS[1]))
        for now in (end - 5000.0, end - 100.0, end + 500.0):
            if restarts and process.stored:
                process.start()
            await process.step(now)
        closings.append(process.meter.account.closing(process.objective(end - 1), end + 500))
    assert isinstance(closings[0], Budget)
    assert closings[0] == closings[1]


async def test_the_objective_may_be_another_one_after_a_restart() -> None:
    counters = Counters()
    process = Process(counters, spec())
    before = (await process.step(BEGIN)).budget
    assert isinstance(before, Budget)
    process.declared = spec(objective="99.5")
    process.start()
    counters.asked.clear()
    found = (await process.step(BEGIN + 60)).budget
    assert isinstance(found, Budget)
    assert (found.allowed, before.allowed) == (found.total // 200, before.total // 1000)
    assert len(counters.asked) == 1
