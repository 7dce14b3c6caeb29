"""Break-glass: who may, for what, and for how long."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.harness import wait_until
from e2e.harness.command import sluice
from e2e.stack import Controller, Stack
from e2e.story.manifests import Object, deployment, stages
from e2e.story.team import OVERRIDE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


@dataclass(frozen=True)
class Person:
    """Somebody with an account of their own in the team's namespace."""

    team: Team
    name: str
    kubeconfig: Path

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.team.namespace}:{self.name}"

    def override(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return sluice("override", *arguments, "--kubeconfig", str(self.kubeconfig))


def person(team: Team, name: str, *roles: str) -> Person:
    team.kubectl("create", "serviceaccount", name)
    account = f"--serviceaccount={team.namespace}:{name}"
    for role in roles:
        team.kubectl("create", "rolebinding", f"{name}-{role}", f"--clusterrole={role}", account)
    kubeconfig = team.stack.plane.service_account_kubeconfig(team.namespace, name)
    if roles:
        verb = ("auth", "can-i", "patch", "deployments")
        wait_until(
            lambda: team.attempt(*verb, as_who=kubeconfig).passed, timeout=30, what="the roles"
        )
    return Person(team, name, kubeconfig)


@pytest.fixture(scope="module")
def frozen(everything: Stack, controller: Controller) -> Iterator[Team]:
    """A frozen team with a second Deployment, whose policy allows overrides of an hour."""
    del controller
    with everything.plane.namespace("overrides") as namespace:
        team = Team(everything, namespace, everything.take())
        team.start(
            deployment("api"), overrides={"maxDuration": "1h"}, stages=stages(pauseRollouts=True)
        )
        team.freeze()
        yield team


@pytest.fixture(scope="module")
def alice(frozen: Team) -> Person:
    """Who deploys, and may pass a freeze."""
    return person(frozen, "alice", "edit", "sluice-overrider")


def ends(**length: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**length):%Y-%m-%dT%H:%M:%SZ}"


def create(team: Team, name: str, who: Person, **spec: str) -> subprocess.CompletedProcess[str]:
    body = {"policy": "default", "reason": "hotfix", "createdBy": who.user} | spec
    manifest: Object = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "GateOverride",
        "metadata": {"name": name},
        "spec": body,
    }
    return team.kubectl(
        "create", "-f", "-", stdin=json.dumps(manifest), check=False, as_who=who.kubeconfig
    )


def test_an_override_lets_the_named_workload_pass_until_it_is_deleted(
    frozen: Team, alice: Person
) -> None:
    assert frozen.would_deploy(as_who=alice.kubeconfig).denied
    made = alice.override("deployment/web", "--reason", "fix of the outage", "--for", "30m")
    assert made.returncode == 0, made.stderr
    frozen.until_passes("web")
    assert frozen.deploy("web", as_who=alice.kubeconfig).passed
    rolled_out = ("rollout", "status", "deployment/web", "--timeout=30s")
    frozen.until("a rollout that nothing holds", lambda: frozen.attempt(*rolled_out).passed)
    assert frozen.field("deployment", "api", ".spec.paused") == "true"
    assert frozen.would_deploy("api", as_who=alice.kubeconfig).denied
    assert frozen.would_deploy("api").denied

    (name,) = (one["name"] for one in frozen.status()["overrides"])
    assert f"gateoverride.sluice.dev/{name} created: changes of web in {frozen.namespace}" in (
        made.stdout
    )
    found = frozen.get(OVERRIDE, name)
    assert found["spec"]["createdBy"] == alice.user
    assert found["spec"]["reason"] == "fix of the outage"
    active = frozen.until_condition("Active", "OverrideActive", of=OVERRIDE, name=name)
    assert active["message"] == f"Changes of web pass until {found['spec']['expiresAt']}."

    deleted = frozen.attempt("delete", OVERRIDE, name, as_who=alice.kubeconfig)
    assert deleted.passed, deleted.said
    frozen.until_denied("web", timeout=5)
    frozen.until("no override", lambda: frozen.status()["overrides"] == [])
    frozen.until("held", lambda: frozen.field("deployment", "web", ".spec.paused") == "true")


def test_an_override_ends_by_itself(frozen: Team, alice: Person) -> None:
    made = alice.override("--reason", "fix of the outage", "--for", "8s")
    assert made.returncode == 0, made.stderr
    frozen.until_passes("web", timeout=6)
    frozen.until_passes("api", timeout=2)
    (name,) = (one["name"] for one in frozen.status()["overrides"])
    frozen.until_denied("web", timeout=12)
    expired = frozen.until_condition("Active", "OverrideExpired", of=OVERRIDE, name=name)
    assert expired["status"] == "False"
    assert expired["message"].endswith("Create another one if it is still needed.")
    frozen.until("no override", lambda: frozen.status()["overrides"] == [])


def test_an_override_that_would_last_too_long_never_becomes_active(
    frozen: Team, alice: Person
) -> None:
    refused = create(frozen, "too-long", alice, expiresAt=ends(hours=3))
    assert refused.returncode == 1
    limit = "and ErrorBudgetPolicy default allows 1h (spec.overrides.maxDuration)"
    assert f"{limit}: choose an earlier expiresAt" in refused.stderr
    # What got past admission is held to the limit by the controller.
    assert create(frozen, "long", alice, expiresAt=ends(minutes=30)).returncode == 0
    frozen.until_passes("web", timeout=10)
    limit_to(frozen, "10m")
    inactive = frozen.until_condition("Active", "OverrideTooLong", of=OVERRIDE, name="long")
    limit = limit.replace("1h", "10m")
    frozen.until_denied("web", timeout=10)
    assert inactive["status"] == "False"
    assert f"{limit}." in inactive["message"]
    assert frozen.status()["overrides"] == []
    limit_to(frozen, "1h")
    assert frozen.attempt("delete", OVERRIDE, "long").passed


def limit_to(team: Team, length: str) -> None:
    patch = json.dumps({"spec": {"overrides": {"maxDuration": length}}})
    team.kubectl("patch", POLICY, "default", "--type=merge", "-p", patch)


def test_an_override_of_a_policy_that_is_not_there_says_so(frozen: Team, alice: Person) -> None:
    assert create(frozen, "lost", alice, policy="defalt", expiresAt=ends(hours=0.5)).returncode == 0
    lost = frozen.until_condition("Active", "PolicyNotFound", of=OVERRIDE, name="lost")
    assert lost["message"].startswith(
        f"ErrorBudgetPolicy {frozen.namespace}/defalt does not exist: "
    )


def test_a_manual_freeze_holds_whatever_the_budget_is_until_its_end_and_its_cost_is_told(
    controller: Controller, team: Team
) -> None:
    del controller
    team.start()
    bob = person(team, "bob", "edit", "sluice-overrider")
    made = create(team, "hands-off", bob, effect="Freeze", expiresAt=ends(seconds=40))
    assert made.returncode == 0, made.stderr
    team.until_denied()
    said = team.would_deploy(as_who=bob.kubeconfig).said
    assert f"FROZEN by ErrorBudgetPolicy {team.namespace}/default: frozen by hand by " in said
    told = team.status()
    assert (told["stage"], told["decision"]["reason"]) == ("Healthy", "ManualFreeze")
    assert told["decision"]["message"].endswith("Z: hotfix.")
    assert told["byBudget"]["reason"] == "WithinBudget"
    assert team.condition("Frozen", POLICY, "default")["status"] == "True"
    assert team.attempt("scale", "deployment/web", "--replicas=2").passed

    # Of the two the newer one counts.
    fix = create(team, "fix", bob, expiresAt=ends(minutes=10))
    assert fix.returncode == 0, fix.stderr
    team.until_passes(timeout=10)
    assert team.attempt("delete", OVERRIDE, "fix").passed
    team.until_denied(timeout=10)

    team.service.spend(30)
    team.until_passes(timeout=60)
    team.until("the thaw", lambda: team.status()["decision"]["reason"] == "WithinBudget")
    ended, *before = team.status()["history"]
    assert [(it["reason"], it.get("override")) for it in before] == [
        ("OverrideEnded", "fix"),
        ("OverrideBegan", "fix"),
        ("OverrideBegan", "hands-off"),
        ("WithinBudget", None),
    ]
    assert (ended["reason"], ended["override"]) == ("OverrideEnded", "hands-off")
    [burned] = ended["burned"]
    assert burned["objective"] == "availability"
    # It lasted a small part of a slice of five minutes, which counts in proportion.
    assert 0 < float(burned["points"]) <= 33
    [told] = team.get(OVERRIDE, "hands-off")["status"]["burned"]
    assert told["objective"] == "availability"
    assert 0 < float(told["points"]) <= 33


def test_nobody_signs_for_somebody_else_and_nobody_without_the_role(
    frozen: Team, alice: Person
) -> None:
    forged = create(frozen, "forged", alice, createdBy="bob", expiresAt=ends(hours=0.5))
    assert forged.returncode == 1
    assert f'write "createdBy: {alice.user}"' in forged.stderr
    admin = person(frozen, "admin", "admin")
    refused = admin.override("--reason", "I am the administrator here")
    assert refused.returncode == 1
    assert refused.stderr.startswith("sluice: POST /apis/sluice.dev/v1alpha1/namespaces/")
    assert f'User "{admin.user}" cannot create resource "gateoverrides"' in refused.stderr
    assert "Traceback" not in refused.stderr
    thaw = '{"spec":{"mode":"Observe"}}'
    lowered = frozen.attempt(
        *("patch", POLICY, "default", "--type=merge", "-p", thaw), as_who=admin.kubeconfig
    )
    assert not lowered.passed
    assert frozen.would_deploy(as_who=admin.kubeconfig).denied
