"""What all end-to-end tests share: one control plane a session."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e import harness


@pytest.fixture(scope="session")
def control_plane() -> Iterator[harness.ControlPlane]:
    """A real control plane; where none can be had the tests skip and say why."""
    with ExitStack() as stack:
        try:
            plane = stack.enter_context(harness.control_plane())
        except harness.NoControlPlane as reasons:
            if os.environ.get("CI"):
                raise  # there, a test that is skipped is a test that fails
            pytest.skip(str(reasons))
        yield plane
