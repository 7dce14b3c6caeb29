from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.policy import ErrorBudgetPolicySpec
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.policy.decision import decide
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
from sluice.policy.relevance import asks_anew

NOW = datetime(2026, 8, 20, 10, 0, tzinfo=UTC)
SPEC = ErrorBudgetPolicySpec.model_validate(
    {
        "objectives": {"selector": {}},
        "mode": "Enforce",
        "stages": [
            {"name": "Healthy"},
            {"name": "Warning", "when": {"remainingBelow": "50"}, "admission": "Warn"},
            {
                "name": "Burning",
                "when": {"burnRateAbove": {"window": "1h", "value": "10"}},
                "admission": "Warn",
            },
            {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"},
        ],
        "recovery": {"above": "5", "for": "0s"},
    }
)


def objective(remaining: str | None, burn: str = "0", level: Level = Level.OK) -> ObjectiveState:
    return ObjectiveState(
        name="a",
        known=remaining is not None,
        level=level,
        remaining=None if remaining is None else Decimal(remaining),
        burn_rates={"1h": Decimal(burn)},
        window="30d",
        recovered_at=None,
        reason=Reason.BUDGET_KNOWN,
        message="",
    )


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        pytest.param(None, objective("80"), True, id="the first number"),
        pytest.param(objective("80"), objective("55"), False, id="numbers of one stage"),
        pytest.param(objective("50"), objective("49.999"), True, id="into a stage"),
        pytest.param(objective("24"), objective("25"), True, id="above the recovery's threshold"),
        pytest.param(objective("22"), objective("24"), False, id="below it"),
        pytest.param(objective("80", "9"), objective("80", "11"), True, id="a burn rate"),
        pytest.param(objective("80"), objective(None), True, id="becomes unknown"),
        pytest.param(objective(None), objective("80"), True, id="becomes known"),
        pytest.param(objective(None), objective(None, "11"), False, id="stays unknown"),
        pytest.param(
            objective("80"), replace(objective("80"), corrections=1), True, id="a correction"
        ),
        pytest.param(objective("NaN"), objective(None), False, id="no number is unknown, too"),
    ],
)
def test_a_policy_must_look_again(
    before: ObjectiveState | None, after: ObjectiveState, anew: bool
) -> None:
    assert asks_anew(SPEC, before, after) == anew


REMAINING = st.one_of(st.none(), st.integers(-50, 100).map(str))
STATES = st.builds(objective, REMAINING, st.sampled_from(["0", "10", "11"]))


@given(STATES, STATES, st.sampled_from([stage.name for stage in SPEC.stages]))
def test_while_an_objective_asks_for_nothing_new_the_stage_stays(
    before: ObjectiveState, after: ObjectiveState, in_force: str
) -> None:
    def stage(state: ObjectiveState) -> str:
        memory = Memory(stage=in_force, since=NOW, objective="b")
        others = replace(objective("60"), name="b")
        return decide(
            spec=SPEC,
            policy_name="default",
            namespace="shop",
            objectives=[state, others],
            before=memory,
            now=NOW,
        ).stage

    if not asks_anew(SPEC, before, after):
        assert stage(before) == stage(after)
