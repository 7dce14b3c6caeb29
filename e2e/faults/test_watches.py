"""Watches break, hang behind, and are told that what they know is too old."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from e2e.faults.through import Through
from e2e.harness import Call
from e2e.harness.api_faults import broken, expired_within, refused
from e2e.harness.api_proxy import Matches
from e2e.stack import Service, Stack
from e2e.story.manifests import deployment, objective
from e2e.story.team import OBJECTIVE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

NOTICED = 15.0
"""Seconds until what a watch could not tell is known from lists."""


@pytest.fixture(scope="module")
def service(everything: Stack) -> Service:
    return everything.take()


@contextmanager
def behind(there: Through, name: str, service: Service) -> Iterator[Team]:
    """A team whose controllers are behind the proxy."""
    with there.stack.plane.namespace(name) as namespace:
        yield Team(there.stack, namespace, service)


def governed(team: Team) -> str:
    return team.field(POLICY, "default", ".status.workloads.governed")


def a_watch(call: Call) -> bool:
    return call.verb == "watch"


def first_of_each() -> Matches:
    """The first watch of each resource."""
    seen: set[str] = set()

    def matches(call: Call) -> bool:
        new = call.verb == "watch" and call.resource not in seen
        seen.add(call.resource)
        return new

    return matches


def test_nothing_is_missed_while_watches_are_cut_again_and_again(
    proxied: Through, service: Service
) -> None:
    running = proxied.start()
    with behind(proxied, "cut-again-and-again", service) as team:
        team.start()
        cut = 0
        for number in range(5):
            team.apply(deployment(f"more-{number}"))
            cut += proxied.proxy.cut()
            time.sleep(1)
        assert cut > 10
        team.until("all governed", lambda: governed(team) == "6", timeout=NOTICED)
        proxied.proxy.cut()
        team.kubectl("delete", "deployment", "more-0")
        team.until("one less", lambda: governed(team) == "5", timeout=NOTICED)
    assert running.daemon.exit_code is None, running.daemon.tail()


def test_what_was_deleted_while_a_watch_was_away_is_noticed_though_its_version_has_expired(
    proxied: Through, service: Service
) -> None:
    running = proxied.start()
    with behind(proxied, "deleted-meanwhile", service) as team:
        team.start(deployment("other"), objective(service.job, name="other"))
        team.until("both governed", lambda: governed(team) == "2")
        measured = f'namespace="{team.namespace}",objective="other"'
        team.until("measured", lambda: measured in running.page("/metrics")[1])
        away = ExitStack()
        away.enter_context(proxied.proxy.when(a_watch, broken))
        with away, proxied.proxy.when(first_of_each(), expired_within) as rule:
            proxied.proxy.cut()
            team.kubectl("delete", "deployment/other", f"{OBJECTIVE}/other")
            away.close()  # no watch comes through in between
            team.until("one governed", lambda: governed(team) == "1", timeout=60)
            team.until("not measured", lambda: measured not in running.page("/metrics")[1])
        # One watch that lists anew is reason enough to look at all names.
        assert rule.met != []
    assert running.daemon.exit_code is None, running.daemon.tail()


def test_a_watch_that_is_refused_for_good_ends_the_controller_and_no_freeze(
    proxied: Through, service: Service
) -> None:
    running = proxied.start()
    with behind(proxied, "refused-for-good", service) as team:
        team.start()
        team.freeze()
        before = team.remembered()
        with proxied.proxy.when(a_watch, refused(410)):
            proxied.proxy.cut()
            team.until("ended", lambda: running.daemon.exit_code is not None, timeout=60)
        assert running.daemon.exit_code != 0
        assert team.would_deploy().denied
        running = proxied.start()  # a pod is started again
        team.service.recover()
        team.until_stage("Healthy")
        assert team.status()["history"][1:] == before["history"]
