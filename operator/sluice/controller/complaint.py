"""Tells the owner of an object that it cannot be read: a condition with the field and the problem.

That happens to an object that was stored under another version of its CRD.
"""

from datetime import datetime

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.reasons import Reason
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Key, Malformed
from sluice.kube.resources import Resource


class Complaints:
    """Remembers what was told, so that it is written once and not at every evaluation."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._told: dict[Key, Malformed] = {}

    async def tell(self, resource: Resource, found: Malformed, *, now: datetime) -> None:
        """Write the condition, unless that was done. What else is in the status stays."""
        if self._told.get(found.key) == found:
            return
        claims = [
            Claim(ConditionType.READY, "False", Reason.INVALID_SPEC, found.problem),
            Claim(ConditionType.STALLED, "True", Reason.INVALID_SPEC, found.problem),
        ]
        conditions = merge([], claims, generation=found.generation, now=now)
        body = {
            "metadata": {
                "name": found.key.name,
                "namespace": found.key.namespace,
                "uid": found.uid,
            },
            "status": {
                **found.status,
                "observedGeneration": found.generation,
                "conditions": [condition.to_json() for condition in conditions],
            },
        }
        await self._api.apply(resource, body, subresource="status")
        self._told[found.key] = found
