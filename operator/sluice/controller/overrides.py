"""Brings the status of a GateOverride up to date: whether it has its effect now."""

from collections.abc import Callable
from datetime import datetime

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.override import Effect, GateOverride, GateOverrideStatus
from sluice.api.policy import ErrorBudgetPolicy, Mode
from sluice.api.reasons import Reason
from sluice.controller.complaint import Complaints
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import OVERRIDES, POLICIES
from sluice.policy.override import Active, Inactive, verdict

_RECHECK = 600.0
"""Seconds; a policy's limit may change meanwhile, which is told by no event of the override."""


class Overrides:
    """The reconciler of GateOverrides."""

    def __init__(self, *, api: ApiServer, cache: Cache, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Write the status if it changed; due again when the override ends."""
        override, now = self._cache.get(key), self._clock()
        if isinstance(override, Malformed):
            await self._complaints.tell(OVERRIDES, override, now=now)
        if not isinstance(override, GateOverride):
            return None
        policy = self._cache.get(Key(POLICIES.plural, key.namespace, override.spec.policy))
        status = status_of(override, policy if isinstance(policy, ErrorBudgetPolicy) else None, now)
        if status != override.status:
            metadata = {"name": key.name, "namespace": key.namespace, "uid": override.metadata.uid}
            body = {"metadata": metadata, "status": status.to_json()}
            await self._api.apply(OVERRIDES, body, subresource="status")
        left = (override.spec.expires_at - now).total_seconds()
        return min(_RECHECK, left + 1) if left > 0 else None


def status_of(
    override: GateOverride, policy: ErrorBudgetPolicy | None, now: datetime
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
        Mode.WARN: "pass with a warning, since the policy's mode is Warn,",
        Mode.OBSERVE: "pass, since the policy's mode is Observe: that they would be denied is told",
    }[policy.spec.mode]
