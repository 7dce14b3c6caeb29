"""The controller is killed at the worst moments: no wrong freeze, no orphaned pause."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.harness import ControlPlane
from e2e.stack import ACCOUNT, Controller
from e2e.story.conftest import Start
from e2e.story.manifests import Object, deployment, stages
from e2e.story.team import POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

ALONE = "--no-leader-elect"
"""A killed leader's Lease would have to expire first, which is tested elsewhere."""

PAUSE = stages(pauseRollouts=True, annotate={"team.example/frozen": "yes"})


@contextmanager
def refused(plane: ControlPlane, group: str, *resources: str) -> Iterator[None]:
    """The API server refuses what the controller writes on `resources`."""
    admission: Object = {"apiVersion": "admissionregistration.k8s.io/v1"}
    metadata: Object = {"name": "refuses-the-controller"}
    rule = {"apiGroups": [group], "apiVersions": ["*"], "resources": list(resources)}
    spec = {
        "matchConstraints": {"resourceRules": [rule | {"operations": ["UPDATE"]}]},
        "validations": [{"expression": f"request.userInfo.username != '{ACCOUNT}'"}],
    }
    binding = {"policyName": metadata["name"], "validationActions": ["Deny"]}
    kind = "ValidatingAdmissionPolicy"
    plane.apply(
        admission | {"kind": kind, "metadata": metadata, "spec": spec},
        admission | {"kind": f"{kind}Binding", "metadata": metadata, "spec": binding},
    )
    try:
        time.sleep(2)  # in force within a second; nothing can be asked for it as the controller
        yield
    finally:
        kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
        plane.kubectl("delete", kinds, metadata["name"])


def paused(team: Team, name: str = "web") -> bool:
    return team.field("deployment", name, ".spec.paused") == "true"


def given_back(team: Team) -> bool:
    records = team.status()["workloads"]["changed"]
    return records == [] and team.written("deployment", "web") == set()


@pytest.fixture
def running(team: Team, start: Start) -> Controller:
    first = start(ALONE)
    team.start(stages=PAUSE)
    return first


def test_killed_between_the_record_and_the_write_it_writes_after_the_restart(
    team: Team, running: Controller, start: Start
) -> None:
    with refused(team.stack.plane, "apps", "deployments"):
        team.service.spend(90)
        failed = team.until_condition("Enforcing", "WriteFailed")
        assert f"Deployment {team.namespace}/web: " in failed["message"]
        assert "refuses-the-controller" in failed["message"]
        assert len(team.status()["workloads"]["changed"]) == 2
        assert not paused(team)
        running.kill()
    start(ALONE)
    team.until("paused", lambda: paused(team))
    team.until_condition("Enforcing", "Enforced")
    team.service.recover()
    team.until_stage("Healthy")
    team.until("given back", lambda: given_back(team))
    assert not paused(team)


def test_killed_before_the_write_it_does_not_take_over_what_the_owner_paused_meanwhile(
    team: Team, running: Controller, start: Start
) -> None:
    with refused(team.stack.plane, "apps", "deployments"):
        team.service.spend(90)
        team.until_condition("Enforcing", "WriteFailed")
        running.kill()
    team.kubectl("rollout", "pause", "deployment/web")
    start(ALONE)
    team.until_condition("Enforcing", "Enforced")
    team.service.recover()
    team.until_stage("Healthy")
    team.until("given back", lambda: given_back(team))
    assert paused(team)


def test_killed_between_the_thaw_and_its_record_it_leaves_what_the_owner_paused_since(
    team: Team, running: Controller, start: Start
) -> None:
    team.freeze()
    team.until("paused", lambda: paused(team))
    with refused(team.stack.plane, "sluice.dev", "errorbudgetpolicies/status"):
        # Recovery's second is remembered in status, so the mode is what thaws.
        team.kubectl("patch", POLICY, "default", "--type=merge", "-p", '{"spec":{"mode":"Warn"}}')
        team.until("not paused", lambda: not paused(team))
        assert len(team.status()["workloads"]["changed"]) == 2
        running.kill()
        team.kubectl("rollout", "pause", "deployment/web")
    start(ALONE)
    team.until("given back", lambda: given_back(team))
    assert paused(team)


def test_a_deployment_recreated_while_it_was_away_is_not_touched(
    team: Team, running: Controller, start: Start
) -> None:
    team.freeze()
    team.until("paused", lambda: paused(team))
    running.kill()
    team.kubectl("delete", "deployment", "web")
    mine = deployment()
    mine["spec"]["paused"] = True
    mine["metadata"]["annotations"] = {"team.example/frozen": "yes"}
    team.apply(mine)
    team.kubectl("patch", POLICY, "default", "--type=merge", "-p", '{"spec":{"mode":"Observe"}}')
    start(ALONE)
    team.until("given back", lambda: given_back(team))
    assert paused(team)
    notes = team.get("deployment", "web")["metadata"]["annotations"]
    assert notes["team.example/frozen"] == "yes"
