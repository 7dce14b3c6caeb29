"""When workloads were deployed, from what the cluster retains of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sluice.api.base import parse_time
from sluice.api.owners import controller_of
from sluice.enforcement.kinds import KINDS
from sluice.policy.fingerprint import fingerprint
from sluice.policy.limit import Deployed, declarations

Object = Mapping[str, Any]


def deployed(retained: Iterable[Object]) -> Mapping[str, list[Deployed]]:
    """The revisions of workloads, by the workload's uid.

    Args:
        retained: ReplicaSets and ControllerRevisions, each with its kind.
    """
    found: dict[str, list[Deployed]] = defaultdict(list)
    for one in retained:
        owner = controller_of(one)
        kind = KINDS.get(owner.get("kind", ""))
        created = one["metadata"].get("creationTimestamp")
        if kind is None or kind.retained_as != one["kind"] or not created:
            continue
        revision = kind.revision(one)
        if revision is not None:
            notes = declarations(one["metadata"].get("annotations"))
            template = fingerprint(revision.template)
            found[owner["uid"]].append(Deployed(parse_time(created), template, notes))
    return found
