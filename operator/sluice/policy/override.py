"""Whether a GateOverride has its effect: decided here for every gate, tool and report."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sluice.api.durations import format_duration, parse_duration
from sluice.api.override import Effect, GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.policy.fingerprint import image_digests


@dataclass(frozen=True, slots=True)
class Active:
    """The override is active; it ends at `until` (excluded)."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Inactive:
    """The override has no effect, and why."""

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


def in_force(
    policy: ErrorBudgetPolicy, overrides: Iterable[GateOverride], now: datetime
) -> list[tuple[GateOverride, Active]]:
    """The overrides of `policy` that are active at `now`, with their ends, in their order."""
    found = []
    for override in overrides:
        if override.spec.policy == policy.metadata.name:
            answer = verdict(override, policy, now)
            if isinstance(answer, Active):
                found.append((override, answer))
    return found


def was_active(override: GateOverride, policy: ErrorBudgetPolicy, now: datetime) -> bool:
    """Whether the override is active at `now`, or ended only because its time is over."""
    found = verdict(override, policy, now)
    return isinstance(found, Active) or found.reason is Reason.OVERRIDE_EXPIRED


def began(override: GateOverride) -> datetime:
    """When the override was created; the beginning of time for one that is not stored yet."""
    return override.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)


def means(override: GateOverride, called: Collection[str]) -> bool:
    """Whether the override is for the workload that goes by the names `called`."""
    named = override.spec.workloads
    return not named or any(name in called for name in named)


def lifts(override: GateOverride, *, frozen_by_hand: datetime | None) -> bool:
    """Whether the override, while it is active, lets changes pass a freeze.

    Of a manual freeze and an Allow the newer one counts, and the Allow where both are of the same
    second: a fix that somebody lets through although all is frozen must pass, and an Allow from
    before must not undo what was frozen since.

    Args:
        override: Of any effect.
        frozen_by_hand: When the manual freeze began; None for a freeze by budget.
    """
    if override.spec.effect is not Effect.ALLOW:
        return False
    return frozen_by_hand is None or began(override) >= frozen_by_hand


def approves(override: GateOverride, *, last: datetime | None) -> bool:
    """Whether the override, while it is active, lets a deployment pass that a limit is against.

    One deployment of each workload that it names uses it up. Times have whole seconds: of a
    deployment in the second in which the approval was created it is taken to be the one.

    Args:
        override: Of any effect.
        last: When the workload was deployed last; None if that is not known.
    """
    if override.spec.effect is not Effect.APPROVE:
        return False
    return last is None or last < began(override)


def admits(override: GateOverride, images: Collection[bytes]) -> bool:
    """Whether what runs `images` is what the override is pinned to, if it is pinned at all.

    Args:
        override: Of any effect.
        images: `Fingerprint.images` of what is to run; what runs none known is pinned by nothing.
    """
    pinned = override.spec.images
    return not pinned or (bool(images) and image_digests(pinned).issuperset(images))


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
