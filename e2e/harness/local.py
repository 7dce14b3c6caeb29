"""A control plane of our own: etcd, the API server and what makes Deployments roll out."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import flags
from e2e.harness.api import Api
from e2e.harness.flags import Files
from e2e.harness.kubeconfig import Certificate, encoded, write_kubeconfig
from e2e.harness.polling import wait_until
from e2e.harness.ports import LOOPBACK, free_port
from e2e.harness.processes import Daemon, DaemonFailedError, Scope

_READY_SECONDS = 90.0
_ATTEMPTS = 3
_NODE = "fake-node"
_STAGES = Path(__file__).parent / "kwok.yaml"


@dataclass(frozen=True, slots=True)
class Programs:
    """The commands that a control plane is made of; one that is None is left out.

    Attributes:
        structured_authentication: whether the API server knows `AuthenticationConfiguration` v1,
            as it does since Kubernetes 1.34.
    """

    etcd: Sequence[str]
    kube_apiserver: Sequence[str]
    kube_controller_manager: Sequence[str] | None
    kube_scheduler: Sequence[str] | None
    kwok: Sequence[str] | None
    certs: Path
    structured_authentication: bool = True

    @property
    def rolls_out(self) -> bool:
        """Whether a Deployment's pods become Ready."""
        return None not in (self.kube_controller_manager, self.kube_scheduler, self.kwok)


class LocalControlPlane:
    """The running processes; knows how to stop the API server and to start it again."""

    def __init__(self, scope: Scope, programs: Programs, extra: Sequence[str] = ()) -> None:
        self._scope = scope
        self._programs = programs
        self._extra = list(extra)
        self.files = Files(scope.directory)
        self._make_certificates()
        self._etcd = self._start_etcd()
        self._daemons: list[Daemon] = []
        self._port = free_port()
        self._api_server = self._start_api_server()
        self._listening()
        self.kubeconfig = self._kubeconfig("admin", "kubernetes-admin")
        self._start_controllers()
        wait_until(self._usable, timeout=_READY_SECONDS, what="the control plane is usable")

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{LOOPBACK}:{self._port}"

    @property
    def api_server_pid(self) -> int:
        """The API server's process; another one after a stop and a start."""
        return self._api_server.pid

    def stop_api_server(self, *, grace: float = 0.0) -> None:
        """End the API server: at once, or after `grace` seconds to end by itself."""
        self._api_server.stop(grace)

    def start_api_server(self) -> None:
        """Start the API server again at the same address and wait until it is ready."""

        def start() -> bool:
            self._api_server = self._start_api_server()
            return self._came_up()

        # An outgoing connection may hold the port for a moment.
        wait_until(start, timeout=_READY_SECONDS, what="the API server is back", interval=0.5)

    def stop_etcd(self) -> None:
        """Kill etcd, as a crash would; the API server goes on, and can read and write nothing."""
        self._etcd.kill()

    def start_etcd(self) -> None:
        """Start etcd again, with what it stored, and wait until the API server is ready."""
        self._etcd = self._start_etcd()
        wait_until(self.api().ready, timeout=_READY_SECONDS, what="the API server has an etcd")

    def _listening(self) -> None:
        for _ in range(_ATTEMPTS):
            if self._came_up():
                return
            self._port = free_port()  # another process was quicker to take it
            self._api_server = self._start_api_server()
        self._api_server.check()
        raise DaemonFailedError(f"kube-apiserver is not ready:\n{self._api_server.tail()}")

    def _came_up(self) -> bool:
        """Wait for the API server; False when it could not have its port."""
        api = self.api()

        def ready_or_gone() -> bool:
            for daemon in [self._etcd, *self._daemons]:
                daemon.check()
            return self._api_server.exit_code is not None or api.ready()

        wait_until(ready_or_gone, timeout=_READY_SECONDS, what="kube-apiserver is ready")
        if self._api_server.exit_code is None:
            return True
        if "address already in use" not in self._api_server.tail(200):
            self._api_server.check()
        return False

    def _start_controllers(self) -> None:
        programs = self._programs
        if programs.kube_controller_manager is not None:
            config = self._kubeconfig("controller-manager", "system:kube-controller-manager")
            arguments = flags.controller_manager(self.files, config)
            self._add("kube-controller-manager", programs.kube_controller_manager, arguments)
        if programs.kube_scheduler is not None:
            config = self._kubeconfig("scheduler", "system:kube-scheduler")
            self._add("kube-scheduler", programs.kube_scheduler, flags.scheduler(config))
        if programs.kwok is not None:
            self._add("kwok", programs.kwok, flags.kwok(self.kubeconfig, _STAGES))
            self._create_node()

    def _create_node(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": _NODE,
                "labels": {"kubernetes.io/hostname": _NODE, "kubernetes.io/os": "linux"},
            },
        }
        status, answer = self.api().request("POST", "/api/v1/nodes", node)
        if status != 201:
            raise DaemonFailedError(f"cannot create the node: {status} {json.dumps(answer)}")

    def _usable(self) -> bool:
        for daemon in [self._etcd, *self._daemons, self._api_server]:
            daemon.check()
        api = self.api()
        if self._programs.kube_controller_manager is not None:
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            if api.request("GET", account)[0] != 200:
                return False
        if self._programs.kwok is None:
            return True
        _, node = api.request("GET", f"/api/v1/nodes/{_NODE}")
        conditions = node.get("status", {}).get("conditions", [])
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        # Without a controller manager nobody takes the taint of a new node away.
        tainted = "taints" in node["spec"] and self._programs.kube_controller_manager is not None
        return ready and not tainted

    def _make_certificates(self) -> None:
        self.files.certificates.mkdir(mode=0o700)
        command = [str(self._programs.certs), "-directory", str(self.files.certificates)]
        subprocess.run([*command, "-addresses", LOOPBACK], check=True, stdin=subprocess.DEVNULL)

    def _kubeconfig(self, name: str, user: str) -> Path:
        authority = encoded(self.files.authority.read_bytes())
        certificates = self.files.certificates
        return write_kubeconfig(
            self.files.directory / f"{name}.kubeconfig",
            cluster={"server": self.server, "certificate-authority-data": authority},
            credentials=Certificate(certificates / f"{name}.crt", certificates / f"{name}.key"),
            user=user,
        )

    def api(self) -> Api:
        """The administrator's requests to the API server."""
        certificates = self.files.certificates
        return Api(
            server=self.server,
            authority=self.files.authority,
            certificate=certificates / "admin.crt",
            key=certificates / "admin.key",
        )

    def _start_etcd(self) -> Daemon:
        return self._start("etcd", self._programs.etcd, flags.etcd(self.files))

    def _start_api_server(self) -> Daemon:
        arguments = flags.api_server(
            self.files,
            LOOPBACK,
            self._port,
            structured_authentication=self._programs.structured_authentication,
        )
        arguments += self._extra
        return self._start("kube-apiserver", self._programs.kube_apiserver, arguments)

    def _add(self, name: str, program: Sequence[str], arguments: list[str]) -> None:
        self._daemons.append(self._start(name, program, arguments))

    def _start(self, name: str, program: Sequence[str], arguments: list[str]) -> Daemon:
        # Nothing of it is worth saving, so it is killed at the end.
        return self._scope.start(name, [*program, *arguments], grace=0.0)
