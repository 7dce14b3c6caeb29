"""What whoever freezes Rollouts of Argo Rollouts has to know before it is too late."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sluice.policy.selection import WorkloadName

_DEPLOYMENT = "Deployment"


def remarks(
    governed: Collection[WorkloadName],
    workloads: Iterable[Mapping[str, Any]],
    held: Collection[WorkloadName],
) -> Iterator[str]:
    """Sentences about Rollouts that do not scale while they are held, or are governed in name only.

    Args:
        governed: the workloads of the policy.
        workloads: live workloads, with their kinds; others than governed ones are passed over.
        held: those that Sluice has paused.
    """
    for live in workloads:
        name = WorkloadName(live["kind"], live["metadata"]["name"])
        if name.kind != "Rollout" or name not in governed:
            continue
        spec = live.get("spec") or {}
        if name in held and (spec.get("strategy") or {}).get("canary") is not None:
            yield (
                f"Rollout {name.name} is held and does not scale: Argo Rollouts changes no "
                "replicas of a paused canary; abort it or roll it back if it has to scale"
            )
        source = spec.get("workloadRef") or {}
        if source.get("kind") == _DEPLOYMENT:
            template = WorkloadName(_DEPLOYMENT, str(source.get("name")))
            if template not in governed:
                yield (
                    f"Rollout {name.name} takes its template from Deployment {template.name}, "
                    "which the policy does not govern: a change of that passes and is rolled out; "
                    "give it labels that spec.workloads.selector matches"
                )
