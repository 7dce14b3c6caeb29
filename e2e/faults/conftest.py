"""A stage of their own for faults: they end API servers and gates that other tests share."""

from collections.abc import Iterator

import pytest

from e2e.faults.through import Through, through
from e2e.harness import ControlPlane
from e2e.stack import SERVICES, Stack
from e2e.story.conftest import scene, start, team

__all__ = ["everything", "start", "team"]


@pytest.fixture(scope="package")
def everything(control_plane: ControlPlane) -> Iterator[Stack]:
    """The chart, and Prometheus with a service for each test."""
    with scene(control_plane, SERVICES[:28]) as found:
        yield found


@pytest.fixture
def proxied(everything: Stack) -> Iterator[Through]:
    """Controllers that reach the API server through a proxy, which can do it harm."""
    with through(everything) as found:
        yield found
