"""How the objectives stood when they were last evaluated by this process."""

from collections.abc import Callable

from sluice.api.reasons import Reason
from sluice.api.slo import Level, ServiceLevelObjective
from sluice.indicators.declared import window_name
from sluice.policy.objective import ObjectiveState


class Standings:
    """The latest state of each objective, by namespace and name.

    It is not read back from status: a status may be older than the data that it was made from,
    and a decision must not be made on it. For the same reason a state that is older than
    `lasts` seconds does not count: an objective that is not evaluated any more is unknown.
    """

    def __init__(self, *, monotonic: Callable[[], float], lasts: float) -> None:
        self._monotonic = monotonic
        self._lasts = lasts
        self._states: dict[tuple[str, str], tuple[float, ObjectiveState]] = {}

    def put(self, namespace: str, state: ObjectiveState) -> ObjectiveState | None:
        """Take a state in; the one before."""
        before = self.get(namespace, state.name)
        self._states[namespace, state.name] = (self._monotonic(), state)
        return before

    def drop(self, namespace: str, name: str) -> None:
        """Forget an objective that is gone."""
        self._states.pop((namespace, name), None)

    def clear(self) -> None:
        """Forget everything: another process has led meanwhile."""
        self._states.clear()

    def get(self, namespace: str, name: str) -> ObjectiveState | None:
        """The state of an objective; None if this process has not evaluated it yet."""
        found = self._states.get((namespace, name))
        return None if found is None else found[1]

    def of(self, objective: ServiceLevelObjective) -> ObjectiveState:
        """The state of an objective to decide on; unknown if there is none, or only an old one."""
        meta = objective.metadata
        found = self._states.get((meta.namespace, meta.name))
        if found is None:
            message = "the controller has started and not measured it yet"
            return _unknown(objective, Reason.BACKFILLING, message)
        age = self._monotonic() - found[0]
        if age > self._lasts:
            message = f"it was last evaluated {age:.0f} s ago: see the controller's log"
            return _unknown(objective, Reason.STALE_DATA, message)
        return found[1]


def _unknown(objective: ServiceLevelObjective, reason: Reason, message: str) -> ObjectiveState:
    return ObjectiveState(
        name=objective.metadata.name,
        known=False,
        level=Level.UNKNOWN,
        remaining=None,
        burn_rates={},
        window=window_name(objective.spec.window, None),
        recovered_at=None,
        reason=reason,
        message=message,
    )
