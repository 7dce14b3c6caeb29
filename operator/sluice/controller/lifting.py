"""Lifts all that is enforced for a policy; the controller and `sluice thaw` do it the same way."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluice.api.metadata import ObjectMeta
from sluice.api.policy import (
    DecisionStatus,
    ErrorBudgetPolicy,
    ErrorBudgetPolicyStatus,
    UndoRecord,
    WorkloadsStatus,
)
from sluice.api.reading import read
from sluice.controller.aims import workload_changes
from sluice.controller.chaos import read_chaos
from sluice.controller.listing import listed
from sluice.controller.policy_plan import Live
from sluice.controller.policy_writer import PolicyWriter
from sluice.controller.suspendable import read_suspendable
from sluice.enforcement.kinds import KINDS
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache, Malformed
from sluice.kube.resources import OPTIONAL, POLICIES, RETAINED, WORKLOADS, Resource


class NotLiftedError(Exception):
    """A gate is still there, or a workload not given back; the message says which and why."""


def salvage(found: Malformed) -> ErrorBudgetPolicy:
    """As much of a policy that can't be read as lifting it needs; its spec is not among that."""
    meta = ObjectMeta.model_construct(
        name=found.key.name,
        namespace=found.key.namespace,
        uid=found.uid,
        generation=found.generation,
        finalizers=list(found.finalizers),
    )
    records = (found.status.get("workloads") or {}).get("changed") or []
    parsed = [read(UndoRecord, record) for record in records]
    changed = [record for record in parsed if isinstance(record, UndoRecord)]
    decision = read(DecisionStatus, found.status.get("decision") or {})
    status = ErrorBudgetPolicyStatus(
        decision=decision if isinstance(decision, DecisionStatus) else None,
        workloads=WorkloadsStatus(changed=changed),
    )
    # The spec is what could not be read.
    return ErrorBudgetPolicy.model_construct(metadata=meta, status=status)  # type: ignore[call-arg]


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
        NotLiftedError: a gate could not be deleted or a workload not be written.
    """
    gates = await writer.gates_of(policy, expected=True)
    refused = await writer.gates(policy, gates, ())
    live = await read_live(policy, api=api, cache=cache, kinds=WORKLOADS)
    chaos = await read_chaos(policy, api=api, tools=(), wanted=False)
    suspended = await read_suspendable(policy, api=api, wanted=())
    objects = [*live.workloads, *chaos.objects, *suspended.objects]
    everything = replace(live, workloads=objects)
    changes = workload_changes(policy, None, governed=(), live=everything, now=now)
    failed = await writer.workloads(changes)
    # A gate that is still there is no reason to keep workloads paused.
    unread = [*chaos.problems, *suspended.problems]
    problems = [*([refused] if refused is not None else []), *unread, *failed]
    if problems:
        raise NotLiftedError("; ".join(problems))
    return sum(1 for _, change in changes if change.clear or change.apply)


async def read_live(
    policy: ErrorBudgetPolicy,
    *,
    api: ApiServer,
    cache: Cache,
    kinds: Collection[str],
    revisions_of: Collection[str] = (),
) -> Live:
    """The workloads of the policy's namespace as they are now.

    Args:
        policy: the policy.
        api: where they are read.
        cache: where the other policies of the namespace are known from.
        kinds: the kinds of workloads that are read.
        revisions_of: those of them whose retained revisions are read too.
    """
    namespace = policy.metadata.namespace
    retained = sorted({KINDS[kind].retained_as for kind in revisions_of})
    return Live(
        workloads=[
            it for kind in kinds async for it in _workloads(api, WORKLOADS[kind], policy, namespace)
        ],
        retained=[it for kind in retained async for it in listed(api, RETAINED[kind], namespace)],
        others={
            other.metadata.uid: other.status.workloads.changed
            for other in _policies(cache, namespace)
            if other.metadata.uid != policy.metadata.uid
        },
    )


async def _workloads(
    api: ApiServer, resource: Resource, policy: ErrorBudgetPolicy, namespace: str
) -> AsyncIterator[Mapping[str, Any]]:
    """All workloads of a kind; of one that need not be there, none where it is not.

    Nor where it may not be looked at, unless the policy remembers to have changed one.
    """
    changed = any(record.kind == resource.kind for record in policy.status.workloads.changed)
    try:
        async for item in listed(api, resource, namespace):
            yield item
    except ApiError as error:
        absent = error.not_found or (error.forbidden and not changed)
        if resource.kind not in OPTIONAL or not absent:
            raise


def _policies(cache: Cache, namespace: str) -> Iterator[ErrorBudgetPolicy]:
    """The policies of a namespace whose changes of workloads are to be kept up.

    Also one that can't be read still wants what it wrote down; one that is being deleted does not,
    and the watch may not have told yet that it is gone.
    """
    for policy in cache.policies(namespace):
        if policy.metadata.deletion_timestamp is None:
            yield policy
    for key in cache.keys(POLICIES):
        found = cache.get(key)
        if key.namespace == namespace and isinstance(found, Malformed) and not found.deleting:
            yield salvage(found)
