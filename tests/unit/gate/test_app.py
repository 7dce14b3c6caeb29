"""When the gate may be asked, and when it denies nothing for want of news."""

import time
from email.utils import formatdate

import pytest
from kubernetes.aio import client

from sluice.gate.app import Gate
from sluice.gate.settings import GateSettings
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import DEPLOYMENTS, POLICIES
from sluice.kube.server_time import ServerTime
from tests.unit.gate.objects import policy


def gate(server_time: ServerTime | None = None) -> Gate:
    """A gate that has seen a cluster, whose API server is not there any more."""
    configuration = client.Configuration()
    configuration.host = "http://127.0.0.1:1"
    api = ApiServer(configuration, fence=lambda: False)
    found = Gate(GateSettings(), api, server_time=server_time)
    for one in (*found.first, *found.rest):
        one.synced.set()
        one._lost_at = None
    found.judge.switch = None
    return found


def shown(found: Gate, name: str) -> float | None:
    return found.metrics.registry.get_sample_value(name)


def test_it_is_ready_once_everything_has_been_listed_and_the_kill_switch_read() -> None:
    configuration = client.Configuration()
    found = Gate(GateSettings(), ApiServer(configuration, fence=lambda: False))
    assert found.unready() == "errorbudgetpolicies have not been listed yet"
    for one in (*found.first, *found.rest):
        one.synced.set()
        one._lost_at = None
    assert found.unready() == "the kill switch has not been read yet"
    found.judge.switch = None
    assert found.unready() is None
    assert shown(found, "sluice_gate_synced") == 1


def test_what_was_seen_a_minute_ago_denies_nothing() -> None:
    found = gate()
    found.rest[0]._lost_at = time.monotonic() - 30
    assert found.unready() is None
    found.rest[0]._lost_at = time.monotonic() - 61
    assert "has not been heard of for 61 s" in (found.unsynced() or "")
    assert shown(found, "sluice_gate_synced") == 0
    assert (shown(found, "sluice_gate_lost_seconds") or 0) > 60


def test_by_a_wrong_clock_nothing_is_judged() -> None:
    ahead = ServerTime(wall=lambda: time.time() + 3600)
    found = gate(ahead)
    assert found.unready() is None  # nothing is known of the API server's clock
    ahead.heard(formatdate(usegmt=True), took=0.0)
    assert "3600 s ahead of" in (found.unready() or "").replace("3599", "3600")
    assert shown(found, "sluice_gate_synced") == 0
    assert (shown(found, "sluice_gate_clock_offset_seconds") or 0) > 3590


def test_while_it_ends_it_goes_on_answering_and_gets_no_new_requests() -> None:
    found = gate()
    found.ending = True
    assert found.unready() == "it is ending"
    assert found.unsynced() is None


def test_its_metrics_tell_what_it_knows() -> None:
    found = gate()
    found.memory.put(POLICIES, policy(expires="2099-01-01T00:00:00Z"))
    found.memory.put(POLICIES, policy("expired", expires="2020-01-01T00:00:00Z"))
    found.memory.put(POLICIES, policy("newer", frobnicate=True))
    found.judge.switch = KillSwitch("wrong", "alice")
    assert shown(found, "sluice_gate_frozen_policies") == 1
    assert shown(found, "sluice_gate_unreadable_policies") == 1
    assert shown(found, "sluice_gate_kill_switch") == 1
    text, _ = found.metrics.page("")
    assert b"sluice_gate_frozen_policies 1.0" in text


def test_it_works_in_the_namespaces_that_it_is_given() -> None:
    settings = GateSettings(watch_namespaces="shop,payments")
    found = Gate(settings, ApiServer(client.Configuration(), fence=lambda: False))
    assert [one._namespace for one in found.first] == ["shop", "payments"]
    assert len(found.rest) == 2 * 7


async def test_it_cannot_write() -> None:
    api = ApiServer(client.Configuration(), fence=lambda: False)
    with pytest.raises(ApiError, match="not sent"):
        await api.delete(DEPLOYMENTS, "web", namespace="shop")
    await api.close()
