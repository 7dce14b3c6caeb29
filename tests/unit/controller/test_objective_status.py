from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import Level, ServiceLevelObjective, ServiceLevelObjectiveStatus
from sluice.budget import alerts
from sluice.budget.account import Evaluation
from sluice.budget.budget import Measured, Objective, UnknownBudget, UnknownReason, measure
from sluice.budget.burnrate import BurnRate
from sluice.budget.counts import Counts
from sluice.budget.effects import Corrected, Effect
from sluice.budget.forecast import Forecast
from sluice.budget.windows import DAY, Bounds, RollingWindow
from sluice.controller.objective_status import Outcome, noticeable, status_of
from sluice.indicators.failure import Failure

NOW = datetime(2026, 8, 20, 10, 0, 0, tzinfo=UTC)
SECONDS = NOW.timestamp()
OBJECTIVE = Objective(target=Decimal("99.9"), agreement=Decimal("99.5"), length=30 * DAY)
WHOLE = "there are data for 100.000% of the window"
AWAY = Failure(Reason.SOURCE_UNREACHABLE, "source 'default' cannot be reached")


def objective(
    status: ServiceLevelObjectiveStatus | None = None, generation: int = 3, **spec: object
) -> ServiceLevelObjective:
    return ServiceLevelObjective.model_validate(
        {
            "metadata": {"name": "checkout", "generation": generation},
            "spec": {
                "objective": "99.9",
                "window": {"rolling": "30d"},
                "indicator": {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}},
                **spec,
            },
            "status": status or ServiceLevelObjectiveStatus(),
        }
    )


def evaluation(
    total: float = 1_234_567,
    bad: float = 714,
    *,
    age: float = 0.0,
    covered: float = 1.0,
    at: float = SECONDS,
) -> Evaluation:
    bounds = RollingWindow(OBJECTIVE.length).bounds(at)
    measured = Measured(
        bounds=bounds,
        seen=Counts(total, bad, covered * bounds.length),
        newborn=0.0,
        newest=at - age,
    )
    return Evaluation(
        measured=measured,
        budget=measure(OBJECTIVE, measured),
        burn_rates=(BurnRate(300, 0.404), BurnRate(3600, 0.905)),
        forecast=Forecast(exhausted_at=at + 86_400.7, recovered_at=None),
    )


def conditions(status: ServiceLevelObjectiveStatus) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in status.conditions}


def after(outcome: Outcome, *, minutes: float) -> ServiceLevelObjectiveStatus:
    """The status some minutes after a good measurement."""
    before = status_of(objective(), evaluation(), NOW)
    return status_of(objective(before), outcome, NOW + timedelta(minutes=minutes))


def test_a_known_budget_is_published_as_the_api_writes_it() -> None:
    status = status_of(objective(), evaluation(), NOW).to_json()
    del status["conditions"]
    assert status == {
        "observedGeneration": 3,
        "level": "Warning",
        "sli": "99.942",
        "window": {
            "name": "30d",
            "start": "2026-07-21T10:00:00Z",
            "end": "2026-08-20T10:00:00Z",
            "covered": "100.000",
        },
        "errorBudget": {
            "consumed": "57.834",
            "remaining": "42.166",
            "toDate": "42.166",
            "events": {"total": "1234567", "bad": "714", "allowed": "1234"},
            "time": {"total": "43m12s", "remaining": "18m12s", "perDay": "1m26s"},
        },
        "burnRates": [{"window": "5m", "value": "0.40"}, {"window": "1h", "value": "0.91"}],
        "alerts": [],
        "forecast": {"exhaustedAt": "2026-08-21T10:00:00Z"},
    }


@pytest.mark.parametrize(
    ("pace", "published", "said"),
    [
        (None, None, WHOLE),
        (15, "15s", WHOLE),
        (120, "2m", WHOLE),
        (
            180,
            "3m",
            WHOLE + "; samples come about every 3m, so bad events may show that late: "
            "scrape every 2m or more often",
        ),
        (
            600,
            "10m",
            WHOLE + "; samples come about every 10m, so bad events may show that late, and "
            "slices of 5m without a sample are gaps: scrape every 2m or more often",
        ),
    ],
)
def test_the_scrape_interval_is_published_and_what_a_long_one_means(
    pace: int | None, published: str | None, said: str
) -> None:
    status = status_of(objective(), replace(evaluation(), pace=pace), NOW)
    assert status.scrape_interval == published
    assert [it.message for it in status.conditions if it.type == "BudgetKnown"] == [said]


def test_alerts_are_published_and_one_that_begins_to_fire_is_worth_a_write() -> None:
    page = alerts.Alert(alerts.TIERS[0], 14.4, alerts.AlertState.INACTIVE)
    ticket = alerts.Alert(alerts.TIERS[3], 0.23, alerts.AlertState.NOT_APPLICABLE, "why")
    quiet = status_of(objective(), replace(evaluation(), alerts=(page, ticket)), NOW)
    assert [alert.to_json() for alert in quiet.alerts] == [
        {
            "severity": "Page",
            "long": "1h",
            "short": "5m",
            "factor": "14.40",
            "state": "Inactive",
            "message": "",
        },
        {
            "severity": "Ticket",
            "long": "3d",
            "short": "6h",
            "factor": "0.23",
            "state": "NotApplicable",
            "message": "why",
        },
    ]
    firing = replace(page, state=alerts.AlertState.FIRING)
    loud = status_of(objective(), replace(evaluation(), alerts=(firing, ticket)), NOW)
    assert noticeable(quiet, loud)
    assert not noticeable(quiet, quiet)


@pytest.mark.parametrize(
    ("bad", "level", "available"),
    [
        (0, Level.OK, ("True", "BudgetLeft")),
        (714, Level.WARNING, ("True", "BudgetLeft")),
        (1_200, Level.CRITICAL, ("True", "BudgetLow")),
        (1_300, Level.CRITICAL, ("False", "BudgetExhausted")),
        (6_000, Level.PAGE, ("False", "AgreementAtRisk")),
    ],
)
def test_a_spent_budget_is_not_available_and_the_objective_is_still_ready(
    bad: int, level: Level, available: tuple[str, str]
) -> None:
    status = status_of(objective(), evaluation(bad=bad), NOW)
    assert status.level is level
    assert conditions(status) == {
        "Ready": ("True", "Reconciled"),
        "BudgetKnown": ("True", "BudgetKnown"),
        "BudgetAvailable": available,
    }


def test_a_window_with_gaps_is_said_to_be_one() -> None:
    status = status_of(objective(), evaluation(covered=0.5), NOW)
    assert conditions(status)["BudgetKnown"] == ("True", "PartialWindow")
    assert status.window is not None
    assert status.window.covered == "50.000"


def test_too_few_events_leave_no_numbers_and_an_objective_that_is_ready() -> None:
    status = status_of(objective(), evaluation(total=100, bad=1), NOW)
    assert status.level is Level.UNKNOWN
    assert status.error_budget is None
    assert conditions(status) == {
        "Ready": ("True", "Reconciled"),
        "BudgetKnown": ("False", "TooFewEvents"),
        "BudgetAvailable": ("Unknown", "TooFewEvents"),
    }


def test_a_period_of_the_calendar_has_a_name_and_does_not_end_before_its_start() -> None:
    """In its first minute the newest data are of the period before."""
    start = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    young = evaluation(age=90, at=start + 60)
    measured = replace(young.measured, bounds=Bounds(int(start), start + 60))
    promised = replace(OBJECTIVE, min_events=1)
    outcome = replace(young, budget=measure(promised, measured), measured=measured)
    quarterly = objective(window={"calendar": {"period": "Quarter"}})
    window = status_of(quarterly, outcome, datetime.fromtimestamp(start + 60, UTC)).window
    assert window is not None
    assert (window.name, window.start, window.end) == ("2026-Q3", window.end, window.start)


def test_a_budget_of_slices_says_so() -> None:
    slices = objective(budgeting={"timeslices": {"objective": "95"}})
    status = status_of(slices, evaluation(), NOW)
    available = next(it for it in status.conditions if it.type == "BudgetAvailable")
    assert available.message.endswith("714 bad slices of 1234 allowed")


def test_reading_the_history_is_in_progress() -> None:
    reading = UnknownBudget(UnknownReason.BACKFILLING, "reading")
    status = status_of(objective(), replace(evaluation(), budget=reading, forecast=None), NOW)
    assert conditions(status)["Ready"] == ("False", "Backfilling")
    assert conditions(status)["Reconciling"] == ("True", "Progressing")


@pytest.mark.parametrize(
    "reason",
    [
        Reason.INVALID_QUERY,
        Reason.NOT_A_COUNTER,
        Reason.BUCKET_NOT_FOUND,
        Reason.SOURCE_NOT_FOUND,
        Reason.INVALID_SPEC,
    ],
)
def test_what_somebody_must_mend_is_stalled(reason: Reason) -> None:
    status = after(Failure(reason, "the exact message"), minutes=1)
    assert conditions(status) == {
        "Ready": ("False", reason),
        "BudgetKnown": ("False", reason),
        "BudgetAvailable": ("Unknown", reason),
        "Stalled": ("True", reason),
    }
    assert {condition.message for condition in status.conditions} == {"the exact message"}
    assert status.error_budget is None


@pytest.mark.parametrize(
    ("minutes", "known", "level", "numbers"),
    [
        (4, ("True", "BudgetKnown"), Level.WARNING, True),
        (5, ("True", "BudgetKnown"), Level.WARNING, True),
        (6, ("False", "SourceUnreachable"), Level.UNKNOWN, True),
        (15, ("False", "SourceUnreachable"), Level.UNKNOWN, True),
        (16, ("False", "SourceUnreachable"), Level.UNKNOWN, False),
    ],
)
def test_while_a_source_is_away_the_numbers_age(
    minutes: float, known: tuple[str, str], level: Level, numbers: bool
) -> None:
    status = after(AWAY, minutes=minutes)
    assert conditions(status)["Ready"] == ("False", "SourceUnreachable")
    assert conditions(status)["Reconciling"] == ("True", "Progressing")
    assert "Stalled" not in conditions(status)
    assert conditions(status)["BudgetKnown"] == known
    assert status.level is level
    assert (status.error_budget is not None) is numbers
    assert status.window is None or status.window.end == NOW


def test_numbers_that_became_unknown_stay_so_until_they_are_measured_again() -> None:
    first = after(AWAY, minutes=6)
    again = status_of(objective(first), AWAY, NOW + timedelta(minutes=5))
    assert conditions(again)["BudgetKnown"][0] == "False"


def test_numbers_of_another_spec_do_not_stay() -> None:
    before = status_of(objective(), evaluation(), NOW)
    status = status_of(objective(before, generation=4), AWAY, NOW + timedelta(minutes=1))
    assert status.error_budget is None
    assert status.observed_generation == 4


@pytest.mark.parametrize(
    ("age", "known"),
    [(299, ("True", "BudgetKnown")), (301, ("False", "StaleData")), (901, ("False", "StaleData"))],
)
def test_a_service_that_is_not_scraped_any_more_is_blind(
    age: float, known: tuple[str, str]
) -> None:
    status = status_of(objective(), evaluation(age=age), NOW)
    assert conditions(status)["Ready"] == ("True", "Reconciled")
    assert conditions(status)["BudgetKnown"] == known
    assert (status.level is Level.UNKNOWN) is (known[0] == "False")
    assert (status.error_budget is not None) is (age <= 900)


def test_a_histogram_without_series_is_blind_and_not_broken() -> None:
    status = status_of(objective(), Failure(Reason.NO_DATA, "selected no series"), NOW)
    assert conditions(status)["Ready"] == ("True", "Reconciled")
    assert conditions(status)["BudgetKnown"] == ("False", "NoData")


@pytest.mark.parametrize(
    ("name", "second", "due"),
    [
        ("nothing moved", evaluation(), False),
        ("less than 0.1 points", evaluation(bad=715), False),
        ("0.1 points", evaluation(bad=716), True),
        ("another level", evaluation(bad=2000), True),
        ("the same slice", evaluation(at=SECONDS + 299), False),
        ("the next slice", evaluation(at=SECONDS + 300), True),
        ("a condition", evaluation(covered=0.5), True),
        ("blindness", evaluation(total=5, bad=0), True),
    ],
)
def test_a_status_is_written_when_it_says_something_new(
    name: str, second: Evaluation, due: bool
) -> None:
    before = status_of(objective(), evaluation(), NOW)
    later = datetime.fromtimestamp(second.measured.bounds.end, UTC)
    assert noticeable(before, status_of(objective(before), second, later)) is due, name


def test_a_new_generation_is_written() -> None:
    before = status_of(objective(), evaluation(), NOW)
    assert noticeable(before, status_of(objective(before, generation=4), evaluation(), NOW))


def test_another_problem_of_the_same_reason_is_written_and_the_same_one_is_not() -> None:
    page = Failure(Reason.INVALID_RESPONSE, "source 'default' answered a login page")
    broken = Failure(Reason.INVALID_RESPONSE, "source 'default' answered JSON that cannot be read")
    before = status_of(objective(), page, NOW)
    assert not noticeable(before, status_of(objective(before), page, NOW))
    assert noticeable(before, status_of(objective(before), broken, NOW))


def corrected(*, remaining: str | None = "12", approximate: bool = False) -> Corrected:
    effect = Effect(
        name="move",
        added=False,
        counts=Counts(1200, 300, 3600),
        seconds=3600,
        points=Decimal(30),
        approximate=approximate,
    )
    return Corrected(
        effects=(effect, replace(effect, name="exporter")),
        excluded=Counts(1200.4, 300, 3600),
        seconds=7200,
        added=Counts(),
        remaining=None if remaining is None else Decimal(remaining),
    )


def test_corrections_are_told_wherever_the_numbers_are() -> None:
    status = status_of(objective(), replace(evaluation(), corrected=corrected()), NOW)
    assert status.to_json()["corrections"] == {
        "applied": 2,
        "names": ["move", "exporter"],
        "excluded": {"total": "1200", "bad": "300", "time": "2h"},
        "remainingWithout": "12",
        "approximate": False,
    }
    available = next(it for it in status.conditions if it.type == "BudgetAvailable")
    assert available.message.endswith("; 2 corrections apply, 12% would be left without them")


def test_an_unknown_budget_tells_of_its_corrections_too() -> None:
    nothing = UnknownBudget(UnknownReason.NO_DATA, "corrections exclude all")
    outcome = replace(evaluation(), budget=nothing, corrected=corrected(remaining=None))
    status = status_of(objective(), outcome, NOW)
    assert status.error_budget is None
    assert status.corrections is not None
    assert status.corrections.remaining_without is None


def test_corrections_that_begin_or_end_are_worth_a_write() -> None:
    without = status_of(objective(), evaluation(), NOW)
    with_them = status_of(objective(), replace(evaluation(), corrected=corrected()), NOW)
    about = replace(evaluation(), corrected=corrected(approximate=True))
    assert noticeable(without, with_them)
    assert noticeable(with_them, without)
    assert noticeable(with_them, status_of(objective(), about, NOW))
    assert not noticeable(with_them, with_them)
