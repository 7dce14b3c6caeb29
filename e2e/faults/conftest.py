"""A stage of their own for faults: they end API servers and gates that other tests share."""

from collections.abc import Iterator

import pytest

from e2e.harness import ControlPlane
from e2e.stack import SERVICES, Stack
from e2e.story.conftest import scene, start, team

__all__ = ["everything", "start", "team"]


@pytest.fixture(scope="package")
def everything(control_plane: ControlPlane) -> Iterator[Stack]:
    """The chart, and Prometheus with a service for each test."""
    with scene(control_plane, SERVICES[:14]) as found:
        yield found
