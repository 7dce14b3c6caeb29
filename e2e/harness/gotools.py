"""Programs that the harness builds from Go modules, from pinned versions with verified sums."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.harness.cache import cache_directory, locked, staging
from e2e.harness.progress import run_with_progress

_MODULES = Path(__file__).parent.parent / "controlplane"

# Go's linker sets these; {version}, {major} and {minor} are of the module in `versioned_by`, and
# {release} is what Prometheus calls it: its module v0.315.0 is release 3.15.0.
_KUBERNETES_VARIABLES = (
    "k8s.io/component-base/version.gitVersion={version}",
    "k8s.io/component-base/version.gitMajor={major}",
    "k8s.io/component-base/version.gitMinor={minor}",
    "k8s.io/component-base/version.gitTreeState=clean",
    "k8s.io/client-go/pkg/version.gitVersion={version}",
)
_PROMETHEUS = "github.com/prometheus/prometheus"
_PROMETHEUS_VARIABLES = ("github.com/prometheus/common/version.Version={release}",)
_ARGO_ROLLOUTS = "github.com/argoproj/argo-rollouts"
# Without discovery of targets in clouds, whose clients are most of the program.
_PROMETHEUS_TAGS = ("remove_all_sd",)


class NoGoError(RuntimeError):
    """A program has to be built and there is no Go to do it."""


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program in one of the modules of `e2e/controlplane`."""

    name: str
    module: str
    package: str
    usual: str
    versioned_by: str = ""
    variables: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """The module's directory."""
        return _MODULES / self.module

    def flags(self) -> list[str]:
        """Flags of `go build`."""
        linker = ["-s", "-w"]
        if self.variables:
            version = self._version()
            major, minor, patch = version.removeprefix("v").split(".", 2)
            values = {
                "version": version,
                "major": major,
                "minor": minor,
                "release": f"{minor[:-2]}.{minor[-2:].lstrip('0') or '0'}.{patch}",
            }
            for variable in self.variables:
                linker += ["-X", variable.format(**values)]
        tags = ["-tags", ",".join(self.tags)] if self.tags else []
        # A build must depend on the pinned modules alone: not on the state of the working copy, nor
        # on the paths of this machine.
        return [
            "-trimpath",
            "-buildvcs=false",
            "-mod=readonly",
            *tags,
            "-ldflags",
            " ".join(linker),
        ]

    def _version(self) -> str:
        text = (self.directory / "go.mod").read_text()
        pattern = rf"^\s*(?:require )?{re.escape(self.versioned_by)} (v\S+)"
        found = re.search(pattern, text, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"{self.directory / 'go.mod'} does not require {self.versioned_by}")
        return found.group(1)


CERTS = GoTool(name="certs", module="certs", package=".", usual="2 s")
CONTROLPLANE = GoTool(
    name="controlplane",
    module="kubernetes",
    package=".",
    usual="5-8 minutes the first time, on two cores",
    versioned_by="k8s.io/kubernetes",
    variables=_KUBERNETES_VARIABLES,
)
CONTROLPLANE_OLDEST = GoTool(
    name="controlplane",
    module="kubernetes-oldest",
    package=".",
    usual="5-8 minutes the first time, on two cores",
    versioned_by="k8s.io/kubernetes",
    variables=_KUBERNETES_VARIABLES,
)
KWOK = GoTool(
    name="kwok",
    module="kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    usual="half a minute after the control plane",
)
HELM = GoTool(
    name="helm",
    module="helm",
    package="helm.sh/helm/v4/cmd/helm",
    usual="2-3 minutes the first time",
    versioned_by="helm.sh/helm/v4",
    variables=("helm.sh/helm/v4/internal/version.version={version}",),
)
PROMETHEUS = GoTool(
    name="prometheus",
    module="prometheus",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    usual="3-5 minutes the first time",
    versioned_by=_PROMETHEUS,
    variables=_PROMETHEUS_VARIABLES,
    tags=_PROMETHEUS_TAGS,
)
PROMTOOL = GoTool(
    name="promtool",
    module="prometheus",
    package="github.com/prometheus/prometheus/cmd/promtool",
    usual="half a minute after Prometheus",
    versioned_by=_PROMETHEUS,
    variables=_PROMETHEUS_VARIABLES,
    tags=_PROMETHEUS_TAGS,
)
ARGO_ROLLOUTS = GoTool(
    name="rollouts-controller",
    module="argo-rollouts",
    package=f"{_ARGO_ROLLOUTS}/cmd/rollouts-controller",
    usual="3-5 minutes the first time",
)
ARGO_ROLLOUTS_PLUGIN = GoTool(
    name="kubectl-argo-rollouts",
    module="argo-rollouts",
    package=".",
    usual="half a minute after its controller",
)
HISTOGRAMS = GoTool(
    name="histograms",
    module="prometheus",
    package=".",
    usual="a few seconds after Prometheus",
)
FLUX = GoTool(
    name="kustomize-controller",
    module="flux",
    package="github.com/fluxcd/kustomize-controller",
    usual="several minutes the first time",
)
HEALTH = GoTool(
    name="health",
    module="health",
    package=".",
    usual="a minute after the control plane",
)
CLUSTER = (CERTS, CONTROLPLANE, KWOK, HELM)
ALL = (
    *CLUSTER,
    ARGO_ROLLOUTS,
    ARGO_ROLLOUTS_PLUGIN,
    PROMETHEUS,
    PROMTOOL,
    HISTOGRAMS,
    HEALTH,
    FLUX,
)


def built(tool: GoTool) -> Path:
    """The program's path; builds it when it is not in the cache.

    Raises:
        NoGoError: when it has to be built and cannot be.
    """
    directory = cache_directory() / "tools" / _key(tool)
    program = directory / tool.name
    if program.exists():
        return program
    with locked(directory, tool.name):
        if not program.exists():
            with staging(directory) as new:
                _build(tool, new / tool.name)
                (new / tool.name).rename(program)
    return program


def prometheus_rule_crd() -> Path:
    """The Prometheus Operator's own CRD of PrometheusRule: a file of its Go module.

    Raises:
        NoGoError: when the module cannot be had.
    """
    name = "prometheus-operator"
    found = _source(_MODULES / name, f"github.com/prometheus-operator/{name}")
    return found / f"example/{name}-crd/monitoring.coreos.com_prometheusrules.yaml"


def argo_rollouts_crds() -> list[Path]:
    """The CRDs of Argo Rollouts, among them that of Rollouts: files of its Go module.

    Raises:
        NoGoError: when the module cannot be had.
    """
    found = _source(ARGO_ROLLOUTS.directory, _ARGO_ROLLOUTS)
    return sorted(found.glob("manifests/crds/*-crd.yaml"))


def flux_crds() -> list[Path]:
    """Flux' own CRDs of Kustomizations and of the sources of these: files of its Go modules.

    Raises:
        NoGoError: when the modules cannot be had.
    """
    return [
        crd
        for name in ("kustomize-controller", "source-controller")
        for crd in sorted(
            _source(_MODULES / "flux-crds", f"github.com/fluxcd/{name}").glob(
                "config/crd/bases/*.yaml"
            )
        )
    ]


def _source(directory: Path, module: str) -> Path:
    """Where the source of `module` is, of the version that the module in `directory` pins."""
    if shutil.which("go") is None:
        raise NoGoError("Go is not installed (the program `go` is not on PATH)")
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd=directory,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoGoError(f"the module {module} cannot be had: {done.stdout}{done.stderr}".strip())
    return Path(json.loads(done.stdout)["Dir"])


def _build(tool: GoTool, program: Path) -> None:
    command = ["go", "build", *tool.flags(), "-o", str(program), tool.package]
    run_with_progress(
        f"building {tool.name}", command, usual=tool.usual, cwd=tool.directory, env=_environment()
    )


def _key(tool: GoTool) -> str:
    """Names the cache entry: whatever the program depends on."""
    digest = hashlib.sha256()
    for part in [_go_version(tool), tool.name, tool.package, *tool.flags()]:
        digest.update(part.encode() + b"\0")
    for file in sorted(tool.directory.iterdir()):
        if file.suffix in {".go", ".mod", ".sum"}:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _go_version(tool: GoTool) -> str:
    if shutil.which("go") is None:
        raise NoGoError("Go is not installed (the program `go` is not on PATH)")
    done = subprocess.run(
        ["go", "env", "GOVERSION", "GOOS", "GOARCH"],
        cwd=tool.directory,  # the module decides on the toolchain
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoGoError(f"`go env` failed: {done.stderr.strip()}")
    return done.stdout


def _environment() -> dict[str, str]:
    # Without cgo the program is static and no C compiler is needed; GOFLAGS and a workspace file
    # of the user must not change what is built.
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
