"""The writes that carry a policy's decision out. Each is made only if it would change something."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from sluice.api.policy import Admission, ErrorBudgetPolicy, ErrorBudgetPolicyStatus
from sluice.api.reasons import Reason
from sluice.enforcement.names import MANAGED_BY, MANAGER, POLICY, POLICY_UID
from sluice.enforcement.native import Manifest
from sluice.enforcement.plan import Changes
from sluice.enforcement.sweep import Sweep, sweep
from sluice.enforcement.target import Target
from sluice.kube import events
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache, key_of
from sluice.kube.held import HELD
from sluice.kube.resources import (
    ADMISSION_BINDINGS,
    ADMISSION_POLICIES,
    POLICIES,
)
from sluice.policy.decision import Decision
from sluice.telemetry.metrics import Metrics

FINALIZER = "sluice.dev/thaw"
_GATES = {it.kind: it for it in (ADMISSION_POLICIES, ADMISSION_BINDINGS)}
_REFUSED = frozenset({400, 403, 404, 422})
"""Answers of the API server that mean that the gate is not wanted, now or later."""
_BY_RBAC = " cannot "
"""A word of RBAC's refusals; webhooks refuse by 403, too."""
_AT_ONCE = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gates:
    """What exists of a policy's gates.

    Attributes:
        there: admission policies and bindings.
        refused: the API server's words, if it does not let them be looked at.
        served: whether it has such objects at all.
    """

    there: tuple[Manifest, ...] = ()
    refused: str | None = None
    served: bool = True


class PolicyWriter:
    """Writes for ErrorBudgetPolicies. Methods raise `ApiError` where nothing else is said."""

    def __init__(
        self,
        *,
        api: ApiServer,
        cache: Cache,
        metrics: Metrics,
        post: Callable[[events.Event], None],
        namespaces: Collection[str] = (),
        sees_gates: bool = True,
    ) -> None:
        """`namespaces` are those that it works in; without `sees_gates` no gate is asked for."""
        self._api = api
        self._cache = cache
        self._metrics = metrics
        self._post = post
        self._namespaces = namespaces
        self._sees_gates = sees_gates
        self._bare: set[str] = set()

    def begin(self) -> None:
        """This process begins to lead: another one may have made gates meanwhile."""
        self._bare.clear()

    async def status(
        self, policy: ErrorBudgetPolicy, status: ErrorBudgetPolicyStatus
    ) -> ErrorBudgetPolicy:
        """Write the status, and take what was stored into the cache at once."""
        if status == policy.status:
            return policy
        body = {"metadata": _identify(policy), "status": status.to_json()}
        return await self._apply(policy, body, subresource="status")

    async def hold(self, policy: ErrorBudgetPolicy) -> ErrorBudgetPolicy:
        """Put our finalizer on the policy: it must not go while something is enforced for it."""
        if FINALIZER in policy.metadata.finalizers:
            return policy
        body = {"metadata": {**_identify(policy), "finalizers": [FINALIZER]}}
        return await self._apply(policy, body)

    async def release(self, policy: ErrorBudgetPolicy) -> None:
        """Take our finalizer off, whoever put it on."""
        if FINALIZER not in policy.metadata.finalizers:
            return
        stored = await self._api.apply(POLICIES, {"metadata": _identify(policy)})
        left = stored["metadata"].get("finalizers") or []
        if FINALIZER in left:
            # It came with a manifest, of a backup say, so that somebody else owns it as well.
            meta = stored["metadata"]
            body = {
                "metadata": {
                    "uid": meta["uid"],
                    "resourceVersion": meta["resourceVersion"],
                    "finalizers": [one for one in left if one != FINALIZER],
                }
            }
            name, namespace = policy.metadata.name, policy.metadata.namespace
            stored = await self._api.merge(POLICIES, name, body, namespace=namespace)
        if policy.metadata.deletion_timestamp and not stored["metadata"].get("finalizers"):
            # It went with its last finalizer. Until the watch tells, it must not be taken for one
            # that is still to be let go.
            self._cache.drop(key_of(POLICIES, stored))
            return
        self._cache.put(POLICIES, stored)

    async def gates_of(self, policy: ErrorBudgetPolicy, *, expected: bool) -> Gates:
        """The admission policies and bindings that exist for the policy.

        Nothing is asked if none are `expected` and none were left when this was last looked at.
        """
        if not self._sees_gates:
            return Gates()
        if policy.metadata.uid in self._bare and not expected:
            return Gates()
        labels = f"{MANAGED_BY}={MANAGER},{POLICY_UID}={policy.metadata.uid}"
        try:
            return Gates(there=tuple(await self._gates(labels)))
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            return Gates(refused=_rejection(error), served=not error.not_found)

    async def gates(
        self, policy: ErrorBudgetPolicy, gates: Gates, wanted: Sequence[Manifest]
    ) -> str | None:
        """Make the gates `wanted` out of those that are there.

        The API server's words if it refuses one of them, or a look at them.
        """
        if gates.refused is not None:
            # Where gates are not served at all there is none to lift.
            return gates.refused if wanted or gates.served else None
        uid = policy.metadata.uid
        try:
            await self._sweep(sweep(gates.there, {uid: wanted}))
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            return _rejection(error)
        if wanted:
            self._bare.discard(uid)
        else:
            self._bare.add(uid)
        return None

    async def sweep(self) -> None:
        """Delete the gates of policies that do not exist any more, where this process looks."""
        if not self._sees_gates:
            return
        uids = [self._cache.uid(key) for key in self._cache.keys(POLICIES)]
        try:
            found = await self._gates(f"{MANAGED_BY}={MANAGER},{POLICY_UID}")
        except ApiError as error:
            if error.not_found:
                return  # a cluster without such objects has none that were left behind
            raise
        there = [gate for gate in found if self._is_watched(gate)]
        await self._sweep(sweep(there, dict.fromkeys(uids)))

    def _is_watched(self, gate: Manifest) -> bool:
        """Whether a gate is of a namespace that this process knows the policies of."""
        whose = str((gate["metadata"].get("annotations") or {}).get(POLICY, ""))
        return not self._namespaces or whose.partition("/")[0] in self._namespaces

    async def workloads(self, changes: Sequence[tuple[Target, Changes]]) -> tuple[str, ...]:
        """Write on workloads; what failed, in words. One failure does not stop the others."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def write(target: Target, change: Changes) -> str | None:
            async with slots:
                return await self._workload(target, change)

        answers = await asyncio.gather(*(write(target, change) for target, change in changes))
        return tuple(answer for answer in answers if answer is not None)

    def announce(self, policy: ErrorBudgetPolicy, decision: Decision) -> None:
        """Post an Event about a change of stage."""
        transition = decision.transition
        if transition is None:
            return
        actions = {Admission.DENY: "Freeze", Admission.LIMIT: "Limit"}
        event = events.Event(
            kind=POLICIES.kind,
            metadata=policy.metadata,
            type="Warning" if decision.admission is not Admission.ALLOW else "Normal",
            reason=transition.reason,
            action=actions.get(decision.effective, "ChangeStage"),
            note=f"{transition.from_ or 'New'} -> {transition.to}: {transition.message}",
        )
        _log.info("stage changed", policy=_name(policy), note=event.note)
        self._post(event)

    def tell(self, policy: ErrorBudgetPolicy, reason: Reason, note: str, *, action: str) -> None:
        """Post an Event about something that goes as it should."""
        event = events.Event(
            kind=POLICIES.kind,
            metadata=policy.metadata,
            type="Normal",
            reason=reason,
            action=action,
            note=note,
        )
        _log.info(action.lower(), policy=_name(policy), note=note)
        self._post(event)

    async def _workload(self, target: Target, change: Changes) -> str | None:
        resource = HELD[target.kind]
        try:
            if change.clear is not None:
                await self._api.merge(
                    resource, target.name, change.clear, namespace=target.namespace
                )
            if change.apply is not None:
                await self._api.apply(resource, change.apply, force=change.force)
        except ApiError as error:
            self._metrics.writes.labels("workload", "error").inc()
            if error.not_found:
                return None  # it is gone, and what was changed on it with it
            return f"{target.kind} {target.namespace}/{target.name}: {error.message}"
        if change.clear is not None or change.apply is not None:
            self._metrics.writes.labels("workload", "ok").inc()
        return None

    async def _apply(
        self, policy: ErrorBudgetPolicy, body: dict[str, Any], *, subresource: str = ""
    ) -> ErrorBudgetPolicy:
        target = subresource or "finalizer"
        try:
            stored = await self._api.apply(POLICIES, body, subresource=subresource)
        except ApiError:
            self._metrics.writes.labels(target, "error").inc()
            raise
        self._metrics.writes.labels(target, "ok").inc()
        _, found = self._cache.put(POLICIES, stored)
        return found if isinstance(found, ErrorBudgetPolicy) else policy

    async def _gates(self, labels: str) -> list[Manifest]:
        found: list[Manifest] = []
        for resource in _GATES.values():
            # A list's items carry no kind, by which they are told apart.
            found += [
                {"kind": resource.kind, **item}
                async for item in self._api.list(resource, labels=labels)
            ]
        return found

    async def _sweep(self, plan: Sweep) -> None:
        for manifest in plan.apply:
            await self._api.apply(_GATES[manifest["kind"]], manifest)
        for kind, name in plan.delete:
            await self._api.delete(_GATES[kind], name)
        if plan.apply or plan.delete:
            self._metrics.writes.labels("gate", "ok").inc()


def _identify(policy: ErrorBudgetPolicy) -> dict[str, Any]:
    """Name and uid: with the uid an apply can't bring a deleted policy back."""
    meta = policy.metadata
    return {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}


def _name(policy: ErrorBudgetPolicy) -> str:
    return f"{policy.metadata.namespace}/{policy.metadata.name}"


def _rejection(error: ApiError) -> str:
    hint = ""
    if error.not_found:
        hint = " Native admission needs Kubernetes 1.30 or newer."
    elif error.forbidden and _BY_RBAC in error.message:
        hint = " The chart's ClusterRole has this right: apply it again."
    return f"The API server refuses a gate: {error.message}.{hint}"
