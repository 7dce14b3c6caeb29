"""The numbers that a decision shows: the deciding objective's, refreshed only when it matters."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from sluice.api.reasons import Reason
from sluice.policy.memory import Memory
from sluice.policy.outcome import Outcome
from sluice.policy.stages import Standing

_BOUND = Decimal(999_999_999)
"""The largest percentage, either way, that the API's `Percent` can hold."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The deciding objective in numbers.

    Attributes:
        objective: Its name; None if none decided.
        remaining: What is left of its budget, in percent with three decimals.
        recovered_at: When it is positive again if nothing more fails; UTC, whole seconds.
    """

    objective: str | None
    remaining: Decimal | None
    recovered_at: datetime | None


def figures(found: Outcome, before: Memory, *, entered: bool, now: datetime) -> Figures:
    """The figures to show; `entered` says that the stage has just changed.

    They stay as they were written down until the budget has moved by a point, or the stage, the
    objective or the reason has changed: whoever shows them need not be rewritten every minute.
    """
    if found.standing is not None:
        fresh = _measured(found.standing, now)
        remembered = Figures(before.objective, before.remaining, before.recovered_at)
        if entered or found.reason is not before.reason or _moved(fresh, remembered, now):
            return fresh
        return remembered
    if found.reason is Reason.BLIND_OPEN:
        return Figures(None, None, None)
    return Figures(before.objective, before.remaining, _ahead(before.recovered_at, now))


def _measured(standing: Standing, now: datetime) -> Figures:
    bounded = max(-_BOUND, min(_BOUND, standing.remaining))
    return Figures(
        objective=standing.objective.name,
        remaining=bounded.quantize(Decimal("0.001"), rounding=ROUND_HALF_UP),
        recovered_at=_ahead(standing.objective.recovered_at, now),
    )


def _ahead(time: datetime | None, now: datetime) -> datetime | None:
    """`time` as the API stores it, unless it has passed: then it is no forecast any more."""
    if time is None or time <= now:
        return None
    return time.astimezone(UTC).replace(microsecond=0)


def _moved(fresh: Figures, remembered: Figures, now: datetime) -> bool:
    if fresh.objective != remembered.objective:
        return True
    if fresh.remaining is None or remembered.remaining is None:
        return fresh.remaining is not remembered.remaining
    if abs(fresh.remaining - remembered.remaining) >= 1:
        return True
    if remembered.recovered_at is None or fresh.recovered_at is None:
        return fresh.recovered_at is not remembered.recovered_at
    return remembered.recovered_at <= now
