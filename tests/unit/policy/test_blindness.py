"""Decisions while the budget is unknown: blind is not bad, and a failed query never thaws."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.api.reasons import Reason
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, run, spec_of, unknown

OPEN = spec_of(whenBlind={"holdFor": "1h", "then": "Open"})
CLOSED = spec_of(whenBlind={"holdFor": "1h", "then": "Closed"})
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("spec", [OPEN, CLOSED])
@pytest.mark.parametrize(
    ("remaining", "stage"), [("80", "Healthy"), ("40", "Warning"), ("12", "Exhausted")]
)
def test_the_last_decision_is_held_with_its_beginning_and_its_figures(
    spec: object, remaining: str, stage: str
) -> None:
    seen, blind, last = run(
        [
            (0 * MINUTE, [known(remaining)]),
            (1 * MINUTE, [unknown()]),
            (61 * MINUTE - SECOND, [unknown()]),
        ],
        spec=spec,
    )
    assert seen.stage == blind.stage == last.stage == stage
    assert last.since == T0
    assert last.remaining == Decimal(remaining)
    assert last.objective == "checkout-availability"
    assert (last.reason, last.blind) == (Reason.BLIND_HOLDING, True)
    assert last.blind_since == T0 + MINUTE
    assert last.transition is None


def test_after_the_hold_an_open_policy_goes_to_its_first_stage() -> None:
    *_, opened, later = run(
        [(m * MINUTE, [known("12")] if m == 0 else [unknown()]) for m in (0, 1, 61, 300)],
        spec=OPEN,
    )
    assert (opened.stage, opened.reason) == ("Healthy", Reason.BLIND_OPEN)
    assert (opened.objective, opened.remaining) == (None, None)
    assert opened.transition is not None
    assert opened.transition.reason == "BlindOpen"
    assert (later.stage, later.reason, later.transition) == ("Healthy", Reason.BLIND_OPEN, None)


def test_after_the_hold_an_open_policy_follows_the_objectives_that_are_known() -> None:
    rest = known("40", "rest")
    *_, opened, later = run(
        [
            (0 * MINUTE, [known("12", "lost"), rest]),
            (1 * MINUTE, [unknown("lost"), rest]),
            (61 * MINUTE, [unknown("lost"), rest]),
            (62 * MINUTE, [unknown("lost"), rest]),
        ],
        spec=OPEN,
    )
    assert (opened.stage, opened.reason, opened.objective) == (
        "Warning",
        Reason.BLIND_OPEN,
        "rest",
    )
    assert (later.stage, later.blind, later.transition) == ("Warning", False, None)


@pytest.mark.parametrize("remaining", ["80", "40", "12"])
def test_after_the_hold_a_closed_policy_goes_to_its_most_severe_stage(remaining: str) -> None:
    *_, closed, later = run(
        [(m * MINUTE, [known(remaining)] if m == 0 else [unknown()]) for m in (0, 1, 61, 300)],
        spec=CLOSED,
    )
    assert (closed.stage, closed.reason, closed.frozen) == (
        "Exhausted",
        Reason.BLIND_CLOSED,
        True,
    )
    assert (later.stage, later.reason) == ("Exhausted", Reason.BLIND_CLOSED)
    assert later.since == closed.since


@pytest.mark.parametrize(
    ("spec", "after", "stage", "reason"),
    [
        (OPEN, 59, "Healthy", Reason.BLIND_HOLDING),
        (OPEN, 60, "Healthy", Reason.BLIND_OPEN),
        (CLOSED, 59, "Healthy", Reason.BLIND_HOLDING),
        (CLOSED, 60, "Exhausted", Reason.BLIND_CLOSED),
    ],
)
def test_a_policy_that_never_knew_its_budget_waits_in_its_first_stage(
    spec: object, after: int, stage: str, reason: Reason
) -> None:
    first, last = run([(0 * MINUTE, [unknown()]), (after * MINUTE, [unknown()])], spec=spec)
    assert (first.stage, first.reason, first.blind) == ("Healthy", Reason.BLIND_HOLDING, True)
    assert (last.stage, last.reason) == (stage, reason)


def test_a_policy_that_selects_nothing_is_blind_and_says_so() -> None:
    held, opened = run([(0 * MINUTE, []), (HOUR, [])], spec=OPEN)
    assert (held.stage, held.reason, held.blind) == ("Healthy", Reason.NO_OBJECTIVES, True)
    assert opened.reason is Reason.BLIND_OPEN
    assert "No SLO has been selected" in opened.message


def test_the_deciding_objective_becoming_unknown_is_no_thaw() -> None:
    _, blind = run(
        [
            (0 * MINUTE, [known("12", "lost"), known("90", "rest")]),
            (1 * MINUTE, [unknown("lost"), known("90", "rest")]),
        ]
    )
    assert (blind.stage, blind.objective, blind.blind) == ("Exhausted", "lost", True)


def test_another_known_objective_that_asks_for_the_same_stage_takes_over() -> None:
    _, second = run(
        [
            (0 * MINUTE, [known("12", "lost"), known("18", "rest")]),
            (1 * MINUTE, [unknown("lost"), known("18", "rest")]),
        ]
    )
    assert (second.stage, second.objective, second.blind) == ("Exhausted", "rest", False)
    assert second.since == T0


def test_in_the_mildest_stage_the_known_rest_simply_decides() -> None:
    _, second = run(
        [
            (0 * MINUTE, [known("80", "lost"), known("90", "rest")]),
            (1 * MINUTE, [unknown("lost"), known("90", "rest")]),
        ]
    )
    assert (second.stage, second.objective, second.blind) == ("Healthy", "rest", False)


@pytest.mark.parametrize("after", [1, 30, 61, 120])
def test_a_known_objective_that_gets_worse_is_believed_while_another_is_unknown(
    after: int,
) -> None:
    decisions = run(
        [
            (0 * MINUTE, [known("40", "lost"), known("90", "rest")]),
            (after * MINUTE, [unknown("lost"), known("5", "rest")]),
        ]
    )
    assert (decisions[1].stage, decisions[1].objective) == ("Exhausted", "rest")


REST = known("90", "rest")


@pytest.mark.parametrize("remaining", ["12", "40"])
def test_the_deciding_objective_being_selected_no_more_is_no_recovery(remaining: str) -> None:
    before, held, last, opened, later = run(
        [(0 * MINUTE, [known(remaining, "gone"), REST])]
        + [(after * MINUTE, [REST]) for after in (1, 60, 61, 62)],
        spec=OPEN,
    )
    assert {held.stage, last.stage} == {before.stage}
    assert (last.reason, last.objective, last.blind) == (Reason.BLIND_HOLDING, "gone", True)
    assert last.recovering_since is None
    assert (opened.stage, opened.reason, opened.objective) == ("Healthy", Reason.BLIND_OPEN, "rest")
    assert (later.stage, later.reason, later.blind) == ("Healthy", Reason.WITHIN_BUDGET, False)


def test_the_deciding_objective_being_selected_no_more_closes_a_closed_policy() -> None:
    *_, closed, restored = run(
        [
            (0 * MINUTE, [known("40", "gone"), REST]),
            (1 * MINUTE, [REST]),
            (61 * MINUTE, [REST]),
            (62 * MINUTE, [known("80", "gone"), REST]),
        ],
        spec=CLOSED,
    )
    assert (closed.stage, closed.reason) == ("Exhausted", Reason.BLIND_CLOSED)
    assert (restored.stage, restored.blind) == ("Healthy", False)


def test_an_objective_that_is_gone_in_the_middle_of_its_recovery_has_not_recovered() -> None:
    *_, last = run(
        [
            (0 * MINUTE, [known("12", "gone"), REST]),
            (1 * MINUTE, [known("30", "gone"), REST]),
            (31 * MINUTE - SECOND, [known("30", "gone"), REST]),
            (31 * MINUTE, [REST]),
        ]
    )
    assert (last.stage, last.reason) == ("Exhausted", Reason.BLIND_HOLDING)


def test_a_deciding_objective_that_is_back_within_the_hold_changes_nothing() -> None:
    before, _, back = run(
        [
            (0 * MINUTE, [known("12", "gone"), REST]),
            (1 * MINUTE, [REST]),
            (30 * MINUTE, [known("12", "gone"), REST]),
        ]
    )
    assert (back.stage, back.since, back.blind) == (before.stage, before.since, False)


@pytest.mark.parametrize(
    ("first", "rest"),
    [([known("80", "gone"), REST], [REST]), ([known("12", "gone")], [known("18", "rest")])],
    ids=["in the mildest stage", "another one asks for the stage"],
)
def test_an_objective_that_nothing_depends_on_may_go(first: list[Any], rest: list[Any]) -> None:
    before, after = run([(0 * MINUTE, first), (1 * MINUTE, rest)])
    assert (after.stage, after.objective, after.blind) == (before.stage, "rest", False)


@pytest.mark.parametrize(
    ("remaining", "stage"), [("22", "Warning"), ("12", "Exhausted"), ("80", "Healthy")]
)
@pytest.mark.parametrize("spec", [OPEN, CLOSED])
def test_when_sight_returns_after_the_hold_the_true_stage_is_taken_at_once(
    spec: object, remaining: str, stage: str
) -> None:
    *_, back = run(
        [
            (0 * MINUTE, [known("40")]),
            (1 * MINUTE, [unknown()]),
            (61 * MINUTE, [unknown()]),
            (62 * MINUTE, [known(remaining)]),
        ],
        spec=spec,
    )
    assert (back.stage, back.blind) == (stage, False)


def test_when_sight_returns_within_the_hold_the_margin_still_counts() -> None:
    *_, back = run(
        [(0 * MINUTE, [known("12")]), (1 * MINUTE, [unknown()]), (30 * MINUTE, [known("22")])]
    )
    assert (back.stage, back.since, back.blind) == ("Exhausted", T0, False)


def test_a_closed_policy_stays_closed_while_only_the_other_objectives_are_known() -> None:
    rest = known("90", "rest")
    *_, last = run(
        [
            (0 * MINUTE, [known("40", "lost"), rest]),
            (1 * MINUTE, [unknown("lost"), rest]),
            (61 * MINUTE, [unknown("lost"), rest]),
            (62 * MINUTE, [unknown("lost"), rest]),
        ],
        spec=CLOSED,
    )
    assert (last.stage, last.reason) == ("Exhausted", Reason.BLIND_CLOSED)


def test_a_longer_hold_does_not_reopen_the_question_of_a_closed_policy() -> None:
    closed = run([(0 * MINUTE, [unknown()]), (HOUR, [unknown()])], spec=CLOSED)[-1]
    longer = spec_of(whenBlind={"holdFor": "10h", "then": "Closed"})
    later = decided(unknown(), before=closed, at=2 * HOUR, spec=longer)
    assert later.reason is Reason.BLIND_CLOSED


def test_time_spent_blind_does_not_count_as_recovery() -> None:
    decisions = run(
        [
            (0 * MINUTE, [known("12")]),
            (1 * MINUTE, [known("30")]),
            (11 * MINUTE, [unknown()]),
            (41 * MINUTE, [known("30")]),
            (60 * MINUTE, [known("30")]),
            (61 * MINUTE, [known("30")]),
        ]
    )
    assert [it.stage for it in decisions] == [*["Exhausted"] * 5, "Warning"]
    assert decisions[3].recovering_since == T0 + 31 * MINUTE


def test_a_blind_freeze_is_not_renewed_beyond_the_moment_when_it_opens() -> None:
    decisions = run(
        [(m * MINUTE, [known("12")] if m == 0 else [unknown()]) for m in (0, 10, 40, 60, 69)],
        spec=OPEN,
    )
    assert [it.expires for it in decisions] == [
        T0 + HOUR,
        T0 + HOUR,
        T0 + 70 * MINUTE,
        T0 + 70 * MINUTE,
        T0 + 70 * MINUTE,
    ]


def test_a_time_of_recovery_that_passes_while_blind_is_not_promised_any_more() -> None:
    decisions = run(
        [
            (0 * MINUTE, [known("12", recovered_at=T0 + 20 * MINUTE)]),
            (10 * MINUTE, [unknown()]),
            (20 * MINUTE, [unknown()]),
        ]
    )
    assert [it.recovered_at for it in decisions] == [T0 + 20 * MINUTE, T0 + 20 * MINUTE, None]


def test_a_clock_that_is_set_back_does_not_lengthen_a_recovery() -> None:
    *_, set_back, held, over = run(
        [
            (0 * MINUTE, [known("12")]),
            (72 * HOUR, [known("90")]),
            (1 * MINUTE, [known("90")]),
            (31 * MINUTE - SECOND, [known("90")]),
            (31 * MINUTE, [known("90")]),
        ]
    )
    assert set_back.recovering_since == T0 + MINUTE
    assert [it.stage for it in (set_back, held, over)] == ["Exhausted", "Exhausted", "Healthy"]


def test_a_clock_that_is_set_back_does_not_lengthen_a_hold() -> None:
    *_, set_back, held, over = run(
        [
            (0 * MINUTE, [known("12")]),
            (30 * MINUTE, [unknown()]),
            (1 * MINUTE, [unknown()]),
            (61 * MINUTE - SECOND, [unknown()]),
            (61 * MINUTE, [unknown()]),
        ],
        spec=OPEN,
    )
    assert set_back.blind_since == T0 + MINUTE
    assert [it.reason for it in (held, over)] == [Reason.BLIND_HOLDING, Reason.BLIND_OPEN]


def test_a_clock_that_is_set_back_between_blindness_and_sight_begins_the_recovery_anew() -> None:
    *_, back = run(
        [
            (0 * MINUTE, [known("12")]),
            (70 * MINUTE, [known("30")]),
            (80 * MINUTE, [unknown()]),
            (60 * MINUTE, [known("30")]),
        ]
    )
    assert (back.stage, back.recovering_since) == ("Exhausted", T0 + HOUR)


def test_a_freeze_that_stays_closed_is_renewed_while_blind() -> None:
    decisions = run(
        [(m * MINUTE, [known("12")] if m == 0 else [unknown()]) for m in (0, 10, 40, 71)],
        spec=CLOSED,
    )
    assert [it.expires for it in decisions] == [
        T0 + HOUR,
        T0 + HOUR,
        T0 + 100 * MINUTE,
        T0 + 131 * MINUTE,
    ]


@pytest.mark.parametrize(
    ("spec", "reason", "frozen"),
    [(OPEN, Reason.BLIND_OPEN, False), (CLOSED, Reason.BLIND_CLOSED, True)],
)
def test_a_freeze_that_expired_while_the_controller_was_away_is_not_held_again(
    spec: object, reason: Reason, frozen: bool
) -> None:
    before = decided(known("12"), spec=spec)
    back = decided(unknown(), before=before, at=3 * HOUR, spec=spec)
    assert (back.reason, back.frozen) == (reason, frozen)
    later = decided(unknown(), before=back, at=3 * HOUR + MINUTE, spec=spec)
    assert (later.reason, later.frozen) == (reason, frozen)


def test_a_freeze_whose_controller_was_away_is_in_force_again_once_the_budget_is_seen() -> None:
    back = decided(known("12"), before=decided(known("12")), at=3 * HOUR)
    assert back.frozen
    assert back.since == T0
    assert back.expires == T0 + 4 * HOUR


def test_a_stage_that_is_gone_from_the_spec_cannot_be_held() -> None:
    stages = [
        {"name": "Fine"},
        {"name": "Stop", "when": {"remainingBelow": "20"}, "admission": "Deny"},
    ]
    decision = decided(
        unknown(), before=decided(known("12")), at=MINUTE, spec=spec_of(stages=stages)
    )
    assert (decision.stage, decision.blind) == ("Fine", True)
