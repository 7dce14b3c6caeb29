"""Where prometheus and promtool come from."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from e2e.harness.cache import cache_directory, locked, staging
from e2e.harness.gotools import PROMETHEUS, PROMTOOL, NoGoError, built
from e2e.harness.progress import run_with_progress

Version = Literal["any", "debian", "3"]
_VARIABLE = "PROMETHEUS_BIN"


class NoPrometheus(RuntimeError):  # noqa: N818 - reads as what it says where tests skip on it
    """There is no Prometheus to test with; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class PrometheusPrograms:
    """The server and its tool, of one version."""

    prometheus: Path
    promtool: Path


def prometheus_programs(version: Version = "any") -> PrometheusPrograms:
    """The programs of a version.

    Args:
        version: `any` is `PROMETHEUS_BIN`, else PATH, else Debian's package, unpacked into the
            cache; `debian` is that package (2.x), `3` our own build of the Go module.

    Raises:
        NoPrometheus: saying why each of them is not to be had.
    """
    match version:
        case "3":
            return _built()
        case "debian":
            return _pair(_debian())
    if named := os.environ.get(_VARIABLE):
        return _pair(Path(named))
    if found := shutil.which("prometheus"):
        return _pair(Path(found))
    return _pair(_debian())


def _built() -> PrometheusPrograms:
    try:
        return PrometheusPrograms(built(PROMETHEUS), built(PROMTOOL))
    except NoGoError as error:
        raise NoPrometheus(f"Prometheus 3 is built from its Go module: {error}") from error


def _pair(prometheus: Path) -> PrometheusPrograms:
    promtool = prometheus.with_name("promtool")
    if not promtool.exists() and (found := shutil.which("promtool")):
        promtool = Path(found)
    for program in (prometheus, promtool):
        if not os.access(program, os.X_OK):
            raise NoPrometheus(f"{program} is not there or cannot be executed")
    return PrometheusPrograms(prometheus, promtool)


def _debian() -> Path:
    return _from_debian() / "usr" / "bin" / "prometheus"


def _from_debian() -> Path:
    """Unpack the package without installing it: nothing is started, no user is made."""
    directory = cache_directory() / "prometheus"
    unpacked = directory / "debian"
    if unpacked.exists():
        return unpacked
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoPrometheus(
            f"{_VARIABLE} is not set, `prometheus` is not on PATH, and without apt-get and "
            "dpkg-deb it cannot be fetched: install Prometheus and promtool"
        )
    with locked(directory, "prometheus"):
        if not unpacked.exists():
            with staging(directory) as new:
                try:
                    _fetch(new)
                except RuntimeError as error:
                    raise NoPrometheus(str(error)) from error
                (new / "package").rename(unpacked)
    return unpacked


def _fetch(new: Path) -> None:
    policy = subprocess.run(
        ["apt-cache", "policy", "prometheus"], capture_output=True, text=True, check=False
    ).stdout
    if "Candidate:" not in policy and os.geteuid() == 0:
        run_with_progress("apt-get update", ["apt-get", "update"], usual="10 s", cwd=new)
    # The sandbox user may not write into our directory.
    fetch = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
    run_with_progress("fetching prometheus", fetch, usual="5 s", cwd=new)
    (package,) = new.glob("prometheus_*.deb")
    unpack = ["dpkg-deb", "-x", package.name, "package"]
    run_with_progress("unpacking prometheus", unpack, usual="2 s", cwd=new)
