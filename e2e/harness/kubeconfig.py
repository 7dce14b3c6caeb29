"""Write kubeconfig files."""

import base64
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client known by its certificate."""

    certificate: Path
    key: Path

    def user(self) -> dict[str, str]:
        """The `user` of a kubeconfig."""
        return {
            "client-certificate-data": encoded(self.certificate.read_bytes()),
            "client-key-data": encoded(self.key.read_bytes()),
        }


@dataclass(frozen=True, slots=True)
class Token:
    """A client known by a bearer token."""

    token: str

    def user(self) -> dict[str, str]:
        """The `user` of a kubeconfig."""
        return {"token": self.token}


def encoded(content: bytes) -> str:
    """Bytes as a kubeconfig holds them."""
    return base64.b64encode(content).decode()


def write_kubeconfig(
    path: Path,
    *,
    cluster: dict[str, object],
    credentials: Certificate | Token,
    user: str,
    namespace: str = "default",
) -> Path:
    """Write a kubeconfig with one context, readable by the owner alone.

    Args:
        path: the file.
        cluster: the `cluster` entry: server and certificate authority.
        credentials: how the user proves itself.
        user: the user entry's name; the context is called after it.
        namespace: the context's namespace.
    """
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sluice-e2e", "cluster": cluster}],
        "users": [{"name": user, "user": credentials.user()}],
        "contexts": [
            {
                "name": user,
                "context": {"cluster": "sluice-e2e", "user": user, "namespace": namespace},
            }
        ],
        "current-context": user,
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path
