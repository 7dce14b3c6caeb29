"""Kubernetes Events: what `kubectl describe` shows under an object.

Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sluice.api import API_VERSION
from sluice.api.metadata import ObjectMeta

_NOTE_LIMIT = 1024
_CLUSTERS = "default"
"""Where Events of objects without a namespace are. Source: Kubernetes, `ValidateEventCreate`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object of ours, for people.

    One about an object of the cluster is posted in the namespace `default`, as Kubernetes wants it.
    """

    kind: str
    metadata: ObjectMeta
    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str
    namespaced: bool = True


def manifest(event: Event, *, identity: str, now: datetime) -> dict[str, Any]:
    """The Event object; the note is cut to the API's limit of 1 kB."""
    regarding = {
        "apiVersion": API_VERSION,
        "kind": event.kind,
        "name": event.metadata.name,
        "uid": event.metadata.uid,
        "resourceVersion": event.metadata.resource_version,
    }
    if event.namespaced:
        regarding["namespace"] = event.metadata.namespace
    return {
        # The name must be unique, and sort with its object's other Events.
        "metadata": {
            "name": f"{event.metadata.name[:200]}.{uuid4().hex[:16]}",
            "namespace": home(event),
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.type,
        "reason": event.reason,
        "action": event.action,
        "note": event.note[:_NOTE_LIMIT],
        "regarding": regarding,
        "reportingController": "sluice.dev/controller",
        "reportingInstance": identity[:128],
    }


def home(event: Event) -> str:
    """The namespace that an Event is posted in."""
    return event.metadata.namespace if event.namespaced else _CLUSTERS
