"""Keeps the counts of one objective up to date, and works out the budget they leave."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Account, Evaluation, Origin
from sluice.budget.archive import Archive, Mark, archived
from sluice.budget.budget import (
    Objective,
)
from sluice.budget.corrections import Correction
from sluice.budget.counts import SLICE, SLICES_PER_HOUR
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.counted import Counted, GridCounts, SliceReader
from sluice.indicators.declared import slicing_of, window_of
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.history import read_back, slices_of
from sluice.indicators.live import falls, left, live_of
from sluice.indicators.pace import find_pace
from sluice.indicators.patience import Patient
from sluice.indicators.promql import Side
from sluice.indicators.query_reader import Limited, Queried, QueryReader
from sluice.indicators.reader import Reader
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.resolve import resolve
from sluice.indicators.second_look import SecondLook
from sluice.indicators.source import AnySource, Source
from sluice.indicators.sql_reader import sql_reader

SETTLE = 30.0
"""Seconds after a slice's end at which its samples are taken to be in Prometheus."""

_CHUNK = DAY // SLICE
# A gauge goes down half of the time; a pod that restarts all the time does so with a back-off.
_RESTLESS = 1.5
_ENOUGH_TO_JUDGE = 12
# Each is a query; those of a year of nightly corrections must not keep an evaluation waiting.
_MOST_CUT = 48
_PACE_HOLDS = DAY


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the meter has read.

    Attributes:
        at: Unix seconds up to which the counters were read.
        closed: Unix seconds up to which slices are closed.
    """

    at: float
    closed: int


class Meter:
    """Measures one objective; one reader of it at a time. `account` is what it has counted.

    Args:
        spec: what is measured; of its objective and agreement nothing is kept.
        source: where.
        settle: seconds after which a slice is closed.
        progress: is told the share of the window that is read, while there is history to read.
        recorder: has what is measured recorded by rules; None to read it without any.
    """

    def __init__(
        self,
        spec: ServiceLevelObjectiveSpec,
        source: AnySource,
        *,
        settle: float = SETTLE,
        progress: Callable[[float], None] = lambda _: None,
        recorder: Recorder | None = None,
    ) -> None:
        self._indicator = spec.indicator
        self._source = Patient(source)
        self._settle = settle
        self._progress = progress
        self._recorder = recorder
        self.account = Account(window_of(spec.window), slicing=slicing_of(spec))
        self._reader: SliceReader | None = None
        # Of slices that are judged one by one, none may be read together with others.
        slicing = slicing_of(spec)
        self._coarse = HOUR if slicing is None else slicing.parts * SLICE
        self._now = 0.0
        self._present = 0.0
        self._until: float | None = None
        self._second_look = SecondLook(self.account)
        self._left_over = False
        self._pace: int | None = None
        self._paced_at = -math.inf

    @property
    def begun(self) -> bool:
        """Whether the newest day of the window was read."""
        return self.account.oldest is not None

    def complete(self, now: float) -> bool:
        """Whether the whole window was read, so that `advance` needs to read only what is new."""
        return self.account.complete(now)

    async def begin(self, now: float) -> Failure | None:
        """Find out what is to be read, and read the newest day of it."""
        self._source.renew()
        reader = await self._prepared(now)
        return reader if isinstance(reader, Failure) else await self._close(reader, now)

    async def advance(self, now: float) -> Reading | Failure:
        """Read what has happened up to `now`.

        The first time that is the whole window, newest first; then the slices that are due, and
        the counters as they are. After a failure the next call goes on where this one stopped. If
        `now` has gone back by more than a slice, it begins anew.
        A source that does not answer costs a call two timeouts at most.
        """
        self._source.renew()
        reader = await self._prepared(now)
        if isinstance(reader, Failure):
            return reader
        for step in (self._close, self._backfill, self._look_up_origin, self._tick):
            problem = await step(reader, now)
            if problem:
                return problem
        await self._look_up_pace(reader, now)
        closed = self.account.ledger.closed
        assert closed is not None
        return Reading(now if self._until is None else self._until, closed)

    async def correct(
        self, corrections: Sequence[Correction], now: float, *, most: int = _MOST_CUT
    ) -> Failure | None:
        """Let `corrections` apply, and read the slices of old hours that they cut.

        What is not read yet (of more than `most` hours, or after a failure) is counted in
        proportion, and read with the next call.
        """
        for hour in self.account.correct(corrections, now)[:most]:
            reader = await self._prepared(now)
            if isinstance(reader, Failure):
                return reader
            grid = Grid(hour, SLICE, SLICES_PER_HOUR)
            counts = await reader.read(grid)
            if isinstance(counts, Failure):
                return counts
            self.account.cut(hour, slices_of(grid, counts))
        return None

    def evaluate(self, objective: Objective, now: float) -> Evaluation:
        """The budget at `now`, from what was read so far."""
        return replace(self.account.evaluate(objective, now), pace=self._pace)

    def archive(self) -> Archive | None:
        """What another process needs to go on from here; None while there is nothing."""
        return archived(self.account, Mark(self._present, dict(self._second_look.boundaries)))

    def resume(self, archive: Archive) -> None:
        """Forget all and go on from there: only what has happened since will be read.

        Raises:
            ValueError: it is of another window; nothing has changed then.
        """
        archive.restore(self.account)
        self._present = archive.mark.present
        self._second_look.resume(archive.mark.boundaries)

    async def _prepared(self, now: float) -> SliceReader | Failure:
        self._now = now
        if self._reader is None:
            found = await self._found(now)
            if isinstance(found, Failure):
                return found
            self._reader = found
        return self._reader

    async def _found(self, now: float) -> SliceReader | Failure:
        sql = self._indicator.sql
        if sql is not None:
            return sql_reader(sql, self._source, coarse=self._coarse, now=lambda: self._now)
        found = await resolve(self._indicator, self._source, now)
        if isinstance(found, Failure):
            return found
        reader = _reader(self._source, found)
        return reader if self._recorder is None else self._recorder.reader(reader, found)

    async def _close(self, reader: SliceReader, now: float) -> Failure | None:
        """Close the slices that are due, and look at the two before them again."""
        delay = self._recorder.delay if self._recorder is not None else 0
        due = int((now - self._settle - delay) // SLICE) * SLICE
        closed = self.account.ledger.closed
        # A clock that was ahead for a while has closed slices that are still to come.
        ahead = closed is not None and closed > now + SLICE
        moved = ahead or self.account.ledger.anchor != self.account.window.anchor(now)
        if closed is None or moved or due - closed > self.account.window.kept:
            return await self._begin(reader, now, due)
        if due <= closed:
            return None
        live, before = self.account.ledger.live, closed
        start: Mapping[Side, float] = {}
        while closed < due:
            grid = Grid(closed, SLICE, min(_CHUNK, (due - closed) // SLICE))
            counts = await self._put(reader, grid)
            if isinstance(counts, Failure):
                return counts
            if closed == before:
                start = counts.start
            closed = grid.end
        if live is not None and live.until > closed:
            self.account.ledger.tick(left(live, *self.account.ledger.events(before, closed)))
            self._left_over = True
        return await self._second_look.look(reader, before, start)

    async def _begin(self, reader: SliceReader, now: float, due: int) -> Failure | None:
        self.account.begin(now)
        anchor = self.account.ledger.anchor
        self._second_look.resume({})
        self._left_over = False
        day_ago = (due - DAY - anchor) // HOUR * HOUR + anchor
        start = max(self.account.window.needs(now), day_ago)
        counts = await self._put(reader, Grid(start, SLICE, (due - start) // SLICE))
        if isinstance(counts, Failure):
            return counts
        self.account.oldest = start
        return None

    async def _backfill(self, reader: SliceReader, now: float) -> Failure | None:
        """Read the history before what was read, newest first."""
        start = self.account.window.needs(now)
        while self.account.oldest is not None and self.account.oldest > start:
            self._progress((now - self.account.oldest) / (now - start))
            problem = await read_back(reader, self.account, start)
            if problem:
                return problem
        return None

    async def _look_up_origin(self, reader: SliceReader, now: float) -> Failure | None:
        """Once there are data: what the time before them was."""
        if self.account.origin is not None:
            return None
        start = self.account.window.needs(now)
        first = self.account.ledger.first_covered(start)
        if first is None:
            return None
        if first <= start + SLICE:
            self.account.origin = Origin(first, first)
            return None
        found = await reader.origin(start, first)
        if isinstance(found, Failure):
            return found
        self.account.origin = found
        return None

    async def _tick(self, reader: SliceReader, now: float) -> Failure | None:
        """Read the counters as they are; what came since the last closed slice is read in full."""
        closed = self.account.ledger.closed
        assert closed is not None
        grid = Grid(closed, int(now) - closed, 1)
        if grid.width <= 0:
            return None
        counts, before = await reader.tick(grid), self.account.ledger.live
        if isinstance(counts, Failure):
            return counts
        # What is left over of a closed slice was seen, or a source has erred: a tick cannot tell.
        fallen = self._left_over and falls(counts, before)
        if fallen or counts.present > self._present:
            counts = await reader.read(grid)
            if isinstance(counts, Failure):
                return counts
        self._until = counts.until
        kept = None if self._left_over else before
        self.account.ledger.tick(live_of(grid, counts, kept))
        self._left_over = False
        return None

    async def _look_up_pace(self, reader: SliceReader, now: float) -> None:
        """Now and then, of counters: how often they are scraped; if unknown, in an hour again."""
        if isinstance(reader, Reader) and abs(now - self._paced_at) >= _PACE_HOLDS:
            found = await find_pace(self._source, reader.counters, now)
            self._pace = found or self._pace
            self._paced_at = now if found else now - _PACE_HOLDS + HOUR

    async def _put(self, reader: SliceReader, grid: Grid) -> GridCounts | Failure:
        """Read slices and write them behind the newest."""
        counts = await reader.read(grid)
        if isinstance(counts, Failure):
            return counts
        if grid.count >= _ENOUGH_TO_JUDGE and counts.restlessness > _RESTLESS:
            return _not_a_counter(reader.names, counts.restlessness)
        self._write(grid, counts)
        self._present = counts.present
        return counts

    def _write(self, grid: Grid, counts: GridCounts) -> None:
        self.account.ledger.put(slices_of(grid, counts))
        self._second_look.remember(grid, counts)


def _reader(source: Source, found: Counted | Queried | Limited) -> SliceReader:
    return Reader(source, found) if isinstance(found, Counted) else QueryReader(source, found)


def _not_a_counter(names: str, restlessness: float) -> Failure:
    return Failure(
        Reason.NOT_A_COUNTER,
        f"{names} goes down {restlessness:.1f} times in ten minutes; events can be counted only by "
        "a counter, whose value never decreases",
    )
