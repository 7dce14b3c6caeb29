"""The controller is killed while it holds StatefulSets and DaemonSets; they come back as before."""

import json
from typing import Any

import pytest

from e2e.stack import Controller
from e2e.story.conftest import Start
from e2e.story.manifests import Object, daemon_set, stateful_set
from e2e.story.team import POLICY, Team
from e2e.story.test_crash import ALONE, PAUSE, refused

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

BEFORE = {
    "statefulset": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
    "daemonset": {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0},
    },
}
HELD = {
    "statefulset": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2147483647}},
    "daemonset": BEFORE["daemonset"] | {"type": "OnDelete"},
}


def create(team: Team, *names: str) -> None:
    """Make a StatefulSet and a DaemonSet of each name, as `kubectl create` does: by an update."""
    items: list[Object] = []
    for name in names:
        items.append(stateful_set(name, updateStrategy=BEFORE["statefulset"]))
        items.append(daemon_set(name, updateStrategy=BEFORE["daemonset"]))
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    team.kubectl("create", "-f", "-", stdin=manifests)


def strategies(team: Team, name: str = "web") -> dict[str, Any]:
    return {kind: team.get(kind, name)["spec"]["updateStrategy"] for kind in BEFORE}


def given_back(team: Team, *names: str) -> bool:
    undo = "{.items[*].metadata.annotations.sluice\\.dev/undo}"
    marked = team.kubectl("get", "statefulsets,daemonsets", "-o", f"jsonpath={undo}").stdout
    recorded = team.status()["workloads"]["changed"]
    return not marked and recorded == [] and all(strategies(team, it) == BEFORE for it in names)


@pytest.fixture
def running(team: Team, start: Start) -> Controller:
    first = start(ALONE)
    create(team, "web")
    team.start(stages=PAUSE)
    team.until("all governed", lambda: team.status()["workloads"]["governed"] == 3)
    return first


def test_killed_between_the_record_and_the_write_it_holds_after_the_restart(
    team: Team, running: Controller, start: Start
) -> None:
    with refused(team.stack.plane, "apps", "statefulsets", "daemonsets"):
        team.service.spend(90)
        team.until_condition("Enforcing", "WriteFailed")
        refusals = [f"{kind} {team.namespace}/web: " for kind in ("StatefulSet", "DaemonSet")]

        def told() -> bool:
            message = team.condition("Enforcing", POLICY, "default")["message"]
            return all(it in message for it in refusals)

        team.until("refused for both", told)
        recorded = [(it["kind"], it["previous"]) for it in team.status()["workloads"]["changed"]]
        assert ("StatefulSet", "2") in recorded
        assert len(recorded) == 6
        assert strategies(team) == BEFORE
        running.kill()
    start(ALONE)
    team.until("held", lambda: strategies(team) == HELD)
    team.service.recover()
    team.until_stage("Healthy")
    team.until("given back", lambda: given_back(team, "web"))


def test_killed_between_the_thaw_and_its_record_it_leaves_what_the_owner_set_since(
    team: Team, running: Controller, start: Start
) -> None:
    team.freeze()
    team.until("held", lambda: strategies(team) == HELD)
    with refused(team.stack.plane, "sluice.dev", "errorbudgetpolicies/status"):
        # Recovery's second is remembered in status, so the mode is what thaws.
        team.kubectl("patch", POLICY, "default", "--type=merge", "-p", '{"spec":{"mode":"Warn"}}')
        team.until("not held", lambda: strategies(team) == BEFORE)
        assert len(team.status()["workloads"]["changed"]) == 6
        running.kill()
        mine = '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}}}}'
        team.kubectl("patch", "statefulset", "web", "--type=merge", "-p", mine)
    start(ALONE)
    team.until("no records", lambda: team.status()["workloads"]["changed"] == [])
    assert team.field("statefulset", "web", ".spec.updateStrategy.rollingUpdate.partition") == "1"
    assert strategies(team)["daemonset"] == BEFORE["daemonset"]
