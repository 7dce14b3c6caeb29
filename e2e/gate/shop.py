"""A namespace with workloads, and freezes of it: what the tests of the gate act on."""

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from e2e.harness import ControlPlane, wait_until
from e2e.verdict import Verdict
from sluice.api.limit import Limit
from sluice.api.metadata import LabelSelector
from sluice.api.policy import Exemptions
from sluice.enforcement.deploys import deployed
from sluice.enforcement.freeze import Approved, Freeze, Waiting, Workload
from sluice.enforcement.freeze import Limit as GateLimit
from sluice.enforcement.history import workload
from sluice.enforcement.kinds import KINDS
from sluice.enforcement.native import Manifest, Rendered, render
from sluice.policy.limit import UNAPPROVED, last_deploy, pace, too_early
from sluice.policy.message import LEAVES

Object = dict[str, Any]

GOVERNED = LabelSelector(match_labels={"gate": "on"})
CANARY = "canary"

_numbers = itertools.count()


def later(**length: float) -> datetime:
    """A time from now on, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**length)


def deployment(name: str, *, image: str = "web:1", **labels: str) -> Object:
    """A governed Deployment of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"gate": "on", **labels}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"run": name}},
            "template": {
                "metadata": {"labels": {"run": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": image,
                            "env": [{"name": "MODE", "value": "plain"}],
                            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                        }
                    ]
                },
            },
        },
    }


def stateful_set(name: str, *, image: str = "web:1", **spec: Any) -> Object:
    """A governed StatefulSet of one container."""
    found = deployment(name, image=image)
    return {**found, "kind": "StatefulSet", "spec": {**found["spec"], "serviceName": name, **spec}}


def daemon_set(name: str, *, image: str = "web:1", **spec: Any) -> Object:
    """A governed DaemonSet of one container."""
    found = deployment(name, image=image)
    del found["spec"]["replicas"]
    return {**found, "kind": "DaemonSet", "spec": {**found["spec"], **spec}}


OF_KIND = {"Deployment": deployment, "StatefulSet": stateful_set, "DaemonSet": daemon_set}


def merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> Object:
    """A JSON merge patch applied."""
    result = dict(left)
    for key, value in right.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result


@dataclass(frozen=True, slots=True)
class Shop:
    """One namespace."""

    plane: ControlPlane
    namespace: str

    def __call__(self, *args: str, stdin: str | None = None, check: bool = True) -> Verdict:
        """Run kubectl in the namespace."""
        return Verdict(self.plane.kubectl("-n", self.namespace, *args, input=stdin, check=check))

    def attempt(self, *args: str, stdin: str | None = None) -> Verdict:
        """Run kubectl in the namespace, for its verdict."""
        return self(*args, stdin=stdin, check=False)

    def get(self, kind: str, name: str = "") -> Any:
        arguments = ["get", kind, *([name] if name else []), "--show-managed-fields"]
        return self.plane.kubectl.json("-n", self.namespace, *arguments)

    def put(self, *manifests: Object) -> None:
        """Create or change objects."""
        self("apply", "-f", "-", stdin=_list(manifests))

    def deploy(self, *manifests: Object) -> None:
        """Create or change workloads and wait until the revision of each is retained."""
        self.put(*manifests)
        for manifest in manifests:
            self.settle(manifest["metadata"]["name"], kind=manifest["kind"])

    def settle(self, name: str, *, kind: str = "Deployment") -> None:
        """Wait until the kind's controller has retained and numbered the current revision."""

        def settled() -> bool:
            live = self.get(kind, name)
            found = workload(live, self.retained())
            seen = live["status"].get("observedGeneration") == live["metadata"]["generation"]
            newest = found.revisions[0].images if found.revisions else None
            return seen and KINDS[kind].stamp(live) != "" and newest == found.images

        wait_until(settled, timeout=30, what=f"revision of {kind} {name}")

    def retained(self) -> list[Object]:
        items: list[Object] = self.get("replicasets,controllerrevisions")["items"]
        return items

    def workload(self, name: str, *, kind: str = "Deployment") -> Workload:
        return workload(self.get(kind, name), self.retained())

    def workloads(self) -> tuple[Workload, ...]:
        retained = self.retained()
        items = self.get("deployments,statefulsets,daemonsets", "-lgate=on")["items"]
        return tuple(workload(item, retained) for item in items)

    def freeze(self, action: Literal["Deny", "Warn"] = "Deny") -> Freeze:
        """A freeze of everything here that is governed, for an hour."""
        return Freeze(
            namespace=self.namespace,
            policy="default",
            uid="11111111-2222-4333-8444-555555555555",
            action=action,
            message_prefix="FROZEN by a test: change of ",
            message_infix=" ",
            message_suffix=" denied; scaling, restart and rollback are allowed.",
            kinds=tuple(OF_KIND),
            selector=GOVERNED,
            expires=later(hours=1),
            exempt_template_keys=("kubectl.kubernetes.io/restartedAt",),
            workloads=self.workloads(),
        )

    def limit(self, interval: str, *approved: str) -> Freeze:
        """A limit of deployments of everything here, as the controller works it out.

        `approved` are keys of workloads.
        """
        revisions, waiting = deployed(self.retained()), []
        items = self.get("deployments,statefulsets,daemonsets", "-lgate=on")["items"]
        for one in items:
            last = last_deploy(revisions[one["metadata"]["uid"]], Exemptions())
            limit = Limit(interval=interval)
            if last is not None:
                found = pace(limit, last)
                key = f"{one['kind']}/{one['metadata']['name']}"
                waiting.append(Waiting(key, found.next, f" denied: {too_early(limit, found)}"))
        return replace(
            self.freeze(),
            message_prefix="LIMITED by a test: change of ",
            message_suffix="; scaling, restart and rollback are allowed.",
            limit=GateLimit(
                waiting=tuple(waiting),
                leaves=f" denied: {LEAVES}",
                approved=tuple(Approved(key, later(hours=1)) for key in approved),
                unapproved=f" denied: {UNAPPROVED}",
            ),
        )

    @contextmanager
    def limited(self, interval: str, *approved: str) -> Iterator[None]:
        """The limit in force."""
        self.deploy(deployment(CANARY))
        with enforced(self.plane, render(self.limit(interval, *approved)).manifests):
            self.await_limit()
            yield

    def await_limit(self) -> None:
        """Wait until nobody can take a workload out of the policy."""
        if not self.attempt("get", "deployment", CANARY).passed:
            self.deploy(deployment(CANARY))

        def held() -> bool:
            arguments = ("label", f"deployment/{CANARY}", "gate=off", "--overwrite")
            return self.attempt(*arguments, "--dry-run=server").denied

        wait_until(held, timeout=10.0, what="a limit")

    @contextmanager
    def frozen(self, freeze: Freeze | None = None) -> Iterator[Rendered]:
        """The freeze in force."""
        rendered = render(freeze or self.freeze())
        with enforced(self.plane, rendered.manifests):
            self.await_verdict(denied=True)
            yield rendered

    def await_verdict(self, *, denied: bool, name: str = CANARY, timeout: float = 10.0) -> float:
        """Wait until changes of `name` are denied, or are not; for how long it took."""
        if not self.attempt("get", "deployment", name).passed:
            self.deploy(deployment(name))

        def said() -> bool:
            change = self.set_image(name, f"probe:{next(_numbers)}", "--dry-run=server")
            if not change.denied and not change.passed:
                raise AssertionError(change.said)
            return change.denied is denied

        return wait_until(said, timeout=timeout, what=f"denied={denied} of {name}")

    def set_image(self, name: str, image: str, *flags: str, kind: str = "Deployment") -> Verdict:
        return self.attempt("set", "image", f"{kind}/{name}", f"web={image}", *flags)

    def patch(self, name: str, patch: Object, *flags: str, kind: str = "Deployment") -> Verdict:
        arguments = ("patch", kind, name, "--type=merge", "--patch-file=/dev/stdin")
        return self.attempt(*arguments, *flags, stdin=json.dumps(patch))

    def replace(self, live: Object, *flags: str) -> Verdict:
        return self.attempt("replace", "-f", "-", *flags, stdin=json.dumps(live))


@contextmanager
def enforced(plane: ControlPlane, manifests: tuple[Manifest, ...]) -> Iterator[None]:
    """Admission policies and bindings that are there while the block runs."""
    try:
        apply_gate(plane, manifests)
        yield
    finally:
        for manifest in reversed(manifests):
            name = f"{manifest['kind']}/{manifest['metadata']['name']}"
            plane.kubectl("delete", name, "--ignore-not-found")


def apply_gate(plane: ControlPlane, manifests: tuple[Manifest, ...]) -> None:
    """Server-side apply as the controller does it."""
    arguments = ("apply", "--server-side", "--field-manager=sluice", "-f", "-")
    plane.kubectl(*arguments, input=_list(manifests))


def _list(manifests: tuple[Object, ...]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def changed(freeze: Freeze, **fields: Any) -> Freeze:
    """`freeze` with other values."""
    return replace(freeze, **fields)
