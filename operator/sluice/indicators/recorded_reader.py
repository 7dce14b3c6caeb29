"""Reads an objective's counts from what rules have recorded, and what they have not, itself.

A slice is taken from the records if its rules were evaluated and all its series were plain; any
other is read as without rules: from before there were any, from a time in which the ruler was away,
with series that came, went or were reset. So both engines count the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from sluice.budget.account import Origin
from sluice.budget.counts import SLICE, SLICES_PER_HOUR, Flags, Floats, Hours
from sluice.indicators.counted import Counted, GridCounts, Moved, SliceReader, Whole
from sluice.indicators.expressions import Answered
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.promql import Part, Side
from sluice.indicators.query_reader import Limited, Queried
from sluice.indicators.reader import runs
from sluice.indicators.recording import MINUTE, Rules, Subject, render
from sluice.indicators.records import DELAY, Members, Records

_Found = Counted | Queried | Limited
# A minute's whole length, its settling, the ruler's coming by, and how long an answer is kept.
_STOPPED = 240


class Recorder:
    """Has the counts of one objective recorded, as long as its source says so.

    Args:
        subject: the objective.
        settle: seconds after a slice's end before it is counted.
        records: what is recorded in its source; None while that is not to be done.
    """

    def __init__(
        self, subject: Subject, *, settle: int, records: Callable[[], Records | None]
    ) -> None:
        self.subject = subject
        self.records = records
        self._settle = settle
        self._found: _Found | None = None
        self._rules: Rules | None = None
        self._raw_only = False
        self._newest = 0
        self.missed = 0
        """How many of the last slices no rule was evaluated for, one after the other."""

    @property
    def delay(self) -> int:
        """Seconds by which slices have to be closed later, for the ruler to have come by."""
        return DELAY if self.records() is not None and not self._raw_only else 0

    @property
    def rules(self) -> Rules | None:
        """The rules to be evaluated; None before it is known what is counted."""
        if self._rules is None and self._found is not None:
            self._rules = render(self._found, self.subject, settle=self._settle)
        return self._rules

    def reader(self, raw: SliceReader, found: _Found) -> SliceReader:
        """A reader of `found` that needs `raw` only for what is not recorded.

        Of native histograms nothing is: whether a threshold is still one of their boundaries shows
        only in the histograms themselves.
        """
        self._raw_only = isinstance(found, Counted) and found.native
        self._found, self._rules = None if self._raw_only else found, None
        return raw if self._raw_only else RecordedReader(raw, found, self)

    def note(self, end: int, *, evaluated: bool) -> None:
        """Take note whether rules were evaluated for the slice that ends at `end`."""
        if end > self._newest:
            self._newest = end
            self.missed = 0 if evaluated else self.missed + 1


class RecordedReader:
    """Reads what the rules of `recorder` have recorded; as a `SliceReader`.

    Args:
        raw: reads the same without rules.
        found: what is counted.
        recorder: who has it recorded.
    """

    def __init__(self, raw: SliceReader, found: _Found, recorder: Recorder) -> None:
        self._raw = raw
        self._found = found
        self._recorder = recorder

    @property
    def names(self) -> str:
        """What is read, for messages."""
        return self._raw.names

    async def origin(self, start: float, first: int) -> Origin | Failure:
        """Why there is nothing between `start`, the window's, and the `first` data in it."""
        return await self._raw.origin(start, first)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        """All slices: the records give them at once."""
        return await self.read(grid)

    async def exists(self, start: int, end: int) -> bool | Failure:
        """Whether there may be anything to read after `start` up to `end`."""
        return await self._raw.exists(start, end)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        """Nothing of what is recorded: a rule is not evaluated again for samples that come late."""
        return {} if self._recorder.records() is not None else await self._raw.values(grid)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        """The counts of all slices of `grid`, from the records as far as these go."""
        records = self._recorder.records()
        if records is None or grid.width != SLICE:
            return await self._raw.read(grid)
        members = await records.slices(self._id, grid)
        if isinstance(members, Failure):
            return members
        total, bad, covered, known = self._recorded(members, grid.count)
        markers = [members.get((Side.TOTAL, part)) for part in (Part.DOUBT, Answered.SERIES)]
        evaluated = any(row is not None and not np.isnan(row[-1]) for row in markers)
        self._recorder.note(grid.end, evaluated=evaluated)
        if 2 * known.sum() <= grid.count:
            counts = await self._raw.read(grid)
            return counts if isinstance(counts, Failure) else _settled(counts)
        restlessness = 0.0
        for first, end in runs(~known):
            counts = await self._raw.read(grid.part(first, end))
            if isinstance(counts, Failure):
                return counts
            here = slice(first, end)
            total[here], bad[here], covered[here] = counts.total, counts.bad, counts.covered
            restlessness += counts.restlessness * (end - first) / grid.count
        return _counts(total, bad, covered, restlessness=restlessness)

    async def hours(self, grid: Grid) -> Whole | Failure:
        """The counts of hours, from the records those of which these tell all."""
        records = self._recorder.records()
        if records is None:
            return await self._raw.hours(grid)
        slices = Grid(grid.start, SLICE, grid.count * SLICES_PER_HOUR)
        members = await records.slices(self._id, slices)
        if isinstance(members, Failure):
            return members
        rows = self._recorded(members, slices.count)
        total, bad, covered, known = (row.reshape(grid.count, -1) for row in rows)
        sure: Flags = known.all(axis=1) & (covered == covered[:, :1]).all(axis=1)
        whole: Flags = covered.sum(axis=1) == SLICES_PER_HOUR
        hours = Hours(grid.start, total.sum(axis=1), bad.sum(axis=1), whole)
        if sure.all():
            return Whole(hours, sure)
        raw = await self._raw.hours(grid)
        return raw if isinstance(raw, Failure) else _completed(Whole(hours, sure), raw)

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        """The counts of a grid's only slice: its whole minutes, if they are recorded."""
        records = self._recorder.records()
        if records is None:
            return await self._raw.tick(grid)
        minutes = Grid(grid.start, MINUTE, (grid.end - grid.start) // MINUTE)
        members = await records.minutes(self._id, minutes)
        if isinstance(members, Failure):
            return members
        total, bad, covered = self._minutes(members, minutes.count)
        known = np.flatnonzero(covered)
        until = minutes.part(0, int(known[-1]) + 1).end if len(known) else grid.start
        if grid.end - until > _STOPPED:
            counts = await self._raw.tick(grid)
            return counts if isinstance(counts, Failure) else _settled(counts)
        summed = _counts(np.array([total.sum()]), np.array([bad.sum()]), np.ones(1, bool))
        return replace(summed, until=until)

    @property
    def _id(self) -> str:
        """By which the records are found; of an objective that has none it is not worked out."""
        rules = self._recorder.rules
        assert rules is not None
        return rules.id

    def _recorded(self, members: Members, count: int) -> tuple[Floats, Floats, Flags, Flags]:
        """Total, bad, covered, and which slices the records tell all of."""
        nothing = np.full(count, np.nan)
        if isinstance(self._found, Counted):
            known, sides = np.ones(count, bool), {}
            for side in self._found.selectors:
                doubt = members.get((side, Part.DOUBT), nothing)
                moved = members.get((side, Part.MOVED), nothing)
                plain = doubt == 0
                known &= (plain & ~np.isnan(moved)) | (doubt < 0)
                sides[side] = Moved(np.where(plain, np.nan_to_num(moved), 0.0), plain)
            return *self._found.count(sides), known
        known = np.ones(count, bool)
        answers: dict[tuple[Side, Answered], Floats] = {}
        for side in self._found.expressions:
            series = members.get((side, Answered.SERIES), nothing)
            value = members.get((side, Answered.VALUE), nothing)
            # Of several series none is the answer, and one without a finite value is none.
            known &= (series == 0) | ((series == 1) & ~np.isnan(value))
            answers[side, Answered.SERIES] = series
            answers[side, Answered.VALUE] = np.where(series == 0, np.nan, value)
        return *self._found.count(answers), known

    def _minutes(self, members: Members, count: int) -> tuple[Floats, Floats, Flags]:
        """Total, bad, and where there are data; one entry a minute."""
        nothing = np.full(count, np.nan)
        if isinstance(self._found, Counted):
            rows = {
                side: members.get((side, Part.MOVED), nothing) for side in self._found.selectors
            }
            return self._found.count(
                {side: Moved(np.nan_to_num(row), ~np.isnan(row)) for side, row in rows.items()}
            )
        answers: dict[tuple[Side, Answered], Floats] = {}
        for side in self._found.expressions:
            row = members.get((side, Answered.VALUE), nothing)
            answers[side, Answered.VALUE] = row
            answers[side, Answered.SERIES] = (~np.isnan(row)).astype(np.float64)
        return self._found.count(answers)


def _counts(total: Floats, bad: Floats, covered: Flags, *, restlessness: float = 0.0) -> GridCounts:
    return GridCounts(
        total=total,
        bad=bad,
        covered=covered,
        present=0.0,
        values={},
        start={},
        restlessness=restlessness,
    )


def _completed(whole: Whole, by: Whole) -> Whole:
    """The hours of `whole`, and of `by` those that are not sure in it."""
    rows = (
        np.where(whole.sure, getattr(whole.hours, name), getattr(by.hours, name))
        for name in ("total", "bad", "covered")
    )
    return Whole(Hours(whole.hours.start, *rows), whole.sure | by.sure)


def _settled(counts: GridCounts) -> GridCounts:
    """The counts without what would make somebody look again."""
    return replace(counts, present=0.0, values={}, start={})
