"""Litmus: engines are stopped, schedules halted, ChaosCenter's recurring experiments suspended.

An engine has no pause: `engineState: stop` aborts it, and `active` begins it again from scratch,
also one that has completed. So does leaving the field out, which the operator fills with `active`.
Hence only what is active is stopped, it is given back only if it has not completed meanwhile, and
one that has keeps its `stop`.
Source: litmuschaos/chaos-operator, controllers/chaosengine_controller.go; litmuschaos/
chaos-scheduler, controllers/chaosschedule_controller.go; Argo Workflows, "Cron Workflows".
"""

from collections.abc import Callable, Sequence
from typing import Any

from sluice.enforcement.hold import Hold, nothing
from sluice.enforcement.kind import HeldKind, Object, by_itself, text_at

INFRASTRUCTURE = "infra_id"
"""The label of ChaosCenter's own workflows: Argo's others are pipelines, and nobody's chaos."""


def _state(field: str, value: str) -> Hold:
    return Hold(("spec", field), value, unset=None, takes_over=True, restores=_is_active)


def _is_active(value: Any) -> bool:
    return bool(value == "active")


_STOP = _state("engineState", "stop")
_HALT = _state("scheduleState", "halt")
_SUSPEND = Hold(("spec", "suspend"), True, unset=False, takes_over=False, restores=nothing)


def _completed(live: Object) -> bool:
    return text_at(live, "status", "engineStatus") == "completed"


def _active_or_held(hold: Hold) -> Callable[[Object, Sequence[Object]], bool]:
    def check(live: Object) -> bool:
        return not _completed(live) and text_at(live, *hold.path) in {"", "active", hold.value}

    return by_itself(check)


def _recurs(live: Object) -> bool:
    return INFRASTRUCTURE in (live["metadata"].get("labels") or {})


LITMUS = (
    HeldKind("ChaosEngine", "chaosengines", _STOP, _active_or_held(_STOP), over=_completed),
    HeldKind("ChaosSchedule", "chaosschedules", _HALT, _active_or_held(_HALT)),
    HeldKind("CronWorkflow", "cronworkflows", _SUSPEND, by_itself(_recurs)),
)
