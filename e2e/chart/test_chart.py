"""The chart in a cluster: it comes up, may do what it must and no more, and goes without trace."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from e2e.chart.conftest import CHART, Helm
from e2e.chart.rights import Right, Rights
from e2e.harness import ControlPlane, wait_until
from sluice.api import API_VERSION
from sluice.api.crds import RESOURCES

pytestmark = pytest.mark.controlplane

KINDS = [resource.name for resource in RESOURCES]
TEAM_KINDS = [resource.name for resource in RESOURCES if resource.namespaced]
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")


def rights(verbs: tuple[str, ...], *resources: str, name: str = "") -> set[Right]:
    return {(verb, resource, name) for verb, resource in product(verbs, resources)}


EVERYWHERE = (
    rights(("list", "watch"), *KINDS)
    | rights(("patch",), *(name.replace(".", "/status.", 1) for name in KINDS))
    | rights(("patch",), "errorbudgetpolicies.sluice.dev")
    | rights(("list", "watch", "patch"), "deployments.apps", "statefulsets.apps", "daemonsets.apps")
    | rights(("list", "watch", "patch"), "rollouts.argoproj.io")
    | rights(("list",), "replicasets.apps", "controllerrevisions.apps")
    | rights(
        ("list", "create", "patch", "delete"),
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    )
    | rights(("create",), "events.events.k8s.io")
)
AT_HOME = (
    rights(("create",), "leases.coordination.k8s.io")
    | rights(("get", "update"), "leases.coordination.k8s.io", name="sluice")
    | rights(("get", "list", "create", "patch", "delete"), "configmaps")
    | rights(("get",), "secrets")
)


@pytest.fixture(scope="module")
def team(control_plane: ControlPlane, installed: tuple[str, str]) -> Iterator[str]:
    del installed
    with control_plane.namespace("team") as name:
        yield name


def test_the_release_comes_up_where_only_restricted_pods_are_admitted(
    control_plane: ControlPlane, installed: tuple[str, str]
) -> None:
    namespace, _ = installed
    if control_plane.rolls_out:
        control_plane.kubectl("-n", namespace, "rollout", "status", "deployment/sluice")
    wait_until(
        lambda: len(control_plane.kubectl.json("-n", namespace, "get", "pods")["items"]) == 2,
        timeout=30,
        what="two pods of the release",
    )
    control_plane.kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in KINDS))


def test_the_notes_name_the_source_and_the_next_step(installed: tuple[str, str]) -> None:
    namespace, notes = installed
    assert "measures from http://prometheus.monitoring:9090" in notes
    assert f"kubectl -n {namespace} rollout status deployment/sluice" in notes


def test_the_controller_may_do_what_it_does_and_nothing_else(
    control_plane: ControlPlane, installed: tuple[str, str]
) -> None:
    namespace, _ = installed
    account = f"system:serviceaccount:{namespace}:sluice"
    assert Rights(control_plane).of(account, "default") == EVERYWHERE
    assert Rights(control_plane).of(account, namespace) == EVERYWHERE | AT_HOME


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("view", rights(READ, *TEAM_KINDS)),
        ("edit", rights(READ, *TEAM_KINDS) | rights(WRITE, "servicelevelobjectives.sluice.dev")),
        ("admin", rights(READ, *TEAM_KINDS) | rights(WRITE, "servicelevelobjectives.sluice.dev")),
        (
            "sluice-policy-editor",
            rights(READ, *TEAM_KINDS) | rights(WRITE, "errorbudgetpolicies.sluice.dev"),
        ),
        (
            "sluice-overrider",
            rights(READ, *TEAM_KINDS) | rights(("create", "delete"), "gateoverrides.sluice.dev"),
        ),
        (
            "sluice-corrector",
            rights(READ, *TEAM_KINDS)
            | rights(("create", "delete"), "budgetcorrections.sluice.dev"),
        ),
    ],
)
def test_a_role_gives_these_rights_on_our_objects(
    control_plane: ControlPlane, team: str, role: str, expected: set[Right]
) -> None:
    user = f"{role}-user"
    bind(control_plane, team, role, user)

    def ours() -> set[Right]:
        found = Rights(control_plane).of(user, team)
        return {right for right in found if right[1].endswith("sluice.dev")}

    # Roles are aggregated by a controller, and the authorizer reads them from a watch.
    wait_until(lambda: ours() == expected, timeout=30, what=f"the rights of {role}: {expected}")


def bind(plane: ControlPlane, namespace: str, role: str, user: str) -> None:
    arguments = ("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
    plane.kubectl("-n", namespace, *arguments)


class Overrides:
    """Creates overrides as alice, who may."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace

    def create(
        self, name: str, *, user: str = "alice", groups: tuple[str, ...] = (), **spec: str
    ) -> tuple[bool, str]:
        manifest: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "GateOverride",
            "metadata": {"name": name},
            "spec": {"policy": "p", "reason": "hotfix", "expiresAt": "2099-01-01T00:00:00Z"} | spec,
        }
        answer = self._plane.kubectl(
            *("-n", self._namespace, "create", f"--as={user}", "-f", "-"),
            *(f"--as-group={group}" for group in groups),
            input=json.dumps(manifest),
            check=False,
        )
        return answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def overrides(control_plane: ControlPlane, team: str) -> Overrides:
    bind(control_plane, team, "sluice-overrider", "alice")
    found = Overrides(control_plane, team)
    # The admission policy is in force a moment after it is stored.
    wait_until(
        lambda: "sluice-override-author" in found.create("probe", createdBy="bob")[1],
        timeout=30,
        what="the admission policy",
    )
    return found


def test_nobody_signs_an_override_for_somebody_else(overrides: Overrides) -> None:
    created, message = overrides.create("forged", createdBy="bob")
    assert not created
    assert message.startswith("Error from server (Forbidden): ")
    assert (
        "denied request: spec.createdBy must be the user who creates the override: "
        'write "createdBy: alice"' in message
    )


def test_an_override_signed_by_its_author_is_created(overrides: Overrides) -> None:
    created, message = overrides.create("signed", createdBy="alice")
    assert created, message


def test_an_override_that_nobody_signs_is_told_what_is_missing(overrides: Overrides) -> None:
    created, message = overrides.create("unsigned")
    assert not created
    assert "spec.createdBy: Required value" in message


@pytest.mark.parametrize(
    ("group", "created"),
    [
        ("system:serviceaccounts:argocd", False),
        ("system:serviceaccounts:flux-system", False),
        ("system:serviceaccounts:tenant", True),
    ],
)
def test_a_gitops_controller_that_may_do_everything_creates_no_override(
    control_plane: ControlPlane, team: str, overrides: Overrides, group: str, created: bool
) -> None:
    account = f"{group.replace('serviceaccounts', 'serviceaccount')}:controller"
    name = f"gitops-{group.rpartition(':')[2]}"
    role = ("create", "rolebinding", name, "--clusterrole=cluster-admin", f"--user={account}")
    control_plane.kubectl("-n", team, *role)

    def attempt() -> tuple[bool, str]:
        return overrides.create(name, user=account, groups=(group,), createdBy=account)

    # What RBAC forbids is told otherwise than what the admission policy denies.
    wait_until(lambda: "cannot create resource" not in attempt()[1], timeout=30, what="the role")
    passed, message = overrides.create(
        f"{name}-2", user=account, groups=(group,), createdBy=account
    )
    assert passed is created, message
    assert (f"{account} may not create overrides" in message) is not created


@pytest.mark.parametrize(
    "case",
    [
        ("24h", timedelta(hours=23, minutes=50), True),
        ("24h", timedelta(hours=24, minutes=10), False),
        ("1d12h", timedelta(hours=35), True),
        ("1d12h", timedelta(hours=37), False),
        ("2w", timedelta(days=13), True),
        ("2w", timedelta(days=15), False),
        ("1h30m1s500ms", timedelta(minutes=85), True),
        ("1h30m1s500ms", timedelta(minutes=95), False),
    ],
)
def test_who_asks_for_longer_than_the_policy_allows_is_told_at_once(
    control_plane: ControlPlane,
    team: str,
    overrides: Overrides,
    case: tuple[str, timedelta, bool],
) -> None:
    limit, lasts, created = case
    policy: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": f"up-to-{limit}"},
        "spec": {"objectives": {"selector": {}}, "overrides": {"maxDuration": limit}},
    }
    control_plane.kubectl("-n", team, "apply", "-f", "-", input=json.dumps(policy))

    def attempt(length: timedelta) -> tuple[bool, str]:
        name = f"lasts-{uuid4().hex[:12]}"
        ends = f"{datetime.now(UTC) + length:%Y-%m-%dT%H:%M:%SZ}"
        return overrides.create(name, policy=f"up-to-{limit}", createdBy="alice", expiresAt=ends)

    # The API server reads policies from a watch of its own.
    wait_until(lambda: not attempt(timedelta(days=999))[0], timeout=30, what="the limit")
    passed, message = attempt(lasts)
    assert passed is created, message
    if not created:
        assert f"and ErrorBudgetPolicy up-to-{limit} allows {limit}" in message
        assert "choose an earlier expiresAt" in message


def test_an_uninstalled_release_leaves_only_the_definitions(
    control_plane: ControlPlane, helm: Helm, install: Callable[[str, str], str]
) -> None:
    def left(release: str) -> list[str]:
        kinds = (
            "serviceaccounts,services,deployments,pods,roles,rolebindings,clusterroles,"
            "clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
        )
        selector = f"app.kubernetes.io/instance={release}"
        return control_plane.kubectl(
            "get", kinds, "-A", "-l", selector, "-o", "name"
        ).stdout.split()

    with control_plane.namespace("short-lived") as namespace:
        install("short-lived", namespace)
        assert len(left("short-lived")) >= 12
        helm("uninstall", "short-lived", "--namespace", namespace, "--wait", "--no-hooks")
        wait_until(lambda: left("short-lived") == [], timeout=30, what="nothing to be left")
    control_plane.kubectl("get", *("crd", *KINDS))
    assert {path.stem.removeprefix("sluice.dev_") for path in CHART.glob("crds/*.yaml")} == {
        name.split(".")[0] for name in KINDS
    }


def test_a_correction_too_is_signed_by_its_author(
    control_plane: ControlPlane, team: str, overrides: Overrides
) -> None:
    del overrides  # with it the admission policy is in force
    bind(control_plane, team, "sluice-corrector", "carol")

    def create(name: str, author: str) -> tuple[bool, str]:
        manifest: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "BudgetCorrection",
            "metadata": {"name": name},
            "spec": {
                "objectives": {"selector": {}},
                "effect": "Exclude",
                "once": {"start": "2026-08-20T10:00:00Z", "end": "2026-08-20T11:00:00Z"},
                "reason": "the data centre moved",
                "createdBy": author,
            },
        }
        answer = control_plane.kubectl(
            *("-n", team, "create", "--as=carol", "-f", "-"),
            input=json.dumps(manifest),
            check=False,
        )
        return answer.returncode == 0, answer.stderr

    wait_until(lambda: create("signed", "carol")[0], timeout=30, what="the role corrector")
    created, message = create("forged", "bob")
    assert not created
    assert (
        "denied request: spec.createdBy must be the user who creates the correction: "
        'write "createdBy: carol"' in message
    )
