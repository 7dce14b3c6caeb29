"""Corrections of what was measured: times that do not count, and events that count besides.

Times are rounded outwards to whole slices, because less is not known. Those that are excluded are
taken together before anything is taken away, so that nothing is taken away twice. What is added is
spread evenly over its time, and counts also where that is excluded: to replace what was counted
wrongly is to exclude it and to add what is right.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sluice.budget.counts import SLICE, Counts


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """After `start` up to `end`, Unix seconds."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds between the two."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Correction:
    """One correction of an objective's counts.

    Attributes:
        name: what it is called.
        ranges: the times that it is about, as declared.
        added: what is added in each of them; None if they are excluded.
    """

    name: str
    ranges: tuple[Range, ...]
    added: Counts | None = None


class Ranges:
    """Ranges that do not overlap, oldest first."""

    __slots__ = ("_all", "_ends")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._all = _union(ranges)
        self._ends = [one.end for one in self._all]

    def __iter__(self) -> Iterator[Range]:
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    def within(self, start: float, end: float) -> Iterator[Range]:
        """The parts of them after `start` up to `end`."""
        for index in range(bisect_right(self._ends, start), len(self._all)):
            one = self._all[index]
            if one.start >= end:
                return
            yield Range(max(one.start, start), min(one.end, end))

    def seconds(self, start: float, end: float) -> float:
        """How much of the time between the two is inside."""
        return sum(one.length for one in self.within(start, end))


def rounded(one: Range, *, anchor: int = 0, width: int = SLICE) -> Range:
    """`one` rounded outwards to slices of `width` seconds, one of which begins at `anchor`."""
    return Range(
        (one.start - anchor) // width * width + anchor,
        -(-(one.end - anchor) // width) * width + anchor,
    )


def _union(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for one in sorted(ranges):
        if merged and one.start <= merged[-1].end:
            merged[-1] = Range(merged[-1].start, max(merged[-1].end, one.end))
        elif one.length > 0:
            merged.append(one)
    return merged
