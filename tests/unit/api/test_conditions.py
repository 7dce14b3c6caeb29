"""How a list of conditions is brought up to date."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.metadata import Condition
from sluice.api.reasons import Reason

THEN = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)

TruthValue = Literal["True", "False", "Unknown"]
truths: st.SearchStrategy[TruthValue] = st.sampled_from(["True", "False", "Unknown"])
claim_lists = st.lists(
    st.builds(
        Claim,
        type=st.sampled_from(ConditionType),
        status=truths,
        reason=st.sampled_from(Reason),
        message=st.sampled_from(["", "why"]),
    ),
    unique_by=lambda claim: claim.type,
)


def ready(status: TruthValue, *, reason: Reason = Reason.RECONCILED, message: str = "") -> Claim:
    return Claim(ConditionType.READY, status, reason, message)


def test_a_new_condition_holds_since_now() -> None:
    [condition] = merge([], [ready("True", message="all is well")], generation=3, now=NOW)
    assert condition == Condition(
        type="Ready",
        status="True",
        reason="Reconciled",
        message="all is well",
        last_transition_time=NOW,
        observed_generation=3,
    )


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        (ready("True"), ready("True"), THEN),
        (ready("True"), ready("True", reason=Reason.PROGRESSING, message="else"), THEN),
        (ready("True"), ready("False"), NOW),
        (ready("False"), ready("Unknown"), NOW),
    ],
)
def test_the_transition_time_moves_only_when_the_status_changes(
    before: Claim, after: Claim, since: datetime
) -> None:
    old = merge([], [before], generation=1, now=THEN)
    [condition] = merge(old, [after], generation=2, now=NOW)
    assert condition.last_transition_time == since
    assert (condition.status, condition.reason, condition.message) == (
        after.status,
        after.reason,
        after.message,
    )
    assert condition.observed_generation == 2


def test_a_message_is_one_line_whoever_wrote_it() -> None:
    quoted = "refused a query:\n  1:5: parse error\r\n"
    [condition] = merge([], [ready("False", message=quoted)], generation=1, now=NOW)
    assert condition.message == "refused a query: 1:5: parse error"


def test_a_condition_that_is_not_claimed_any_more_is_gone() -> None:
    stalled = Claim(ConditionType.STALLED, "True", Reason.INVALID_SPEC)
    before = merge([], [ready("False"), stalled], generation=1, now=THEN)
    after = merge(before, [ready("True")], generation=1, now=NOW)
    assert [condition.type for condition in after] == ["Ready"]


def test_a_condition_that_was_gone_and_comes_back_is_new() -> None:
    once = merge([], [ready("True")], generation=1, now=THEN)
    gone = merge(once, [], generation=1, now=THEN)
    [again] = merge(gone, [ready("True")], generation=1, now=NOW)
    assert again.last_transition_time == NOW


@given(claim_lists, claim_lists)
def test_the_order_is_that_of_the_claims(before: list[Claim], after: list[Claim]) -> None:
    old = merge([], before, generation=1, now=THEN)
    new = merge(old, after, generation=1, now=NOW)
    assert [condition.type for condition in new] == [claim.type for claim in after]


@given(claim_lists, claim_lists)
def test_merging_the_same_claims_again_changes_nothing(
    before: list[Claim], after: list[Claim]
) -> None:
    old = merge([], before, generation=1, now=THEN)
    new = merge(old, after, generation=2, now=NOW)
    assert merge(new, after, generation=2, now=NOW + timedelta(days=1)) == new
