from sluice.api.reasons import Reason
from sluice.api.slo import Level, ServiceLevelObjective
from sluice.controller.standings import Standings
from sluice.policy.objective import ObjectiveState


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


OBJECTIVE = ServiceLevelObjective.model_validate(
    {
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {
            "objective": "99.9",
            "window": {"rolling": "30d"},
            "indicator": {"latency": {"metric": "seconds", "threshold": "500ms"}},
        },
    }
)
STATE = ObjectiveState(
    name="a",
    known=True,
    level=Level.OK,
    remaining=None,
    burn_rates={},
    window="30d",
    recovered_at=None,
    reason=Reason.BUDGET_KNOWN,
    message="",
)


def test_what_was_never_evaluated_is_unknown() -> None:
    state = Standings(monotonic=Clock(), lasts=300).of(OBJECTIVE)
    assert (state.known, state.reason) == (False, Reason.BACKFILLING)


def test_an_evaluation_counts_as_long_as_it_is_fresh() -> None:
    clock = Clock()
    standings = Standings(monotonic=clock, lasts=300)
    assert standings.put("shop", STATE) is None
    clock.now = 300
    assert standings.of(OBJECTIVE) is STATE
    clock.now = 301
    state = standings.of(OBJECTIVE)
    assert (state.known, state.reason) == (False, Reason.STALE_DATA)
    assert state.message == "it was last evaluated 301 s ago: see the controller's log"


def test_a_process_that_comes_to_lead_again_remembers_nothing() -> None:
    standings = Standings(monotonic=Clock(), lasts=300)
    standings.put("shop", STATE)
    standings.clear()
    assert standings.get("shop", "a") is None
