from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.api.metadata import Condition
from sluice.api.slo import (
    CorrectionsStatus,
    ServiceLevelObjective,
    ServiceLevelObjectiveStatus,
)
from sluice.controller.objective_events import (
    corrections_changed,
    level_changed,
    new_period,
    period_closed,
)

QUARTER = {"calendar": {"period": "Quarter"}}
EVENTS = {"total": "1234567", "bad": "714", "allowed": "1234"}
TIME = {"total": "2h", "remaining": "1h", "perDay": "1m26s"}


def status(
    month: int, *, level: str = "Ok", remaining: str = "42.166", generation: int = 3
) -> ServiceLevelObjectiveStatus:
    """A status of the quarter that begins with `month`."""
    start = datetime(2026, month, 1, tzinfo=UTC)
    return ServiceLevelObjectiveStatus.model_validate(
        {
            "observedGeneration": generation,
            "level": level,
            "sli": "99.942",
            "window": {
                "name": f"2026-Q{month // 3 + 1}",
                "start": start,
                "end": start.replace(month=month + 2),
                "covered": "100",
            },
            "errorBudget": {
                "consumed": "57.834",
                "remaining": remaining,
                "toDate": "40",
                "events": EVENTS,
                "time": TIME,
            },
        }
    )


def objective(
    before: ServiceLevelObjectiveStatus, window: dict[str, Any] | None = None
) -> ServiceLevelObjective:
    return ServiceLevelObjective.model_validate(
        {
            "metadata": {"name": "checkout", "namespace": "shop", "generation": 3},
            "spec": {
                "objective": "99.9",
                "window": window or QUARTER,
                "indicator": {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}},
            },
            "status": before,
        }
    )


def test_a_change_of_level_is_an_event() -> None:
    slo = objective(status(7))
    worse = level_changed(slo, status(7, level="Critical"))
    assert worse is not None
    assert (worse.type, worse.note) == ("Warning", "Ok -> Critical: ")
    assert level_changed(slo, status(7)) is None


def test_the_first_level_ever_is_no_event() -> None:
    fresh = objective(ServiceLevelObjectiveStatus())
    assert level_changed(fresh, status(7)) is None


@pytest.mark.parametrize(
    ("before", "window", "new"),
    [
        (status(7), QUARTER, True),
        (status(10), QUARTER, False),
        (status(7), {"rolling": "30d"}, False),
        (status(7, generation=2), QUARTER, False),
        (ServiceLevelObjectiveStatus(), QUARTER, False),
    ],
)
def test_a_period_is_new_if_that_of_the_status_began_before_it(
    before: ServiceLevelObjectiveStatus, window: dict[str, Any], new: bool
) -> None:
    """A rolling window begins later all the time, and another spec is another matter."""
    assert new_period(objective(before, window), status(10)) is new


@pytest.mark.parametrize(("remaining", "kind"), [("42.166", "Normal"), ("-3.000", "Warning")])
def test_a_period_that_was_not_read_closes_with_what_was_published(
    remaining: str, kind: str
) -> None:
    event = period_closed(objective(status(7, remaining=remaining)), None)
    assert event is not None
    assert (event.type, event.reason) == (kind, "PeriodClosed")
    assert event.note == (
        f"2026-Q3 closed with {remaining}% of its error budget left: 714 bad events of 1234 "
        "allowed, SLI 99.942%"
    )


def test_a_period_of_which_nothing_is_known_closes_without_a_word() -> None:
    unknown = status(7).model_copy(update={"error_budget": None, "sli": None})
    assert period_closed(objective(unknown), None) is None


def with_corrections(
    status: ServiceLevelObjectiveStatus, *names: str
) -> ServiceLevelObjectiveStatus:
    applied = CorrectionsStatus(applied=len(names), names=list(names)) if names else None
    return status.model_copy(update={"corrections": applied})


def test_corrections_that_begin_or_cease_to_apply_are_an_event() -> None:
    reasons = {"move": "the data centre moved"}
    slo = objective(with_corrections(status(7, remaining="-3"), "old"))
    event = corrections_changed(slo, with_corrections(status(7), "move"), reasons)
    assert event is not None
    assert (event.type, event.reason) == ("Normal", "CorrectionsChanged")
    assert event.note == (
        "-3% -> 42.166% of the error budget left; BudgetCorrection now applies: move (the data "
        "centre moved); no longer applies: old"
    )


def test_corrections_that_go_on_to_apply_are_none() -> None:
    slo = objective(with_corrections(status(7), "move"))
    assert corrections_changed(slo, with_corrections(status(7), "move"), {}) is None


def test_a_restart_or_a_source_that_is_away_ends_no_correction() -> None:
    slo = objective(with_corrections(status(7), "move"))
    away = ServiceLevelObjectiveStatus()
    backfilling = away.model_copy(update={"window": status(7).window})
    assert corrections_changed(slo, away, {}) is None
    assert corrections_changed(slo, backfilling, {}) is None


def test_the_first_number_is_no_change() -> None:
    said = Condition.model_validate(
        {
            "type": "BudgetKnown",
            "status": "False",
            "reason": "Backfilling",
            "lastTransitionTime": datetime(2026, 8, 20, tzinfo=UTC),
        }
    )
    reading = status(7, level="Unknown").model_copy(update={"conditions": [said]})
    assert level_changed(objective(reading), status(7)) is None
    stale = [said.model_copy(update={"reason": "StaleData"})]
    seen = reading.model_copy(update={"conditions": stale})
    assert level_changed(objective(seen), status(7)) is not None
