"""What slices become that are read a second time. Pure.

Samples come late, and for a while a source may answer something that is wrong: what it tells later
is right. But a source may also have forgotten what it once told.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sluice.budget.counts import Flags, Floats, Slices

_SLIGHT = 0.1
"""A smaller share of a slice's events is the difference between two replicas, and no error."""


def revised(known: Slices, found: Slices, *, last: int) -> Slices:
    """The slices as they are to be from now on.

    The `last` of them are as they were `found`. So are those before them, unless the source knows
    nothing any more of one that was `known`: then what is left may be a part, and only fills gaps.

    Args:
        known: as they are.
        found: the same ones, as they were read now.
        last: how many of them.
    """
    earlier = np.arange(len(known.total)) < len(known.total) - last
    kept = earlier & known.covered
    if not (kept & ~found.covered).any():
        return found
    return replace(
        found,
        total=np.where(kept, known.total, found.total),
        bad=np.where(kept, known.bad, found.bad),
        covered=np.where(kept, known.covered, found.covered),
    )


def first_changed(known: Slices, found: Slices) -> int | None:
    """The number of the first slice that is not what it was, but for slight differences."""
    changed = (
        (known.covered != found.covered)
        | _differ(known.total, found.total)
        | _differ(known.bad, found.bad)
    )
    return int(np.argmax(changed)) if changed.any() else None


def far_apart(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    """Whether the values at a boundary, None for none, are more than slightly different.

    Those of a boundary that was not looked at, which has no values at all, are not.
    """
    if not (one and other):
        return False
    return any(_apart(was, value) for was, value in zip(one, other, strict=True))


def _apart(was: float | None, value: float | None) -> bool:
    if was is None or value is None:
        return was is not value
    return abs(was - value) > _SLIGHT * max(was, value)


def _differ(one: Floats, other: Floats) -> Flags:
    different: Flags = np.abs(one - other) > _SLIGHT * np.maximum(one, other)
    return different
