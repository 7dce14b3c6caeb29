"""One control plane for all of these tests."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e import harness


@pytest.fixture(scope="session")
def plane() -> Iterator[harness.ControlPlane]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(harness.control_plane())
        except harness.NoControlPlane as reasons:
            pytest.skip(str(reasons))
        yield running


@pytest.fixture
def prometheus_binary() -> None:
    try:
        harness.prometheus_programs()
    except harness.NoPrometheus as reason:
        pytest.skip(str(reason))
