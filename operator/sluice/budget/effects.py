"""What corrections change of a window: all of them together, and each next to the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sluice.budget.corrected import CorrectedLedger
from sluice.budget.corrections import Correction
from sluice.budget.counts import Counts
from sluice.budget.windows import Bounds

_MOST_WEIGHED = 20
"""Corrections of which it is worked out what would remain without them: each time a budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one correction changes of a window, next to all others.

    Attributes:
        name: the correction's.
        added: whether it adds; else it excludes.
        counts: the events that it adds or excludes.
        seconds: the time of the window that it is about.
        points: by how many points of budget more is left than without it; None if not known.
        approximate: whether a part of an hour is counted in proportion, its slices being gone.
    """

    name: str
    added: bool
    counts: Counts
    seconds: float
    points: Decimal | None
    approximate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What all corrections with a part in the window change of it.

    Attributes:
        effects: of each, in the order that they were given.
        excluded: the events that are excluded.
        seconds: how much of the window is.
        added: the events that are added.
        remaining: what would remain of the budget without any of them, in percent; None if that
            is not known.
    """

    effects: tuple[Effect, ...]
    excluded: Counts
    seconds: float
    added: Counts
    remaining: Decimal | None


def changed(
    corrections: Sequence[Correction],
    bounds: Bounds,
    view: Callable[[Sequence[Correction]], CorrectedLedger],
    remaining: Callable[[Sequence[Correction]], Decimal | None],
) -> Corrected | None:
    """What the corrections with a part in the window change; None if there are none.

    Args:
        corrections: all that there are.
        bounds: the window.
        view: the counts as some corrections leave them.
        remaining: what remains of the budget with some corrections, in percent.
    """
    present = [
        one
        for one in corrections
        if any(it.start < bounds.end and it.end > bounds.start for it in one.ranges)
    ]
    if not present:
        return None
    start, end = bounds.start, bounds.end
    ledger, left = view(present), remaining(present)
    effects = []
    for number, one in enumerate(present):
        alone, others = view([one]), [it for it in present if it is not one]
        without = remaining(others) if number < _MOST_WEIGHED else None
        added = one.added is not None
        effects.append(
            Effect(
                name=one.name,
                added=added,
                counts=alone.added(start, end) if added else alone.taken(start, end),
                seconds=alone.touched(start, end),
                points=None if left is None or without is None else left - without,
                approximate=alone.approximate(start, end),
            )
        )
    return Corrected(
        effects=tuple(effects),
        excluded=ledger.taken(start, end),
        seconds=ledger.excluded.seconds(start, end),
        added=ledger.added(start, end),
        remaining=remaining(()),
    )
