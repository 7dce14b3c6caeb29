"""The stack of all scenarios, a controller for a module, a team for a test."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from e2e import harness
from e2e.harness import ControlPlane, NoPrometheus
from e2e.stack import EXAMPLE, SERVICES, SPENT, Controller, Past, Stack, installed, stack
from e2e.story.gitops import install_crds
from e2e.story.team import Team

Start = Callable[..., Controller]


@contextmanager
def scene(control_plane: ControlPlane, pasts: Sequence[Past]) -> Iterator[Stack]:
    """The chart, and Prometheus with these services; where they cannot be had tests skip."""
    if not control_plane.rolls_out:
        pytest.skip("the control plane has no controller manager: Deployments do not roll out")
    with ExitStack() as resources:
        kubeconfig = resources.enter_context(
            installed(control_plane, "chaos.chaosMesh=true", "chaos.litmus=true")
        )
        try:
            found = resources.enter_context(stack(control_plane, kubeconfig, pasts))
        except NoPrometheus as reason:
            pytest.skip(str(reason))
        yield found


@pytest.fixture(scope="package")
def everything(control_plane: ControlPlane) -> Iterator[Stack]:
    """A stage for all scenarios, with a service for each of them."""
    with scene(control_plane, [EXAMPLE, SPENT, *SERVICES]) as found:
        yield found


@pytest.fixture(scope="package")
def with_flux(everything: Stack) -> Iterator[Stack]:
    """A control plane of its own, with the kinds of Flux and the rights to suspend them."""
    with ExitStack() as resources:
        plane = resources.enter_context(harness.control_plane())
        if plane.local is None:
            pytest.skip(f"provider {plane.provider}: Flux may be there and in use")
        install_crds(plane)
        rights = ("suspend.flux=true", "suspend.cronJobs=true")
        kubeconfig = resources.enter_context(installed(plane, *rights))
        yield everything.within(plane, kubeconfig)


@contextmanager
def ending_well(running: Controller) -> Iterator[Controller]:
    """A controller that ends well, here or before, and meets nothing unforeseen."""
    try:
        yield running
    finally:
        code = running.stop()
    assert code == 0, running.daemon.tail()
    assert "Traceback" not in running.log, running.daemon.tail(60)


@contextmanager
def running_in(stage: Stack) -> Iterator[Controller]:
    """A controller that must stay up and never fail."""
    with ending_well(stage.run()) as running:
        stage.until("a ready controller", lambda: running.page("/readyz")[0] == 200)
        yield running
        assert running.daemon.exit_code is None, running.daemon.tail()


@contextmanager
def team_of(stage: Stack, test: str) -> Iterator[Team]:
    """A namespace and a service that only this test uses."""
    name = re.sub("[^a-z0-9]+", "-", test.removeprefix("test_"))[:40].strip("-")
    with stage.plane.namespace(name) as namespace:
        yield Team(stage, namespace, stage.take())


@pytest.fixture(scope="module")
def controller(everything: Stack) -> Iterator[Controller]:
    """One controller for all tests of a module."""
    with running_in(everything) as found:
        yield found


@pytest.fixture
def start(everything: Stack) -> Iterator[Start]:
    """Starts controllers that end with the test."""
    running: list[Controller] = []

    def run(*flags: str, **how: Any) -> Controller:
        running.append(everything.run(*flags, **how))
        return running[-1]

    yield run
    for one in running:
        one.stop()


@pytest.fixture
def team(everything: Stack, request: pytest.FixtureRequest) -> Iterator[Team]:
    """A team for the test."""
    with team_of(everything, request.node.name) as found:
        yield found
