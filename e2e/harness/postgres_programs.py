"""Where PostgreSQL comes from."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from e2e.harness.cache import cache_directory, locked, staging
from e2e.harness.progress import run_with_progress

_VARIABLE = "POSTGRES_BIN"
_INSTALLED = Path("/usr/lib/postgresql")


class NoPostgres(RuntimeError):  # noqa: N818 - reads as what it says where tests skip on it
    """There is no PostgreSQL to test with; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The server and the program that makes its database, of one version.

    Attributes:
        directory: where both are.
        package: what they are unpacked in, if they are not installed.
    """

    directory: Path
    package: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def copied(self, to: Path) -> "PostgresPrograms":
        """The same below `to`: another user cannot read what is in our home directory."""
        if self.package is None:
            return self
        shutil.copytree(self.package, to, symlinks=True)
        return _in_package(to)


def postgres_programs() -> PostgresPrograms:
    """`POSTGRES_BIN`, a directory; else PATH, else installed, else Debian's package in the cache.

    Raises:
        NoPostgres: saying why each of them is not to be had.
    """
    if named := os.environ.get(_VARIABLE):
        return _complete(PostgresPrograms(Path(named)))
    if found := shutil.which("initdb"):
        return _complete(PostgresPrograms(Path(found).resolve().parent))
    installed = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda it: int(it.parts[-3]))
    if installed:
        return _complete(PostgresPrograms(installed[-1].parent))
    return _complete(_in_package(_from_debian()))


def _complete(programs: PostgresPrograms) -> PostgresPrograms:
    for name in ("initdb", "postgres"):
        program = programs.directory / name
        if not os.access(program, os.X_OK):
            raise NoPostgres(f"{program} is not there or cannot be executed")
    return programs


def _in_package(package: Path) -> PostgresPrograms:
    (directory,) = package.glob("usr/lib/postgresql/*/bin")
    libraries = ":".join(str(it) for it in package.glob("usr/lib/*-linux-gnu"))
    return PostgresPrograms(directory, package, {"LD_LIBRARY_PATH": libraries})


def _from_debian() -> Path:
    """Unpack the packages without installing them: no cluster is made and nothing is started."""
    directory = cache_directory() / "postgresql"
    unpacked = directory / "debian"
    if unpacked.exists():
        return unpacked
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoPostgres(
            f"{_VARIABLE} is not set, `initdb` is not on PATH, and without apt-get and dpkg-deb "
            "it cannot be fetched: install PostgreSQL"
        )
    with locked(directory, "postgresql"):
        if not unpacked.exists():
            with staging(directory) as new:
                try:
                    _fetch(new)
                except RuntimeError as error:
                    raise NoPostgres(str(error)) from error
                (new / "package").rename(unpacked)
    return unpacked


def _fetch(new: Path) -> None:
    if "Depends:" not in _depends("postgresql") and os.geteuid() == 0:
        run_with_progress("apt-get update", ["apt-get", "update"], usual="10 s", cwd=new)
    server = re.search(r"Depends: (postgresql-[0-9]+)$", _depends("postgresql"), re.MULTILINE)
    if server is None:
        raise NoPostgres("apt-cache knows no package postgresql: run apt-get update")
    # Its libraries come along, but for those that are everywhere or that only the JIT needs.
    library = r"^ +Depends: (lib(?!c6|gcc|llvm)[a-z0-9.+-]+)$"
    needed = re.findall(library, _depends(server[1]), re.MULTILINE)
    fetch = ["apt-get", "-o", "APT::Sandbox::User=root", "download", server[1], *needed]
    run_with_progress("fetching postgresql", fetch, usual="20 s", cwd=new)
    for package in sorted(new.glob("*.deb")):
        unpack = ["dpkg-deb", "-x", package.name, "package"]
        run_with_progress(f"unpacking {package.name}", unpack, usual="2 s", cwd=new)


def _depends(package: str) -> str:
    return subprocess.run(
        ["apt-cache", "depends", package], capture_output=True, text=True, check=False
    ).stdout
