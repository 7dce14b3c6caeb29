"""The webhook in place of native admission: the controller decides, `sluice gate` denies."""

from collections.abc import Iterator

import pytest

from e2e.gate.webhook import OPTED_IN, Gate, registered
from e2e.stack import Stack
from e2e.story.conftest import Start
from e2e.story.team import POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


@pytest.fixture
def gate(everything: Stack) -> Iterator[Gate]:
    if everything.plane.local is None:
        pytest.skip("the API server cannot call this machine")
    with (
        registered(everything.plane, system="story-gate") as webhook,
        webhook.running() as found,
    ):
        yield found


def test_a_freeze_moves_from_native_admission_to_the_webhook_and_thaws_there(
    everything: Stack, gate: Gate, start: Start, team: Team
) -> None:
    labels = [f"{key}={value}" for key, value in OPTED_IN.items()]
    everything.plane.kubectl("label", "namespace", team.namespace, *labels)
    native = start()
    team.start()
    team.freeze()
    assert len(team.gates()) == 2
    native.stop()

    start("--gate=webhook")
    team.until("no admission policies", lambda: team.gates() == [], timeout=60)
    by_webhook = 'admission webhook "workloads.gate.sluice.dev" denied the request'

    def denied_by_the_webhook() -> bool:
        verdict = team.would_deploy()
        assert verdict.denied, verdict.said  # by one gate or the other, all the time
        return by_webhook in verdict.said

    team.until("the webhook alone", denied_by_the_webhook)
    assert team.attempt("scale", "deployment/web", "--replicas=2").passed
    enforcing = team.until_condition("Enforcing", "Enforced")
    assert "Left to the webhook" in enforcing["message"]
    assert gate.ask(team.namespace, "web").returncode == 3
    assert team.field(POLICY, "default", ".metadata.finalizers") == ""

    team.service.recover()
    team.until_passes()
    assert gate.ask(team.namespace, "web").returncode == 0
