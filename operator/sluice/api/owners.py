"""Who an object belongs to. Source: Kubernetes, "Owners and Dependents"."""

from collections.abc import Mapping
from typing import Any


def controller_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference of the controller that an object belongs to; empty if it has none."""
    owners = body["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), {})
