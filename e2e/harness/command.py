"""Runs `sluice`, as people and pipelines do."""

import os
import subprocess
import sys


def sluice(
    *arguments: str, timeout: float = 60.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of Sluice's and wait for its end, whatever that is.

    Args:
        arguments: the command's name and its arguments.
        timeout: seconds until it is ended.
        environment: variables that it has beside ours.
    """
    return subprocess.run(
        [sys.executable, "-m", "sluice", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
