"""Rollouts of Argo Rollouts: `spec.paused`, only while one is under way that is no rollback.

A paused canary changes no replicas, whatever an autoscaler says, and a paused blue-green does not
switch. So a Rollout that is idle is never paused: it would stop scaling and hold nothing. A
rollback ends the hold by itself, and so does `kubectl argo rollouts abort`, which a pause would
hold up.
Source: Argo Rollouts 1.10, rollout/sync.go and rollout/context.go (`isScalingEvent`,
`haltProgress`), utils/annotations, and the status of its v1alpha1.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sluice.api.owners import controller_of
from sluice.enforcement.freeze import Revision
from sluice.enforcement.kind import Object, WorkloadKind
from sluice.enforcement.kinds.deployment import PAUSED
from sluice.enforcement.revisions import ROLLOUTS_HASH_LABEL, of_replica_set
from sluice.policy.fingerprint import Fingerprint, fingerprint
from sluice.policy.numbering import had_lower_number

_RETAINED_AS = "ReplicaSet"
_REVISION = "rollout.argoproj.io/revision"
_FORMERLY = "rollout.argoproj.io/revision-history"
"""The annotation of a ReplicaSet that was rolled back to, with the numbers that it had before."""


def _revision(replica_set: Object) -> Revision:
    return of_replica_set(replica_set, numbered_by=_REVISION)


def _under_way(live: Object, retained: Sequence[Object]) -> bool:
    """Whether something else is to run than what is stable, and did not run before.

    Without anything stable there is nothing to go back to, so the first rollout is not held.
    """
    status = _members(live.get("status"))
    stable, current = status.get("stableRS"), status.get("currentPodHash")
    if not stable or current == stable or status.get("abort"):
        return False
    uid = live["metadata"]["uid"]
    owned = [
        it for it in retained if it["kind"] == _RETAINED_AS and controller_of(it).get("uid") == uid
    ]
    return not _goes_back(live, owned)


def _goes_back(live: Object, owned: Sequence[Object]) -> bool:
    """Whether the template is that of an earlier revision, numbered anew already or not."""
    newest = max((_revision(it).number for it in owned), default=0)
    return any(
        _revision(it).number < newest or _had_another_number(it) for it in _current(live, owned)
    )


def _had_another_number(replica_set: Object) -> bool:
    number = _revision(replica_set).number
    formerly = (replica_set["metadata"].get("annotations") or {}).get(_FORMERLY) or ""
    return had_lower_number(number, formerly)


def _current(live: Object, owned: Sequence[Object]) -> Iterator[Object]:
    """The revisions that the Rollout is to run; with a `workloadRef` it does not say itself."""
    wanted = _fingerprint(_members(live.get("spec")).get("template"))
    label = _members(live.get("status")).get("currentPodHash")
    for one in owned:
        template = one["spec"]["template"]
        if wanted is None:
            labels = _members(_members(template.get("metadata")).get("labels"))
            same = label is not None and labels.get(ROLLOUTS_HASH_LABEL) == label
        else:
            found = _fingerprint(template)
            same = found is not None and found.equals(wanted)
        if same:
            yield one


def _fingerprint(template: Any) -> Fingerprint | None:
    try:
        return None if template is None else fingerprint(template)
    except TypeError:
        return None


def _members(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _stamp(live: Object) -> str:
    """The revision that the controller notes once its ReplicaSet is there, and how far it is."""
    revision = (live["metadata"].get("annotations") or {}).get(_REVISION)
    if not revision:
        return ""
    status = _members(live.get("status"))
    parts = (status.get(key) for key in ("currentPodHash", "stableRS", "abort"))
    return " ".join(str(part or "") for part in (revision, *parts))


ROLLOUT = WorkloadKind(
    name="Rollout",
    plural="rollouts",
    hold=PAUSED,
    holdable=_under_way,
    stamp=_stamp,
    retained_as=_RETAINED_AS,
    revision=_revision,
    group="argoproj.io",
    version="v1alpha1",
    fills_in=False,
)
