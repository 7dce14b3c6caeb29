"""What the gate benchmark sends its requests to: three namespaces of the same Deployments.

One has no gate, one is governed by native admission, one by the webhook. All three run on one API
server, so that a request to one and the next request to another meet the same machine.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from benchmarks.load import Call, Client
from benchmarks.processor import cpu
from e2e.gate.shop import Object, Shop, apply_gate, changed, deployment, later
from e2e.gate.webhook import Gate, decide, opted_in, policy, registered
from e2e.harness import ControlPlane, wait_until
from sluice.enforcement.freeze import Freeze
from sluice.enforcement.native import render

UNGATED, NATIVE, WEBHOOK = "ungated", "native", "webhook"
API_SERVER, GATE = "processor: API server", "processor: gate"
_SETTINGS = 20
_AT_ONCE = 8
_NEW = 99
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many Deployments a governed namespace has, and how many revisions each of them.

    Of every fifth Deployment the last two revisions have one image, so that native admission has to
    spell the earlier one out; the others have deployed an image a revision.
    """

    workloads: int
    revisions: int

    def name(self, number: int) -> str:
        """The `number`-th one's, beginning anew after the last."""
        return f"w{number % self.workloads:03}"

    def container(self, number: int, revision: int) -> Object:
        """The only container of a revision (from 1) of the `number`-th Deployment."""
        newest = self.revisions - 1 if number % self.workloads % 5 == 0 else self.revisions
        image = revision if revision == _NEW else min(revision, newest)
        env = [{"name": f"SETTING_{key}", "value": f"{revision}-{key}"} for key in range(_SETTINGS)]
        [plain] = deployment("any")["spec"]["template"]["spec"]["containers"]
        return {**plain, "image": f"registry.example/team/web:{image}", "env": env}

    def deployment(self, number: int, revision: int) -> Object:
        """Of no replicas: pods are none of the gates' business."""
        found = deployment(self.name(number))
        found["spec"]["replicas"] = 0
        found["spec"]["template"]["spec"]["containers"] = [self.container(number, revision)]
        return found

    def change(self, namespace: str, number: int, revision: int = _NEW) -> Call:
        """A patch that makes the pod template that of a revision, or a new one.

        It is a dry run, so that nothing is stored and no rollout begins.
        """
        containers = [self.container(number, revision)]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{self.name(number)}"
        return Call("PATCH", f"{path}?dryRun=All", json.dumps(patch).encode(), _MERGE)


@dataclass(frozen=True, slots=True)
class Variant:
    """Changes of a namespace's Deployments that should all come to the same end.

    Attributes:
        back: they go back to the first revision in place of deploying something new.
        denied: they should be denied.
    """

    name: str
    namespace: str
    back: bool = False
    denied: bool = False

    @property
    def status(self) -> HTTPStatus:
        """What they should be answered."""
        return HTTPStatus.FORBIDDEN if self.denied else HTTPStatus.OK

    def calls(self, fleet: Fleet) -> Callable[[int], Call]:
        """The n-th change."""
        return lambda number: fleet.change(self.namespace, number, 1 if self.back else _NEW)


BARE = Variant("no gate", UNGATED)
PHASES = {
    "thawed": (
        BARE,
        Variant("native, thawed", NATIVE),
        Variant("webhook, thawed", WEBHOOK),
    ),
    "frozen": (
        BARE,
        Variant("native, denied", NATIVE, denied=True),
        Variant("native, rollback", NATIVE, back=True),
        Variant("webhook, denied", WEBHOOK, denied=True),
        Variant("webhook, rollback", WEBHOOK, back=True),
    ),
}
"""What is measured while nothing is frozen, and while both governed namespaces are."""


@dataclass(frozen=True, slots=True)
class InForce:
    """Seconds until a freeze was taken by the API server, and from then until it denied."""

    kilobytes: int
    accepted: float
    denied: float


@dataclass(frozen=True, slots=True)
class Gated:
    """The running cluster."""

    plane: ControlPlane
    fleet: Fleet
    native: Shop
    webhook: Shop
    freeze: Freeze
    gate: Gate

    def spent(self) -> dict[str, float]:
        """Processor seconds of the API server and of the webhook's process so far."""
        if self.plane.local is None:
            raise RuntimeError("the API server's process is not on this machine")
        pids = {API_SERVER: self.plane.local.api_server_pid, GATE: self.gate.daemon.pid}
        return {name: cpu(pid) for name, pid in pids.items()}

    @contextmanager
    def frozen(self) -> Iterator[InForce]:
        """Both governed namespaces frozen."""
        rendered = render(changed(self.freeze, expires=later(hours=2)))
        size = sum(len(json.dumps(one)) for one in rendered.manifests)
        try:
            accepted = wait_until(lambda: self._apply(rendered.manifests), timeout=1, what="")
            denied = self.native.await_verdict(denied=True, name="w000", timeout=120)
            decide(self.webhook, "Deny", minutes=120)
            self.webhook.await_verdict(denied=True, name="w000", timeout=30)
            yield InForce(size // 1000, accepted, denied)
        finally:
            for one in reversed(rendered.manifests):
                self.plane.kubectl("delete", f"{one['kind']}/{one['metadata']['name']}")
            decide(self.webhook, "Allow")
            for shop in (self.native, self.webhook):
                shop.await_verdict(denied=False, name="w000", timeout=60)

    def _apply(self, manifests: tuple[Object, ...]) -> bool:
        apply_gate(self.plane, manifests)
        return True


@contextmanager
def gated(plane: ControlPlane, fleet: Fleet) -> Iterator[Gated]:
    """The namespaces with their Deployments, and a gate that the API server asks."""
    with ExitStack() as resources:
        registration = resources.enter_context(registered(plane, system="webhook-system"))
        gate = resources.enter_context(registration.running())
        for name in (UNGATED, NATIVE):
            resources.enter_context(plane.namespace(name))
        webhook = resources.enter_context(opted_in(plane, WEBHOOK))
        asyncio.run(_fill(plane, fleet))
        native = Shop(plane, NATIVE)
        webhook("apply", "-f", "-", stdin=json.dumps(policy(webhook)))
        decide(webhook, "Allow")
        yield Gated(plane, fleet, native, webhook, native.freeze(), gate)


async def _fill(plane: ControlPlane, fleet: Fleet) -> None:
    async with client(plane) as api:
        await _deploy(api, fleet, UNGATED, fleet.revisions)
        await deploy(api, fleet, NATIVE, WEBHOOK)


async def deploy(api: Client, fleet: Fleet, *namespaces: str) -> None:
    """All revisions of a fleet, one after the other, in each namespace."""
    for revision in range(1, fleet.revisions + 1):
        for namespace in namespaces:
            await _deploy(api, fleet, namespace, revision)
        for namespace in namespaces:
            await _retained(api, namespace, fleet.workloads * revision)


async def _deploy(api: Client, fleet: Fleet, namespace: str, revision: int) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{fleet.name(number)}"
        body = json.dumps(fleet.deployment(number, revision)).encode()
        async with slots:
            status, text = await api.send(
                Call("PATCH", f"{path}?fieldManager=fleet&force=true", body, _APPLY)
            )
        if status not in {200, 201}:
            raise RuntimeError(f"{path}: {status}: {text}")

    await asyncio.gather(*(one(number) for number in range(fleet.workloads)))


async def _retained(api: Client, namespace: str, wanted: int) -> None:
    """Wait until there are as many ReplicaSets, all numbered."""
    call = Call("GET", f"/apis/apps/v1/namespaces/{namespace}/replicasets")
    for _ in range(600):
        items: list[dict[str, Any]] = (await api.json(call))["items"]
        numbered = [one for one in items if one["metadata"].get("annotations")]
        if len(numbered) == wanted:
            return
        await asyncio.sleep(1)
    raise TimeoutError(f"{namespace}: {len(numbered)} revisions of {wanted}")


@asynccontextmanager
async def client(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator's connections, which no priority level makes wait."""
    if plane.local is None:
        raise RuntimeError(f"the API server of provider {plane.provider} cannot call this machine")
    files = plane.local.files
    context = ssl.create_default_context(cafile=str(files.authority))
    context.load_cert_chain(files.certificates / "admin.crt", files.certificates / "admin.key")
    async with Client(plane.server, context) as found:
        yield found
