"""A staggered thaw: in which waves what was held is released, so that it rolls out bit by bit.

Waves are a minute apart, the first at once. A wave begins at the earliest a minute after the one
before it was written down, not at a time that was fixed in the beginning: a controller that was
away for an hour does not make up for it by one large wave.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.api.durations import parse_duration
from sluice.api.policy import Stagger, ThawStatus

WAVE = timedelta(minutes=1)
"""From one wave to the next."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What a thaw does now.

    Attributes:
        size: how many of those that are held are released, the oldest first.
        thaw: what is to be remembered; None if nothing is held any more.
    """

    size: int
    thaw: ThawStatus | None = None


def wave(before: ThawStatus | None, *, held: int, stagger: Stagger, now: datetime) -> Wave:
    """The wave that is due at `now` (UTC); one of size 0 while none is.

    Args:
        before: what is remembered of the thaw; None if it begins.
        held: how many are held now; who was released by hand is not among them.
        stagger: how fast the policy lets go.
        now: the time.
    """
    if held == 0:
        return Wave(0)
    now = now.replace(microsecond=0)
    begun = before or ThawStatus(since=now, total=held, held=held, next_at=now)
    begun = begun.model_copy(update={"total": max(begun.total, held), "held": held})
    size = wave_size(begun.total, stagger)
    # A wave further away than the next can be was planned by a clock that has been set back.
    if size < begun.total and now < begun.next_at <= now + WAVE:
        return Wave(0, begun)
    size = min(held, size)
    if size == held:
        return Wave(size)
    return Wave(size, begun.model_copy(update={"held": held - size, "next_at": now + WAVE}))


def wave_size(total: int, stagger: Stagger) -> int:
    """How many of `total` are released at once; all if there is no time for a second wave."""
    waves = max(1, parse_duration(stagger.within) // WAVE)
    return max(stagger.per_minute, math.ceil(total / waves))


def ends_at(thaw: ThawStatus, stagger: Stagger) -> datetime:
    """When the last of those that are held will be released."""
    waves = math.ceil(thaw.held / wave_size(thaw.total, stagger))
    return thaw.next_at + (waves - 1) * WAVE
