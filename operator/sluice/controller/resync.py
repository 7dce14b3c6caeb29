"""After a freeze, asks what deploys the governed workloads to try again what was denied.

Not at once: the API server needs a second or two to forget a gate. Until when it is to wait is kept
in the policy's status, so that a controller that dies meanwhile leaves it to the next one.
"""

from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime, timedelta

import structlog

from sluice.api.policy import Admission, ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.controller.policy_writer import PolicyWriter
from sluice.enforcement.deployers import Deployer, deployers, mark, request
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import (
    APPLICATIONS,
    HELM_RELEASES,
    KUSTOMIZATIONS,
    WORKLOADS,
)
from sluice.policy.decision import Decision
from sluice.policy.selection import WorkloadName

WAIT = timedelta(seconds=5)
"""From the end of a freeze; gates were gone from admission after two at most."""

_SHOWN = 5
"""Objects that an Event names."""
_REFUSED = frozenset({400, 403, 404, 422})
"""Answers after which asking again is of no use."""
_TOOL = {"Application": "argocd", "Kustomization": "flux", "HelmRelease": "flux"}
_RESOURCES = {it.kind: it for it in (APPLICATIONS, KUSTOMIZATIONS, HELM_RELEASES)}

_log = structlog.get_logger(__name__)


class Resync:
    """Asks the GitOps tools in `tools` (`argocd`, `flux`); the API server's errors are logged."""

    def __init__(
        self,
        *,
        api: ApiServer,
        tools: Collection[str],
        argocd_namespace: str,
        writer: PolicyWriter,
    ) -> None:
        self._api = api
        self._tools = frozenset(tools)
        self._argocd_namespace = argocd_namespace
        self._writer = writer

    def due(self, policy: ErrorBudgetPolicy, decision: Decision, now: datetime) -> datetime | None:
        """When tools are to be asked, as of this decision; None if they are not.

        Once less is hindered than before. A stage that limits deployments lets one pass that a
        freeze denied.
        """
        hinders = _hinders(decision.effective)
        if not self._tools or hinders == _hinders(Admission.DENY):
            return None
        before = policy.status.decision
        if before is not None and hinders < _hinders(before.admission):
            return now.replace(microsecond=0) + WAIT
        return policy.status.timers.resync_at

    async def ask(
        self, policy: ErrorBudgetPolicy, governed: Iterable[WorkloadName], now: datetime
    ) -> bool:
        """Ask all that deploys governed workloads; whether nothing is left to be tried again."""
        denied = mark(policy.metadata.namespace, policy.metadata.name)
        asked: list[str] = []
        done = True
        try:
            found = {one async for one in self._deployers(policy, set(governed))}
        except ApiError as error:
            _log.warning("resync: workloads not read", error=error.message)
            return False
        for one in sorted(found):
            name = f"{one.kind} {one.namespace}/{one.name}"
            try:
                if await self._ask(one, denied, now):
                    asked.append(name)
            except ApiError as error:
                _log.warning("resync: not asked", of=name, error=error.message)
                done = done and error.status in _REFUSED
        if asked:
            note = f"Asked to try again what the freeze denied: {_listed(asked)}"
            self._writer.tell(policy, Reason.RESYNC_REQUESTED, note, action="Resync")
        return done

    async def _deployers(
        self, policy: ErrorBudgetPolicy, governed: set[WorkloadName]
    ) -> AsyncIterator[Deployer]:
        namespace = policy.metadata.namespace
        for kind in sorted({it.kind for it in governed}):
            async for live in self._api.list(WORKLOADS[kind], namespace=namespace):
                if WorkloadName(kind, live["metadata"]["name"]) not in governed:
                    continue
                for one in deployers(live):
                    if _TOOL[one.kind] in self._tools:
                        home = self._argocd_namespace if one.kind == "Application" else namespace
                        yield one._replace(namespace=one.namespace or home)

    async def _ask(self, one: Deployer, denied: str, now: datetime) -> bool:
        resource = _RESOURCES[one.kind]
        found = await self._api.get(resource, one.name, namespace=one.namespace)
        if found is None:
            return False
        patch = request({**found, "kind": one.kind}, denied, now.isoformat())
        if patch is None:
            return False
        await self._api.merge(resource, one.name, patch, namespace=one.namespace)
        return True


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _hinders(admission: Admission) -> int:
    """How many denials to expect of it, for comparing: none, some, all."""
    return {Admission.LIMIT: 1, Admission.DENY: 2}.get(admission, 0)
