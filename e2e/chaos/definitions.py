"""The chaos tools' kinds, with the fields that Sluice and its tests touch, and no controllers.

Written for these tests from the tools' documentation and API types; what the real ones have beside
that is let in. Nobody injects faults here, and nobody writes a status but the tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.harness import ControlPlane
from sluice.kube.held import CHAOS
from sluice.kube.resources import Resource

Object = dict[str, Any]

_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_SPEC: dict[str, Object] = {
    "ChaosEngine": {"engineState": {"type": "string", "pattern": "^(active|stop)$"}},
    "ChaosSchedule": {
        "scheduleState": {"type": "string", "pattern": "^(active|halt|stop|complete)$"}
    },
    "CronWorkflow": {"suspend": {"type": "boolean"}, "schedule": {"type": "string"}},
    "Schedule": {"type": {"type": "string"}, "schedule": {"type": "string"}},
}
_EXPERIMENT = {"action": {"type": "string"}, "duration": {"type": "string"}}


def definition(resource: Resource) -> Object:
    """The CustomResourceDefinition of one kind."""
    properties = _SPEC.get(resource.kind, _EXPERIMENT)
    schema = {
        "type": "object",
        "properties": {"spec": {**_OPEN, "properties": properties}, "status": _OPEN},
    }
    names = {
        "kind": resource.kind,
        "plural": resource.plural,
        "singular": resource.kind.lower(),
        "listKind": f"{resource.kind}List",
    }
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@contextmanager
def defined(plane: ControlPlane) -> Iterator[None]:
    """All of the kinds in a control plane."""
    definitions = [definition(it) for it in CHAOS.values()]
    names = [f"crd/{it['metadata']['name']}" for it in definitions]
    plane.apply(*definitions)
    try:
        plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
        yield
    finally:
        plane.kubectl("delete", "--ignore-not-found", *names)


def trial(kind: str, name: str = "trial", *, status: Object | None = None, **spec: Any) -> Object:
    """An experiment or a schedule that runs, and that its tool would know for its own."""
    states: Object = {
        "ChaosEngine": {"engineState": "active"},
        "ChaosSchedule": {"scheduleState": "active"},
        # Of a spec in which nobody else has a field nothing would be left.
        "CronWorkflow": {"schedule": "0 4 * * *"},
    }
    labels = {"infra_id": "a"} if kind == "CronWorkflow" else {}
    found: Object = {
        "apiVersion": CHAOS[kind].api_version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": states.get(kind, {}) | spec,
    }
    return found if status is None else {**found, "status": status}


def is_held(found: Object) -> bool:
    """Whether an object as the API server shows it is told to inject nothing."""
    notes, spec = found["metadata"].get("annotations", {}), found["spec"]
    return (
        notes.get("experiment.chaos-mesh.org/pause") == "true"
        or spec.get("engineState") == "stop"
        or spec.get("scheduleState") == "halt"
        or spec.get("suspend") is True
    )
