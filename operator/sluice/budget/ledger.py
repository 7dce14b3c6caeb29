"""Counts of events over a window: by slice for three days, by the hour behind that.

A ledger of time slices counts those in place of events: all that count, and the bad ones. Its hours
hold nothing else, so that another objective of the slices means to start over.

Counts are stored as float32, which holds whole numbers exactly only up to 2^24, but any number
within 6e-8 of itself. Counts are positive and are added up as float64, so a sum is as near as its
parts: an hour is rounded twice, which leaves every sum within 1.2e-7, where a budget needs 1e-6,
at half the memory. A budget of 92 days takes 28 KiB; a year's, with the week before it, 87.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from sluice.budget.counts import SLICE, SLICES_PER_HOUR, Counts, Floats, Hours, Live, Slices
from sluice.budget.ring import Kept, Ring
from sluice.budget.slicing import Slicing
from sluice.budget.windows import HOUR

# The longest burn rate looks back on three days; two hours more for windows that are not aligned.
_FINE_HOURS = 74
# Beyond it a counter, a float64, cannot count single events: what moves so far counts none.
_MOST = 2.0**53


class Ledger:
    """The counts of one objective over its window.

    Args:
        length: seconds of the window; older counts are dropped as newer ones come in.
        anchor: seconds after an epoch's whole hour at which hours begin; whole slices.
        slicing: how slices are judged; None to count events.

    Raises:
        ValueError: hours would begin inside a slice.
    """

    __slots__ = ("_end", "_fine", "_hours", "_live", "_slicing", "anchor")

    def __init__(self, length: int, *, anchor: int = 0, slicing: Slicing | None = None) -> None:
        if anchor % SLICE:
            raise ValueError(f"hours that begin {anchor} s after an epoch's would split slices")
        # Inside, times and slices are counted from the anchor: there hours are whole ones.
        self.anchor = anchor
        self._slicing = slicing
        self._fine = Ring(_FINE_HOURS * SLICES_PER_HOUR)
        self._hours = Ring(-(-length // HOUR) + 2)
        self._end: int | None = None
        self._live: Live | None = None

    @property
    def closed(self) -> int | None:
        """Unix seconds up to which slices are closed; None while there are none."""
        return None if self._end is None else self._end * SLICE + self.anchor

    @property
    def fine_since(self) -> int | None:
        """Unix seconds from which on slices are kept as such, where an hour begins."""
        return None if self._end is None else self._oldest_fine * SLICE + self.anchor

    @property
    def live(self) -> Live | None:
        """What `tick` wrote since the last slice was closed."""
        return self._live

    def put(self, slices: Slices) -> Self:
        """Write slices, over what was there before.

        Slices beyond the newest extend the ledger; numbers left out in between are gaps. Slices
        older than three days must make whole hours, since only their hours are kept. A slice whose
        counts are no numbers of events (not finite, or above 2^53) is a gap.

        Raises:
            ValueError: they do not.
        """
        slices = _countable(slices)
        slices = replace(slices, first=slices.first - self.anchor // SLICE)
        if self._end is None or slices.end > self._end:
            self._extend(slices.end)
        self._put_fine(slices)
        self._put_hours(slices)
        return self

    @property
    def fine_from(self) -> int | None:
        """Unix seconds, from which on counts are put as slices; before it they may be put as hours.

        None if all must be put as slices: as long as there are none, and where these are judged.
        """
        if self._slicing is not None or self._end is None:
            return None
        return self._oldest_fine * SLICE + self.anchor

    def put_hours(self, hours: Hours) -> None:
        """Write hours, over what was there before. One without numbers of events is a gap.

        Raises:
            ValueError: they are not before `fine_from`.
        """
        first, count = (hours.start - self.anchor) // HOUR, len(hours.total)
        if self.fine_from is None or hours.start + count * HOUR > self.fine_from:
            raise ValueError("hours of the last three days are put as slices")
        sound = hours.covered & (np.abs(hours.total) <= _MOST) & (np.abs(hours.bad) <= _MOST)
        skip = max(0, self._oldest_hour - first)
        total, bad = (np.where(sound, row, 0.0)[skip:] for row in (hours.total, hours.bad))
        covered = np.where(sound, SLICES_PER_HOUR, 0)[skip:].astype(np.uint8)
        self._hours.write(first + skip, total, bad, covered)

    def tick(self, live: Live) -> None:
        """Replace the counts after the last closed slice; a gap where `put` would see one."""
        if not abs(live.total) <= _MOST or not abs(live.bad) <= _MOST:
            live = Live(live.until, 0.0, 0.0, covered=False)
        self._live = live

    def kept(self) -> Kept | None:
        """A copy of everything that is closed; None while nothing is."""
        if self._end is None:
            return None
        return Kept(
            self._end * SLICE + self.anchor,
            self._fine.rows(self._oldest_fine, self._end),
            self._hours.rows(self._oldest_hour, self._newest_hour + 1),
        )

    def resume(self, kept: Kept) -> Self:
        """Go on, from nothing, where the ledger was that `kept` was taken from.

        Raises:
            ValueError: that was one of another length, or with other hours.
        """
        end, beyond = divmod(kept.closed - self.anchor, SLICE)
        if beyond:
            raise ValueError(f"slices that end at {kept.closed} are none of this ledger's")
        self._extend(end)
        rows = end - self._oldest_fine, self._newest_hour + 1 - self._oldest_hour
        if (len(kept.slices), len(kept.hours)) != rows:
            raise ValueError(f"{len(kept.slices)} slices and {len(kept.hours)} hours, not {rows}")
        for ring, first, one in (
            (self._fine, self._oldest_fine, kept.slices),
            (self._hours, self._oldest_hour, kept.hours),
        ):
            ring.write(first, one.total, one.bad, one.covered)
        return self

    def between(self, start: float, end: float) -> Counts:
        """The counts after `start` up to `end`.

        A slice (an hour, behind three days) that is only partly inside counts in proportion.
        """
        live = self._live_between(start, end)
        if self._end is None:
            return live
        start = max(start - self.anchor, self._oldest_hour * HOUR)
        end = min(end - self.anchor, self._end * SLICE)
        first, last = -int(-start // HOUR), int(end // HOUR)
        if first >= last:
            return live + self._edge(start, end)
        total, bad, covered = self._hours.read(first, last)
        whole = Counts(float(total.sum()), float(bad.sum()), float(covered.sum()) * SLICE)
        return live + whole + self._edge(start, first * HOUR) + self._edge(last * HOUR, end)

    def last(self, lengths: Sequence[int], until: float) -> tuple[Counts, ...]:
        """What `between` tells of the last `lengths` seconds before `until`, for all in one go."""
        newest = 0 if self._end is None else self._end * SLICE + self.anchor
        oldest = until - max(lengths, default=0)
        known = self._end is not None and until >= newest
        if not known or self._slicing is not None or self._before_fine(oldest):
            return tuple(self.between(until - length, until) for length in lengths)
        assert self._end is not None
        first = int((oldest - self.anchor) // SLICE)
        rows = self._fine.read(min(first, self._end), self._end)
        back = np.arange(len(rows[0]) + 1, dtype=np.float64)
        starts = (newest - until + np.array(lengths, np.float64)) / SLICE
        total, bad, covered = (
            np.interp(starts, back, np.concatenate([[0.0], np.cumsum(row[::-1])])) for row in rows
        )
        return tuple(
            Counts(float(total[index]), float(bad[index]), float(covered[index]) * SLICE)
            + self._live_between(until - length, until)
            for index, length in enumerate(lengths)
        )

    def events(self, start: int, end: int) -> tuple[float, float]:
        """All and bad events of the closed slices between two boundaries, of the last 3 days."""
        first, last = ((time - self.anchor) // SLICE for time in (start, end))
        total, bad, _ = self._fine.read(first, last)
        return float(total.sum()), float(bad.sum())

    def slices(self, start: int, end: int) -> Slices:
        """The closed slices between two boundaries, of the last 3 days, as they were put."""
        first, last = ((time - self.anchor) // SLICE for time in (start, end))
        total, bad, covered = self._fine.read(first, last)
        return Slices(start // SLICE, total, bad, covered > 0)

    def known_until(self, now: float) -> float:
        """Up to when there are counts at `now`: that of a slice of time comes with its end."""
        if self._slicing is None or self._end is None:
            return now
        return float(self._end // self._slicing.parts * self._slicing.parts * SLICE + self.anchor)

    def by_hour(self, start: int, end: float) -> tuple[Floats, Floats]:
        """All and bad ones of each hour from `start`, where one begins, to that of `end`.

        Only of closed slices; the last hour may be one in which none is closed yet.
        """
        first, last = (start - self.anchor) // HOUR, -int(-(end - self.anchor) // HOUR)
        total, bad = np.zeros(last - first), np.zeros(last - first)
        if self._end is not None:
            oldest, newest = max(first, self._oldest_hour), min(last, self._newest_hour + 1)
            known = slice(oldest - first, max(oldest, newest) - first)
            total[known], bad[known], _ = self._hours.read(oldest, newest)
        return total, bad

    def first_covered(self, start: float) -> int | None:
        """Where the first data after `start` begin, to the slice (to the hour behind 3 days)."""
        if self._end is None:
            return None
        oldest = max(int((start - self.anchor) // HOUR), self._oldest_hour)
        hours = np.flatnonzero(self._hours.read(oldest, self._newest_hour + 1)[2])
        if not len(hours):
            return None
        first = (oldest + int(hours[0])) * SLICES_PER_HOUR
        if first < self._oldest_fine:
            return first * SLICE + self.anchor
        slices = np.flatnonzero(self._fine.read(first, self._end)[2])
        return (first + int(slices[0])) * SLICE + self.anchor

    def newest_covered(self) -> float | None:
        """Up to when there are data; None without any in the last three days."""
        if self._live is not None and self._live.covered:
            return self._live.until
        if self._end is None:
            return None
        slices = np.flatnonzero(self._fine.read(self._oldest_fine, self._end)[2])
        if not len(slices):
            return None
        return float((self._oldest_fine + int(slices[-1]) + 1) * SLICE + self.anchor)

    def _before_fine(self, time: float) -> bool:
        return time - self.anchor < self._oldest_fine * SLICE

    def newest_covered_hour(self) -> float | None:
        """The end of the newest hour with data; None without any at all."""
        if self._end is None:
            return None
        hours = np.flatnonzero(self._hours.read(self._oldest_hour, self._newest_hour + 1)[2])
        if not len(hours):
            return None
        return float((self._oldest_hour + int(hours[-1]) + 1) * HOUR + self.anchor)

    @property
    def _oldest_fine(self) -> int:
        """The first slice that is still there as such: always an hour's first."""
        assert self._end is not None
        hour = -(-(self._end - self._fine.size) // SLICES_PER_HOUR)
        return hour * SLICES_PER_HOUR

    @property
    def _newest_hour(self) -> int:
        assert self._end is not None
        return (self._end - 1) // SLICES_PER_HOUR

    @property
    def _oldest_hour(self) -> int:
        return self._newest_hour - self._hours.size + 1

    def _extend(self, end: int) -> None:
        if self._end is not None:
            # To the end of the hour: its rows to come are added up with those that are there.
            self._fine.clear(self._end, -(-end // SLICES_PER_HOUR) * SLICES_PER_HOUR)
            self._hours.clear(self._newest_hour + 1, (end - 1) // SLICES_PER_HOUR + 1)
        self._end = end
        self._live = None

    def _put_fine(self, slices: Slices) -> None:
        skip = max(0, self._oldest_fine - slices.first)
        covered = slices.covered[skip:].astype(np.uint8)
        self._fine.write(slices.first + skip, slices.total[skip:], slices.bad[skip:], covered)

    def _put_hours(self, slices: Slices) -> None:
        self._hours_from_fine(max(slices.first, self._oldest_fine), slices.end)
        old = min(self._oldest_fine, slices.end) - slices.first
        if old <= 0:
            return
        if slices.first % SLICES_PER_HOUR or old % SLICES_PER_HOUR:
            raise ValueError("slices older than three days must make whole hours")
        first = slices.first // SLICES_PER_HOUR
        skip = max(0, self._oldest_hour - first)
        rows = (slices.total[:old], slices.bad[:old], slices.covered[:old].astype(np.float64))
        total, bad, covered = (row[skip:] for row in self._by_hours(*rows, known=old))
        self._hours.write(first + skip, total, bad, covered.astype(np.uint8))

    def _hours_from_fine(self, first: int, end: int) -> None:
        assert self._end is not None
        start = first // SLICES_PER_HOUR
        stop = -(-end // SLICES_PER_HOUR)
        start = max(start, self._oldest_hour)
        if start >= stop:
            return
        rows = self._fine.read(start * SLICES_PER_HOUR, stop * SLICES_PER_HOUR)
        known = self._end - start * SLICES_PER_HOUR
        total, bad, covered = self._by_hours(*rows, known=known)
        self._hours.write(start, total, bad, covered.astype(np.uint8))

    def _by_hours(
        self, total: Floats, bad: Floats, covered: Floats, *, known: int
    ) -> tuple[Floats, Floats, Floats]:
        """Rows of whole hours, from slices of which the first `known` are closed."""
        hours = len(total) // SLICES_PER_HOUR
        data = covered.reshape(hours, SLICES_PER_HOUR).sum(axis=1)
        if self._slicing is not None:
            total, bad = self._slicing.judge(total, bad, covered, known=known)
        return total.reshape(hours, -1).sum(axis=1), bad.reshape(hours, -1).sum(axis=1), data

    def _edge(self, start: float, end: float) -> Counts:
        """Counts of less than an hour, by the finest rows there are."""
        if start >= end:
            return Counts()
        if start < self._oldest_fine * SLICE:
            total, bad, covered = self._in_proportion(self._hours, HOUR, start, end)
            return Counts(total, bad, covered * SLICE)
        total, bad, covered = self._in_proportion(self._fine, SLICE, start, end)
        if self._slicing is not None:
            total, bad = self._judged(self._slicing, start, end)
        return Counts(total, bad, covered * SLICE)

    def _in_proportion(
        self, ring: Ring, width: int, start: float, end: float
    ) -> tuple[float, float, float]:
        first, last = int(start // width), -int(-end // width)
        share = _shares(first, last, width, start, end)
        total, bad, covered = (float((row * share).sum()) for row in ring.read(first, last))
        return total, bad, covered

    def _judged(self, slicing: Slicing, start: float, end: float) -> tuple[float, float]:
        assert self._end is not None
        width = slicing.parts * SLICE
        first, last = int(start // width), -int(-end // width)
        rows = self._fine.read(first * slicing.parts, last * slicing.parts)
        counted, bad = slicing.judge(*rows, known=self._end - first * slicing.parts)
        share = _shares(first, last, width, start, end)
        return float((counted * share).sum()), float((bad * share).sum())

    def _live_between(self, start: float, end: float) -> Counts:
        live, since = self._live, self.closed
        if live is None or since is None or live.until <= since:
            return Counts()
        seconds = min(end, live.until) - max(start, since)
        if seconds <= 0:
            return Counts()
        if self._slicing is not None:
            return Counts(0.0, 0.0, seconds if live.covered else 0.0)
        share = seconds / (live.until - since)
        return Counts(live.total * share, live.bad * share, seconds if live.covered else 0.0)


def _shares(first: int, last: int, width: int, start: float, end: float) -> Floats:
    """How much of each row from number `first` to `last` lies between `start` and `end`."""
    edges = np.arange(first, last) * float(width)
    shares: Floats = (np.minimum(edges + width, end) - np.maximum(edges, start)) / width
    return shares


def _countable(slices: Slices) -> Slices:
    """The slices with a gap in place of each whose counts are no numbers of events."""
    sound = (np.abs(slices.total) <= _MOST) & (np.abs(slices.bad) <= _MOST)
    if sound.all():
        return slices
    return Slices(
        slices.first,
        np.where(sound, slices.total, 0.0),
        np.where(sound, slices.bad, 0.0),
        slices.covered & sound,
    )
