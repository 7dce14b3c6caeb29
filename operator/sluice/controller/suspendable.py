"""What a policy's stage may suspend in its namespace, as far as it can be read.

It is listed at each evaluation that suspends it, not watched: most clusters have little of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.api.policy import ErrorBudgetPolicy, UndoRecord
from sluice.controller.listing import listed
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import SUSPENDABLE


@dataclass(frozen=True, slots=True)
class Suspendable:
    """What there is.

    Attributes:
        objects: all of the kinds that were read, as the API server shows them.
        kept: undo records of what could not be read, which stay as they are.
        problems: what could not be read, and why.
        unserved: kinds that the cluster does not have.
    """

    objects: Sequence[Mapping[str, Any]] = ()
    kept: Sequence[UndoRecord] = ()
    problems: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()


async def read_suspendable(
    policy: ErrorBudgetPolicy, *, api: ApiServer, wanted: Collection[str]
) -> Suspendable:
    """Read the kinds that are `wanted`, and those of which something was suspended before.

    What the API server does not serve is not there, and neither is what was changed on it.
    """
    changed = [one for one in policy.status.workloads.changed if one.kind in SUSPENDABLE]
    objects: list[Mapping[str, Any]] = []
    unread: dict[str, str] = {}
    unserved: list[str] = []
    for kind in sorted({*wanted, *(one.kind for one in changed)}):
        try:
            resource = SUSPENDABLE[kind]
            objects += [it async for it in listed(api, resource, policy.metadata.namespace)]
        except ApiError as error:
            if error.not_found:
                unserved.append(kind)
            else:
                unread[kind] = _unreadable(kind, error)
    return Suspendable(
        objects=objects,
        kept=[one for one in changed if one.kind in unread],
        problems=tuple(unread.values()),
        unserved=tuple(unserved),
    )


def _unreadable(kind: str, error: ApiError) -> str:
    hint = "; the chart grants this right with suspend.flux and suspend.cronJobs"
    return f"{kind}: {error.message}{hint if error.forbidden else ''}"
