"""A webhook gate that is not there: it must stop nobody, and must not go unnoticed."""

from collections.abc import Iterator

import pytest

from e2e.gate.shop import Shop, deployment
from e2e.gate.webhook import Registered, frozen, opted_in
from e2e.harness import ControlPlane

pytestmark = pytest.mark.controlplane


@pytest.fixture
def shop(control_plane: ControlPlane) -> Iterator[Shop]:
    with opted_in(control_plane, "hook-down") as found:
        yield found


def failed_open(plane: ControlPlane) -> float:
    """How many calls of the webhook have failed and let a change pass, says the API server."""
    text = plane.kubectl("get", "--raw", "/metrics").stdout
    name = "apiserver_admission_webhook_fail_open_count"
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines if "workloads.gate" in line)


def test_a_gate_that_is_gone_lets_changes_pass_and_the_api_server_counts_it(
    webhook: Registered, shop: Shop
) -> None:
    shop.deploy(deployment("web"))
    with webhook.running() as found, frozen(shop):
        before = failed_open(shop.plane)
        found.daemon.kill()
        assert shop.set_image("web", "web:9").passed
        assert failed_open(shop.plane) > before
    with webhook.running(), frozen(shop):
        assert shop.set_image("web", "web:10").denied
