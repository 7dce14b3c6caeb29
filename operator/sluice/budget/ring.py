"""Rows of counts in a fixed amount of memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of counts as they are kept: float32, float32 and the covered slices as uint8."""

    total: npt.NDArray[np.float32]
    bad: npt.NDArray[np.float32]
    covered: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.total)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """All that a ledger keeps of what is closed: for a `resume` elsewhere, at another time.

    Attributes:
        closed: Unix seconds up to which slices are closed.
        slices: those of the last three days, in their order, up to `closed`.
        hours: those of the whole window, in their order, up to the one that is not over at
            `closed`, or ends there.
    """

    closed: int
    slices: Rows
    hours: Rows


class Ring:
    """The last `size` rows of a table of counts without an end; a row never written is zero."""

    __slots__ = ("_bad", "_covered", "_total", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._total = np.zeros(size, np.float32)
        self._bad = np.zeros(size, np.float32)
        self._covered = np.zeros(size, np.uint8)

    def clear(self, first: int, end: int) -> None:
        """Forget the rows from number `first` up to `end`, excluded."""
        rows = np.arange(max(first, end - self.size), end) % self.size
        self._total[rows] = self._bad[rows] = self._covered[rows] = 0

    def write(
        self,
        first: int,
        total: npt.NDArray[np.floating],
        bad: npt.NDArray[np.floating],
        covered: npt.NDArray[np.uint8],
    ) -> None:
        """Write rows from number `first` on."""
        rows = np.arange(first, first + len(total)) % self.size
        self._total[rows], self._bad[rows], self._covered[rows] = total, bad, covered

    def rows(self, first: int, end: int) -> Rows:
        """Copies of the rows from number `first` up to `end`, excluded."""
        rows = np.arange(first, end) % self.size
        return Rows(self._total[rows], self._bad[rows], self._covered[rows])

    def read(self, first: int, end: int) -> tuple[Floats, Floats, Floats]:
        """The same as float64, to be added up: totals, bad ones, cover."""
        rows = np.arange(first, max(first, end)) % self.size
        return (
            self._total[rows].astype(np.float64),
            self._bad[rows].astype(np.float64),
            self._covered[rows].astype(np.float64),
        )
