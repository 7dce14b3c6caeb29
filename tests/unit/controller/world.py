"""A world for the policies' reconciler: an API server in memory, a clock that is turned by hand.

The API server is a table of objects. It knows nothing of field ownership: how objects look after
several writers is for the end-to-end tests, which have a real one.
"""

import copy
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sluice.api.policy import ErrorBudgetPolicyStatus
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.controller.burning import Burning
from sluice.controller.policies import Policies
from sluice.controller.policy_writer import FINALIZER, PolicyWriter
from sluice.controller.settings import Settings
from sluice.controller.standings import Standings
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.events import Event
from sluice.kube.held import HELD
from sluice.kube.kill_switch import KillSwitch, Unread
from sluice.kube.resources import DEPLOYMENTS, OBJECTIVES, POLICIES, WORKLOADS, Resource
from sluice.policy.objective import ObjectiveState
from sluice.telemetry.metrics import Metrics

NOW = datetime(2026, 8, 20, 10, 0, tzinfo=UTC)
KEY = Key(POLICIES.plural, "shop", "default")


class Table:
    """Objects by resource, namespace and name; `refuse` makes requests fail by a rule."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.writes: list[tuple[str, str]] = []
        self.refused: dict[tuple[str, str], int] = {}
        self.groups: dict[str, frozenset[str]] = {}
        self.version = 1

    def refuse(self, verb: str, plural: str, *, status: int) -> None:
        self.refused[verb, plural] = status

    def _check(self, verb: str, resource: Resource) -> None:
        status = self.refused.get((verb, resource.plural))
        if status is not None:
            raise ApiError(status=status, reason="", message=f"{verb} {resource.plural} refused")

    def put(self, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.objects[self._key(resource, body["metadata"])] = body
        return copy.deepcopy(body)

    @staticmethod
    def _key(resource: Resource, metadata: dict[str, Any]) -> tuple[str, str, str]:
        return resource.plural, metadata.get("namespace", ""), metadata["name"]

    async def served(self, group: str, version: str) -> frozenset[str]:
        assert version == "v1alpha1"
        return self.groups.get(group, frozenset())

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        self._check("list", resource)
        uid = labels.partition("policy-uid=")[2]
        for (plural, where, _), body in list(self.objects.items()):
            has = body["metadata"].get("labels", {}).get("sluice.dev/policy-uid")
            if plural == resource.plural and namespace in (None, where) and (not uid or uid == has):
                found = copy.deepcopy(body)
                yield {"metadata": found["metadata"]} if metadata_only else found

    async def apply(
        self, resource: Resource, body: dict[str, Any], *, subresource: str = "", **_: bool
    ) -> dict[str, Any]:
        self._check("apply", resource)
        self.writes.append((resource.plural, subresource))
        before = self.objects.get(self._key(resource, body["metadata"]), {})
        if subresource == "status":
            return self.put(resource, {**before, "status": body["status"]})
        if resource is POLICIES:
            finalizers = body["metadata"].get("finalizers", [])
            metadata = {**before["metadata"], "finalizers": finalizers}
            return self.put(resource, {**before, "metadata": metadata})
        if resource.kind in HELD:
            return self.put(resource, _applied(before, body))
        return self.put(resource, copy.deepcopy(body))

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> dict[str, Any] | None:
        self._check("get", resource)
        found = self.objects.get((resource.plural, namespace or "", name))
        return copy.deepcopy(found)

    async def merge(
        self, resource: Resource, name: str, body: dict[str, Any], *, namespace: str | None = None
    ) -> dict[str, Any]:
        self._check("merge", resource)
        self.writes.append((resource.plural, ""))
        before = self.objects[resource.plural, namespace or "", name]
        return self.put(resource, _merged(before, body))

    async def delete(self, resource: Resource, name: str, *, namespace: str | None = None) -> None:
        self._check("delete", resource)
        self.objects.pop((resource.plural, namespace or "", name), None)


def _merged(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch that removes nothing."""
    result = dict(before)
    for key, value in patch.items():
        known = before.get(key, {})
        result[key] = _merged(known, value) if isinstance(value, dict) else value
    return result


def _applied(before: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """A workload after our apply, which owns all annotations and what holds it here."""
    notes = body["metadata"].get("annotations", {})
    owned: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in notes}}}
    if "spec" in body:
        owned["f:spec"] = _owned(body["spec"])
    managed = [{"manager": "sluice", "operation": "Apply", "fieldsV1": owned}]
    metadata = {**before["metadata"], "annotations": notes, "managedFields": managed}
    held = {"paused", "suspend", "updateStrategy"}
    spec = {key: value for key, value in before["spec"].items() if key not in held}
    return {**before, "metadata": metadata, "spec": {**spec, **body.get("spec", {})}}


def _owned(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        return {}
    return {f"f:{key}": _owned(below) for key, below in fields.items()}


class World:
    """One policy `shop/default`, its objectives, one Deployment, and time."""

    def __init__(self, *, sees_gates: bool = True) -> None:
        self.api = Table()
        self.cache = Cache()
        self.now = NOW
        self.elapsed = 1000.0
        self.events: list[tuple[str, str]] = []
        self.burns: dict[str, Decimal] = {}
        self.switch: KillSwitch | Unread | None = None
        self.served = frozenset(WORKLOADS)
        api: Any = self.api
        self.standings = Standings(monotonic=lambda: self.elapsed, lasts=300)
        self.writer = PolicyWriter(
            api=api,
            cache=self.cache,
            metrics=Metrics(),
            post=self.post,
            sees_gates=sees_gates,
        )
        self.policies = self.reconciler()
        template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        self.put(
            DEPLOYMENTS, {"metadata": {"name": "web", "uid": "w"}, "spec": {"template": template}}
        )

    def post(self, event: Event) -> None:
        self.events.append((event.reason, event.note))

    def reconciler(self, **settings: Any) -> Policies:
        """What a process with these settings does for policies."""
        api: Any = self.api
        return Policies(
            settings=Settings(**settings),
            served=lambda: self.served,
            api=api,
            cache=self.cache,
            standings=self.standings,
            burning=Burning(cache=self.cache, spent=self.spent),
            writer=self.writer,
            clock=lambda: self.now,
            monotonic=lambda: self.elapsed,
            kill_switch=lambda: self.switch,
        )

    def spent(self, key: Key, start: datetime, end: datetime) -> Decimal | None:
        """What `burns` says that an objective burns in an hour, for the hours between."""
        rate = self.burns.get(key.name)
        return None if rate is None else rate * Decimal((end - start) / timedelta(hours=1))

    def put(self, resource: Resource, body: dict[str, Any]) -> None:
        body["metadata"].setdefault("namespace", "shop")
        self.cache.put(resource, self.api.put(resource, body))

    def policy(self, *, metadata: dict[str, Any] | None = None, **spec: Any) -> None:
        """Create the policy, or change it as its owner would."""
        before = self.api.objects.get((POLICIES.plural, "shop", "default"), {})
        meta = {"name": "default", "uid": "p", "generation": 1, **before.get("metadata", {})}
        meta["generation"] += 1
        known = before.get("spec", {"objectives": {"selector": {}}, "mode": "Enforce"})
        self.put(
            POLICIES,
            {**before, "metadata": {**meta, **(metadata or {})}, "spec": {**known, **spec}},
        )

    def budget(self, **remaining: float) -> None:
        """Objectives by name with what is left of their budgets, in percent."""
        for name, left in remaining.items():
            if self.cache.get(Key(OBJECTIVES.plural, "shop", name)) is None:
                indicator = {"latency": {"metric": "seconds", "threshold": "500ms"}}
                window = {"rolling": "30d"}
                spec = {"objective": "99.9", "window": window, "indicator": indicator}
                self.put(OBJECTIVES, {"metadata": {"name": name, "uid": name}, "spec": spec})
            state = ObjectiveState(
                name=name,
                known=True,
                level=Level.OK,
                remaining=Decimal(str(left)),
                burn_rates={},
                window="30d",
                recovered_at=None,
                reason=Reason.BUDGET_KNOWN,
                message="",
            )
            self.standings.put("shop", state)

    def wait(self, seconds: float, **remaining: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.elapsed += seconds
        self.budget(**remaining)

    async def reconcile(self) -> float | None:
        return await self.policies.reconcile(KEY)

    @property
    def status(self) -> ErrorBudgetPolicyStatus:
        found = self.cache.get(KEY)
        assert found is not None
        assert not isinstance(found, Malformed)
        return found.status  # type: ignore[union-attr, return-value]

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(it for it in self.status.conditions if it.type == kind)
        return found.status, found.reason

    @property
    def gates(self) -> int:
        return sum("admission" in plural for plural, _, _ in self.api.objects)

    @property
    def paused(self) -> bool:
        deployment = self.api.objects[DEPLOYMENTS.plural, "shop", "web"]
        return bool(deployment["spec"].get("paused"))

    @property
    def held(self) -> bool:
        stored = self.api.objects[POLICIES.plural, "shop", "default"]
        return FINALIZER in stored["metadata"].get("finalizers", [])
