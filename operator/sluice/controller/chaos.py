"""The chaos experiments and schedules of a policy's namespace, as far as they can be read.

They are listed at each evaluation that pauses them, not watched: most clusters have none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sluice.api.policy import ChaosReference, ErrorBudgetPolicy, UndoRecord
from sluice.controller.listing import listed
from sluice.controller.settings import ChaosTool
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.held import CHAOS, CHAOS_MESH, LITMUS
from sluice.kube.resources import Resource
from sluice.policy.selection import WorkloadName

_TOOLS: Mapping[ChaosTool, Mapping[str, Resource]] = {"chaos-mesh": CHAOS_MESH, "litmus": LITMUS}
_NOT_SET_UP = (
    "pauseChaos is not carried out: the controller was not told of a chaos tool; set the chart's "
    "value chaos.chaosMesh or chaos.litmus"
)
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Chaos:
    """What there is of chaos.

    Attributes:
        objects: experiments and schedules, as the API server shows them.
        kept: undo records of what could not be read, which stay as they are.
        problems: what could not be read, and why.
    """

    objects: Sequence[Mapping[str, Any]] = ()
    kept: Sequence[UndoRecord] = ()
    problems: tuple[str, ...] = ()


async def read_chaos(
    policy: ErrorBudgetPolicy, *, api: ApiServer, tools: Collection[ChaosTool], wanted: bool
) -> Chaos:
    """Read what is to be paused, if it is wanted, and what was paused before.

    What the API server does not serve is not there, and neither is what was changed on it.
    """
    changed = [one for one in policy.status.workloads.changed if one.kind in CHAOS]
    kinds = {kind for tool in tools for kind in _TOOLS[tool]} if wanted else set()
    objects: list[Mapping[str, Any]] = []
    problems = [_NOT_SET_UP] if wanted and not tools else []
    unread: set[str] = set()
    for resource in await _served(api, kinds | {one.kind for one in changed}, problems, unread):
        try:
            objects += [it async for it in listed(api, resource, policy.metadata.namespace)]
        except ApiError as error:
            problems.append(_unreadable(error))
            unread.add(resource.kind)
    return Chaos(
        objects=objects,
        kept=[one for one in changed if one.kind in unread],
        problems=tuple(problems),
    )


async def _served(
    api: ApiServer, kinds: Collection[str], problems: list[str], unread: set[str]
) -> list[Resource]:
    """The resources of these kinds that there are; one question for each group."""
    found: list[Resource] = []
    resources = sorted((CHAOS[kind] for kind in kinds), key=lambda it: (it.group, it.plural))
    for (group, version), some in groupby(resources, key=lambda it: (it.group, it.version)):
        wanted = list(some)
        try:
            there = await api.served(group, version)
        except ApiError as error:
            problems.append(_unreadable(error))
            unread |= {it.kind for it in wanted}
            continue
        found += [it for it in wanted if it.plural in there]
    return found


def select_chaos(reference: ChaosReference, chaos: Chaos) -> tuple[WorkloadName, ...]:
    """Those that a policy selects."""
    named = ((it["kind"], it["metadata"]) for it in chaos.objects)
    return tuple(
        WorkloadName(kind, metadata["name"])
        for kind, metadata in named
        if reference.selector.matches(dict(metadata.get("labels") or {}))
    )


def _unreadable(error: ApiError) -> str:
    hint = ""
    if error.status == _FORBIDDEN:
        hint = " (the chart's values chaos.chaosMesh and chaos.litmus grant the rights)"
    return f"chaos experiments cannot be read: {error.message}{hint}"
