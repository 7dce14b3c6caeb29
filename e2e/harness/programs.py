"""Where the programs come from that tests and the demo call."""

import os
import shutil
from pathlib import Path

from e2e.harness.gotools import (
    CERTS,
    CONTROLPLANE,
    CONTROLPLANE_OLDEST,
    HELM,
    KWOK,
    GoTool,
    NoGoError,
    built,
)
from e2e.harness.local import Programs

RELEASE = "SLUICE_KUBERNETES"
"""Names the release of the control plane that is built: `newest` if it is not set."""

_RELEASES = {"newest": CONTROLPLANE, "oldest": CONTROLPLANE_OLDEST}


class UnknownReleaseError(ValueError):
    """A release of Kubernetes is asked for that there is no module of."""


def kubectl() -> Path:
    """kubectl: our own build, so that every machine tests with the same one.

    Without Go it is that of `KUBEBUILDER_ASSETS`, else the one on PATH.

    Raises:
        NoGoError: when there is none of these.
    """
    try:
        return _linked("kubectl")
    except NoGoError:
        assets = os.environ.get("KUBEBUILDER_ASSETS")
        found = shutil.which("kubectl", path=assets) if assets else None
        found = found or shutil.which("kubectl")
        if found is None:
            raise
        return Path(found)


def helm() -> Path:
    """helm: our own build.

    Raises:
        NoGoError: when it has to be built and there is no Go.
    """
    return built(HELM)


def built_programs() -> Programs:
    """A whole control plane built from source, of the release that `SLUICE_KUBERNETES` names.

    etcd is that of the newest release, whatever the others are of.

    Raises:
        NoGoError: when it has to be built and there is no Go.
        UnknownReleaseError: there is no such release here.
    """
    etcd, kubernetes = str(built(CONTROLPLANE)), str(built(kubernetes_tool()))
    return Programs(
        etcd=[etcd, "etcd"],
        kube_apiserver=[kubernetes, "kube-apiserver"],
        kube_controller_manager=[kubernetes, "kube-controller-manager"],
        kube_scheduler=[kubernetes, "kube-scheduler"],
        kwok=[str(built(KWOK))],
        certs=built(CERTS),
        structured_authentication=kubernetes_tool() is CONTROLPLANE,
    )


def kubernetes_tool() -> GoTool:
    """What the control plane is built from.

    Raises:
        UnknownReleaseError: `SLUICE_KUBERNETES` names none that is here.
    """
    name = os.environ.get(RELEASE) or "newest"
    if name not in _RELEASES:
        raise UnknownReleaseError(f"{RELEASE}={name}: write {' or '.join(_RELEASES)}")
    return _RELEASES[name]


def asset_programs(directory: Path) -> Programs:
    """A control plane from a directory of programs, as `setup-envtest` downloads them.

    Those hold no scheduler and mostly no controller manager; then Deployments do not roll out.

    Raises:
        FileNotFoundError: when etcd or kube-apiserver is not there.
        NoGoError: when there is no Go to build the program that makes the certificates.
    """

    def found(name: str) -> list[str] | None:
        program = directory / name
        return [str(program)] if os.access(program, os.X_OK) else None

    etcd, kube_apiserver = found("etcd"), found("kube-apiserver")
    if etcd is None or kube_apiserver is None:
        raise FileNotFoundError(f"{directory} does not hold etcd and kube-apiserver")
    return Programs(
        etcd=etcd,
        kube_apiserver=kube_apiserver,
        kube_controller_manager=found("kube-controller-manager"),
        kube_scheduler=found("kube-scheduler"),
        kwok=found("kwok"),
        certs=built(CERTS),
    )


def _linked(name: str) -> Path:
    """A link to the control plane's binary, which acts by the name that it is called by."""
    binary = built(CONTROLPLANE)
    link = binary.with_name(name)
    if not link.is_symlink():
        new = link.with_name(f".{name}.{os.getpid()}")
        new.symlink_to(binary.name)
        new.rename(link)  # atomic, whoever else does the same
    return link
