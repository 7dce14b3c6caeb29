"""The kill switch: a ConfigMap whose presence lifts all enforcement, for as long as it is there.

It is read by name, not watched: the switch must work with the least that can be granted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.kube.api_server import ApiServer
from sluice.kube.resources import CONFIG_MAPS

NAME = "sluice-kill-switch"


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """A switch that is engaged, and why."""

    reason: str
    engaged_by: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Whether the switch is engaged is not known yet."""


def manifest(
    *,
    namespace: str,
    reason: str,
    engaged_by: str,
    now: datetime,
    owners: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """The ConfigMap that engages the switch; with `owners` (owner references) it goes when they do.

    Source: kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents.
    """
    return {
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "sluice"},
            **({"ownerReferences": list(owners)} if owners else {}),
        },
        "data": {
            "reason": reason,
            "engagedBy": engaged_by,
            "engagedAt": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


async def read(api: ApiServer, *, namespace: str) -> KillSwitch | None:
    """The switch if it is engaged. Raises `ApiError` where that can't be found out."""
    found = await api.get(CONFIG_MAPS, NAME, namespace=namespace)
    return None if found is None else of(found)


def of(found: Mapping[str, Any]) -> KillSwitch:
    """The switch that a ConfigMap of its name is."""
    data = found.get("data") or {}
    return KillSwitch(
        reason=data.get("reason", "no reason given"), engaged_by=data.get("engagedBy", "unknown")
    )
