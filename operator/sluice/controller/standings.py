"""How the objectives stood when they were last evaluated by this process."""

from sluice.api.reasons import Reason
from sluice.api.slo import Level, ServiceLevelObjective
from sluice.policy.objective import ObjectiveState


class Standings:
    """The latest state of each objective, by namespace and name.

    It is not read back from status: a status may be older than the data that it was made from,
    and a decision must not be made on it.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], ObjectiveState] = {}

    def put(self, namespace: str, state: ObjectiveState) -> ObjectiveState | None:
        """Take a state in; the one before."""
        before = self._states.get((namespace, state.name))
        self._states[namespace, state.name] = state
        return before

    def drop(self, namespace: str, name: str) -> None:
        """Forget an objective that is gone."""
        self._states.pop((namespace, name), None)

    def get(self, namespace: str, name: str) -> ObjectiveState | None:
        """The state of an objective; None if this process has not evaluated it yet."""
        return self._states.get((namespace, name))

    def of(self, objective: ServiceLevelObjective) -> ObjectiveState:
        """The state of an objective; unknown if it was not evaluated yet."""
        meta = objective.metadata
        return self._states.get((meta.namespace, meta.name)) or ObjectiveState(
            name=meta.name,
            known=False,
            level=Level.UNKNOWN,
            remaining=None,
            burn_rates={},
            window=objective.spec.window.rolling,
            recovered_at=None,
            reason=Reason.BACKFILLING,
            message="The controller has started and not measured it yet.",
        )
