"""A live workload with what it can roll back to."""

from collections.abc import Iterable, Mapping
from typing import Any

from sluice.api.owners import controller_of
from sluice.enforcement.freeze import Workload
from sluice.enforcement.kinds import KINDS
from sluice.enforcement.revisions import images

Object = Mapping[str, Any]


def workload(live: Object, retained: Iterable[Object]) -> Workload:
    """A workload with the revisions among `retained` that it owns, newest first.

    Args:
        live: the workload, with its kind.
        retained: ReplicaSets and ControllerRevisions, each with its kind.
    """
    kind = KINDS[live["kind"]]
    uid = live["metadata"]["uid"]
    owned = [
        it
        for it in retained
        if it["kind"] == kind.retained_as and controller_of(it).get("uid") == uid
    ]
    revisions = [found for it in owned if (found := kind.revision(it)) is not None]
    template = (live.get("spec") or {}).get("template")
    return Workload(
        kind=kind.name,
        name=live["metadata"]["name"],
        # A Rollout may refer to a Deployment's template in place of having one.
        images={} if template is None else images(template),
        revisions=tuple(sorted(revisions, key=lambda one: one.number, reverse=True)),
        fills_in=kind.fills_in,
    )
