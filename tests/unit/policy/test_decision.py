"""Decisions while the budget is known: entering, leaving, modes, expiry, what is rewritten."""

from datetime import timedelta
from decimal import Decimal

import pytest

from sluice.api.policy import Admission
from sluice.api.reasons import Reason
from sluice.policy.memory import Memory
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, run, spec_of, unknown


@pytest.mark.parametrize(
    ("remaining", "stage", "admission", "reason"),
    [
        ("80", "Healthy", Admission.ALLOW, Reason.WITHIN_BUDGET),
        ("40", "Warning", Admission.WARN, Reason.STAGE_ENTERED),
        ("12", "Exhausted", Admission.DENY, Reason.STAGE_ENTERED),
    ],
)
def test_a_new_policy_starts_in_the_stage_of_its_budget(
    remaining: str, stage: str, admission: Admission, reason: Reason
) -> None:
    decision = decided(known(remaining))
    assert (decision.stage, decision.effective, decision.reason) == (stage, admission, reason)
    assert decision.since == T0
    assert decision.objective == "checkout-availability"
    assert not decision.blind


def test_a_worse_stage_is_entered_at_once_and_the_best_is_left_for_the_worst() -> None:
    healthy, exhausted = run([(0 * MINUTE, [known("80")]), (MINUTE, [known("3")])])
    assert healthy.stage == "Healthy"
    assert exhausted.stage == "Exhausted"
    assert exhausted.since == T0 + MINUTE
    assert exhausted.frozen


def test_the_worst_known_objective_decides_and_unknown_ones_are_listed() -> None:
    decision = decided(known("80", "a"), known("12", "b"), unknown("c"))
    assert (decision.stage, decision.objective, decision.remaining) == (
        "Exhausted",
        "b",
        Decimal("12.000"),
    )
    assert [objective.name for objective in decision.unknown] == ["c"]
    assert not decision.blind


def test_a_stage_is_left_when_the_margin_has_been_held_for_long_enough() -> None:
    decisions = run(
        [
            (0 * MINUTE, [known("12")]),
            (1 * MINUTE, [known("24.9")]),
            (2 * MINUTE, [known("25")]),
            (31 * MINUTE, [known("26")]),
            (32 * MINUTE, [known("26")]),
        ]
    )
    assert [it.stage for it in decisions] == [*["Exhausted"] * 4, "Warning"]
    assert [it.reason for it in decisions] == [
        Reason.STAGE_ENTERED,
        Reason.STAGE_ENTERED,
        Reason.RECOVERING,
        Reason.RECOVERING,
        Reason.STAGE_ENTERED,
    ]
    assert decisions[3].recovering_since == T0 + 2 * MINUTE
    assert decisions[4].since == T0 + 32 * MINUTE
    assert decisions[4].recovering_since is None


def test_falling_back_below_the_margin_starts_the_wait_again() -> None:
    decisions = run(
        [
            (0 * MINUTE, [known("12")]),
            (1 * MINUTE, [known("26")]),
            (20 * MINUTE, [known("24")]),
            (21 * MINUTE, [known("26")]),
            (50 * MINUTE, [known("26")]),
            (51 * MINUTE, [known("26")]),
        ]
    )
    assert decisions[2].recovering_since is None
    assert [it.stage for it in decisions] == [*["Exhausted"] * 5, "Warning"]


def test_several_stages_are_left_at_once_if_the_budget_is_that_good() -> None:
    decisions = run(
        [(0 * MINUTE, [known("12")]), (MINUTE, [known("90")]), (31 * MINUTE, [known("90")])]
    )
    assert [it.stage for it in decisions] == ["Exhausted", "Exhausted", "Healthy"]
    transition = decisions[2].transition
    assert transition is not None
    assert (transition.from_, transition.to) == ("Exhausted", "Healthy")


def test_leaving_goes_only_as_far_as_the_margin_of_the_stages_between() -> None:
    decisions = run(
        [(0 * MINUTE, [known("12")]), (MINUTE, [known("52")]), (31 * MINUTE, [known("52")])]
    )
    assert decisions[2].stage == "Warning"


@pytest.mark.parametrize(
    ("stage", "mode", "effective"),
    [
        ("Healthy", "Enforce", Admission.ALLOW),
        ("Warning", "Enforce", Admission.WARN),
        ("Exhausted", "Enforce", Admission.DENY),
        ("Healthy", "Warn", Admission.ALLOW),
        ("Warning", "Warn", Admission.WARN),
        ("Exhausted", "Warn", Admission.WARN),
        ("Healthy", "Observe", Admission.ALLOW),
        ("Warning", "Observe", Admission.ALLOW),
        ("Exhausted", "Observe", Admission.ALLOW),
    ],
)
def test_the_mode_limits_how_far_a_stage_reaches(
    stage: str, mode: str, effective: Admission
) -> None:
    budget = {"Healthy": "80", "Warning": "40", "Exhausted": "12"}[stage]
    decision = decided(known(budget), spec=spec_of(mode=mode))
    assert decision.stage == stage
    assert decision.effective is effective
    assert (decision.expires is not None) == (effective is Admission.DENY)


def test_a_freeze_is_renewed_when_less_than_half_of_its_time_is_left() -> None:
    decisions = run([(minutes * MINUTE, [known("12")]) for minutes in (0, 29, 30, 31, 45, 62)])
    assert [it.expires for it in decisions] == [
        T0 + HOUR,
        T0 + HOUR,
        T0 + HOUR,
        T0 + 91 * MINUTE,
        T0 + 91 * MINUTE,
        T0 + 122 * MINUTE,
    ]


def test_a_shorter_hold_shortens_a_freeze_that_is_in_force() -> None:
    frozen = decided(known("12"))
    shorter = spec_of(whenBlind={"holdFor": "10m"})
    assert decided(known("12"), before=frozen, at=MINUTE, spec=shorter).expires == T0 + 11 * MINUTE


def test_figures_are_rewritten_only_when_the_budget_moves_by_a_point() -> None:
    decisions = run(
        [
            (0 * MINUTE, [known("12.4")]),
            (1 * MINUTE, [known("11.5")]),
            (2 * MINUTE, [known("13.3")]),
            (3 * MINUTE, [known("11.4")]),
        ]
    )
    assert [it.remaining for it in decisions] == [
        Decimal("12.400"),
        Decimal("12.400"),
        Decimal("12.400"),
        Decimal("11.400"),
    ]
    assert len({it.message for it in decisions}) == 2


def test_figures_are_rewritten_when_the_stage_changes() -> None:
    warning, exhausted = run([(0 * MINUTE, [known("20.2")]), (MINUTE, [known("19.9")])])
    assert (warning.remaining, exhausted.remaining) == (Decimal("20.200"), Decimal("19.900"))


def test_figures_are_rewritten_when_recovery_begins() -> None:
    *_, held, recovering = run(
        [(0 * MINUTE, [known("12")]), (1 * MINUTE, [known("24.8")]), (2 * MINUTE, [known("25.2")])]
    )
    assert (held.remaining, recovering.remaining) == (Decimal("24.800"), Decimal("25.200"))


def test_figures_are_rewritten_when_another_objective_decides() -> None:
    first, second = run(
        [
            (0 * MINUTE, [known("15", "a"), known("18", "b")]),
            (MINUTE, [known("19", "a"), known("14.8", "b")]),
        ]
    )
    assert (first.objective, first.remaining) == ("a", Decimal("15.000"))
    assert (second.objective, second.remaining) == ("b", Decimal("14.800"))


def test_the_time_of_recovery_is_kept_until_it_appears_or_passes() -> None:
    def recovering(hours: int) -> list[object]:
        return [known("12", recovered_at=T0 + hours * HOUR)]

    decisions = run(
        [
            (0 * MINUTE, [known("12")]),
            (1 * MINUTE, recovering(3)),
            (2 * MINUTE, recovering(4)),
            (3 * HOUR, recovering(5)),
            (6 * HOUR, recovering(5)),
        ]
    )
    assert [it.recovered_at for it in decisions] == [
        None,
        T0 + 3 * HOUR,
        T0 + 3 * HOUR,
        T0 + 5 * HOUR,
        None,
    ]


@pytest.mark.parametrize(
    ("measured", "shown"),
    [
        ("12.3455", "12.346"),
        ("-0.0004", "-0.000"),
        ("-12345678901", "-999999999.000"),
    ],
)
def test_the_remaining_budget_is_shown_with_three_decimals_within_the_apis_bounds(
    measured: str, shown: str
) -> None:
    assert f"{decided(known(measured)).remaining:f}" == shown


def test_a_transition_is_recorded_on_every_change_of_stage_and_only_then() -> None:
    decisions = run(
        [(0 * MINUTE, [known("80")]), (1 * MINUTE, [known("79")]), (2 * MINUTE, [known("12")])]
    )
    first, second, third = (it.transition for it in decisions)
    assert first is not None
    assert (first.from_, first.to) == ("", "Healthy")
    assert second is None
    assert third is not None
    assert third.model_dump(by_alias=True) == {
        "time": T0 + 2 * MINUTE,
        "from": "Healthy",
        "to": "Exhausted",
        "reason": "StageEntered",
        "message": "SLO checkout-availability has 12.0% of its 30d budget left (freeze below 20%).",
        "objective": "checkout-availability",
        "remaining": "12.000",
        "override": None,
        "burned": [],
    }


def test_a_stage_that_is_gone_from_the_spec_falls_back_to_the_raw_stage() -> None:
    frozen = decided(known("12"))
    renamed = spec_of(
        stages=[
            {"name": "Fine"},
            {"name": "Tight", "when": {"remainingBelow": "50"}, "admission": "Warn"},
            {"name": "Stop", "when": {"remainingBelow": "20"}, "admission": "Deny"},
        ]
    )
    decision = decided(known("22"), before=frozen, at=MINUTE, spec=renamed)
    assert decision.stage == "Tight"
    assert decision.since == T0 + MINUTE
    assert decision.recovering_since is None


def test_raising_a_threshold_in_the_spec_takes_effect_at_once() -> None:
    healthy = decided(known("80"))
    stricter = spec_of(
        stages=[
            {"name": "Healthy"},
            {"name": "Exhausted", "when": {"remainingBelow": "90"}, "admission": "Deny"},
        ]
    )
    assert decided(known("80"), before=healthy, at=MINUTE, spec=stricter).frozen


def test_fractions_of_a_second_are_dropped_because_the_api_stores_none() -> None:
    decision = decided(known("12"), at=timedelta(seconds=1, microseconds=999_999))
    assert decision.since == T0 + timedelta(seconds=1)
    assert decision.expires == T0 + timedelta(seconds=1) + HOUR


def test_a_memory_without_a_time_starts_counting_now() -> None:
    decision = decided(known("12"), before=Memory(stage="Exhausted"), at=MINUTE)
    assert decision.since == T0 + MINUTE
    assert decision.transition is None
