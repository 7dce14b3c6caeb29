"""Chaos Mesh: the annotation `experiment.chaos-mesh.org/pause: "true"`.

A paused experiment takes its faults back and injects them again once the annotation is gone, unless
its duration, which goes on counting from its creation, is over. Only the exact value pauses. What
acts once, such as killing a pod, cannot be paused; a Schedule of it can, which then makes none. A
paused Schedule pauses what it has made itself, so that is left to it.
Source: chaos-mesh/chaos-mesh, api/v1alpha1 (the annotation, which actions are one-shot), and its
controllers of the desired phase and of the pause of schedules.
"""

from sluice.api.owners import controller_of
from sluice.enforcement.hold import Hold, nothing
from sluice.enforcement.kind import HeldKind, Object, by_itself, text_at

_PAUSE = Hold(
    path=("metadata", "annotations", "experiment.chaos-mesh.org/pause"),
    value="true",
    unset=None,
    takes_over=False,
    restores=nothing,
)
_ONE_SHOT = frozenset({"pod-kill", "container-kill", "ec2-restart", "vm-restart", "node-reset"})
_EXPERIMENTS = (
    "AWSChaos",
    "AzureChaos",
    "BlockChaos",
    "DNSChaos",
    "GCPChaos",
    "HTTPChaos",
    "IOChaos",
    "JVMChaos",
    "KernelChaos",
    "NetworkChaos",
    "PhysicalMachineChaos",
    "PodChaos",
    "StressChaos",
    "TimeChaos",
)


def _runs(live: Object) -> bool:
    """Whether an experiment has faults to take back, or will have."""
    if text_at(live, "spec", "action") in _ONE_SHOT or _of_a_schedule(live):
        return False
    # Paused it is to stop as well as when its time is up.
    over = text_at(live, "status", "experiment", "desiredPhase") == "Stop"
    return not over or _PAUSE.read(live) == _PAUSE.text


def _of_a_schedule(live: Object) -> bool:
    return controller_of(live).get("kind") == "Schedule"


def _schedules(live: Object) -> bool:
    """Chaos Mesh supports no pause of a Schedule of workflows."""
    return text_at(live, "spec", "type") != "Workflow"


CHAOS_MESH = (
    *(HeldKind(name, name.lower(), _PAUSE, by_itself(_runs)) for name in _EXPERIMENTS),
    HeldKind("Schedule", "schedules", _PAUSE, by_itself(_schedules)),
)
