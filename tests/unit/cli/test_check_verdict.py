"""The exit status, and what is said of it."""

import json
from decimal import Decimal

import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveStatus
from sluice.cli.check_evaluation import Result, Standing
from sluice.cli.check_report import as_json
from sluice.cli.check_verdict import Exit, exit_status, explanations
from sluice.indicators.failure import Failure
from tests.unit.cli.test_check_report import ruling, standing


def unknown(failure: Failure | None = None) -> Standing:
    known = standing("unknown")
    state = known.state.__class__(
        name="unknown",
        known=False,
        level=known.state.level,
        remaining=None,
        burn_rates={},
        window="30d",
        recovered_at=None,
        reason=Reason.TOO_FEW_EVENTS,
        message="3 events in the window",
    )
    return Standing(known.declared, ServiceLevelObjectiveStatus(), state, failure)


WELL, SPENT = standing("well", remaining="60.000"), standing("spent", remaining="0.000")
LOW = standing("low", remaining="10.000")
UNMEASURED = unknown(Failure(Reason.SOURCE_TIMEOUT, "it did not answer"))


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Result([], []), Exit.WELL),
        (Result([WELL, LOW], []), Exit.WELL),
        (Result([WELL], [ruling(WELL)]), Exit.WELL),
        (Result([unknown()], []), Exit.UNKNOWN),
        (Result([], [ruling()]), Exit.UNKNOWN),
        (Result([SPENT], []), Exit.DENIED),
        (Result([LOW], [ruling(LOW)]), Exit.DENIED),
        (Result([unknown(), SPENT], []), Exit.DENIED),
        (Result([unknown(), LOW], [ruling(LOW)]), Exit.DENIED),
        (Result([UNMEASURED], []), Exit.BAD_INPUT),
        (Result([SPENT, unknown(), UNMEASURED], [ruling(LOW)]), Exit.BAD_INPUT),
    ],
)
def test_the_worst_of_all_decides_and_is_explained(result: Result, status: Exit) -> None:
    assert exit_status(result) is status
    assert bool(list(explanations(result))) is (status is not Exit.WELL)


def test_the_last_thousandth_of_a_budget_is_not_nothing() -> None:
    least = standing("least", remaining=str(Decimal("0.001")))
    assert exit_status(Result([least], [])) is Exit.WELL


def test_what_several_objectives_suffer_from_is_said_once() -> None:
    assert list(explanations(Result([UNMEASURED, WELL, UNMEASURED], []))) == [
        "slo.yaml, document 1 and 1 more: it did not answer"
    ]


def test_each_objective_that_is_not_well_has_a_line() -> None:
    assert list(explanations(Result([SPENT, WELL, unknown()], []))) == [
        (
            "ServiceLevelObjective shop/spent: 0.000% of the error budget is left: "
            "714 bad events of 1234 allowed"
        ),
        "ServiceLevelObjective shop/unknown: TooFewEvents: 3 events in the window",
    ]


LIMITING = [
    {"name": "Healthy"},
    {
        "name": "Low",
        "when": {"remainingBelow": "20"},
        "admission": "Limit",
        "limit": {"interval": "7d"},
    },
]


def test_a_limit_denies_nothing_here_and_says_where_to_ask() -> None:
    found = Result([LOW], [ruling(LOW, stages=LIMITING)])
    assert exit_status(found) is Exit.WELL
    (line,) = explanations(found)
    assert line.endswith(
        "One deployment of each workload passes in 7d: `sluice verdict` knows when the last one was"
    )
    assert json.loads(as_json(found))["policies"][0]["limit"] == {"interval": "7d"}


def test_a_limit_that_is_only_observed_is_not_told_of() -> None:
    found = Result([LOW], [ruling(LOW, stages=LIMITING, mode="Observe")])
    assert list(explanations(found)) == []
    assert json.loads(as_json(found))["policies"][0]["limit"] is None
