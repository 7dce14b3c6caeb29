"""Which stage an objective asks for."""

from decimal import Decimal

import pytest

from sluice.api.policy import Stage
from sluice.api.slo import Level
from sluice.policy.objective import ObjectiveState
from sluice.policy.stages import stage_index, standings, worst
from tests.unit.policy.examples import known, spec_of, unknown

FIVE = Decimal(5)

MIXED = [
    {"name": "Healthy"},
    {"name": "Burning", "when": {"burnRateAbove": {"window": "1h", "value": "6"}}},
    {"name": "Low", "when": {"remainingBelow": "50", "burnRateAbove": {"value": "14.4"}}},
    {"name": "Paged", "when": {"level": "Critical"}},
]


def stage_of(
    objective: ObjectiveState, stages: list[Stage] | None = None, *, in_force: int = 0
) -> int:
    spec = spec_of()
    [standing] = standings(stages or spec.stages, [objective], in_force=in_force, above=FIVE)
    return standing.stage


@pytest.mark.parametrize(
    ("remaining", "in_force", "stage"),
    [
        ("100", 0, 0),
        ("50", 0, 0),
        ("49.999", 0, 1),
        ("20", 0, 1),
        ("19.999", 0, 2),
        ("-300", 0, 2),
        # on the way down the thresholds are five points higher
        ("20", 2, 2),
        ("24.999", 2, 2),
        ("25", 2, 1),
        ("54.999", 2, 1),
        ("55", 2, 0),
        # a stage that was not entered is entered at its own threshold
        ("22", 1, 1),
        ("54.999", 1, 1),
        ("19.9", 1, 2),
    ],
)
def test_the_last_stage_whose_threshold_is_undercut_counts(
    remaining: str, in_force: int, stage: int
) -> None:
    assert stage_of(known(remaining), in_force=in_force) == stage


@pytest.mark.parametrize(
    ("objective", "stage"),
    [
        (known("80"), 0),
        (known("80", burn={"1h": "6"}), 0),
        (known("80", burn={"1h": "6.01"}), 1),
        (known("80", burn={"5m": "100"}), 0),
        (known("80", burn={"1h": "15"}), 1),
        (known("49", burn={"1h": "15"}), 2),
        (known("49", burn={"1h": "14.4"}), 1),
        (known("49"), 0),
        (known("49", burn={"1h": "NaN"}), 0),
        (known("49", burn={"1h": "Infinity"}), 0),
        (known("80", level=Level.WARNING), 0),
        (known("80", level=Level.CRITICAL), 3),
        (known("80", level=Level.PAGE), 3),
        (known("80", level=Level.UNKNOWN), 0),
    ],
)
def test_conditions_of_one_stage_are_anded_and_missing_values_meet_none(
    objective: ObjectiveState, stage: int
) -> None:
    assert stage_of(objective, spec_of(stages=MIXED).stages) == stage


@pytest.mark.parametrize(("burn", "stage"), [("6.5", 1), ("6", 0)])
def test_only_the_remaining_budget_has_a_margin_when_a_stage_is_left(burn: str, stage: int) -> None:
    objective = known("80", burn={"1h": burn})
    assert stage_of(objective, spec_of(stages=MIXED).stages, in_force=3) == stage


def test_conditions_of_different_objectives_are_not_combined() -> None:
    stages = spec_of(stages=[{"name": "Healthy"}, MIXED[2]]).stages
    low, fast = known("10", "low"), known("90", "fast", burn={"1h": "20"})
    found = standings(stages, [low, fast], in_force=0, above=FIVE)
    assert [standing.stage for standing in found] == [0, 0]


@pytest.mark.parametrize("remaining", ["NaN", "Infinity", "-Infinity"])
def test_a_budget_that_is_no_number_counts_as_unknown(remaining: str) -> None:
    assert standings(spec_of().stages, [known(remaining)], in_force=0, above=FIVE) == ()


def test_an_unknown_objective_asks_for_nothing() -> None:
    assert standings(spec_of().stages, [unknown()], in_force=0, above=FIVE) == ()


@pytest.mark.parametrize(
    ("objectives", "incumbent", "decides"),
    [
        ([known("30", "b"), known("10", "a"), known("60", "c")], None, "a"),
        ([known("12", "a"), known("11", "b")], None, "b"),
        ([known("11", "b"), known("11", "a")], None, "a"),
        # the one that decided before goes on while none is worse by a point
        ([known("12", "a"), known("11.1", "b")], "a", "a"),
        ([known("12", "a"), known("11", "b")], "a", "b"),
        ([known("20", "a"), known("19.9", "b")], "a", "b"),
        ([known("12", "a")], "gone", "a"),
    ],
)
def test_the_worst_objective_decides(
    objectives: list[ObjectiveState], incumbent: str | None, decides: str
) -> None:
    found = worst(
        standings(spec_of().stages, objectives, in_force=0, above=FIVE), incumbent=incumbent
    )
    assert found is not None
    assert found.objective.name == decides


def test_nobody_decides_if_nothing_is_known() -> None:
    assert worst([], incumbent="a") is None


def test_a_stage_that_is_not_in_the_spec_has_no_index() -> None:
    stages = spec_of().stages
    assert [stage_index(stages, name) for name in ("Healthy", "Exhausted", "Gone", None)] == [
        0,
        2,
        None,
        None,
    ]
