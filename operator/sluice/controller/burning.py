"""How much of their budgets a policy's objectives burned between two times."""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from sluice.api.override import MOST_BURNED, Burned
from sluice.api.policy import ErrorBudgetPolicy
from sluice.kube.cache import Cache, Key
from sluice.kube.resources import OBJECTIVES
from sluice.policy.selection import Labelled, select_objectives

Spent = Callable[[Key, datetime, datetime], Decimal | None]
"""Points of an objective's budget spent between two times; None if that is not known."""

_STEP = Decimal("0.1")
"""Points: what moves less is not worth a write."""


class Burning:
    """Answers from what this process has counted: a process that does not lead knows nothing."""

    def __init__(self, *, cache: Cache, spent: Spent) -> None:
        self._cache = cache
        self._spent = spent

    def of(self, policy: ErrorBudgetPolicy, start: datetime, end: datetime) -> list[Burned]:
        """What the policy's objectives burned, the most first; without those not known."""
        namespace = policy.metadata.namespace
        existing = [
            Labelled(it.metadata.name, it.metadata.labels)
            for it in self._cache.objectives(namespace)
        ]
        points = {
            name: spent
            for name in select_objectives(policy.spec.objectives, existing).names
            if (spent := self._spent(Key(OBJECTIVES.plural, namespace, name), start, end))
            is not None
        }
        most = sorted(points.items(), key=lambda it: (-it[1], it[0]))[:MOST_BURNED]
        return [
            Burned(objective=name, points=f"{spent.quantize(_STEP, ROUND_HALF_UP):f}")
            for name, spent in most
        ]
