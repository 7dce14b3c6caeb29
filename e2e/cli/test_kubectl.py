"""`kubectl sluice` as people call it: by kubectl, on a real API server, without a controller.

The chart is installed with its roles and without a pod; policies' decisions and a budget's status
are written by the test, as a controller that has died since left them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.gate.shop import Shop, deployment
from e2e.gate.webhook import decide, policy
from e2e.harness import ControlPlane, wait_until
from e2e.stack import NAMESPACE, installed

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

PROGRAMS = Path(sys.executable).parent
"""Where the plugin is installed."""


@dataclass(frozen=True)
class Person:
    """Somebody at a terminal, with a kubeconfig of their own."""

    shop: Shop
    kubeconfig: Path

    def __call__(
        self, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        plane = self.shop.plane
        environment = os.environ | {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(plane.kubectl.cache),
        }
        return subprocess.run(
            [str(plane.kubectl.program), *arguments],
            input=stdin or "",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def sluice(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `kubectl sluice` in the context's namespace."""
        found = self("sluice", *arguments, stdin=stdin)
        assert "Traceback" not in found.stderr, found.stderr
        return found

    def json(self, *arguments: str, status: int = 0) -> Any:
        """What a command prints with `-o json`."""
        found = self.sluice(*arguments, "-o", "json")
        assert found.returncode == status, found.stderr
        return json.loads(found.stdout)


Hire = Callable[..., Person]
"""Makes a person of a name, with roles."""


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane) -> Iterator[Shop]:
    """A frozen namespace, whose gate is in force, with a workload in its second revision."""
    if not control_plane.rolls_out:
        pytest.skip("the control plane has no controller manager: Deployments do not roll out")
    with installed(control_plane), control_plane.namespace("kubectl") as namespace:
        found = Shop(control_plane, namespace)
        found.deploy(deployment("web", image="web:1"), deployment("api"))
        found.deploy(deployment("web", image="web:2"))
        found("apply", "-f", "-", stdin=json.dumps(policy(found)))
        decide(found, "Deny")
        with found.frozen():
            yield found
        found("delete", "errorbudgetpolicy,gateoverride", "--all")


@pytest.fixture(scope="module")
def someone(shop: Shop) -> Hire:
    """Makes a person with roles in the namespace."""

    def make(name: str, *roles: str) -> Person:
        shop("create", "serviceaccount", name)
        account = f"--serviceaccount={shop.namespace}:{name}"
        for role in roles:
            shop("create", "rolebinding", f"{name}-{role}", f"--clusterrole={role}", account)
        kubeconfig = shop.plane.service_account_kubeconfig(shop.namespace, name)
        person = Person(shop, kubeconfig)
        if roles:
            asked = ("auth", "can-i", "list", "errorbudgetpolicies.sluice.dev")
            wait_until(lambda: person(*asked).returncode == 0, timeout=30, what="the roles")
        return person

    return make


@pytest.fixture(scope="module")
def viewer(someone: Hire) -> Person:
    return someone("viewer", "view")


@pytest.fixture(scope="module")
def editor(someone: Hire) -> Person:
    return someone("editor", "edit")


@pytest.fixture(scope="module")
def admin(shop: Shop) -> Person:
    return Person(shop, shop.plane.kubeconfig)


def test_who_may_view_sees_the_freeze_and_who_is_affected(viewer: Person, shop: Shop) -> None:
    found = viewer.json("status")
    assert found["namespace"] == shop.namespace
    assert found["controller"]["state"] == "Unknown"
    assert found["problems"] == []
    [one] = found["policies"]
    assert (one["frozen"], one["stage"], one["admission"]) == (True, "Exhausted", "Deny")
    meets = {it["name"]: (it["admission"], it["rule"]) for it in one["workloads"]}
    assert meets["web"] == meets["api"] == ("Deny", "Deploys")
    text = viewer.sluice("status")
    assert text.returncode == 0
    assert f"FROZEN {shop.namespace}/default: SLO checkout has 12.0%" in text.stdout
    assert "\x1b" not in text.stdout


def test_all_namespaces_take_the_right_to_all(viewer: Person, admin: Person, shop: Shop) -> None:
    refused = viewer.sluice("status", "-A")
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "sluice status: missing right: list errorbudgetpolicies.sluice.dev in all namespaces: "
        "ask for it; or name one by --namespace"
    )
    everything = admin.json("status", "-A")
    assert everything["controller"]["state"] == "Absent"
    assert shop.namespace in {one["namespace"] for one in everything["policies"]}


def test_without_any_right_the_missing_one_is_named(someone: Hire, shop: Shop) -> None:
    nobody = someone("nobody")
    seen = nobody.sluice("status")
    assert seen.returncode == 1
    where = f"in namespace {shop.namespace}: ask for it"
    assert f"missing right: list errorbudgetpolicies.sluice.dev {where}" in seen.stderr
    explained = nobody.sluice("explain", "deployment/web")
    assert explained.returncode == 4
    assert f"missing right: get deployments.apps {where}" in explained.stderr


def test_a_denied_deployment_is_explained_and_the_api_server_agrees(
    editor: Person, shop: Shop
) -> None:
    found = editor.json("explain", "deployment/web", "--server", status=3)
    assert found["verdict"]["rule"] == "Deploys"
    assert found["server"]["outcome"] == "Denied"
    assert "denied request: FROZEN by a test" in found["server"]["message"]
    ways = {it["way"]: it for it in found["ways"]}
    assert ways["Override"]["possible"] is False
    undo = ways["Rollback"]
    assert undo["message"] == "back to revision 1 (web:1)"
    assert undo["command"] == (
        f"kubectl -n {shop.namespace} rollout undo deployment/web --to-revision=1"
    )
    before = shop.get("deployment", "web")["metadata"]["resourceVersion"]
    offered = [*undo["command"].split()[1:], "--dry-run=server"]
    assert editor(*offered).returncode == 0
    assert shop.get("deployment", "web")["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize(
    ("image", "rule", "status"), [("web:1", "Rollback", 0), ("web:9", "Deploys", 3)]
)
def test_an_image_is_judged_as_the_api_server_judges_it(
    editor: Person, image: str, rule: str, status: int
) -> None:
    arguments = ("explain", "deployment/web", "--image", f"web={image}")
    assert editor.json(*arguments, status=status)["verdict"]["rule"] == rule
    outcome = {0: "Allowed", 3: "Denied"}[status]
    assert editor.json(*arguments, "--server", status=status)["server"]["outcome"] == outcome


@pytest.mark.parametrize(
    ("image", "replicas", "rule", "status"),
    [("web:2", 5, "Unchanged", 0), ("web:1", 1, "Rollback", 0), ("web:9", 1, "Deploys", 3)],
)
def test_a_manifest_is_judged_with_the_defaults_that_the_api_server_fills_in(
    editor: Person, image: str, replicas: int, rule: str, status: int
) -> None:
    manifest = deployment("web", image=image)
    manifest["spec"]["replicas"] = replicas
    arguments = ("explain", "deployment/web", "-f", "-", "-o", "json", "--server")
    found = editor.sluice(*arguments, stdin=json.dumps(manifest))
    assert found.returncode == status, found.stderr
    told = json.loads(found.stdout)
    assert told["verdict"]["rule"] == rule
    assert told["server"]["outcome"] == {0: "Allowed", 3: "Denied"}[status]


def test_who_may_only_view_is_told_the_right_that_a_dry_run_takes(
    viewer: Person, shop: Shop
) -> None:
    assert viewer.sluice("explain", "web").returncode == 3
    where = f"deployments.apps in namespace {shop.namespace}"
    tried = viewer.json("explain", "web", "--server", status=4)
    assert tried["server"]["message"] == f"missing right: patch {where}: ask for it"
    manifest = json.dumps(deployment("web", image="web:9"))
    refused = viewer.sluice("explain", "web", "-f", "-", stdin=manifest)
    assert refused.returncode == 1
    assert f"missing right: create {where}" in refused.stderr


def test_an_override_is_tried_made_and_told(someone: Hire, viewer: Person) -> None:
    owner = someone("owner", "edit", "sluice-overrider")
    arguments = ("override", "deployment/web", "--reason", "fixes checkout", "--for", "30m")
    tried = owner.sluice(*arguments, "--dry-run=server")
    assert tried.returncode == 0, tried.stderr
    assert "created (server dry run): changes of web" in tried.stdout
    assert viewer.json("status")["overrides"] == []
    made = owner.sluice(*arguments)
    assert made.returncode == 0, made.stderr
    [one] = viewer.json("status")["overrides"]
    assert (one["active"], one["workloads"], one["reason"]) == (True, ["web"], "fixes checkout")
    explained = viewer.json("explain", "deployment/web")
    assert explained["verdict"]["rule"] == "Override"
    assert explained["verdict"]["override"]["active"] == [one["name"]]
    # No controller renders the override into the native gate: the API server differs, and wins.
    told = owner.sluice("explain", "deployment/web", "--server")
    assert told.returncode == 3
    assert "API server denies it, which differs" in told.stdout
    assert owner("delete", "gateoverride", one["name"]).returncode == 0


def test_a_freeze_by_hand_takes_the_role_and_is_told(someone: Hire, viewer: Person) -> None:
    why = ("--reason", "the database is moved", "--ticket", "CHG-7", "--for", "2h")
    refused = viewer.sluice("freeze", "default", *why)
    assert refused.returncode == 1
    assert 'cannot create resource "gateoverrides"' in refused.stderr
    mover = someone("mover", "sluice-overrider")
    made = mover.sluice("freeze", "default", *why)
    assert made.returncode == 0, made.stderr
    [one] = [it for it in viewer.json("status")["overrides"] if it["effect"] == "Freeze"]
    assert (one["active"], one["ticket"], one["policy"]) == (True, "CHG-7", "default")
    assert one["createdBy"].endswith(":mover")
    assert f"delete gateoverride {one['name']}" in made.stdout
    assert mover("delete", "gateoverride", one["name"]).returncode == 0


def test_a_freeze_that_nobody_renewed_is_told_as_ended(viewer: Person, shop: Shop) -> None:
    decide(shop, "Deny", minutes=-1)
    try:
        [one] = viewer.json("status")["policies"]
        assert (one["frozen"], one["expired"]) == (False, True)
        assert "EXPIRED FREEZE" in viewer.sluice("status").stdout
        explained = viewer.json("explain", "web", status=4)
        assert explained["verdict"]["rule"] == "Expired"
    finally:
        decide(shop, "Deny")


def test_kubectl_completes_names(editor: Person) -> None:
    completed = editor("__complete", "sluice", "explain", "deployment/w")
    assert completed.stdout.splitlines()[:1] == ["deployment/web"], completed.stderr
    commands = editor("__complete", "sluice", "expl").stdout
    assert commands.startswith("explain\t")


def test_all_is_thawed_without_a_controller_and_told_so(
    admin: Person, viewer: Person, shop: Shop
) -> None:
    tried = admin.sluice("thaw", "--all", "--dry-run=server")
    assert f"errorbudgetpolicy {shop.namespace}/default would be lifted" in tried.stdout
    assert admin.json("status", "-n", shop.namespace)["killSwitch"]["engaged"] is False
    lifted = admin.sluice("thaw", "--all", "--reason", "the freeze is wrong")
    assert lifted.returncode == 0, lifted.stderr
    try:
        found = admin.sluice("status", "-n", shop.namespace)
        assert "ENGAGED, nothing is enforced: the freeze is wrong" in found.stdout
        explained = admin.json("explain", "web", "-n", shop.namespace)
        assert explained["verdict"]["rule"] == "KillSwitch"
        unseen = viewer.json("status")["killSwitch"]
        assert unseen["engaged"] is None
    finally:
        shop.plane.kubectl("-n", NAMESPACE, "delete", "configmap", "sluice-kill-switch")
