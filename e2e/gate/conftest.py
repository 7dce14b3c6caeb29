"""A namespace of its own for every module of tests."""

import re
from collections.abc import Iterator

import pytest

from e2e.gate.shop import Shop
from e2e.harness import ControlPlane


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    name = re.sub("[^a-z]+", "-", request.node.name.rpartition("/")[2].removesuffix(".py"))
    with control_plane.namespace(f"gate-{name}") as namespace:
        yield Shop(control_plane, namespace)
