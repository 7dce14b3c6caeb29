"""A namespace of its own for every module of tests."""

import re
from collections.abc import Iterator

import pytest

from e2e.gate.shop import Shop
from e2e.gate.webhook import Gate, Registered, registered
from e2e.harness import ControlPlane


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    name = re.sub("[^a-z]+", "-", request.node.name.rpartition("/")[2].removesuffix(".py"))
    with control_plane.namespace(f"gate-{name}") as namespace:
        yield Shop(control_plane, namespace)


@pytest.fixture(scope="package")
def webhook(control_plane: ControlPlane) -> Iterator[Registered]:
    """The webhook's configuration, as the chart has it."""
    if control_plane.local is None:
        pytest.skip(f"the API server of provider {control_plane.provider} cannot call this machine")
    with registered(control_plane, system="webhook-system") as found:
        yield found


@pytest.fixture(scope="module")
def gate(webhook: Registered) -> Iterator[Gate]:
    """A running gate that the API server asks."""
    with webhook.running() as found:
        yield found
