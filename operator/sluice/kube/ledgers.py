"""Ledgers as ConfigMaps in the controller's namespace, one for each objective's uid.

There a team cannot edit what its objective has counted, and an objective of the same name that is
another one finds nothing. They are read one at a time, when they are needed, and always as the API
server has them now: what the last leader wrote last is what counts.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.api.metadata import ObjectMeta
from sluice.kube.api_server import ApiServer
from sluice.kube.resources import CONFIG_MAPS

STATE = "sluice.dev/ledger"
"""The label that all of them have: `current`, or `set-aside` for one that could not be read."""

OBJECTIVE_UID = "sluice.dev/objective-uid"
OBJECTIVE = "sluice.dev/objective"
"""The annotation that tells people which objective it is: its namespace and name."""

PROBLEM = "sluice.dev/problem"

_ENTRY = "ledger"


@dataclass(frozen=True, slots=True)
class Found:
    """A ConfigMap that is there; `data` is empty if it holds nothing where a ledger would be."""

    data: bytes
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A ConfigMap, without its content; `namespace` is the objective's."""

    name: str
    uid: str
    namespace: str


def name_of(uid: str) -> str:
    """The ConfigMap of the objective with this uid."""
    return f"sluice-ledger-{uid}"


class LedgerStore:
    """The ConfigMaps. Every method raises `ApiError`."""

    def __init__(self, api: ApiServer, *, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def read(self, uid: str) -> Found | None:
        """What is stored for an objective; None if nothing is."""
        body = await self._api.get(CONFIG_MAPS, name_of(uid), namespace=self._namespace)
        if body is None:
            return None
        content = {part: body[part] for part in ("data", "binaryData") if body.get(part)}
        return Found(base64.b64decode(content.get("binaryData", {}).get(_ENTRY, "")), content)

    async def write(self, objective: ObjectMeta, data: bytes) -> None:
        """Store a ledger, over whatever is there: what was counted is known best by who counts."""
        entry = {"binaryData": {_ENTRY: base64.b64encode(data).decode()}}
        await self._apply(name_of(objective.uid), objective, "current", {}, entry)

    async def set_aside(self, objective: ObjectMeta, found: Found, problem: str) -> str:
        """Keep a copy of what could not be read, over the last such copy; its name."""
        name = f"{name_of(objective.uid)}-set-aside"
        await self._apply(name, objective, "set-aside", {PROBLEM: problem}, found.content)
        return name

    async def delete(self, name: str) -> None:
        """Delete a ConfigMap; one that is gone already is no error."""
        await self._api.delete(CONFIG_MAPS, name, namespace=self._namespace)

    async def list(self) -> AsyncIterator[Listed]:
        """All ledgers, and those that were set aside."""
        found = self._api.list(
            CONFIG_MAPS, namespace=self._namespace, labels=STATE, metadata_only=True
        )
        async for body in found:
            metadata = body["metadata"]
            uid = metadata["labels"].get(OBJECTIVE_UID, "")
            about = (metadata.get("annotations") or {}).get(OBJECTIVE, "")
            yield Listed(metadata["name"], uid, about.partition("/")[0])

    async def _apply(
        self,
        name: str,
        objective: ObjectMeta,
        state: str,
        notes: Mapping[str, str],
        content: Mapping[str, Any],
    ) -> None:
        metadata = {
            "name": name,
            "namespace": self._namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "sluice",
                STATE: state,
                OBJECTIVE_UID: objective.uid,
            },
            "annotations": {OBJECTIVE: f"{objective.namespace}/{objective.name}", **notes},
        }
        await self._api.apply(CONFIG_MAPS, {"metadata": metadata, **content})
