"""What is recorded of a fleet of objectives, and how often it is asked for."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from sluice.api.reasons import Reason
from sluice.budget.account import Origin
from sluice.budget.counts import Hours
from sluice.indicators.answers import Answer, Series
from sluice.indicators.counted import Counted, GridCounts, Whole
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.histogram import Portion
from sluice.indicators.promql import Matcher, Part, Selector, Side
from sluice.indicators.recorded_reader import RecordedReader, Recorder
from sluice.indicators.recording import Subject, render
from sluice.indicators.records import DELAY, Records

END = 1_800_000_000
SETTLE = 30
NOW = float(END + SETTLE + DELAY + 5)
GRID = Grid(END - 900, 300, 3)
TOTAL = Selector("a", (Matcher("job", "=", "shop"),))
COUNTED = Counted(TOTAL, Selector("b"), Side.BAD)
RULES = render(COUNTED, Subject("u-1", "shop", "checkout"), settle=SETTLE)


class Recording:
    """A source in which rules have recorded; `phases` are the rulers', by their name."""

    dedup_label = ""

    def __init__(self, ids: list[str], **phases: float) -> None:
        self.ids = ids
        self.phases = phases or {"": 77.0}
        self.asked: list[str] = []
        self.moved = {"total": 100.0, "bad": 3.0}
        self.doubt: dict[int, float] = {}
        self.lost: set[tuple[str, int]] = set()
        self.most = 10**9
        self.failure: Failure | None = None

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        self.asked.append(selector)
        await asyncio.sleep(0)
        if self.failure is not None:
            return self.failure
        found = [one for one in self.series(at - seconds, at) if matches(selector, one)]
        if len(found) > self.most:
            return Failure(Reason.SOURCE_ERROR, "too much", divisible=True)
        return found

    def series(self, start: float, end: float) -> Iterator[Series]:
        for record, width in (("sluice:slice_events", 300), ("sluice:minute_events", 60)):
            for ruler, phase in self.phases.items():
                first = int(start // width) * width + SETTLE + phase % width
                times = [t for t in np.arange(first, end, width) if start <= t <= end]
                times = [
                    t for t in times if (ruler, int((t - SETTLE) // 300) * 300) not in self.lost
                ]
                for identity in self.ids:
                    for side, value in self.moved.items():
                        for part in ("moved", "doubt"):
                            values = [
                                value * (1 if ruler != "b" else 2)
                                if part == "moved"
                                else self.doubt.get(int((t - SETTLE) // 300) * 300, 0.0)
                                for t in times
                            ]
                            if part == "doubt" and width == 60:
                                continue
                            labels = {
                                "__name__": record,
                                "sluice_id": identity,
                                "sluice_side": side,
                                "sluice_part": part,
                                **({"ruler": ruler} if ruler else {}),
                            }
                            if times:
                                yield Series(labels, times, values)

    async def instant(self, query: str, at: float) -> Answer:
        raise AssertionError((query, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        raise AssertionError((query, start, end, step))

    async def metric_type(self, metric: str) -> str | Failure | None:
        raise AssertionError(metric)


def matches(selector: str, series: Series) -> bool:
    name, _, matchers = selector.partition("{")
    if series.labels["__name__"] != name:
        return False
    for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
        own = series.labels.get(label, "")
        same = re.fullmatch(value, own) if operator == "=~" else own == value
        if bool(same) == (operator == "!="):
            return False
    return True


class Raw:
    """A reader of raw samples: seven of ten events of each slice are bad."""

    names = "raw"

    def __init__(self) -> None:
        self.read_of: list[Grid] = []
        self.ticked: list[Grid] = []
        self.hours_of: list[Grid] = []

    async def origin(self, start: float, first: int) -> Origin | Failure:
        return Origin(first, start)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        return await self.read(grid)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        self.read_of.append(grid)
        ten, seven = np.full(grid.count, 10.0), np.full(grid.count, 7.0)
        return GridCounts(ten, seven, ten > 0, 5.0, {Side.TOTAL: ten}, {Side.TOTAL: 1.0}, 2.0)

    async def hours(self, grid: Grid) -> Whole | Failure:
        self.hours_of.append(grid)
        ten, seven = np.full(grid.count, 10.0), np.full(grid.count, 7.0)
        return Whole(Hours(grid.start, ten, seven, ten > 0), np.arange(grid.count) % 2 == 0)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        self.ticked.append(grid)
        return await self.read(grid)

    async def values(self, grid: Grid) -> dict[Side, np.ndarray]:
        raise AssertionError(grid)

    async def exists(self, start: int, end: int) -> bool:
        return start < end


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def reader(source: Recording, clock: Clock | None = None) -> tuple[RecordedReader, Raw, Recorder]:
    raw = Raw()
    records = Records(source, settle=SETTLE, clock=clock or Clock())
    recorder = Recorder(RULES.subject, settle=SETTLE, records=lambda: records)
    found = recorder.reader(raw, COUNTED)
    assert isinstance(found, RecordedReader)
    return found, raw, recorder


async def counts(found: RecordedReader, grid: Grid = GRID) -> GridCounts:
    read = await found.read(grid)
    assert isinstance(read, GridCounts)
    return read


async def test_all_objectives_of_a_source_cost_one_query_a_side_and_slice() -> None:
    ids = [f"{number:016x}" for number in range(500)]
    source, clock = Recording(ids), Clock()
    records = Records(source, settle=SETTLE, clock=clock)
    for start in range(GRID.start, GRID.start + 3000, 300):
        clock.now = start + 900 + SETTLE + DELAY
        for identity in ids:
            clock.now += 0.1
            members = await records.slices(identity, Grid(start, 300, 3))
            assert not isinstance(members, Failure)
            assert list(members[Side.BAD, Part.MOVED]) == [3.0] * 3
    assert len(source.asked) == 2 * 10


async def test_who_asks_at_the_same_time_waits_for_one_answer() -> None:
    source = Recording(["x"])
    records = Records(source, settle=SETTLE, clock=Clock())
    await asyncio.gather(*(records.slices("x", GRID) for _ in range(50)))
    assert len(source.asked) == 2


async def test_a_failure_is_told_to_all_and_not_asked_for_again_at_once() -> None:
    source, clock = Recording(["x"]), Clock()
    source.failure = Failure(Reason.SOURCE_TIMEOUT, "too late", divisible=True)
    records = Records(source, settle=SETTLE, clock=clock)
    for _ in range(50):
        assert await records.slices("x", GRID) == source.failure
    assert len(source.asked) == 1
    source.failure = None
    clock.now += 30
    assert not isinstance(await records.slices("x", GRID), Failure)


async def test_a_clock_that_goes_back_does_not_keep_an_old_answer() -> None:
    source, clock = Recording([RULES.id]), Clock()
    records = Records(source, settle=SETTLE, clock=clock)
    await records.slices(RULES.id, GRID)
    clock.now -= 900
    await records.slices(RULES.id, Grid(GRID.start - 900, 300, 3))
    assert len(source.asked) == 2 * 2


async def test_an_answer_that_is_too_long_is_asked_for_in_parts_from_then_on() -> None:
    source, clock = (
        Recording([f"{digit:x}{number:015x}" for digit in range(16) for number in (1, 2)]),
        Clock(),
    )
    source.most = 10
    records = Records(source, settle=SETTLE, clock=clock)
    for identity in source.ids:
        members = await records.slices(identity, GRID)
        assert not isinstance(members, Failure)
        assert list(members[Side.TOTAL, Part.MOVED]) == [100.0] * 3
    assert len(source.asked) == 1 + 2 * 16


async def test_what_is_recorded_is_not_read_from_samples() -> None:
    found, raw, recorder = reader(Recording([RULES.id]))
    read = await counts(found)
    assert (list(read.total), list(read.bad), list(read.covered)) == (
        [100.0] * 3,
        [3.0] * 3,
        [True] * 3,
    )
    assert (raw.read_of, recorder.missed) == ([], 0)


async def test_a_slice_in_doubt_is_read_from_samples_and_no_other() -> None:
    source = Recording([RULES.id])
    source.doubt = {END - 300: 1.0}
    found, raw, _ = reader(source)
    read = await counts(found)
    assert (list(read.total), list(read.bad)) == ([100, 10, 100], [3, 7, 3])
    assert raw.read_of == [Grid(END - 600, 300, 1)]
    assert read.restlessness == pytest.approx(2.0 / 3)


async def test_no_series_of_the_total_is_a_gap_and_no_doubt() -> None:
    source = Recording([RULES.id])
    source.doubt = {END: -1.0}
    found, raw, _ = reader(source)
    assert list((await counts(found)).covered) == [True, True, False]
    assert raw.read_of == []


async def test_what_the_ruler_missed_is_read_from_samples() -> None:
    source = Recording([RULES.id])
    source.lost = {("", END)}
    found, raw, recorder = reader(source)
    assert list((await counts(found)).total) == [100, 100, 10]
    assert raw.read_of == [Grid(END - 300, 300, 1)]
    assert recorder.missed == 1


async def test_a_rule_that_failed_by_itself_makes_a_slice_unknown() -> None:
    """Without the movement of the bad ones it would look as if nothing had failed."""
    source = Recording([RULES.id])
    del source.moved["bad"]
    found, raw, _ = reader(source)
    assert list((await counts(found)).bad) == [7.0] * 3
    assert raw.read_of == [GRID]


async def test_rules_that_nobody_evaluates_are_noticed() -> None:
    source, clock = Recording([]), Clock()
    found, raw, recorder = reader(source, clock)
    for number in range(5):
        clock.now = NOW + 300 * number
        await counts(found, Grid(END - 300 + 300 * number, 300, 1))
        assert recorder.missed == number + 1
    await counts(found, Grid(END - 86_400, 300, 12))
    assert recorder.missed == 5
    assert len(raw.read_of) == 6


async def test_of_two_rulers_one_counts_and_the_other_where_that_was_away() -> None:
    source = Recording([RULES.id], a=12.0, b=200.0)
    source.lost = {("a", END - 300)}
    found, raw, _ = reader(source)
    assert list((await counts(found)).total) == [100.0, 200.0, 100.0]
    assert raw.read_of == []


async def test_older_slices_are_asked_for_by_objective() -> None:
    source = Recording([RULES.id, "other"])
    found, raw, _ = reader(source)
    day = Grid(END - 2 * 86_400, 300, 288)
    assert list((await counts(found, day)).total) == [100.0] * 288
    assert source.asked == [f'sluice:slice_events{{sluice_id="{RULES.id}"}}']
    assert raw.read_of == []


async def test_hours_are_those_that_are_recorded_and_others_are_read_as_such() -> None:
    source = Recording([RULES.id])
    hours = Grid(END - 10 * 86_400, 3600, 4)
    found, raw, _ = reader(source)
    whole = await found.hours(hours)
    assert isinstance(whole, Whole)
    assert (list(whole.hours.total), list(whole.hours.bad)) == ([1200.0] * 4, [36.0] * 4)
    assert whole.sure.all()
    assert raw.hours_of == []
    # One slice of the second hour in doubt, one of the third lost: the third raw hour is sure.
    source.doubt = {hours.start + 3600 + 300: 2.0}
    source.lost = {("", hours.start + 7200 + 300)}
    whole = await found.hours(hours)
    assert isinstance(whole, Whole)
    assert list(whole.hours.total) == [1200.0, 10.0, 10.0, 1200.0]
    assert list(whole.sure) == [True, False, True, True]


async def test_an_hour_with_and_without_data_is_not_sure() -> None:
    source = Recording([RULES.id])
    hours = Grid(END - 10 * 86_400, 3600, 2)
    source.doubt = {hours.start + 300: -1.0} | {
        hours.start + 3600 + 300 * number: -1.0 for number in range(1, 13)
    }
    found, _, _ = reader(source)
    whole = await found.hours(hours)
    assert isinstance(whole, Whole)
    # What the samples say of the first is not known to be wrong; the second is a gap.
    assert list(whole.hours.covered) == [True, False]
    assert list(whole.sure) == [True, True]


async def test_a_tick_adds_whole_minutes_up() -> None:
    source = Recording([RULES.id])
    found, raw, _ = reader(source)
    closed, now = END, int(NOW)
    ticked = await found.tick(Grid(closed, now - closed, 1))
    assert isinstance(ticked, GridCounts)
    # 395 seconds after: six whole minutes, of which the ruler has come by five (at 77 s and 30).
    assert (ticked.until, list(ticked.total), list(ticked.bad)) == (END + 300, [500.0], [15.0])
    assert raw.ticked == []


async def test_without_minutes_a_tick_reads_the_counters_themselves() -> None:
    found, raw, _ = reader(Recording([]))
    ticked = await found.tick(Grid(END, 395, 1))
    assert isinstance(ticked, GridCounts)
    assert (ticked.until, ticked.present, list(ticked.total)) == (None, 0.0, [10.0])
    assert raw.ticked == [Grid(END, 395, 1)]


async def test_an_engine_that_is_switched_off_reads_as_before() -> None:
    source, raw = Recording([RULES.id]), Raw()
    on: list[Records] = [Records(source, settle=SETTLE, clock=Clock())]
    recorder = Recorder(RULES.subject, settle=SETTLE, records=lambda: on[0] if on else None)
    found = recorder.reader(raw, COUNTED)
    assert recorder.delay == DELAY
    assert await found.values(GRID) == {}
    on.clear()
    assert recorder.delay == 0
    read = await found.read(GRID)
    assert isinstance(read, GridCounts)
    assert (list(read.total), read.present, read.start) == ([10.0] * 3, 5.0, {Side.TOTAL: 1.0})
    assert source.asked == []


async def test_native_histograms_are_read_as_without_rules() -> None:
    source, raw = Recording([RULES.id]), Raw()
    records = Records(source, settle=SETTLE, clock=Clock())
    recorder = Recorder(RULES.subject, settle=SETTLE, records=lambda: records)
    total = replace(TOTAL, portion=Portion(0.5, fast=False))
    native = Counted(total, replace(TOTAL, portion=Portion(0.5, fast=True)), Side.GOOD, always=True)
    assert recorder.reader(raw, native) is raw
    assert (recorder.rules, recorder.delay) == (None, 0)
