"""The chart, rendered by the real Helm."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.harness import helm as helm_program
from e2e.harness.gotools import NoGoError

Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Runs Helm; where it can neither be found nor built the tests skip and say why."""
    try:
        program = helm_program()
    except NoGoError as error:
        pytest.skip(f"no Helm to render the chart with: {error}")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run
