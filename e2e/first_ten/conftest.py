"""A control plane of their own for all mistakes: definitions and rights are taken from it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from e2e import harness
from e2e.first_ten.handbook import Terminal
from e2e.stack import SERVICES, Controller, Stack
from e2e.story.conftest import ending_well, scene, team_of
from e2e.story.team import Team


@pytest.fixture(scope="package")
def stage(control_plane: harness.ControlPlane) -> Iterator[Stack]:
    """The chart and a Prometheus with services; in a cluster that is not ours tests skip."""
    if control_plane.local is None:
        pytest.skip(f"provider {control_plane.provider}: definitions are not ours to delete")
    with ExitStack() as resources:
        plane = resources.enter_context(harness.control_plane())
        yield resources.enter_context(scene(plane, SERVICES[:16]))


def running(stage: Stack, *, url: str = "") -> AbstractContextManager[Controller]:
    """A controller that ends well, and waits no longer than a test does."""
    return ending_well(stage.run("--query-timeout=4", url=url))


@pytest.fixture(scope="module")
def controller(stage: Stack) -> Iterator[Controller]:
    """One controller for all tests of a module that come after it is asked for."""
    with running(stage) as found:
        yield found


@pytest.fixture
def team(stage: Stack) -> Iterator[Team]:
    """A team for the test, of a number: the names of tests are too long to differ."""
    with team_of(stage, f"team-{next(stage.numbers)}") as found:
        yield found


@pytest.fixture
def terminal(team: Team) -> Terminal:
    """The terminal of somebody who runs Sluice."""
    return Terminal(team)
