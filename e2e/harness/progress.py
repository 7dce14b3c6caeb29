"""Run a command that takes minutes and say on stderr that it is still at work."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_EVERY_SECONDS = 10.0


def say(message: str) -> None:
    """Print a progress line."""
    print(message, file=sys.stderr, flush=True)


def run_with_progress(
    what: str,
    command: Sequence[str],
    *,
    usual: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command to its end, with a line every ten seconds.

    Raises:
        RuntimeError: when it fails, with the end of its output.
    """
    say(f"{what}: started (usually {usual})")
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output = _wait(process, what, started, usual)
        except BaseException:  # Ctrl-C too: nothing goes on building behind our back
            process.kill()
            raise
    elapsed = time.monotonic() - started
    if process.returncode != 0:
        tail = "\n".join(output.splitlines()[-15:])
        raise RuntimeError(f"{what} failed after {elapsed:.0f} s:\n{tail}")
    say(f"{what}: done in {elapsed:.0f} s")


def _wait(process: subprocess.Popen[str], what: str, started: float, usual: str) -> str:
    while True:
        try:
            return process.communicate(timeout=_EVERY_SECONDS)[0]
        except subprocess.TimeoutExpired:
            say(f"{what}: {time.monotonic() - started:.0f} s (usually {usual})")
