"""Whether a GateOverride lets changes pass."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.policy.override import Active, Inactive, verdict
from tests.unit.policy.examples import HOUR, MINUTE, T0

SECOND = timedelta(seconds=1)


def override_of(
    *, lasts: timedelta = HOUR, policy: str = "default", **metadata: Any
) -> GateOverride:
    return GateOverride.model_validate(
        {
            "metadata": {
                "name": "fix",
                "namespace": "shop",
                "creationTimestamp": T0,
                **metadata,
            },
            "spec": {
                "policy": policy,
                "reason": "payment fix",
                "createdBy": "ada",
                "expiresAt": T0 + lasts,
            },
        }
    )


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
