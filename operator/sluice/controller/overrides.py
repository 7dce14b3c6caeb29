"""Brings the status of a GateOverride up to date: whether it has its effect now."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.override import Burned, Effect, GateOverride, GateOverrideStatus
from sluice.api.policy import ErrorBudgetPolicy, Mode
from sluice.api.reasons import Reason
from sluice.controller.burning import Burning
from sluice.controller.complaint import Complaints
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import OVERRIDES, POLICIES
from sluice.policy.override import Active, Inactive, verdict, was_active

_RECHECK = 60.0
"""Seconds; budgets burn, and a policy's limit may change, which no event of the override tells."""

_SETTLED = timedelta(minutes=15)
"""After so long what was counted while an override was active does not change any more."""


class Overrides:
    """The reconciler of GateOverrides."""

    def __init__(
        self, *, api: ApiServer, cache: Cache, burning: Burning, clock: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._burning = burning
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Write the status if it changed; due again when the override ends."""
        override, now = self._cache.get(key), self._clock()
        if isinstance(override, Malformed):
            await self._complaints.tell(OVERRIDES, override, now=now)
        if not isinstance(override, GateOverride):
            return None
        found = self._cache.get(Key(POLICIES.plural, key.namespace, override.spec.policy))
        policy = found if isinstance(found, ErrorBudgetPolicy) else None
        status = status_of(override, policy, self._burned(override, policy, now), now)
        if status != override.status:
            metadata = {"name": key.name, "namespace": key.namespace, "uid": override.metadata.uid}
            body = {"metadata": metadata, "status": status.to_json()}
            await self._api.apply(OVERRIDES, body, subresource="status")
        left = (override.spec.expires_at - now).total_seconds()
        if left > 0:
            return min(_RECHECK, left + 1)
        settles = left + _SETTLED.total_seconds()
        return min(_RECHECK, settles + 1) if settles > 0 else None

    def _burned(
        self, override: GateOverride, policy: ErrorBudgetPolicy | None, now: datetime
    ) -> list[Burned]:
        """What was burned while it was active; as it was told before where it cannot be counted."""
        told, end = override.status.burned, override.spec.expires_at
        since = override.metadata.creation_timestamp
        if policy is None or since is None or not was_active(override, policy, now):
            return told
        if told and now >= end + _SETTLED:
            return told
        return self._burning.of(policy, since, min(now, end)) or told


def status_of(
    override: GateOverride,
    policy: ErrorBudgetPolicy | None,
    burned: list[Burned],
    now: datetime,
) -> GateOverrideStatus:
    """The status as of `now`."""
    found = verdict(override, policy, now)
    if policy is not None and isinstance(found, Active):
        whom = ", ".join(override.spec.workloads) or "all governed workloads"
        claim = Claim(
            ConditionType.ACTIVE,
            "True",
            Reason.OVERRIDE_ACTIVE,
            f"Changes of {whom} {_does(override, policy)} until {found.until:%Y-%m-%dT%H:%M:%SZ}.",
        )
    elif isinstance(found, Inactive):
        claim = Claim(ConditionType.ACTIVE, "False", found.reason, found.message)
    return GateOverrideStatus(
        observed_generation=override.metadata.generation,
        burned=burned,
        conditions=merge(
            override.status.conditions,
            [claim],
            generation=override.metadata.generation,
            now=now.replace(microsecond=0),
        ),
    )


def _does(override: GateOverride, policy: ErrorBudgetPolicy) -> str:
    if override.spec.effect is Effect.ALLOW:
        pinned = ", ".join(override.spec.images)
        return f"that run {pinned} and nothing else pass" if pinned else "pass"
    if override.spec.effect is Effect.APPROVE:
        return "pass a stage that limits them, one of each,"
    return {
        Mode.ENFORCE: "are denied",
        Mode.WARN: "pass with a warning (the policy's mode is Warn)",
        Mode.OBSERVE: "pass (the policy's mode is Observe)",
    }[policy.spec.mode]
