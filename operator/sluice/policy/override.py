"""Whether a GateOverride lets changes pass: decided here for every gate, tool and report."""

from dataclasses import dataclass
from datetime import datetime

from sluice.api.durations import format_duration, parse_duration
from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason


@dataclass(frozen=True, slots=True)
class Active:
    """The override is active; it ends at `until` (excluded)."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Inactive:
    """The override lets nothing pass, and why."""

    reason: Reason
    message: str


Verdict = Active | Inactive


def verdict(override: GateOverride, policy: ErrorBudgetPolicy | None, now: datetime) -> Verdict:
    """Whether `override` is active at `now`.

    Args:
        override: One that the API server has not stored yet counts as created at `now`.
        policy: The policy that it names, None if that does not exist.
        now: An aware time.
    """
    if override.metadata.deletion_timestamp is not None:
        return Inactive(Reason.OVERRIDE_DELETED, "The override has been deleted.")
    if policy is None or not _is_for(override, policy):
        return Inactive(Reason.POLICY_NOT_FOUND, _not_found(override, policy))
    end = override.spec.expires_at
    lasts = end - (override.metadata.creation_timestamp or now)
    allowed = parse_duration(policy.spec.overrides.max_duration)
    if lasts > allowed:
        return Inactive(
            Reason.OVERRIDE_TOO_LONG,
            f"The override would last {format_duration(lasts)}, and ErrorBudgetPolicy "
            f"{policy.metadata.name} allows {format_duration(allowed)} "
            "(spec.overrides.maxDuration). It never becomes active: delete it and create one "
            "whose expiresAt is sooner.",
        )
    if now >= end:
        return Inactive(
            Reason.OVERRIDE_EXPIRED,
            f"The override ended at {end:%Y-%m-%dT%H:%M:%SZ}. "
            "Create another one if it is still needed.",
        )
    return Active(until=end)


def _is_for(override: GateOverride, policy: ErrorBudgetPolicy) -> bool:
    return (override.metadata.namespace, override.spec.policy) == (
        policy.metadata.namespace,
        policy.metadata.name,
    )


def _not_found(override: GateOverride, policy: ErrorBudgetPolicy | None) -> str:
    wanted = f"{override.metadata.namespace}/{override.spec.policy}"
    if policy is None:
        return (
            f"ErrorBudgetPolicy {wanted} does not exist: create it, or delete the override and "
            "create one whose spec.policy names a policy in this namespace."
        )
    return (
        f"The override is for ErrorBudgetPolicy {wanted}, "
        f"not for {policy.metadata.namespace}/{policy.metadata.name}."
    )
