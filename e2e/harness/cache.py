"""A cache directory that several processes may fill at the same time."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_directory() -> Path:
    """`SLUICE_CACHE`, else `~/.cache/sluice`."""
    return Path(os.environ.get("SLUICE_CACHE") or Path.home() / ".cache" / "sluice")


@contextmanager
def locked(directory: Path, what: str) -> Iterator[None]:
    """Hold the lock of a cache directory; says so on stderr when it has to wait."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{what}: waiting for another process that makes it", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def staging(directory: Path) -> Iterator[Path]:
    """A temporary directory on the same file system, so that a rename out of it is atomic.

    The caller holds the lock of the cache directory.
    """
    for stale in directory.glob(".new-*"):  # of a process that was killed
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".new-") as name:
        yield Path(name)
