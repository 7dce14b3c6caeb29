"""Install, upgrade, rollback and uninstall by the real Helm, with what its hooks run."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from e2e.chart.conftest import CHART, Helm
from e2e.chart.hook_jobs import HELD, HookJobs, gone, until_gone
from e2e.harness import ControlPlane, NoPrometheus
from e2e.stack import SERVICES, Controller, Stack, stack
from e2e.story.manifests import stages
from e2e.story.team import Team
from sluice.api.crds import RESOURCES

# Each of Helm's steps waits for a Job, and each Job for a Python of its own.
pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(400)]


@pytest.fixture
def home(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    if not control_plane.rolls_out or control_plane.local is None:
        pytest.skip("hooks are Jobs, which need our own control plane with a job controller")
    with control_plane.namespace(request.param) as name:
        yield name


def properties(plane: ControlPlane) -> set[str]:
    crd = plane.kubectl.json("get", "crd", "servicelevelobjectives.sluice.dev")
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])


def age(plane: ControlPlane) -> None:
    """Give the cluster the definition of another version: a field less, and one that is no more."""
    base = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    patch = [
        {"op": "remove", "path": f"{base}/owner"},
        {"op": "add", "path": f"{base}/retired", "value": {"type": "string"}},
    ]
    plane.kubectl(
        *("patch", "crd", "servicelevelobjectives.sluice.dev", "--type=json"),
        *("-p", json.dumps(patch)),
    )


@pytest.mark.parametrize("home", ["upgraded"], indirect=True)
def test_definitions_are_brought_up_to_date_by_upgrades_and_not_back_by_rollbacks(
    control_plane: ControlPlane, helm: Helm, home: str
) -> None:
    plane = control_plane
    # What a release in another namespace of the same cluster has a say in is left out.
    values = ("--set", "overrideAuthor.enabled=false,rbac.aggregate=false,replicas=0")
    release = ("lifecycle", str(CHART), "--namespace", home, *values, *HELD)
    jobs = HookJobs(plane, home)
    with jobs.running():
        helm("install", *release, "--timeout", "90s")
        current = properties(plane)
        assert "owner" in current
        age(plane)
        assert properties(plane) == current - {"owner"} | {"retired"}
        helm("upgrade", *release, "--set", "interval=30", "--timeout", "90s")
        assert properties(plane) == current
        helm("rollback", "lifecycle", "1", "--namespace", home, "--timeout", "90s")
        assert properties(plane) == current
        deployment = plane.kubectl.json("-n", home, "get", "deployment", "lifecycle-sluice")
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert {"name": "SLUICE_INTERVAL", "value": "60"} in container["env"]
        helm("uninstall", "lifecycle", "--namespace", home, "--wait", "--timeout", "90s")
    printed = jobs.outputs["lifecycle-sluice-crds"].splitlines()
    assert printed == [f"customresourcedefinition {one.name} applied" for one in RESOURCES]
    selector = "app.kubernetes.io/instance=lifecycle"
    for kinds in ("clusterroles,clusterrolebindings", f"jobs,serviceaccounts,roles -n {home}"):
        until_gone(plane, *kinds.split(), "-l", selector)


@pytest.mark.prometheus
@pytest.mark.parametrize("home", ["uninstalled"], indirect=True)
def test_a_freeze_and_what_was_counted_outlive_upgrade_and_rollback_and_an_uninstall_thaws(
    control_plane: ControlPlane, helm: Helm, home: str
) -> None:
    """At the uninstall the controller goes on: Helm takes its rights only afterwards."""
    values = ("--set", "overrideAuthor.enabled=false,rbac.aggregate=false,replicas=0")
    chart = ("leaving", str(CHART), *values, *HELD)
    helm("install", *chart, "--namespace", home, "--no-hooks")
    account = control_plane.service_account_kubeconfig(home, "leaving-sluice")
    with ExitStack() as resources:
        try:
            found = resources.enter_context(stack(control_plane, account, SERVICES[:1]))
        except NoPrometheus as reason:
            pytest.skip(str(reason))
        # Not in the release's own namespace: a freeze there would deny its upgrade as well.
        shop = resources.enter_context(control_plane.namespace("outliving"))
        team = Team(found, shop, found.take())
        running = started(found, home, resources)
        team.start(stages=stages(pauseRollouts=True))
        team.freeze()
        team.until("paused", lambda: team.field("deployment", "web", ".spec.paused") == "true")
        team.until_condition("Enforcing", "Enforced")
        before = team.remembered()
        assert before["undo records"]
        for step in (("upgrade", *chart, "--set", "interval=30"), ("rollback", "leaving", "1")):
            assert running.stop() == 0
            counted = ledgers(control_plane, home)
            helm(*step, "--namespace", home, "--no-hooks")
            assert team.would_deploy().denied
            running = started(found, home, resources)
            until_looked_at(found, running)
            assert team.remembered() == before
            assert set(ledgers(control_plane, home)) == set(counted) != set()
            assert team.would_deploy().denied
        jobs = HookJobs(control_plane, home)
        with jobs.running():
            helm("uninstall", "leaving", "--namespace", home, "--timeout", "110s")
        told = jobs.outputs["leaving-sluice-thaw"]
        assert f"errorbudgetpolicy {shop}/default lifted" in told
        assert "left on purpose: the definitions *.sluice.dev with all their objects" in told
        # Other tests' objectives may be there as well, and be counted.
        kept = re.search(r"left on purpose: (\d+) configmaps with what was counted, in (.*)", told)
        assert kept is not None
        assert int(kept[1]) >= 1
        assert kept[2] == f"namespace {home}"
        assert ledgers(control_plane, home) == counted
        assert not gone(control_plane, "-n", shop, "slo", "availability")
        until_gone(control_plane, "-n", home, "configmap", "sluice-kill-switch")
        left(control_plane, shop)


def started(found: Stack, home: str, resources: ExitStack) -> Controller:
    """A controller of the release."""
    running = found.run("--namespace", home)
    resources.callback(running.kill)
    return running


def until_looked_at(found: Stack, running: Controller) -> None:
    """Wait until it has decided some times."""
    looks = 'sluice_evaluations_total{kind="errorbudgetpolicies",outcome="ok"}'
    found.until("some looks", lambda: (running.metric(looks) or 0) > 3)


def ledgers(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    """What was counted, by the ConfigMaps' names."""
    items = plane.kubectl.json("-n", namespace, "get", "configmaps", "-l", "sluice.dev/ledger")
    return {one["metadata"]["name"]: one["binaryData"] for one in items["items"]}


def left(plane: ControlPlane, namespace: str) -> None:
    """Nothing is enforced, and nothing keeps the policy."""
    ours = ("-l", "app.kubernetes.io/managed-by=sluice")
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    assert gone(plane, kinds, *ours)
    web = plane.kubectl.json("-n", namespace, "get", "deployment", "web")
    assert "paused" not in web["spec"]
    [policy] = plane.kubectl.json("-n", namespace, "get", "ebp")["items"]
    assert "finalizers" not in policy["metadata"]
    plane.kubectl("-n", namespace, "delete", "ebp", "--all", "--timeout=10s")
