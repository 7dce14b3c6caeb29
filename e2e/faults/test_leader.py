"""Two controllers, each with a way of its own to the API server, which can be cut."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest
from aiohttp import web

from e2e.faults.through import Through, through
from e2e.harness import ApiProxy, Call
from e2e.harness.api_proxy import Exchange, Sent
from e2e.stack import Controller, Stack
from e2e.story.manifests import stages
from e2e.story.team import OBJECTIVE, Team
from sluice.kube.lease import Timing

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

TIMING = Timing()
TAKE_OVER = TIMING.duration + TIMING.retry
"""Seconds, at the most, from a leader's last renewal until another one leads."""
SLACK = 2.0
"""Seconds for a request, and for this test to see it."""
END = 10.0
FAILURES = 7
PAUSE = stages(pauseRollouts=True)


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


def bad(team: Team) -> int:
    status = team.get(OBJECTIVE, "availability")["status"]
    return int(status["errorBudget"]["events"]["bad"])


def transitions(team: Team) -> list[tuple[str, str]]:
    return [(one["from"], one["to"]) for one in team.status()["history"]]


def done(proxy: ApiProxy) -> list[Sent]:
    """What went through; a Lease that somebody else holds by now is refused as a conflict."""
    return [one for one in proxy.sent if one.status < HTTPStatus.MULTIPLE_CHOICES]


def gate(call: Call) -> bool:
    return call.writes and call.resource == "validatingadmissionpolicies"


def test_a_leader_that_is_cut_off_in_a_freeze_writes_nothing_once_the_standby_does(
    team: Team, ways: tuple[Through, Through]
) -> None:
    leader, standby = pair(team, ways)
    first, second = (way.proxy for way in ways)
    team.start(stages=PAUSE)
    before = bad(team) - team.service.requests

    async def cut_off(exchange: Exchange) -> web.StreamResponse:
        first.partition()
        await asyncio.sleep(0)  # it takes effect when the loop turns
        return await exchange.forward()

    with first.when(gate, cut_off, times=1) as rule:
        team.service.spend(90)
        team.until("cut off", lambda: rule.met != [])
        assert second.sent == []
        assert team.until("a new leader", lambda: leads(standby)) < TAKE_OVER + SLACK
        assert not leads(leader)
        team.until_denied()
        team.until_stage("Exhausted")
        team.service.shop.inject(bad=FAILURES)
        first.heal()
    # No slice is lost, and none is counted twice, whoever counted it.
    failed = before + team.service.requests + FAILURES
    team.until("all counted", lambda: bad(team) == failed)
    time.sleep(2 * TIMING.retry)  # what it had under way would be through, and it looks again
    assert not leads(leader)
    assert max(it.ended for it in done(first)) < min(it.began for it in done(second))
    team.service.recover()
    team.until_stage("Healthy")
    expected = [("Exhausted", "Healthy"), ("Healthy", "Exhausted"), ("", "Healthy")]
    assert transitions(team) == expected


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
