"""Budgets by time slices: what counts is how many slices were bad, not how many events.

A slice is good if the share of good events in it reaches the slice's own objective; a minute in
which everything failed weighs the same by day and by night.
Source: OpenSLO v1, `budgetingMethod: Timeslices`; the handling of empty slices is ours.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

# Counts are kept as float32: a share that is met to the last digit must not fail by rounding.
_TOLERANCE = 1e-6


class Empty(StrEnum):
    """What a slice without events is, though its counters are there."""

    SKIP = "Skip"
    GOOD = "Good"
    BAD = "Bad"


@dataclass(frozen=True, slots=True)
class Slicing:
    """How slices are judged.

    Attributes:
        parts: the number of the ledger's slices of five minutes that make one; divides 12.
        allowance: the share of events in a slice that may be bad, as a fraction.
        empty: what a slice without events is.
    """

    parts: int
    allowance: float
    empty: Empty

    def judge(
        self,
        total: npt.NDArray[np.float64],
        bad: npt.NDArray[np.float64],
        covered: npt.NDArray[np.float64],
        *,
        known: int,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Which slices count, and which of them are bad, as ones and zeros.

        A slice counts if some of it has data, and is judged by that.

        Args:
            total: events, one entry for each five minutes; whole slices.
            bad: the bad ones of them.
            covered: above zero where there are data.
            known: how many entries are of time that has passed; a slice that has not is not judged.
        """
        total, bad, covered = (
            row.reshape(-1, self.parts).sum(axis=1) for row in (total, bad, covered)
        )
        counts = covered > 0
        counts[known // self.parts :] = False
        empty = total <= 0
        if self.empty is Empty.SKIP:
            counts &= ~empty
        failed = bad > self.allowance * total * (1 + _TOLERANCE)
        if self.empty is Empty.BAD:
            failed |= empty
        return counts.astype(np.float64), (counts & failed).astype(np.float64)
