"""Prometheus, or what stands before it, is away, answers nonsense, or answers wrongly for a while.

What is promised: nothing freezes and nothing thaws by it, and afterwards every number is what it
would have been. A second objective reads the same past the proxy and tells what that is.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.faults.source import Fault, SourceProxy, nothing, part_of_it, scaled
from e2e.harness import ControlPlane
from e2e.stack import Controller, Stack
from e2e.story.manifests import Object, deployment, objective, policy, stages
from e2e.story.team import OBJECTIVE, Team
from sluice.indicators.promql import Side

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(600)]

SLO, TWIN = "availability", "truth"
SLICE = 300
TIMEOUT = 1.0
PAUSE = stages(pauseRollouts=True)


def direct(everything: Stack) -> Object:
    """A source past the proxy."""
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "MetricSource",
        "metadata": {"name": "direct"},
        "spec": {"prometheus": {"url": everything.prometheus.url}},
    }


@pytest.fixture(scope="module")
def proxy(everything: Stack) -> Iterator[SourceProxy]:
    with SourceProxy(everything.prometheus.url).running() as running:
        yield running


@pytest.fixture(scope="module")
def controller(everything: Stack, proxy: SourceProxy) -> Iterator[Controller]:
    plane = everything.plane
    plane.apply(direct(everything))
    running = everything.run("--no-leader-elect", f"--query-timeout={TIMEOUT:g}", url=proxy.url)
    try:
        yield running
        assert running.daemon.exit_code is None, running.daemon.tail()
    finally:
        code = running.stop()
        plane.kubectl("delete", "metricsource", "direct")
    assert code == 0
    assert "Traceback" not in running.log, running.daemon.tail(60)


def measured_twice(everything: Stack, namespace: str) -> Team:
    """A team with an objective that is measured through the proxy, and once more past it."""
    team = Team(everything, namespace, everything.take())
    twin = objective(team.service.job, name=TWIN, source={"name": "direct"})
    chosen = policy(objectives={"names": [SLO]}, stages=PAUSE)
    team.apply(objective(team.service.job), twin, chosen, deployment())
    for name in (SLO, TWIN):
        team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name=name, timeout=60)
    team.until_stage("Healthy")
    return team


def namespace(plane: ControlPlane, name: str) -> AbstractContextManager[str]:
    return plane.namespace(f"source-{name}")


@pytest.fixture(scope="module")
def healthy(everything: Stack, controller: Controller) -> Iterator[Team]:
    del controller
    with namespace(everything.plane, "healthy") as found:
        yield measured_twice(everything, found)


@pytest.fixture(scope="module")
def frozen(everything: Stack, controller: Controller) -> Iterator[Team]:
    del controller
    with namespace(everything.plane, "frozen") as found:
        team = measured_twice(everything, found)
        team.freeze()
        team.until_condition("Enforcing", "Enforced")
        yield team


def events(team: Team, name: str) -> dict[str, str]:
    found: dict[str, str] = team.get(OBJECTIVE, name)["status"]["errorBudget"]["events"]
    return found


def decided(team: Team) -> Object:
    """What was decided, and all that is to be undone."""
    return {key: value for key, value in team.remembered().items() if key != "transitions"}


def until_true(team: Team, *, timeout: float = 30.0) -> None:
    """Wait until the objective has counted what its twin has, to a second's requests."""

    def equal() -> bool:
        found, truth = events(team, SLO), events(team, TWIN)
        return found["bad"] == truth["bad"] and abs(
            int(found["total"]) - int(truth["total"])
        ) <= 0.001 * int(truth["total"])

    team.until("what is true", equal, timeout=timeout)


def until_over(*teams: Team) -> None:
    """Wait until a source is right again, and what it could not tell has been counted."""
    for team in teams:
        team.until_condition("Ready", "Reconciled", of=OBJECTIVE, name=SLO)
        until_true(team)


@dataclass(frozen=True)
class Deceived:
    """A team whose failures were told a thousandfold for a while, and what it had spent truly."""

    team: Team
    seconds: float


@pytest.fixture(scope="module")
def deceived(everything: Stack, proxy: SourceProxy, controller: Controller) -> Iterator[Deceived]:
    """It takes up to a slice until that is over: other tests run in the meantime."""
    del controller
    with namespace(everything.plane, "deceived") as found:
        team = measured_twice(everything, found)
        team.service.shop.inject(total=2000, bad=20)
        team.until("the failures", lambda: events(team, SLO)["bad"] == "20")
        wrong = Fault(rule=scaled(1000.0, Side.BAD), job=team.service.job)
        began = time.monotonic()
        with proxy.failing(wrong):
            team.until_stage("Exhausted")
        yield Deceived(team, time.monotonic() - began)


def test_wrong_numbers_are_believed_as_long_as_nothing_tells_that_they_are(
    deceived: Deceived,
) -> None:
    team = deceived.team
    team.until_denied()
    assert int(events(team, SLO)["bad"]) > 1000
    assert events(team, TWIN)["bad"] == "20"


FAULTS = {
    "hangs": (Fault(seconds=2 * TIMEOUT), "SourceTimeout", "has not answered within 1 s"),
    "fails": (Fault(status=500), "SourceError", "answered HTTP 500"),
    "has no upstream": (Fault(status=503), "SourceError", "answered HTTP 503"),
    "breaks off": (Fault(cut=0.5, broken=True), "SourceUnreachable", "the connection broke"),
    "is cut": (Fault(cut=0.5), "InvalidResponse", "JSON that cannot be read"),
    "is a page": (Fault(content_type="text/html"), "InvalidResponse", "text/html"),
    "is a part": (Fault(rule=part_of_it), "SourceError", "a part of the data only: receive"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that(fault: str, proxy: SourceProxy, frozen: Team, healthy: Team) -> None:
    harm, reason, words = FAULTS[fault]
    before = [decided(frozen), decided(healthy)]
    known = [events(team, SLO)["bad"] for team in (frozen, healthy)]
    with proxy.failing(harm):
        for team in (frozen, healthy):
            team.until_condition("Ready", reason, of=OBJECTIVE, name=SLO)
            assert words in team.condition("Ready", OBJECTIVE, SLO)["message"]
        # Blind is not bad: what fails now is counted when it is seen.
        healthy.service.shop.inject(bad=3)
        healthy.until("the twin", lambda: events(healthy, TWIN)["bad"] == str(int(known[1]) + 3))
        assert [events(team, SLO)["bad"] for team in (frozen, healthy)] == known
        assert frozen.would_deploy().denied
        assert healthy.would_deploy().passed
    until_over(frozen, healthy)
    assert [decided(frozen), decided(healthy)] == before


def test_a_source_that_is_stopped_changes_nothing(
    proxy: SourceProxy, frozen: Team, healthy: Team
) -> None:
    before = [decided(frozen), decided(healthy)]
    with proxy.stopped():
        for team in (frozen, healthy):
            team.until_condition("Ready", "SourceUnreachable", of=OBJECTIVE, name=SLO)
        assert frozen.would_deploy().denied
        assert healthy.would_deploy().passed
    until_over(frozen, healthy)
    assert [decided(frozen), decided(healthy)] == before


def stay_in_a_slice(seconds: float) -> None:
    """Wait for the next slice if this one ends sooner: what it ends with is tested elsewhere."""
    left = SLICE - time.time() % SLICE
    if left < seconds:
        time.sleep(left + 2)


@pytest.mark.parametrize(
    "rule", [nothing, scaled(0.0, Side.BAD, Side.TOTAL)], ids=["no series", "zero"]
)
def test_answers_without_events_thaw_nothing(
    rule: Any, proxy: SourceProxy, frozen: Team, healthy: Team
) -> None:
    stay_in_a_slice(20)
    before = [decided(frozen), decided(healthy)]
    known = events(frozen, SLO)
    with proxy.failing(Fault(rule=rule)):
        time.sleep(6)  # some ticks; nothing is to change, so there is nothing to wait for
        assert events(frozen, SLO)["bad"] == known["bad"]
        assert frozen.would_deploy().denied
        assert healthy.would_deploy().passed
    for team in (frozen, healthy):
        until_true(team)
    assert [decided(frozen), decided(healthy)] == before


def test_what_was_told_wrongly_is_counted_as_it_was_when_its_slice_is_closed(
    deceived: Deceived,
) -> None:
    team = deceived.team
    until_true(team, timeout=SLICE + 30)
    assert events(team, SLO)["bad"] == "20"
    team.until_stage("Healthy")
    team.until_passes(timeout=5)
    history = [one["to"] for one in team.status()["history"]]
    assert history == ["Healthy", "Exhausted", "Healthy"]
    assert team.status()["workloads"]["changed"] == []
