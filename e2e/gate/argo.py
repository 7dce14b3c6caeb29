"""Rollouts of Argo Rollouts, with its own controller behind them."""

from dataclasses import dataclass
from typing import Any

from e2e.gate.shop import Object, Shop, deployment, merged
from e2e.harness import wait_until
from e2e.harness.argo_rollouts import ArgoRollouts

ROLLOUT = "rollouts.argoproj.io"
WAITING: list[Object] = [{"setWeight": 50}, {"pause": {}}]


def rollout(name: str, *, image: str = "web:1", mode: str = "plain", **spec: Any) -> Object:
    """A governed Rollout of one container, which rolls out at once."""
    found = deployment(name, image=image)
    found["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = mode
    return {
        **found,
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "spec": {**found["spec"], "strategy": {"canary": {}}, **spec},
    }


def referring(name: str) -> tuple[Object, Object]:
    """A Deployment without replicas, and a Rollout that takes its template from there."""
    source = merged(deployment(name), {"spec": {"replicas": 0}})
    found = rollout(name)
    del found["spec"]["template"]
    found["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return source, found


@dataclass(frozen=True)
class Rollouts:
    """The Rollouts of one namespace."""

    shop: Shop
    argo: ArgoRollouts

    def deploy(self, manifest: Object) -> None:
        """Create or change a Rollout and wait until it has rolled out."""
        self.shop.put(manifest)
        self.until_stable(manifest["metadata"]["name"])

    def begin(self, manifest: Object) -> None:
        """Change a Rollout and wait until it waits, half rolled out."""
        self.shop.put(manifest)
        name = manifest["metadata"]["name"]
        self.until(f"{name} is under way", name, lambda it: it.get("currentStepIndex") == 1)

    def status(self, name: str) -> Object:
        found: Object = self.shop.get(ROLLOUT, name).get("status", {})
        return found

    def until(self, what: str, name: str, holds: Any, *, timeout: float = 60.0) -> None:
        """Wait until a Rollout's status is as it should be."""
        wait_until(lambda: holds(self.status(name)), timeout=timeout, what=what)

    def until_stable(self, name: str) -> None:
        """Wait until a Rollout's template is what is stable, as its controller has seen it."""

        def stable() -> bool:
            live = self.shop.get(ROLLOUT, name)
            status = live.get("status", {})
            seen = status.get("observedGeneration") == str(live["metadata"]["generation"])
            hashed = status.get("stableRS")
            return bool(seen and hashed and hashed == status.get("currentPodHash"))

        wait_until(stable, timeout=60, what=f"{name} is rolled out: {self.status(name)}")

    def replicas(self, name: str) -> int:
        """How many pods the ReplicaSets of a Rollout are to have."""
        uid = self.shop.get(ROLLOUT, name)["metadata"]["uid"]
        found = [it for it in self.shop.retained() if it["kind"] == "ReplicaSet"]
        return sum(
            it["spec"]["replicas"]
            for it in found
            if any(one["uid"] == uid for one in it["metadata"].get("ownerReferences", []))
        )

    def run(self, *command: str) -> None:
        """Run `kubectl argo rollouts`; it must succeed."""
        done = self.argo(self.shop.namespace, *command)
        assert done.returncode == 0, done.stderr
