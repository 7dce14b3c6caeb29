"""The slices that a query is about."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """`count` consecutive slices of `width` seconds, the first one after `start`."""

    start: int
    width: int
    count: int

    @property
    def end(self) -> int:
        """Where the last slice ends."""
        return self.start + self.width * self.count

    def part(self, first: int, end: int) -> "Grid":
        """The slices from index `first` up to `end`, excluded."""
        return Grid(self.start + self.width * first, self.width, end - first)

    def index(self, time: float) -> int:
        """The index of the slice that ends at `time`."""
        return round((time - self.start) / self.width) - 1

    def within(self, times: Iterable[float], values: Iterable[float]) -> dict[int, float]:
        """Values by the index of the slice that ends at their time; others are left out."""
        placed = ((self.index(time), value) for time, value in zip(times, values, strict=True))
        return {index: value for index, value in placed if 0 <= index < self.count}
