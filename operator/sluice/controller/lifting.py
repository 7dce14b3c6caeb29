"""Lifts all that is enforced for a policy; the controller and `sluice thaw` do it the same way."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluice.api.policy import ErrorBudgetPolicy
from sluice.controller.policy_plan import Live, workload_changes
from sluice.controller.policy_writer import PolicyWriter
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache
from sluice.kube.resources import DEPLOYMENTS, REPLICA_SETS


class NotLiftedError(Exception):
    """Workloads could not be given back yet; the message says which and why."""


async def lift(
    policy: ErrorBudgetPolicy,
    *,
    api: ApiServer,
    cache: Cache,
    writer: PolicyWriter,
    now: datetime,
) -> int:
    """Delete the policy's gates and undo its changes of workloads; how many were undone.

    Raises:
        ApiError: the API server refused something.
        NotLiftedError: a workload could not be written.
    """
    there = await writer.gates_of(policy, expected=True)
    await writer.gates(policy, there, ())
    live = await read_live(policy, api=api, cache=cache, revisions=False)
    changes = workload_changes(policy, None, governed=(), live=live, now=now)
    failed = await writer.workloads(changes)
    if failed:
        raise NotLiftedError("; ".join(failed))
    return sum(1 for _, change in changes if change.clear or change.apply)


async def read_live(
    policy: ErrorBudgetPolicy, *, api: ApiServer, cache: Cache, revisions: bool
) -> Live:
    """The Deployments of the policy's namespace as they are now, with `revisions` if need be."""
    namespace = policy.metadata.namespace
    replica_sets: list[Mapping[str, Any]] = []
    if revisions:
        replica_sets = [it async for it in api.list(REPLICA_SETS, namespace=namespace)]
    # A list's items carry no kind, which every manifest made from them needs.
    kind = {"apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.kind}
    return Live(
        deployments=[{**kind, **it} async for it in api.list(DEPLOYMENTS, namespace=namespace)],
        replica_sets=replica_sets,
        others={
            other.metadata.uid: other.status.workloads.changed
            for other in cache.policies(namespace)
            if other.metadata.uid != policy.metadata.uid
        },
    )
