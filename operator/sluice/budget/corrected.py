"""A ledger's counts as corrections leave them.

What is left of the time between `a` and `b`, with `E` the union of the excluded ranges:

    counted(a, b) = measured(a, b) - sum of measured(r) over the parts r of E between a and b
                    + sum of each addition's events * (the share of its range between a and b)

It is worked out anew from the ledger at each evaluation, and the ledger stays as it was measured:
without its correction a number is again exactly what it was.

The present slices, not closed yet, are one count of up to five minutes. As long as a part of them
is excluded they are as a whole: an outage that ends with its maintenance must not show for the half
minute until the last slice of it is closed.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from sluice.budget.corrections import Correction, Range, Ranges, rounded
from sluice.budget.counts import SLICE, Counts, Floats
from sluice.budget.cut_hours import CutHours, cut_by
from sluice.budget.ledger import Ledger
from sluice.budget.slicing import Slicing
from sluice.budget.windows import HOUR

_NOTHING = 1e-6
"""Less than this of an event is what rounding leaves of none."""


class CorrectedLedger:
    """Reads a ledger through corrections; the times of all methods are Unix seconds.

    Args:
        ledger: what was measured.
        corrections: what is not to count, or to count too.
        cuts: the slices of hours that are cut and behind the ledger's own slices.
        slicing: how slices of time are judged; None to count events.
    """

    __slots__ = ("_additions", "_cuts", "_ledger", "excluded")

    def __init__(
        self,
        ledger: Ledger,
        corrections: Sequence[Correction],
        cuts: CutHours,
        slicing: Slicing | None,
    ) -> None:
        self._ledger = ledger
        self._cuts = cuts
        width = SLICE if slicing is None else slicing.parts * SLICE
        self.excluded = self._with_live(
            Ranges(
                rounded(one, anchor=ledger.anchor, width=width)
                for correction in corrections
                if correction.added is None
                for one in correction.ranges
            )
        )
        self._additions = [
            (rounded(one, anchor=ledger.anchor, width=width), correction.added)
            for correction in corrections
            if correction.added is not None
            for one in correction.ranges
        ]

    def between(self, start: float, end: float) -> Counts:
        """The counts after `start` up to `end`."""
        return self.left(start, end) + self.added(start, end)

    def last(self, lengths: Sequence[int], until: float) -> tuple[Counts, ...]:
        """What `between` tells of the last `lengths` seconds before `until`."""
        if not self.excluded and not self._additions:
            return self._ledger.last(lengths, until)
        return tuple(self.between(until - length, until) for length in lengths)

    def left(self, start: float, end: float) -> Counts:
        """The same without what is added: what is measured, and not excluded."""
        counts = self._ledger.between(start, end)
        taken = self.taken(start, end)
        return Counts(
            _rest(counts.total, taken.total),
            _rest(counts.bad, taken.bad),
            _rest(counts.covered, taken.covered),
        )

    def taken(self, start: float, end: float) -> Counts:
        """What was measured in that time and is excluded."""
        ranges = self.excluded.within(start, end)
        return sum((self._measured(one) for one in ranges), start=Counts())

    def added(self, start: float, end: float) -> Counts:
        """What is added in that time."""
        return sum(
            (
                Counts(added.total * share, added.bad * share)
                for one, added in self._additions
                if (share := (min(end, one.end) - max(start, one.start)) / one.length) > 0
            ),
            start=Counts(),
        )

    def touched(self, start: float, end: float) -> float:
        """The seconds between the two in which something is excluded or added."""
        additions = [one for one, _ in self._additions]
        return Ranges([*self.excluded, *additions]).seconds(start, end)

    def by_hour(self, start: int, end: float) -> tuple[Floats, Floats]:
        """All and bad ones of each hour from `start`, where one begins, to that of `end`."""
        total, bad = self._ledger.by_hour(start, end)
        edges = start + np.arange(len(total)) * float(HOUR)
        closed = self._ledger.closed
        for one in self.excluded.within(start, end if closed is None else min(end, closed)):
            whole = (edges >= one.start) & (edges + HOUR <= one.end)
            total[whole] = bad[whole] = 0.0
            for piece in _pieces(one, self._ledger.anchor):
                index = int((piece.start - start) // HOUR)
                counts = self._measured(piece)
                total[index] = _rest(total[index], counts.total)
                bad[index] = _rest(bad[index], counts.bad)
        for one, added in self._additions:
            last = min(one.end, end)
            inside = np.minimum(edges + HOUR, last) - np.maximum(edges, one.start)
            share = np.maximum(inside, 0.0) / one.length
            total += added.total * share
            bad += added.bad * share
        return total, bad

    def known_until(self, now: float) -> float:
        """Up to when there are counts at `now`."""
        return self._ledger.known_until(now)

    def newest_covered(self, now: float) -> float | None:
        """Up to when there are data at `now`; excluded time does not make them older.

        None without any in the last three days; if some of these were excluded, without any at all.
        """
        newest = self._ledger.newest_covered()
        if newest is None and self.excluded:
            newest = self._ledger.newest_covered_hour()
        return None if newest is None else newest + self.excluded.seconds(newest, now)

    def cut_hours(self, start: float, end: float) -> set[int]:
        """The hours between the two that the edge of an excluded range is in."""
        anchor = self._ledger.anchor
        return {
            hour
            for one in self.excluded.within(start, end)
            for hour in cut_by(one.start, one.end, anchor=anchor, until=end)
        }

    def approximate(self, start: float, end: float) -> bool:
        """Whether something between the two is excluded in proportion, its slices being gone."""
        fine = self._ledger.fine_since
        return fine is not None and any(
            self._cuts.get(hour) is None and self._ledger.between(hour, hour + HOUR).total > 0
            for hour in self.cut_hours(start, min(end, fine))
        )

    def _with_live(self, excluded: Ranges) -> Ranges:
        live, closed = self._ledger.live, self._ledger.closed
        if live is None or closed is None or not any(excluded.within(closed, live.until)):
            return excluded
        return Ranges([*excluded, Range(closed, live.until)])

    def _measured(self, one: Range) -> Counts:
        """What was measured in a range, by slices where these are known."""
        fine = self._ledger.fine_since
        if fine is None or one.start >= fine:
            return self._ledger.between(one.start, one.end)
        recent = self._ledger.between(fine, one.end) if one.end > fine else Counts()
        old = Range(one.start, min(one.end, fine))
        first, last = _whole_hours(old, self._ledger.anchor)
        whole = self._ledger.between(first, last) if first < last else Counts()
        parts = (self._part(piece) for piece in _pieces(old, self._ledger.anchor))
        return sum(parts, start=recent + whole)

    def _part(self, piece: Range) -> Counts:
        """What was measured in a part of an hour that the ledger has no slices of."""
        anchor = self._ledger.anchor
        hour = int((piece.start - anchor) // HOUR) * HOUR + anchor
        cut = self._cuts.get(hour)
        if cut is None:
            return self._ledger.between(piece.start, piece.end)
        whole = self._ledger.between(hour, hour + HOUR)
        return cut.share(whole, (piece.start - hour) / SLICE, (piece.end - hour) / SLICE)


def _whole_hours(one: Range, anchor: int) -> tuple[float, float]:
    """Where the first hour begins and the last ends that are in a range; none if not in order."""
    first = -(-(one.start - anchor) // HOUR) * HOUR + anchor
    return first, (one.end - anchor) // HOUR * HOUR + anchor


def _pieces(one: Range, anchor: int) -> Iterator[Range]:
    """The parts of a range that are no whole hours; each lies in one hour."""
    first, last = _whole_hours(one, anchor)
    if first > last:
        yield one
        return
    if one.start < first:
        yield Range(one.start, first)
    if one.end > last:
        yield Range(last, one.end)


def _rest(whole: float, part: float) -> float:
    rest = whole - part
    return rest if rest > _NOTHING else 0.0
