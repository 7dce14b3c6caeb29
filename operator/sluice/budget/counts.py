"""Counts of events, and the stretches of time that they are of.

A slice is five minutes, numbered from the epoch: slice `n` holds the events after `n * SLICE` up to
and including `(n + 1) * SLICE`. A slice without data is not a slice without events: `covered` tells
the two apart.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.budget.windows import HOUR

SLICE = 300
SLICES_PER_HOUR = HOUR // SLICE

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of some time: all, the bad ones, and for how many seconds of it there is data.

    Or slices of time; a ledger counts the one or the other.
    """

    total: float = 0.0
    bad: float = 0.0
    covered: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.total + other.total, self.bad + other.bad, self.covered + other.covered)


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Consecutive slices from number `first`; the three arrays have one entry for each."""

    first: int
    total: Floats
    bad: Floats
    covered: Flags

    @property
    def end(self) -> int:
        """The number after the last one."""
        return self.first + len(self.total)


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Consecutive hours after `start` (Unix seconds), where one of the ledger's begins.

    The arrays have one entry for each; `covered` tells whether there were data all the time, or not
    at all.
    """

    start: int
    total: Floats
    bad: Floats
    covered: Flags


@dataclass(frozen=True, slots=True)
class Live:
    """The slices that are not closed: counts after the last closed one, up to `until`."""

    until: float
    total: float
    bad: float
    covered: bool
