"""Manual freezes: what somebody froze by hand in place of what the budgets lead to."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.override import GateOverride
from sluice.api.policy import Admission, ErrorBudgetPolicy, ErrorBudgetPolicyStatus, Mode
from sluice.api.reasons import Reason
from sluice.policy.decision import Decision
from sluice.policy.manual import Ruled, rule
from sluice.policy.message import DENIAL_LIMIT, ESSENTIAL_LIMIT, denial, denial_parts, warning
from sluice.policy.objective import ObjectiveState
from sluice.policy.override import in_force
from sluice.policy.recorded import frozen_apart, recorded
from sluice.policy.status import active_overrides, memory_from_status, replaced, status_fields
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, spec_of, unknown
from tests.unit.policy.test_override import policy_of


def freeze_of(
    name: str = "hands-off",
    *workloads: str,
    since: datetime = T0,
    lasts: timedelta = HOUR,
    **spec: Any,
) -> GateOverride:
    return GateOverride.model_validate(
        {
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": since},
            "spec": {
                "policy": "default",
                "effect": "Freeze",
                "workloads": list(workloads),
                "reason": "the database is being moved",
                "ticket": "CHG-7",
                "createdBy": "ada",
                "expiresAt": since + lasts,
                **spec,
            },
        }
    )


def ruled(
    decision: Decision, *overrides: GateOverride, mode: Mode = Mode.ENFORCE, now: datetime = T0
) -> Ruled:
    return rule(decision, in_force(policy_of(), overrides, now), mode=mode)


@pytest.mark.parametrize(
    "objectives", [[known("90")], [known("30")], [known("-5")], [unknown()], []], ids=str
)
def test_a_manual_freeze_denies_whatever_the_budget_is(objectives: list[ObjectiveState]) -> None:
    found = ruled(decided(*objectives), freeze_of()).decision
    assert found.frozen
    assert (found.admission, found.reason) == (Admission.DENY, Reason.MANUAL_FREEZE)
    assert found.since == T0
    assert found.expires == T0 + HOUR
    assert (found.objective, found.remaining, found.recovered_at) == (None, None, None)
    assert found.message == (
        "frozen by hand by ada until 2026-08-20T11:04Z (CHG-7): the database is being moved."
    )
    assert denial(found, spec_of(), workload_kind="Deployment", workload_name="web") == (
        "FROZEN by ErrorBudgetPolicy shop/default: frozen by hand by ada until 2026-08-20T11:04Z "
        "(CHG-7): the database is being moved, since 2026-08-20T10:04Z. Change of Deployment "
        "shop/web denied; scaling, restart and rollback are allowed. "
        "Override: kubectl sluice override."
    )


@pytest.mark.parametrize(
    ("mode", "effective"),
    [
        (Mode.ENFORCE, Admission.DENY),
        (Mode.WARN, Admission.WARN),
        (Mode.OBSERVE, Admission.ALLOW),
    ],
)
def test_a_manual_freeze_reaches_as_far_as_the_mode(mode: Mode, effective: Admission) -> None:
    decision = decided(known("90"), spec=spec_of(mode=mode))
    found = ruled(decision, freeze_of(), mode=mode)
    assert found.decision.effective is effective
    assert found.enforces is (mode is not Mode.OBSERVE)
    apart = ruled(decision, freeze_of("one", "web"), mode=mode)
    assert apart.decision == decision
    assert [one.decision.effective for one in apart.apart] == [effective]
    assert apart.enforces is (mode is not Mode.OBSERVE)


def test_without_a_freeze_the_budgets_decide() -> None:
    for decision in (decided(known("90")), decided(known("5"))):
        allow = freeze_of(effect="Allow")
        assert ruled(decision, allow) == Ruled(decision)
        assert ruled(decision, freeze_of(), now=T0 + HOUR) == Ruled(decision)
        assert Ruled(decision).enforces is decision.frozen


def test_of_several_the_newest_is_told_and_the_last_to_end_counts() -> None:
    long, young = freeze_of("long", lasts=3 * HOUR), freeze_of("young", since=T0 + MINUTE)
    found = ruled(decided(known("90")), young, long, now=T0 + 2 * MINUTE).decision
    assert found.since == T0 + MINUTE
    assert "until 2026-08-20T11:05Z" in found.message
    assert found.expires == T0 + 3 * HOUR


def test_a_denial_by_budget_is_not_interrupted_when_a_manual_freeze_ends() -> None:
    by_budget = decided(known("5"))
    assert by_budget.expires is not None
    found = ruled(by_budget, freeze_of(lasts=MINUTE)).decision
    assert found.expires == by_budget.expires > T0 + MINUTE


def test_a_freeze_of_some_workloads_leaves_the_decision_for_the_others() -> None:
    decision = decided(known("90"))
    found = ruled(decision, freeze_of("one", "web"), freeze_of("two", "api", lasts=2 * HOUR))
    assert found.decision == decision
    assert [(one.override, one.workloads, one.decision.expires) for one in found.apart] == [
        ("one", ("web",), T0 + HOUR),
        ("two", ("api",), T0 + 2 * HOUR),
    ]
    assert found.strictest is found.apart[0].decision


def stored(found: Ruled, *overrides: GateOverride) -> ErrorBudgetPolicy:
    """A policy whose status was written down and read again."""
    stage, decision, timers = status_fields(found.decision)
    status = ErrorBudgetPolicyStatus(
        stage=stage,
        decision=decision,
        timers=timers,
        by_budget=replaced(found.decision),
        overrides=active_overrides(found, in_force(policy_of(), overrides, T0)),
    )
    body = {**policy_of().to_json(), "status": status.to_json()}
    return ErrorBudgetPolicy.model_validate(body)


@pytest.mark.parametrize(
    "decision",
    [
        decided(known("90")),
        decided(known("5")),
        decided(unknown(), spec=spec_of(whenBlind={"holdFor": "1s", "then": "Closed"})),
    ],
    ids=lambda it: it.reason,
)
def test_a_manual_freeze_leaves_no_trace_in_what_the_budgets_decide_next(
    decision: Decision,
) -> None:
    freezes = [freeze_of(), freeze_of("one", "web")]
    found = ruled(decision, *freezes)
    assert found.decision.memory == decision.memory
    assert memory_from_status(stored(found, *freezes).status) == decision.memory


def test_what_a_status_records_is_what_was_decided() -> None:
    freezes = [freeze_of(), freeze_of("one", "web")]
    found = ruled(decided(known("90")), *freezes)
    policy = stored(found, *freezes)
    of_all, of_one = recorded(policy), frozen_apart(policy)
    assert of_all is not None
    assert (of_all.frozen, of_all.admission) == (True, Admission.DENY)
    assert of_all.frozen_by_hand == T0
    assert [(one.workloads, one.frozen_by_hand, one.expires) for one in of_one] == [
        (("web",), T0, T0 + HOUR)
    ]
    assert of_one[0].effective(T0 + HOUR) is Admission.ALLOW
    assert of_all.expired(T0 + HOUR)


def test_a_warning_of_a_manual_freeze_ends_with_it() -> None:
    freezes = [freeze_of()]
    decision = decided(known("90"), spec=spec_of(mode="Warn"))
    policy = stored(ruled(decision, *freezes, mode=Mode.WARN), *freezes)
    found = recorded(policy)
    assert found is not None
    assert found.effective(T0 + HOUR - MINUTE) is Admission.WARN
    assert found.effective(T0 + HOUR) is Admission.ALLOW


texts = st.text(min_size=3, max_size=512)


@given(author=texts, why=texts, ticket=st.just("") | texts)
def test_whatever_people_write_messages_fit_and_are_one_line(
    author: str, why: str, ticket: str
) -> None:
    freeze = freeze_of(createdBy=author, reason=why, ticket=ticket)
    found = ruled(decided(known("90")), freeze).decision
    parts = denial_parts(found, spec_of())
    whole = f"{parts.prefix}Deployment{parts.infix}{'w' * 253}{parts.suffix}"
    said = denial(found, spec_of(), workload_kind="Deployment", workload_name="w" * 253)
    assert len(whole) <= DENIAL_LIMIT
    assert len(said) <= DENIAL_LIMIT
    assert len(warning(found)) <= ESSENTIAL_LIMIT
    for text in (whole, said, warning(found), found.message):
        assert text.isprintable()
        assert "until 2026-08-20T11:04Z" in text
