"""Reads what rules have recorded, of all objectives of a source at once: one query a side.

Who asks first asks for all; the answer is kept until there is something new to read. Of older
slices, such as after a restart, each objective's are asked for on their own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sluice.api.reasons import Reason
from sluice.budget.counts import SLICE, Floats
from sluice.indicators.answers import Answer, Series
from sluice.indicators.expressions import Answered
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.promql import PART, SIDE, Matcher, Part, Selector, Side
from sluice.indicators.recording import ID, MINUTES, SLICES, ended
from sluice.indicators.slots import promptly
from sluice.indicators.source import Source

LATE = 60
"""Seconds that a ruler may take to evaluate a group and store what came of it."""

DELAY = SLICE + LATE
"""Seconds after a slice has settled by which every ruler has come by: they do once a slice."""

_SIDES = (Matcher(SIDE, "=", Side.TOTAL), Matcher(SIDE, "!=", Side.TOTAL))
# Samples of the slices that may be due, and of the minutes since.
_RECENT: Mapping[str, int] = {SLICES: 1200, MINUTES: 900}
_KEPT = 20.0
_DIGITS = "0123456789abcdef"
_OWN = frozenset({"__name__", ID, "sluice_namespace", "sluice_objective", SIDE, PART})

Members = Mapping[tuple[str, str], Floats]
"""By side and part, one value a slice (a minute); NaN where none was recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """One recorded series; `replica` tells apart the rulers that have recorded the same."""

    side: str
    part: str
    replica: tuple[tuple[str, str], ...]
    times: list[float]
    values: list[float]


_Fleet = Mapping[str, list[_Member]]
"""What was recorded, by the objectives' `ID`."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and when it was given."""

    at: float
    answer: _Fleet | Failure


class Records:
    """What rules have recorded in one source.

    Args:
        source: where.
        settle: seconds after a slice's end before it is counted, as in the rules.
        clock: the present time, Unix seconds.
    """

    def __init__(self, source: Source, *, settle: int, clock: Callable[[], float]) -> None:
        self._source = source
        self._settle = settle
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: dict[str, _Kept] = {}
        self._divided = False

    async def slices(self, identity: str, grid: Grid) -> Members | Failure:
        """What was recorded of the slices of `grid` for the objective of this `ID`."""
        oldest = self._clock() - _RECENT[SLICES] + _KEPT
        if grid.start + SLICE + self._settle >= oldest:
            found = await self._recent(SLICES, grid.end)
        else:
            found = await self._past(identity, grid)
        if isinstance(found, Failure):
            return found
        return _members(found.get(identity, []), grid, self._settle)

    async def minutes(self, identity: str, grid: Grid) -> Members | Failure:
        """The same of minutes, of the last quarter of an hour."""
        found = await self._recent(MINUTES, grid.end)
        if isinstance(found, Failure):
            return found
        return _members(found.get(identity, []), grid, self._settle)

    async def _recent(self, record: str, end: int) -> _Fleet | Failure:
        """The last ones of all objectives, up to the one that ends at `end` if that is there."""
        async with self._lock:
            kept, now = self._kept.get(record), self._clock()
            if kept is None or not (0 <= now - kept.at < _KEPT or self._complete(kept, end, now)):
                seconds = _RECENT[record]
                # Others wait for the answer who are in more of a hurry than who asks first.
                with promptly():
                    answer = await self._both_sides(
                        record, lambda one: self._source.samples(str(one), seconds, now)
                    )
                kept = self._kept[record] = _Kept(now, answer)
            return kept.answer

    def _complete(self, kept: _Kept, end: int, now: float) -> bool:
        """Whether what is kept holds all that there will be up to `end`."""
        if isinstance(kept.answer, Failure):
            return False
        return end + self._settle + DELAY <= kept.at <= now

    async def _past(self, identity: str, grid: Grid) -> _Fleet | Failure:
        selector = Selector(SLICES, (Matcher(ID, "=", identity),))
        seconds, at = grid.end - grid.start, grid.end + self._settle + SLICE
        answer = await self._source.samples(str(selector), seconds, at)
        return answer if isinstance(answer, Failure) else _by_objective(answer)

    async def _both_sides(
        self, record: str, ask: Callable[[Selector], Awaitable[Answer]]
    ) -> _Fleet | Failure:
        """One query a side; if the answer is too long, one for each first digit of `ID`."""
        found: list[Series] = []
        for side in _SIDES:
            selector = Selector(record, (side,))
            answer = await (self._in_parts if self._divided else self._at_once)(selector, ask)
            if isinstance(answer, Failure):
                return answer
            found += answer
        return _by_objective(found)

    async def _at_once(
        self, selector: Selector, ask: Callable[[Selector], Awaitable[Answer]]
    ) -> Answer:
        answer = await ask(selector)
        if isinstance(answer, Failure) and _too_long(answer):
            self._divided = True
            return await self._in_parts(selector, ask)
        return answer

    async def _in_parts(
        self, selector: Selector, ask: Callable[[Selector], Awaitable[Answer]]
    ) -> Answer:
        found: list[Series] = []
        for digit in _DIGITS:
            answer = await ask(selector.narrowed(Matcher(ID, "=~", f"{digit}.*")))
            if isinstance(answer, Failure):
                return answer
            found += answer
        return found


def _too_long(failure: Failure) -> bool:
    return failure.divisible and failure.reason is not Reason.SOURCE_TIMEOUT


def _by_objective(answer: Iterable[Series]) -> _Fleet:
    """The series by objective; of the labels only what tells them apart is kept."""
    fleet: dict[str, list[_Member]] = {}
    for series in answer:
        labels = series.labels
        replica = tuple(sorted(it for it in labels.items() if it[0] not in _OWN))
        member = _Member(
            labels.get(SIDE, ""), labels.get(PART, ""), replica, series.times, series.values
        )
        fleet.setdefault(labels.get(ID, ""), []).append(member)
    return fleet


def _members(members: list[_Member], grid: Grid, settle: int) -> Members:
    """What was recorded of each slice, all of it by one ruler: the first that has evaluated it.

    Of two that scrape at phases of their own neither has more events than the other in the long
    run; the greater number of each slice would be more.
    """
    chosen: dict[tuple[str, str], Floats] = {}
    done = np.zeros(grid.count, bool)
    for replica in sorted({it.replica for it in members}):
        rows = {
            (it.side, it.part): _row(it, grid, settle) for it in members if it.replica == replica
        }
        take = _evaluated(rows, grid.count) & ~done
        done |= take
        for key, row in rows.items():
            chosen.setdefault(key, np.full(grid.count, np.nan))[take] = row[take]
    return chosen


def _row(member: _Member, grid: Grid, settle: int) -> Floats:
    row = np.full(grid.count, np.nan)
    ends = (ended(time, grid.width, settle) for time in member.times)
    placed = grid.within(ends, member.values)
    row[[*placed]] = [*placed.values()]
    return row


def _evaluated(rows: Members, count: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """In which slices the rules were evaluated: of the total's series they always say something.

    Those of minutes do not, and have data where they say something.
    """
    found = np.zeros(count, bool)
    for part in Part.DOUBT, Answered.SERIES, Part.MOVED, Answered.VALUE:
        row = rows.get((Side.TOTAL, part))
        if row is not None:
            found |= ~np.isnan(row)
    return found
