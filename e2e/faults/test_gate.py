"""The webhook gate is gone, slow, or not trusted: it stops nobody, which does not go unnoticed."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from e2e.gate.webhook import OPTED_IN, Gate, Registered, registered
from e2e.harness import ControlPlane
from e2e.stack import Stack
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

TIMEOUT = 2
"""Seconds that the chart has the API server wait."""

NOTICED = 15
"""Seconds until new files of a certificate are in use, at the most."""


@pytest.fixture(scope="module")
def webhook(everything: Stack) -> Iterator[Registered]:
    if everything.plane.local is None:
        pytest.skip("the API server cannot call this machine")
    with registered(everything.plane, system="faults-gate") as found:
        yield found


@pytest.fixture(scope="module")
def team(everything: Stack) -> Iterator[Team]:
    """A team that the webhook keeps frozen, for all tests."""
    controller = everything.run("--gate=webhook")
    with everything.plane.namespace("faults-of-the-gate") as namespace:
        found = Team(everything, namespace, everything.take())
        labels = [f"{key}={value}" for key, value in OPTED_IN.items()]
        everything.plane.kubectl("label", "namespace", namespace, *labels)
        found.start()
        found.service.spend(90)
        found.until_stage("Exhausted")
        yield found
        assert controller.daemon.exit_code is None, controller.daemon.tail()
    controller.stop()


def api_server(plane: ControlPlane, name: str, *labels: str) -> float:
    """The sum of the samples of a metric of the API server that are about workloads."""
    text = plane.kubectl("get", "--raw", "/metrics").stdout
    wanted = (f"{name}{{", "workloads.gate", *labels)
    lines = [line for line in text.splitlines() if all(one in line for one in wanted)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def passing_unasked(team: Team) -> Iterator[None]:
    """Changes pass and the API server counts them; what was decided stays as it is."""
    plane, before = team.stack.plane, team.remembered()
    passed = api_server(plane, "apiserver_admission_webhook_fail_open_count")
    assert team.would_deploy().passed
    assert api_server(plane, "apiserver_admission_webhook_fail_open_count") > passed
    yield
    assert team.remembered() == before
    assert before["decision"]["admission"] == "Deny"


def told_by(gate: Gate, name: str) -> float:
    _, text = gate.page("/metrics")
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


def test_a_gate_that_is_gone_lets_changes_pass_until_there_is_another_one(
    team: Team, webhook: Registered
) -> None:
    with webhook.running() as found:
        team.until_denied()
        found.daemon.kill()
        with passing_unasked(team):
            assert team.deploy().passed
    with webhook.running():
        team.until_denied(timeout=5)


def test_a_gate_that_hangs_holds_a_change_up_for_two_seconds_and_no_longer(
    team: Team, webhook: Registered
) -> None:
    with webhook.running() as found:
        team.until_denied()
        found.daemon.signal(signal.SIGSTOP)
        with passing_unasked(team):
            began = time.monotonic()
            assert team.would_deploy().passed
            assert TIMEOUT <= time.monotonic() - began < TIMEOUT + 3
            assert team.attempt("scale", "deployment/web", "--replicas=2").passed
            found.daemon.signal(signal.SIGCONT)
            team.until_denied(timeout=10)


def test_an_expired_certificate_is_told_and_a_renewed_one_denies_without_a_restart(
    team: Team, webhook: Registered
) -> None:
    expires = "sluice_gate_certificate_expiration_timestamp_seconds"
    webhook.issue(expires=datetime.now(UTC) - timedelta(minutes=1))
    with webhook.running() as found:
        assert told_by(found, expires) < time.time()
        with passing_unasked(team):
            webhook.issue()
            team.until_denied(timeout=NOTICED)
        assert told_by(found, expires) > time.time()


def test_a_new_authority_denies_nothing_before_the_api_server_trusts_it(
    team: Team, webhook: Registered
) -> None:
    following = trustme.CA()
    webhook.issue(following)
    with webhook.running():
        with passing_unasked(team):
            webhook.trust(webhook.authority, following)
            team.until_denied(timeout=5)
        # With both trusted the certificate can change at any time.
        webhook.issue(webhook.authority)
    with webhook.running():
        team.until_denied(timeout=5)


def test_the_gate_denies_again_as_soon_as_the_api_server_is_back(
    team: Team, webhook: Registered
) -> None:
    with webhook.running() as found:
        team.until_denied()
        before = team.remembered()
        team.stack.plane.stop_api_server()
        time.sleep(3)
        team.stack.plane.start_api_server()
        assert found.page("/readyz")[0] == 200
        assert team.would_deploy().denied
        assert team.remembered() == before
    team.until_controllers_work()  # other tests need them
