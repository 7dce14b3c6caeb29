"""Two controllers, each with a way of its own to the API server, which can be cut."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.faults.through import Through, through
from e2e.stack import Controller, Stack
from e2e.story.team import Team
from sluice.kube.lease import Timing

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

TIMING = Timing()
TAKE_OVER = TIMING.duration + TIMING.retry
"""Seconds, at the most, from a leader's last renewal until another one leads."""
SLACK = 2.0
"""Seconds for a request, and for this test to see it."""
END = 10.0
"""Seconds that a process may take to end."""


@pytest.fixture
def ways(everything: Stack) -> Iterator[tuple[Through, Through]]:
    """Two proxies before one API server."""
    with ExitStack() as both:
        yield both.enter_context(through(everything)), both.enter_context(through(everything))


def leads(one: Controller) -> bool:
    return one.metric("sluice_leader") == 1


def pair(team: Team, ways: tuple[Through, Through]) -> tuple[Controller, Controller]:
    """A leader behind the first proxy, and a standby behind the second."""
    leader = ways[0].run()
    team.until("a leader", lambda: leads(leader))
    standby = ways[1].run()
    team.until("a standby", lambda: standby.metric("sluice_synced") == 1)
    return leader, standby


def test_a_leader_that_is_cut_off_ends_in_time_when_it_is_asked_to(
    team: Team, ways: tuple[Through, Through]
) -> None:
    leader, standby = pair(team, ways)
    team.start()
    ways[0].proxy.partition()
    began = time.monotonic()
    assert leader.stop() == 0
    assert time.monotonic() - began < END
    team.until("a new leader", lambda: leads(standby), timeout=TAKE_OVER + SLACK)
