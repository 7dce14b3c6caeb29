"""What is printed of a result."""

import io
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api.metadata import ObjectMeta
from sluice.api.policy import ErrorBudgetPolicy, ErrorBudgetPolicySpec
from sluice.api.reasons import Reason
from sluice.api.slo import (
    BurnRate,
    ErrorBudgetStatus,
    EventCounts,
    Level,
    ServiceLevelObjective,
    ServiceLevelObjectiveSpec,
    ServiceLevelObjectiveStatus,
    TimeBudget,
)
from sluice.cli.check_evaluation import Result, Ruling, Standing
from sluice.cli.check_objects import Declared
from sluice.cli.check_report import as_json, print_tables
from sluice.policy.decision import decide
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
SPEC = ServiceLevelObjectiveSpec.model_validate(
    {
        "objective": "99.999999",
        "window": {"rolling": "2208h"},
        "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
    }
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def standing(
    name: str = "checkout", sli: str = "99.942", remaining: str = "42.166", burn: str = "0.90"
) -> Standing:
    budget = ErrorBudgetStatus(
        consumed="57.834",
        remaining=remaining,
        to_date=remaining,
        events=EventCounts(total="1234567", bad="714", allowed="1234"),
        time=TimeBudget(total="43m12s", remaining="18m12s", per_day="1m26s"),
    )
    status = ServiceLevelObjectiveStatus(
        level=Level.WARNING,
        sli=sli,
        error_budget=budget,
        burn_rates=[BurnRate(window="5m", value="0.40"), BurnRate(window="1h", value=burn)],
    )
    state = ObjectiveState(
        name=name,
        known=True,
        level=Level.WARNING,
        remaining=Decimal(remaining),
        burn_rates={},
        window="2208h",
        recovered_at=None,
        reason=Reason.PARTIAL_WINDOW,
        message="",
    )
    slo = ServiceLevelObjective(metadata=ObjectMeta(name=name, namespace="shop"), spec=SPEC)
    return Standing(Declared("slo.yaml, document 1", slo), status, state, None)


def ruling(*standings: Standing, **fields: Any) -> Ruling:
    spec = ErrorBudgetPolicySpec.model_validate(
        {"objectives": {"selector": {}}, "mode": "Enforce", **fields}
    )
    policy = ErrorBudgetPolicy(metadata=ObjectMeta(name="default", namespace="shop"), spec=spec)
    decision = decide(
        spec=spec,
        policy_name="default",
        namespace="shop",
        objectives=[it.state for it in standings],
        before=Memory(),
        now=NOW,
    )
    return Ruling(policy, decision)


def printed(result: Result, out: io.StringIO, **environment: str) -> str:
    with patch.dict(os.environ, environment):
        print_tables(result, out)
    return out.getvalue()


def result(*standings: Standing) -> Result:
    return Result(standings, [ruling(*standings)])


def test_the_tables_show_what_kubectl_shows_and_the_reason() -> None:
    shown = [line.split() for line in printed(result(standing()), io.StringIO()).splitlines()]
    assert shown == [
        ["NAME", "OBJECTIVE", "WINDOW", "SLI", "REMAINING", "BURN", "1H", "LEVEL", "REASON"],
        [
            *("shop/checkout", "99.999999", "2208h", "99.942", "42.166", "0.90"),
            *("Warning", "PartialWindow"),
        ],
        [],
        ["NAME", "MODE", "STAGE", "ADMISSION", "OBJECTIVE", "REMAINING", "REASON"],
        ["shop/default", "Enforce", "Warning", "Warn", "checkout", "42.166", "StageEntered"],
    ]


def test_a_kind_of_which_there_is_nothing_has_no_table() -> None:
    assert printed(Result([], []), io.StringIO()) == ""
    only = printed(Result([standing()], []), io.StringIO())
    assert len(only.splitlines()) == 2


def test_lines_are_not_broken_where_there_is_no_terminal() -> None:
    shown = printed(result(standing("a" * 63)), io.StringIO())
    assert f"shop/{'a' * 63}  99.999999  2208h" in shown


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}])
def test_there_are_no_colours_where_there_is_no_terminal(environment: dict[str, str]) -> None:
    assert "\x1b" not in printed(result(standing()), io.StringIO(), **environment)


def test_a_terminal_gets_colours_unless_the_user_wants_none() -> None:
    environment = {"TERM": "xterm-256color", "COLUMNS": "100"}
    assert "\x1b[33mWarning" in printed(result(standing()), Terminal(), **environment)
    without = printed(result(standing()), Terminal(), NO_COLOR="1", **environment)
    assert "\x1b[33m" not in without


_NUMBERS = st.decimals(-999_999_999, 999_999_999, places=3).map(lambda number: f"{number:f}")


@settings(deadline=None)  # rich loads parts of itself at its first use
@given(width=st.integers(1, 200), sli=_NUMBERS, remaining=_NUMBERS, burn=_NUMBERS)
def test_a_number_is_whole_however_narrow_the_terminal_is(
    width: int, sli: str, remaining: str, burn: str
) -> None:
    several = result(standing("a" * 63, sli, remaining, burn), standing("b"))
    words = printed(several, io.StringIO(), COLUMNS=str(width)).split()
    for number in ("99.999999", "2208h", sli, remaining, burn):
        assert number in words


@settings(deadline=None)  # rich loads parts of itself at its first use
@given(width=st.integers(80, 200))
def test_lines_are_no_longer_than_the_terminal_is_wide(width: int) -> None:
    several = result(standing("a" * 63), standing("b" * 63, remaining="-1234.567"))
    lines = printed(several, io.StringIO(), COLUMNS=str(width)).splitlines()
    assert max(map(len, lines)) <= width


def test_json_has_null_for_what_there_is_not() -> None:
    known = standing()
    unknown = Standing(known.declared, ServiceLevelObjectiveStatus(), known.state, None)
    (objective,) = json.loads(as_json(Result([unknown], [])))["objectives"]
    assert (objective["sli"], objective["errorBudget"], objective["burnRates"]) == (None, None, [])
