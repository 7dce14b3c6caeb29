"""A clock of its own for one process, which can be stepped while it runs: libfaketime.

Its monotonic clock stays true, as it does when a machine's time is set.
Source: the manual of libfaketime, sections on FAKETIME_TIMESTAMP_FILE and DONT_FAKE_MONOTONIC.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.harness.cache import cache_directory, locked, staging
from e2e.harness.progress import run_with_progress

_NAME = "libfaketime.so.1"


class NoFaketime(RuntimeError):  # noqa: N818 - reads as what it says where tests skip on it
    """There is no libfaketime; the message says what was tried."""


def faketime_library() -> Path:
    """The library, from Debian's package: installed, or unpacked into the cache, not installed.

    Raises:
        NoFaketime: it is not to be had.
    """
    installed = sorted(Path("/usr/lib").glob(f"*/faketime/{_NAME}"))
    return installed[0] if installed else _library(_from_debian())


def _library(package: Path) -> Path:
    found = sorted(package.glob(f"usr/lib/*/faketime/{_NAME}"))
    if not found:
        raise NoFaketime(f"Debian's package libfaketime has no {_NAME}")
    return found[0]


def _from_debian() -> Path:
    directory = cache_directory() / "faketime"
    unpacked = directory / "debian"
    if unpacked.exists():
        return unpacked
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoFaketime("without apt-get and dpkg-deb libfaketime cannot be fetched: install it")
    with locked(directory, "libfaketime"):
        if not unpacked.exists():
            with staging(directory) as new:
                try:
                    _fetch(new)
                except RuntimeError as error:
                    raise NoFaketime(str(error)) from error
                (new / "package").rename(unpacked)
    return unpacked


def _fetch(new: Path) -> None:
    policy = subprocess.run(
        ["apt-cache", "policy", "libfaketime"], capture_output=True, text=True, check=False
    ).stdout
    if "Candidate:" not in policy and os.geteuid() == 0:
        run_with_progress("apt-get update", ["apt-get", "update"], usual="10 s", cwd=new)
    # The sandbox user may not write into our directory.
    fetch = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "libfaketime"]
    run_with_progress("fetching libfaketime", fetch, usual="2 s", cwd=new)
    (package,) = new.glob("libfaketime_*.deb")
    unpack = ["dpkg-deb", "-x", package.name, "package"]
    run_with_progress("unpacking libfaketime", unpack, usual="1 s", cwd=new)


@dataclass(frozen=True, slots=True)
class FakeClock:
    """The clock of a process that runs with `environment`.

    Attributes:
        library: see `faketime_library`.
        file: holds by how much it is off.
    """

    library: Path
    file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What has to be in the process' environment."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Set it ahead by so many seconds (behind, if negative) of the true time."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)  # it is read at any time
