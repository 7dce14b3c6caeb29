"""The command lines of a control plane's programs."""

from dataclasses import dataclass
from pathlib import Path

_ISSUER = "https://kubernetes.default.svc"

# Anonymous requests are for health checks alone, as a hardened cluster has it.
_AUTHENTICATION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions: [{path: /livez}, {path: /readyz}, {path: /healthz}]
"""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a control plane keeps its files."""

    directory: Path

    @property
    def certificates(self) -> Path:
        """Certificates and keys."""
        return self.directory / "pki"

    @property
    def authority(self) -> Path:
        """The certificate authority's certificate."""
        return self.certificates / "ca.crt"

    @property
    def etcd_socket(self) -> Path:
        """etcd listens here: it needs no free port, and no other user can reach it."""
        return self.directory / "etcd.sock"


def etcd(files: Files) -> list[str]:
    """Flags of etcd."""
    # What is advertised must look like host and port, but a single member never dials it.
    advertised = "unix://etcd:0"
    return [
        f"--data-dir={files.directory / 'etcd'}",
        f"--listen-client-urls=unix://{files.etcd_socket}",
        f"--advertise-client-urls={advertised}",
        f"--listen-peer-urls=unix://{files.directory / 'etcd-peer.sock'}",
        f"--initial-advertise-peer-urls={advertised}",
        f"--initial-cluster=default={advertised}",
        "--unsafe-no-fsync",  # the data need not survive the machine
        "--log-level=warn",
    ]


def api_server(
    files: Files, address: str, port: int, *, structured_authentication: bool = True
) -> list[str]:
    """Flags of kube-apiserver."""
    certificates = files.certificates
    return [
        f"--etcd-servers=unix://{files.etcd_socket}",
        f"--bind-address={address}",
        f"--secure-port={port}",
        f"--tls-cert-file={certificates / 'apiserver.crt'}",
        f"--tls-private-key-file={certificates / 'apiserver.key'}",
        f"--client-ca-file={files.authority}",
        *(_authentication(files) if structured_authentication else ()),
        "--authorization-mode=Node,RBAC",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={certificates / 'service-account.pub'}",
        f"--service-account-signing-key-file={certificates / 'service-account.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",  # no Service may point to a loopback address
        "--allow-privileged=true",
        "--profiling=false",
    ]


def _authentication(files: Files) -> list[str]:
    configuration = files.directory / "authentication.yaml"
    configuration.write_text(_AUTHENTICATION)
    return [f"--authentication-config={configuration}"]


def controller_manager(files: Files, kubeconfig: Path) -> list[str]:
    """Flags of kube-controller-manager: each controller acts as its own ServiceAccount."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={files.certificates / 'service-account.key'}",
        f"--root-ca-file={files.authority}",
        "--leader-elect=false",
        "--secure-port=0",
        "--node-monitor-period=1s",  # a new node is schedulable sooner
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--profiling=false",
    ]


def scheduler(kubeconfig: Path) -> list[str]:
    """Flags of kube-scheduler."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--profiling=false",
    ]


def kwok(kubeconfig: Path, stages: Path) -> list[str]:
    """Flags of kwok."""
    return [f"--kubeconfig={kubeconfig}", f"--config={stages}"]
