"""The webhook's certificate is renewed in a freeze, and nothing passes because of it."""

import asyncio
import base64
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e.gate.shop import Shop, deployment
from e2e.gate.webhook import Gate, calling, frozen, opted_in, rendered_chart, start
from e2e.harness import ControlPlane, Daemon, Scope, scope, wait_until
from e2e.harness.argo_rollouts import install_crds
from e2e.harness.ports import free_port
from e2e.stack import NAMESPACE, installed
from sluice.certificates.pair import authorities
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.connection import configuration
from sluice.kube.resources import DEPLOYMENTS, WEBHOOK_CONFIGURATIONS

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

LIFETIME = 45.0
"""Seconds that a certificate is valid: it is renewed after 30 and the new one served after 35."""

SECRET, NAME = "sluice-gate-tls", "sluice-gate"
HOSTS = "sluice.dev/certificate-hosts"
_SLOW = 2.0
"""Seconds by which a slow node shows what is new in a Secret later."""

Object = dict[str, Any]


@dataclass
class Node:
    """Shows a Secret as files, as a kubelet does, `behind` seconds late."""

    plane: ControlPlane
    directory: Path
    behind: float
    ended: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[float, dict[str, bytes]]] = field(default_factory=list)

    @property
    def pair(self) -> tuple[Path, Path]:
        return self.directory / "now/tls.crt", self.directory / "now/tls.key"

    @contextmanager
    def running(self) -> Iterator["Node"]:
        self.directory.mkdir()
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            wait_until(self.pair[1].exists, timeout=60, what="a certificate")
            yield self
        finally:
            self.ended.set()
            thread.join()

    def _work(self) -> None:
        number = 0
        while not self.ended.wait(0.5):
            data = secret(self.plane)
            if "tls.crt" in data and (not self.seen or self.seen[-1][1] != data):
                self.seen.append((time.monotonic(), data))
            due = [it for at, it in self.seen if time.monotonic() - at >= self.behind]
            if len(due) > number:
                number = len(due)
                self._show(due[-1], f"version-{number}")

    def _show(self, data: dict[str, bytes], name: str) -> None:
        """All files change at once, by a link that changes."""
        (self.directory / name).mkdir()
        for key in ("tls.crt", "tls.key"):
            (self.directory / name / key).write_bytes(data[key])
        link = self.directory / f"link-{name}"
        link.symlink_to(name)
        link.rename(self.directory / "now")


def secret(plane: ControlPlane) -> dict[str, bytes]:
    found = plane.kubectl.json("-n", NAMESPACE, "get", "secret", SECRET).get("data") or {}
    return {name: base64.b64decode(text) for name, text in found.items()}


def trusted(plane: ControlPlane) -> bytes:
    """What the API server trusts, all webhooks alike."""
    webhooks = plane.kubectl.json("get", "validatingwebhookconfiguration", NAME)["webhooks"]
    [bundle] = {one["clientConfig"].get("caBundle", "") for one in webhooks}
    return base64.b64decode(bundle)


@dataclass
class Tally:
    """What became of changes that were tried, and of connections to the gates."""

    denied: int = 0
    not_denied: list[str] = field(default_factory=list)
    connected: int = 0
    distrusted: list[str] = field(default_factory=list)


class Asking:
    """Tries to deploy all the time, and connects anew to all gates all the time."""

    def __init__(self, shop: Shop, gates: list[Gate]) -> None:
        self.tally = Tally()
        self._shop = shop
        self._gates = gates
        self._ended = threading.Event()
        self._bundle = trusted(shop.plane)

    @contextmanager
    def running(self) -> Iterator[Tally]:
        with ThreadPoolExecutor(max_workers=2) as threads:
            work = [threads.submit(asyncio.run, self._deploy()), threads.submit(self._connect)]
            try:
                yield self.tally
            finally:
                self._ended.set()
            for one in work:
                one.result()

    async def _deploy(self) -> None:
        api = ApiServer(await configuration(kubeconfig=self._shop.plane.kubeconfig, context=None))
        try:
            await asyncio.gather(
                self._follow(api), *(self._try(api, number) for number in range(4))
            )
        finally:
            await api.close()

    async def _try(self, api: ApiServer, number: int) -> None:
        count = 0
        while not self._ended.is_set():
            count += 1
            container = {"name": "web", "image": f"web:{number}-{count}"}
            body = {"spec": {"template": {"spec": {"containers": [container]}}}}
            try:
                await api.merge(
                    DEPLOYMENTS, "canary", body, namespace=self._shop.namespace, dry_run=True
                )
                said = "it passed"
            except ApiError as error:
                said = error.message
            if "FROZEN by ErrorBudgetPolicy" in said:
                self.tally.denied += 1
            else:
                self.tally.not_denied.append(f"{time.strftime('%X')} {said}")
            await asyncio.sleep(0.05)

    async def _follow(self, api: ApiServer) -> None:
        while not self._ended.is_set():
            found = await api.get(WEBHOOK_CONFIGURATIONS, NAME)
            assert found is not None
            self._bundle = base64.b64decode(found["webhooks"][0]["clientConfig"]["caBundle"])
            await asyncio.sleep(0.5)

    def _connect(self) -> None:
        """As an API server whose watch is somewhat behind: by what was trusted a moment before."""
        while not self._ended.wait(0.1):
            context = ssl.create_default_context(cadata=self._bundle.decode())
            for gate in self._gates:
                try:
                    with (
                        socket.create_connection(("127.0.0.1", gate.port), timeout=5) as plain,
                        context.wrap_socket(plain, server_hostname="127.0.0.1"),
                    ):
                        self.tally.connected += 1
                except ssl.SSLError as error:
                    self.tally.distrusted.append(f"{time.strftime('%X')} {error}")


@dataclass(frozen=True, slots=True)
class Scene:
    """The chart with its gate, whose certificate a controller keeps."""

    plane: ControlPlane
    processes: Scope
    controller: Daemon
    port: int


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    if control_plane.local is None or not control_plane.rolls_out:
        pytest.skip("the API server cannot call this machine, or nothing rolls out")
    plane, port = control_plane, free_port()
    install_crds(plane)
    with ExitStack() as resources:
        processes = resources.enter_context(scope("sluice-certificates-"))
        values = ("gate.enabled=true", "gate.replicas=0", "overrideAuthor.enabled=false")
        kubeconfig = resources.enter_context(installed(plane, *values))
        # It is called where this machine's gate is, in place of a Service.
        plane.kubectl("delete", "validatingwebhookconfiguration", NAME)
        registration = calling(rendered_chart("sluice", NAMESPACE), port, b"")
        # This is about trust: what passes because a busy machine is slow would look the same.
        patient = [one | {"timeoutSeconds": 20} for one in registration["webhooks"]]
        plane.apply(registration | {"webhooks": patient})
        plane.kubectl(
            *("-n", NAMESPACE, "annotate", "secret", SECRET, "--overwrite", f"{HOSTS}=127.0.0.1")
        )
        controller = processes.start(
            "sluice-controller",
            [
                *(sys.executable, "-m", "sluice", "run", "--log-format=console", "--interval=1"),
                *("--listen", f"127.0.0.1:{free_port()}", "--namespace", NAMESPACE),
                # The test says itself what policies have decided.
                *("--watch-namespaces", NAMESPACE, "--kubeconfig", str(kubeconfig)),
                *("--certificate-secret", SECRET, f"--certificate-days={LIFETIME / 86400}"),
            ],
        )
        yield Scene(plane, processes, controller, port)
        assert controller.exit_code is None, controller.tail()
        assert "Traceback" not in controller.log.read_text(), controller.tail(60)


def gate(scene: Scene, node: Node, number: int, port: int) -> Gate:
    """A gate on a node, that has seen the cluster."""
    kubeconfig = scene.plane.service_account_kubeconfig(NAMESPACE, NAME)
    found = start(
        *(scene.plane, scene.processes, kubeconfig, node.pair),
        system=NAMESPACE,
        number=number,
        port=port,
    )
    wait_until(lambda: found.page("/readyz")[0] == 200, timeout=60, what="a gate")
    return found


def test_a_certificate_is_renewed_under_load_in_a_freeze_and_not_one_change_passes(
    scene: Scene, tmp_path: Path
) -> None:
    plane = scene.plane
    with ExitStack() as resources:
        quick, slow = (
            resources.enter_context(Node(plane, tmp_path / name, behind).running())
            for name, behind in (("quick", 0.0), ("slow", _SLOW))
        )
        gates = [gate(scene, quick, 1, scene.port), gate(scene, slow, 2, free_port())]
        shop = resources.enter_context(opted_in(plane, "renewed"))
        shop.deploy(deployment("canary"))
        resources.enter_context(frozen(shop))
        first = secret(plane)
        [old] = authorities(first["ca.crt"])[-1:]
        tally = resources.enter_context(Asking(shop, gates).running())
        # Until the first certificate is replaced, has ended, and is not trusted any more.
        wait_until(
            lambda: (
                secret(plane)["tls.crt"] != first["tls.crt"]
                and old.pem.encode() not in trusted(plane)
            ),
            timeout=3 * LIFETIME,
            what="another certificate, and the end of the first one",
        )
        time.sleep(3)
        assert tally.not_denied == []
        assert tally.distrusted == []
        assert tally.denied > 100
        assert tally.connected > 50
