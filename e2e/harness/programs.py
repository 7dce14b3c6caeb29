"""Where the programs come from that tests and the demo call."""

import os
import shutil
from pathlib import Path

from e2e.harness.gotools import CERTS, CONTROLPLANE, HELM, KWOK, NoGoError, built
from e2e.harness.local import Programs


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
    """A whole control plane built from source.

    Raises:
        NoGoError: when it has to be built and there is no Go.
    """
    binary = str(built(CONTROLPLANE))
    return Programs(
        etcd=[binary, "etcd"],
        kube_apiserver=[binary, "kube-apiserver"],
        kube_controller_manager=[binary, "kube-controller-manager"],
        kube_scheduler=[binary, "kube-scheduler"],
        kwok=[str(built(KWOK))],
        certs=built(CERTS),
    )


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
