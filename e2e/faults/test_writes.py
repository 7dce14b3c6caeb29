"""Every write of a freeze and of a thaw is refused, lost, or the last that a controller makes."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest

import pytest
from aiohttp import web

from e2e.faults.holding import LOOSE, SPENT, TIGHT, Holding, holding
from e2e.faults.through import Through
from e2e.harness import Call
from e2e.harness.api_faults import calling, refused, unanswered
from e2e.harness.api_proxy import Exchange, Matches
from e2e.stack import Controller, Service, Stack
from e2e.story.manifests import Object

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(600)]

QUIET = 2.0
"""Seconds without a write after which a change is over: an evaluation a second is made."""

OBJECTIVES = "servicelevelobjectives"
MOST_TOLD = 20
"""Changes of the stage that a status remembers."""

FAULTS = {
    "conflict": refused(409),
    "throttled": refused(429, retry_after=1),
    "broken": refused(500),
    "late": refused(504),
    "unanswered": unanswered,
}


@pytest.fixture(scope="module")
def service(everything: Stack) -> Service:
    """What all teams of this module promise; it has failed as often as it will."""
    found = everything.take()
    found.spend(SPENT)
    return found


@dataclass(frozen=True, slots=True)
class Point:
    """The `number`th time, from 0, that a call is made in a freeze or a thaw."""

    call: Call
    number: int

    def __str__(self) -> str:
        return f"{self.call} [{self.number}]"


def first_time(team: Holding) -> Matches:
    """Each write of a team when it is made for the first time."""
    seen: set[Call] = set()

    def matches(call: Call) -> bool:
        new = team.mine(call) and call not in seen
        seen.add(call)
        return new

    return matches


def swung(there: Through, team: Holding, objective: str) -> list[Point]:
    """What a team's freeze or thaw writes, in the order of the answers."""
    begin = len(there.proxy.sent)
    team.demand(objective)
    (team.until_frozen if objective == TIGHT else team.until_thawed)()
    while there.proxy.sent[begin:][-1].ended > time.monotonic() - QUIET:
        time.sleep(QUIET / 4)
    times: Counter[Call] = Counter()
    points = []
    for call in (one.call for one in there.proxy.sent[begin:]):
        # How often the objective's numbers move enough to be written is chance.
        if team.mine(call) and not (call.resource.startswith(OBJECTIVES) and times[call]):
            points.append(Point(call, times[call]))
            times[call] += 1
    return points


def test_a_freeze_and_a_thaw_come_though_each_write_fails_the_first_time(
    proxied: Through, service: Service
) -> None:
    running = proxied.start()
    with ExitStack() as teams:
        found = {
            name: teams.enter_context(holding(proxied, f"fails-{name}", service)) for name in FAULTS
        }
        for objective in (TIGHT, LOOSE):
            with ExitStack() as rules:
                met = {
                    name: rules.enter_context(
                        proxied.proxy.when(first_time(team), FAULTS[name])
                    ).met
                    for name, team in found.items()
                }
                for team in found.values():
                    team.demand(objective)
                for name, team in found.items():
                    (team.until_frozen if objective == TIGHT else team.until_thawed)()
                    kinds = {call.resource for call in met[name]}
                    assert {"statefulsets", "errorbudgetpolicies/status"} <= kinds, name
        for team in found.values():
            assert team.transitions() == 3
    assert running.daemon.exit_code is None, running.daemon.tail()


def kills(freeze: list[Point], thaw: list[Point]) -> Iterator[tuple[str, Point | None, bool]]:
    """Freezes and thaws by turns, with a kill before and after each write of them."""
    for points in zip_longest(freeze, thaw):
        for done in (False, True):
            yield from ((to, point, done) for to, point in zip((TIGHT, LOOSE), points, strict=True))


def test_a_controller_killed_at_any_write_leaves_nothing_half_done(
    proxied: Through, service: Service
) -> None:
    running = proxied.start()
    with holding(proxied, "killed-at-any-write", service) as team:
        freeze, thaw = swung(proxied, team, TIGHT), swung(proxied, team, LOOSE)
        assert min(len(freeze), len(thaw)) > 6
        told = team.transitions()
        for objective, point, done in kills(freeze, thaw):
            if point is None:
                swung(proxied, team, objective)
            else:
                kill_at(point, proxied, team, objective, running, done=done)
                running = proxied.start()
            (team.until_frozen if objective == TIGHT else team.until_thawed)()
            told = min(told + 1, MOST_TOLD)
            assert team.transitions() == told, f"{point}, {done=}"


def kill_at(
    point: Point,
    there: Through,
    team: Holding,
    objective: str,
    running: Controller,
    *,
    done: bool,
) -> None:
    """Begin a freeze or a thaw that the controller does not outlive."""
    kill = calling(running.kill, done=done)
    with there.proxy.when(point.call.__eq__, kill, skip=point.number, times=1):
        team.demand(objective)
        what = f"killed {'after' if done else 'before'} {point}"
        team.team.until(what, lambda: running.daemon.exit_code is not None)


def stages_told(team: Holding) -> list[Object]:
    """The policy's Events about changes of the stage, as kubectl shows them."""
    kubectl = team.team.stack.plane.kubectl
    found = kubectl.json("-n", team.team.namespace, "get", "events.v1.events.k8s.io")["items"]
    return [one for one in found if "Healthy" in one.get("note", "")]


def test_events_that_are_not_taken_delay_nothing_and_are_told_afterwards_by_count(
    proxied: Through, service: Service
) -> None:
    running = proxied.start()
    with holding(proxied, "events-away", service) as team:
        team.team.until("first Event", lambda: len(stages_told(team)) == 1)

        def of_the_team(call: Call) -> bool:
            return team.mine(call) and call.resource == "events"

        async def silent(_: Exchange) -> web.StreamResponse:
            await asyncio.sleep(600)
            raise AssertionError("nobody waits for so long")

        # Nobody answers first, and then it is refused: neither keeps a freeze waiting.
        with proxied.proxy.when(of_the_team, silent, times=1) as unheard:
            team.demand(TIGHT)
            team.until_frozen()
            team.team.until("an Event on its way", lambda: unheard.met != [])
            with proxied.proxy.when(of_the_team, FAULTS["throttled"]) as refused_now:
                team.demand(LOOSE)
                team.until_thawed(timeout=8)
                team.demand(TIGHT)
                team.until_frozen()
                team.team.until("a refusal", lambda: refused_now.met != [])
                team.demand(LOOSE)
                team.until_thawed()
                team.demand(TIGHT)
                team.until_frozen()
                assert len(stages_told(team)) == 1

        def told() -> int:
            found = stages_told(team)
            return sum(one.get("series", {}).get("count", 1) for one in found)

        team.team.until("all is told", lambda: told() == 6, timeout=40)
        assert any("series" in one for one in stages_told(team))
        assert running.metric("sluice_events_dropped_total") is None
    assert running.daemon.exit_code is None, running.daemon.tail()
