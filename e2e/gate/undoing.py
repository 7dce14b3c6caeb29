"""Does on real workloads what plans of record and undo say, without the rest of a controller."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubernetes import client, config

from e2e.gate.shop import Shop
from sluice.api.policy import UndoRecord
from sluice.enforcement.plan import Changes, Records, Want, plan
from sluice.enforcement.target import Target

_TRIES = 20


@dataclass
class Controller:
    """Does what a plan says, in its order, and keeps the records as policy statuses would."""

    shop: Shop
    kind: str = "Deployment"
    records: Records = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self, *wants: Want, name: str = "web") -> Changes:
        """Plan and write, and again where somebody else has written in between."""
        for _ in range(_TRIES):
            changes = self.planned(*wants, name=name)
            self.records = changes.records
            if not changes.clear:
                break
            flag = "--field-manager=sluice"
            cleared = self.shop.patch(name, changes.clear, flag, kind=self.kind)
            if cleared.passed:
                break
            # The workload's controller writes its status and revision while it rolls out.
            assert "the object has been modified" in cleared.said, cleared.said
        else:
            raise AssertionError(cleared.said)
        if changes.apply:
            self.apply(changes.apply, force=changes.force)
        self.records = changes.remaining
        return changes

    def planned(self, *wants: Want, name: str = "web") -> Changes:
        target = Target.of(self.shop.get(self.kind, name), self.shop.retained())
        return plan(target, wants, self.records, self.now)

    def apply(self, body: dict[str, Any], *, force: bool = False) -> None:
        """Not through kubectl, which would first hand its own fields over to our manager."""
        options: dict[str, Any] = {
            "field_manager": "sluice",
            "force": force,
            "_content_type": "application/apply-patch+yaml",
        }
        with config.new_client_from_config(str(self.shop.plane.kubeconfig)) as connection:
            if self.kind == "Rollout":
                where = ("argoproj.io", "v1alpha1", self.shop.namespace, "rollouts")
                custom = client.CustomObjectsApi(connection)
                name = body["metadata"]["name"]
                custom.patch_namespaced_custom_object(*where, name, body, **options)
                return
            api = client.AppsV1Api(connection)
            patch = {
                "Deployment": api.patch_namespaced_deployment,
                "StatefulSet": api.patch_namespaced_stateful_set,
                "DaemonSet": api.patch_namespaced_daemon_set,
            }[self.kind]
            patch(body["metadata"]["name"], self.shop.namespace, body, **options)

    @property
    def open(self) -> list[UndoRecord]:
        return [one for some in self.records.values() for one in some]
