"""The slices of hours that a correction cuts, kept after the ledger has only their hours.

A ledger keeps slices for three days. What half of an hour behind that had cannot be told from the
hour; to guess it in proportion would be wrong by as much as the hour's errors. So the slices of
such an hour are kept as long as it is cut, or are read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.budget.counts import SLICES_PER_HOUR, Counts, Floats, Slices
from sluice.budget.ring import Rows
from sluice.budget.slicing import Slicing
from sluice.budget.windows import HOUR

_AGREE = 0.01
"""How far the slices' events may be off the hour's, as a share of these (or by one event)."""


_Row = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class CutHour:
    """An hour's twelve slices.

    Attributes:
        rows: as they were read.
        total: what of the hour's counts is in each of them; judged ones if slices are.
        bad: the same of the bad ones.
    """

    rows: Rows
    total: _Row
    bad: _Row

    def share(self, hour: Counts, first: float, last: float) -> Counts:
        """What of the counts of the whole `hour` falls into a part of it.

        Args:
            hour: what the ledger has of it.
            first: where the part begins, in slices after the hour's start.
            last: where it ends.
        """
        edges = np.arange(SLICES_PER_HOUR)
        inside = np.clip(np.minimum(edges + 1, last) - np.maximum(edges, first), 0.0, 1.0)
        return Counts(
            hour.total * _share(self.total, inside),
            hour.bad * _share(self.bad, inside),
            hour.covered * _share(self.rows.covered, inside),
        )


class CutHours:
    """Those of one objective, by the Unix seconds in which they begin.

    Args:
        slicing: how slices are judged; None to count events.
    """

    __slots__ = ("_hours", "_slicing")

    def __init__(self, slicing: Slicing | None = None) -> None:
        self._hours: dict[int, CutHour | None] = {}
        self._slicing = slicing

    def get(self, hour: int) -> CutHour | None:
        """The hour that begins at that time, if its slices are known."""
        return self._hours.get(hour)

    def missing(self, hours: Iterable[int]) -> list[int]:
        """Those of `hours` of which it is not known yet what they hold, newest first."""
        return sorted(set(hours) - self._hours.keys(), reverse=True)

    def put(self, hour: int, slices: Slices, whole: Counts) -> None:
        """Take in what was read of an hour; that its slices are gone, unless they make it up.

        Args:
            hour: when it begins.
            slices: its twelve slices.
            whole: what the ledger has of it.
        """
        # As they are stored, so that no number changes when they come back from there.
        with np.errstate(over="ignore"):
            total, bad = slices.total.astype(np.float32), slices.bad.astype(np.float32)
        cut = self._cut(Rows(total, bad, slices.covered.astype(np.uint8)))
        self._hours[hour] = cut if _make_up(cut, whole) else None

    def kept(self) -> dict[int, Rows]:
        """The slices of those that are known; of one that is gone nothing."""
        return {hour: cut.rows for hour, cut in self._hours.items() if cut is not None}

    def resume(self, kept: Mapping[int, Rows]) -> None:
        """Forget all and go on with what another one kept."""
        self._hours = {hour: self._cut(rows) for hour, rows in kept.items()}

    def retain(self, hours: Iterable[int]) -> None:
        """Forget all others: no correction cuts them any more."""
        wanted = set(hours)
        self._hours = {hour: cut for hour, cut in self._hours.items() if hour in wanted}

    def drop(self, since: int) -> None:
        """Forget those that reach beyond `since`, Unix seconds: they were read anew."""
        self._hours = {hour: cut for hour, cut in self._hours.items() if hour + HOUR <= since}

    def clear(self) -> None:
        """Forget all."""
        self._hours.clear()

    def _cut(self, rows: Rows) -> CutHour:
        if self._slicing is None:
            return CutHour(rows, rows.total, rows.bad)
        total, bad, covered = (
            row.astype(np.float64) for row in (rows.total, rows.bad, rows.covered)
        )
        counted, failed = self._slicing.judge(total, bad, covered, known=SLICES_PER_HOUR)
        parts = self._slicing.parts
        return CutHour(rows, np.repeat(counted, parts) / parts, np.repeat(failed, parts) / parts)


def cut_by(start: float, end: float, *, anchor: int, until: float) -> set[int]:
    """The hours before `until` that a range from `start` to `end` is in with only a part of them.

    Args:
        start: Unix seconds.
        end: the same.
        anchor: seconds after an epoch's whole hour at which hours begin.
        until: Unix seconds.
    """
    edges = (time for time in (start, end) if (time - anchor) % HOUR)
    hours = {int((time - anchor) // HOUR) * HOUR + anchor for time in edges}
    return {hour for hour in hours if hour + HOUR <= until}


def _share(row: _Row | npt.NDArray[np.uint8], inside: Floats) -> float:
    whole = float(row.sum(dtype=np.float64))
    return float((row * inside).sum()) / whole if whole > 0 else 0.0


def _make_up(cut: CutHour, whole: Counts) -> bool:
    """Whether these are the slices that the hour was made of, and not what is left of them."""
    return bool(
        cut.rows.covered.any()
        and abs(cut.total.sum(dtype=np.float64) - whole.total) <= max(1.0, _AGREE * whole.total)
        and abs(cut.bad.sum(dtype=np.float64) - whole.bad) <= max(1.0, _AGREE * whole.bad)
    )
