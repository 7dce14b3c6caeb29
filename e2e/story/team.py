"""A team with a namespace and a service of its own, and what it does and sees by kubectl."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from e2e.harness import wait_until
from e2e.stack import Service, Stack, condition
from e2e.story.manifests import Object, deployment, objective, policy
from e2e.verdict import Verdict

OBJECTIVE, POLICY, OVERRIDE = "slo", "ebp", "gateoverride"
_LASTING = {"admission", "since", "objective"}


@dataclass(frozen=True)
class Team:
    """A namespace in a stack."""

    stack: Stack
    namespace: str
    service: Service
    releases: Iterator[int] = field(default_factory=lambda: count(2))

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, as_who: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace."""
        run = self.stack.plane.kubectl
        return run("-n", self.namespace, *args, input=stdin, check=check, kubeconfig=as_who)

    def attempt(self, *args: str, as_who: Path | None = None) -> Verdict:
        """Run kubectl in the namespace, for its verdict."""
        return Verdict(self.kubectl(*args, check=False, as_who=as_who))

    def apply(self, *objects: Object) -> None:
        """Apply manifests as a GitOps tool does: server-side, as a field manager of its own."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl(
            *("apply", "--server-side", "--field-manager=git", "--force-conflicts", "-f", "-"),
            stdin=text,
        )

    def create(self, *objects: Object) -> None:
        """Create objects as people and tools do, by an update."""
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("create", "-f", "-", stdin=items)

    def start(self, *more: Object, **spec: Any) -> None:
        """Apply an objective, a policy with `spec`, a Deployment and `more`, and see it healthy."""
        self.apply(objective(self.service.job), policy(**spec), deployment(), *more)
        self.until_stage("Healthy")

    def freeze(self, *, name: str = "default") -> None:
        """Spend the budget and wait until deployments are denied."""
        self.service.spend(90)
        self.until_stage("Exhausted", name=name)
        self.until_denied()

    def get(self, kind: str, name: str) -> Object:
        """An object as kubectl shows it, with managed fields."""
        arguments = ("-n", self.namespace, "get", kind, name, "--show-managed-fields")
        found: Object = self.stack.plane.kubectl.json(*arguments)
        return found

    def status(self, name: str = "default") -> Object:
        """The policy's status; empty if it has none yet."""
        found: Object = self.get(POLICY, name).get("status", {})
        return found

    def condition(self, kind: str, of: str, name: str) -> Object:
        """A condition of an object; empty if it has none of that type."""
        return condition(self.get(of, name), kind)

    def field(self, kind: str, name: str, path: str) -> str:
        """One field as `kubectl get -o jsonpath` prints it; empty also without the object."""
        return self.attempt("get", kind, name, "-o", f"jsonpath={{{path}}}").result.stdout

    def until(self, what: str, ready: Callable[[], bool], *, timeout: float = 30.0) -> float:
        """Wait until `ready`; seconds waited."""
        return wait_until(ready, timeout=timeout, what=f"{self.namespace}: {what}", interval=0.25)

    def until_stage(self, stage: str, *, name: str = "default", timeout: float = 30.0) -> None:
        """Wait until the policy is in a stage."""
        self._wait(POLICY, name, ".status.stage", stage, timeout)

    def until_condition(
        self,
        kind: str,
        reason: str,
        *,
        of: str = POLICY,
        name: str = "default",
        timeout: float = 30.0,
    ) -> Object:
        """Wait until a condition has a reason, and return it."""
        path = f'.status.conditions[?(@.type=="{kind}")].reason'
        self._wait(of, name, path, reason, timeout)
        return self.condition(kind, of, name)

    def _wait(self, kind: str, name: str, path: str, value: str, timeout: float) -> None:
        """`kubectl wait` watches, which is quicker and cheaper than to ask again and again."""
        goal = f"--for=jsonpath={{{path}}}={value}"
        waited = self.attempt("wait", f"{kind}/{name}", goal, f"--timeout={timeout:g}s")
        if not waited.passed:
            found = self.field(kind, name, path)
            raise TimeoutError(
                f"{self.namespace}: {kind} {name}: {path} is {found!r}, not {value!r}: "
                f"{waited.said}"
            )

    def would_deploy(self, name: str = "web", *, as_who: Path | None = None) -> Verdict:
        """Try a new image without storing it: admission is asked all the same."""
        image = f"{name}={name}:trial"
        return self.attempt(
            "set", "image", f"deployment/{name}", image, "--dry-run=server", as_who=as_who
        )

    def deploy(self, name: str = "web", *, as_who: Path | None = None) -> Verdict:
        """Deploy a new image."""
        image = f"{name}={name}:{next(self.releases)}"
        return self.attempt("set", "image", f"deployment/{name}", image, as_who=as_who)

    def until_denied(self, name: str = "web", *, timeout: float = 30.0) -> None:
        """Wait until a deployment would be denied by a freeze."""
        self.until("frozen", lambda: self.would_deploy(name).denied, timeout=timeout)

    def until_passes(self, name: str = "web", *, timeout: float = 30.0) -> None:
        """Wait until a deployment would pass."""
        self.until("thawed", lambda: self.would_deploy(name).passed, timeout=timeout)

    def until_controllers_work(self) -> None:
        """Wait until Kubernetes' own controllers are back, which take longer than an API server."""
        self.apply(deployment("after"))
        path = ".status.updatedReplicas"
        self.until(
            "controllers", lambda: self.field("deployment", "after", path) != "", timeout=100
        )

    def gates(self) -> list[str]:
        """The admission policies and bindings of the namespace's policies."""
        kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        labels = "app.kubernetes.io/managed-by=sluice,sluice.dev/policy-uid"
        found = self.stack.plane.kubectl("get", kinds, "-l", labels, "-o", "name").stdout.split()
        return [one for one in found if f"/sluice-{self.namespace}." in one]

    def conditions(self, kind: str, name: str = "default") -> list[Object]:
        """All conditions of an object."""
        found: list[Object] = self.get(kind, name)["status"]["conditions"]
        return found

    def columns(self, kind: str, name: str) -> dict[str, str]:
        """What `kubectl get` shows of an object, by column."""
        header, line = self.kubectl("get", kind, name).stdout.splitlines()
        names, values = (re.split(r"\s{2,}", text.strip()) for text in (header, line))
        return dict(zip(names, values, strict=True))

    def remembered(self) -> Object:
        """What no restart may change: the decision but for its expiry, and all that led to it."""
        status = self.status()
        decision = {key: value for key, value in status["decision"].items() if key in _LASTING}
        named = [(POLICY, "default"), (OBJECTIVE, "availability")]
        return {
            "stage": status["stage"],
            "decision": decision,
            "history": status["history"],
            "undo records": status["workloads"]["changed"],
            "transitions": {
                (kind, one["type"]): (one["status"], one["lastTransitionTime"])
                for kind, name in named
                for one in self.conditions(kind, name)
            },
            "held": self.get(POLICY, "default")["metadata"].get("finalizers", []),
        }

    def events(self, kind: str, name: str) -> set[tuple[str, str]]:
        """Type and reason of the Events about an object."""
        full = self.get(kind, name)["kind"]
        chosen = f"involvedObject.kind={full},involvedObject.name={name}"
        arguments = ("-n", self.namespace, "get", "events", "--field-selector", chosen)
        items = self.stack.plane.kubectl.json(*arguments)["items"]
        return {(one["type"], one["reason"]) for one in items}

    def written(self, kind: str, name: str) -> set[str]:
        """The fields that Sluice has written on an object: `status`, or `metadata.finalizers`."""
        managed = self.get(kind, name)["metadata"].get("managedFields", [])
        return {
            path
            for entry in managed
            if entry["manager"] == "sluice"
            for path in _paths(entry["fieldsV1"])
        }


def _paths(fields: Object) -> Iterator[str]:
    for key, below in fields.items():
        name = key.removeprefix("f:")
        if name in {"metadata", "spec"}:
            yield from (f"{name}.{path}" for path in _paths(below))
        elif key.startswith("f:"):
            yield name
