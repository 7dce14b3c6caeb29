"""Whether a GateOverride has its effect, on what, and against which freeze."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.policy.override import Active, Inactive, in_force, lifts, means, verdict
from tests.unit.policy.examples import HOUR, MINUTE, T0, override_of

SECOND = timedelta(seconds=1)


def policy_of(name: str = "default", namespace: str = "shop") -> ErrorBudgetPolicy:
    return ErrorBudgetPolicy.model_validate(
        {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"objectives": {"selector": {}}, "overrides": {"maxDuration": "24h"}},
        }
    )


@pytest.mark.parametrize("at", [T0, T0 + 30 * MINUTE, T0 + HOUR - SECOND])
def test_an_override_is_active_until_it_expires(at: datetime) -> None:
    assert verdict(override_of(), policy_of(), at) == Active(until=T0 + HOUR)


def test_an_override_may_last_exactly_as_long_as_the_policy_allows() -> None:
    assert isinstance(verdict(override_of(lasts=24 * HOUR), policy_of(), T0), Active)


@pytest.mark.parametrize(
    ("override", "policy", "at", "reason", "says"),
    [
        (override_of(), policy_of(), T0 + HOUR, Reason.OVERRIDE_EXPIRED, "2026-08-20T11:04:00Z"),
        (
            override_of(lasts=24 * HOUR + SECOND),
            policy_of(),
            T0,
            Reason.OVERRIDE_TOO_LONG,
            "would last 1d1s",
        ),
        (
            override_of(lasts=48 * HOUR),
            policy_of(),
            T0 + 47 * HOUR,
            Reason.OVERRIDE_TOO_LONG,
            "never becomes active: delete it and create one",
        ),
        (
            override_of(deletionTimestamp=T0),
            policy_of(),
            T0,
            Reason.OVERRIDE_DELETED,
            "deleted",
        ),
        (
            override_of(policy="other"),
            policy_of(),
            T0,
            Reason.POLICY_NOT_FOUND,
            "is for ErrorBudgetPolicy shop/other, not for shop/default",
        ),
        (
            override_of(),
            policy_of(namespace="bank"),
            T0,
            Reason.POLICY_NOT_FOUND,
            "not for bank/default",
        ),
        (
            override_of(),
            None,
            T0,
            Reason.POLICY_NOT_FOUND,
            "ErrorBudgetPolicy shop/default does not exist",
        ),
    ],
)
def test_an_inactive_override_says_why(
    override: GateOverride,
    policy: ErrorBudgetPolicy | None,
    at: datetime,
    reason: Reason,
    says: str,
) -> None:
    found = verdict(override, policy, at)
    assert isinstance(found, Inactive)
    assert found.reason is reason
    assert says in found.message


@pytest.mark.parametrize(("at", "active"), [(T0, False), (T0 + 24 * HOUR, True)])
def test_an_override_that_is_not_stored_yet_counts_as_created_now(
    at: datetime, active: bool
) -> None:
    override = override_of(lasts=48 * HOUR, creationTimestamp=None)
    assert isinstance(verdict(override, policy_of(), at), Active) == active


def test_only_active_overrides_of_the_policy_are_in_force() -> None:
    overrides = [
        override_of(name="good"),
        override_of(name="freeze", effect="Freeze"),
        override_of(name="of-another", policy="other"),
        override_of(name="ended", lasts=-MINUTE),
        override_of(name="too-long", lasts=25 * HOUR),
    ]
    found = in_force(policy_of(), overrides, T0)
    assert [it.metadata.name for it, _ in found] == ["good", "freeze"]


@pytest.mark.parametrize(
    ("workloads", "called", "meant"),
    [
        ([], {"web"}, True),
        (["web"], {"web"}, True),
        (["api", "web"], {"web"}, True),
        (["prod"], {"promotion-7", "prod"}, True),
        (["api"], {"web"}, False),
        (["we"], {"web"}, False),
    ],
)
def test_an_override_means_what_it_names_or_all(
    workloads: list[str], called: set[str], meant: bool
) -> None:
    assert means(override_of(*workloads), called) is meant


@pytest.mark.parametrize(
    ("effect", "by_hand", "passes"),
    [
        ("Allow", None, True),
        ("Allow", T0 - SECOND, True),
        ("Allow", T0, True),
        ("Allow", T0 + SECOND, False),
        ("Freeze", None, False),
        ("Freeze", T0 - SECOND, False),
    ],
)
def test_an_allow_passes_a_freeze_by_budget_and_one_by_hand_that_is_not_newer(
    effect: str, by_hand: datetime | None, passes: bool
) -> None:
    assert lifts(override_of(effect=effect), frozen_by_hand=by_hand) is passes


moments = st.integers(-3600, 200_000).map(lambda seconds: T0 + seconds * SECOND)


@given(lasts=st.integers(-60, 180_000).map(lambda n: n * SECOND), at=moments, later=moments)
def test_what_has_ended_or_was_too_long_never_begins_again(
    lasts: timedelta, at: datetime, later: datetime
) -> None:
    at, later = sorted((at, later))
    override = override_of(lasts=lasts)
    now, then = (verdict(override, policy_of(), time) for time in (at, later))
    if isinstance(now, Inactive):
        assert isinstance(then, Inactive)
        assert then.reason is now.reason
    else:
        assert at < now.until == T0 + lasts
        assert lasts <= 24 * HOUR
        assert isinstance(then, Active) is (later < now.until)


@given(at=moments, effects=st.lists(st.sampled_from(["Allow", "Freeze"]), max_size=4))
def test_the_effect_has_no_say_in_whether_it_is_active(at: datetime, effects: list[str]) -> None:
    overrides = [override_of(effect=effect) for effect in effects]
    found = in_force(policy_of(), overrides, at)
    assert [one for one, _ in found] == (overrides if at < T0 + HOUR else [])
