"""The ways to get a control plane; each gives one or says why it cannot."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.harness.client import Kubectl
from e2e.harness.cluster import RUN_LABEL, ControlPlane
from e2e.harness.errors import RefusedError, UnavailableError
from e2e.harness.gotools import NoGoError
from e2e.harness.local import LocalControlPlane, Programs
from e2e.harness.processes import Scope
from e2e.harness.programs import asset_programs, built_programs, kubectl

_KUBECONFIG = "SLUICE_TEST_KUBECONFIG"
_CONFIRMED = "SLUICE_TEST_CLUSTER_CONFIRMED"
_ASSETS = "KUBEBUILDER_ASSETS"

# What tests make outside of namespaces, in the order in which it is safe to take it away.
_CLUSTER_SCOPED = (
    "validatingadmissionpolicybindings,validatingadmissionpolicies,validatingwebhookconfigurations",
    "namespaces",
    "customresourcedefinitions",
    "clusterrolebindings,clusterroles",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a provider gets: where to put files, and the caller's wishes."""

    scope: Scope
    run: str
    api_server_flags: Sequence[str] = ()


Provider = Callable[[Request], AbstractContextManager[ControlPlane]]


@contextmanager
def existing(request: Request) -> Iterator[ControlPlane]:
    """A cluster that somebody points us to and confirms by its context's name."""
    source = os.environ.get(_KUBECONFIG)
    if not source:
        raise UnavailableError(f"{_KUBECONFIG} is not set")
    run = _kubectl(request, Path(source))
    context = run("config", "current-context").stdout.strip()
    if os.environ.get(_CONFIRMED) != context:
        raise RefusedError(
            f"{_KUBECONFIG} points to context {context!r}; set {_CONFIRMED}={context} to let tests "
            "create and delete objects there"
        )
    # A copy with this context alone: no test can reach another cluster by mistake.
    kubeconfig = request.scope.directory / "admin.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(run("config", "view", "--raw", "--minify", "--flatten").stdout)
    plane = _remote("existing", request, kubeconfig)
    try:
        yield plane
    finally:
        for kinds in _CLUSTER_SCOPED:
            plane.kubectl("delete", kinds, "-l", f"{RUN_LABEL}={request.run}", check=False)


@contextmanager
def assets(request: Request) -> Iterator[ControlPlane]:
    """Programs in a directory, as controller-runtime's test environment uses them."""
    directory = os.environ.get(_ASSETS)
    if not directory:
        raise UnavailableError(f"{_ASSETS} is not set")
    try:
        programs = asset_programs(Path(directory))
    except (FileNotFoundError, NoGoError) as error:
        raise UnavailableError(str(error)) from error
    yield _local("assets", request, programs)


@contextmanager
def kind(request: Request) -> Iterator[ControlPlane]:
    """A kind cluster, made for this run and deleted after it.

    No test exercises it: it needs a container engine, which is what this harness does without. Its
    nodes are containers, so it outlives a killed owner: `kind get clusters` shows it.
    """
    if shutil.which("kind") is None:
        raise UnavailableError("the program `kind` is not on PATH")
    if shutil.which("docker") is None:
        raise UnavailableError("the program `docker` is not on PATH")
    if (info := _run("docker", "info")).returncode != 0:
        raise UnavailableError(f"`docker info` failed: {info.stderr.strip()}")
    name = f"sluice-e2e-{request.run}"
    kubeconfig = request.scope.directory / "admin.kubeconfig"
    try:
        place = ["--name", name, "--kubeconfig", str(kubeconfig)]
        done = _run("kind", "create", "cluster", *place, "--wait", "180s")
        if done.returncode != 0:
            raise UnavailableError(f"`kind create cluster` failed: {done.stderr.strip()}")
        yield _remote("kind", request, kubeconfig)
    finally:
        _run("kind", "delete", "cluster", "--name", name)


@contextmanager
def built(request: Request) -> Iterator[ControlPlane]:
    """A control plane built from Kubernetes' sources, which needs nothing but Go."""
    try:
        programs = built_programs()
    except RuntimeError as error:  # no Go, or no way to fetch the modules
        raise UnavailableError(str(error)) from error
    yield _local("built", request, programs)


PROVIDERS: tuple[tuple[str, Provider], ...] = (
    ("existing", existing),
    ("assets", assets),
    ("kind", kind),
    ("built", built),
)


def _local(provider: str, request: Request, programs: Programs) -> ControlPlane:
    local = LocalControlPlane(request.scope, programs, request.api_server_flags)
    return ControlPlane(
        provider=provider,
        kubeconfig=local.kubeconfig,
        server=local.server,
        directory=request.scope.directory,
        run=request.run,
        rolls_out=programs.rolls_out,
        kubectl=_kubectl(request, local.kubeconfig),
        local=local,
    )


def _remote(provider: str, request: Request, kubeconfig: Path) -> ControlPlane:
    run = _kubectl(request, kubeconfig)
    view = run.json("config", "view", "--minify")
    return ControlPlane(
        provider=provider,
        kubeconfig=kubeconfig,
        server=view["clusters"][0]["cluster"]["server"],
        directory=request.scope.directory,
        run=request.run,
        rolls_out=True,
        kubectl=run,
    )


def _kubectl(request: Request, kubeconfig: Path) -> Kubectl:
    try:
        program = kubectl()
    except NoGoError as error:
        raise UnavailableError(f"no kubectl: {error}") from error
    cache = request.scope.directory / "kubectl-cache"
    return Kubectl(program=program, kubeconfig=kubeconfig, cache=cache)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
