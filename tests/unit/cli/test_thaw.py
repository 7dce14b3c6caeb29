"""`sluice thaw --all` against an API server in memory, with what stands in its way."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sluice.cli import thaw
from sluice.cli.main import app
from sluice.enforcement.names import MANAGED_BY, POLICY_UID
from sluice.kube.api_server import ApiError
from sluice.kube.resources import (
    ADMISSION_BINDINGS,
    ADMISSION_POLICIES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    POLICIES,
    Resource,
)

Object = dict[str, Any]


class Cluster:
    """The objects by resource; a server-side apply takes away what it applied before and now not.

    `refused` holds the names of objects that may not be written or deleted, `user` who we are.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.refused: set[str] = set()
        self.user = "ann"
        self.homeless: ApiError | None = None
        """What comes of creating something in the controller's namespace, if that is gone."""
        self.asked: set[str] = set()
        """What was listed."""

    def put(self, resource: Resource, name: str, body: Object, **metadata: Any) -> None:
        found = {"name": name, "resourceVersion": "1", **metadata}
        self.objects[resource.plural, name] = {"metadata": found, **body}

    def names(self, resource: Resource) -> set[str]:
        return {name for plural, name in self.objects if plural == resource.plural}

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[Object]:
        del metadata_only
        self.asked.add(resource.plural)
        wanted = dict(label.split("=") for label in labels.split(",") if "=" in label)
        for (plural, _), body in list(self.objects.items()):
            metadata = body["metadata"]
            here = namespace in {None, metadata.get("namespace")}
            if plural == resource.plural and here and wanted.items() <= _labels(body).items():
                yield body

    async def create(
        self, resource: Resource, body: Object, *, dry_run: bool = False, **_: Any
    ) -> Object:
        if "metadata" in body and self.homeless is not None:
            raise self.homeless
        if "metadata" in body and not dry_run:
            self.put(resource, body["metadata"]["name"], body)
        return {"status": {"userInfo": {"username": self.user, "uid": f"uid-of-{self.user}"}}}

    async def apply(self, resource: Resource, body: Object, **_: Any) -> Object:
        name = body["metadata"]["name"]
        self._refuse(name)
        if resource == POLICIES:
            self.objects[resource.plural, name]["metadata"].pop("finalizers", None)
            return self.objects[resource.plural, name]
        notes = body["metadata"].get("annotations", {})
        live = self.objects[resource.plural, name]
        live["metadata"]["annotations"] = notes
        live["metadata"]["managedFields"] = [_applied(notes)]
        return live

    merge = apply

    async def delete(self, resource: Resource, name: str, **_: Any) -> None:
        self._refuse(name)
        del self.objects[resource.plural, name]

    def _refuse(self, name: str) -> None:
        if name in self.refused:
            raise ApiError(status=403, reason="Forbidden", message=f"{name} is not yours")


def _labels(body: Object) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("labels", {})
    return found


def _applied(notes: dict[str, str]) -> Object:
    fields: Object = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in notes}}}
    return {"manager": "sluice", "operation": "Apply", "fieldsV1": fields}


def policy(cluster: Cluster, name: str, *, namespace: str = "shop", **spec: Any) -> None:
    """A frozen policy, its gate, and its annotation on the namespace's Deployment."""
    key = f"example.com/{name}"
    record = {
        "kind": "Deployment",
        "name": f"web-{namespace}",
        "uid": f"uid-{namespace}",
        "field": f"metadata.annotations[{key}]",
        "previous": "null",
        "value": '"frozen"',
        "time": "2026-08-20T10:04:00Z",
    }
    body = {
        "spec": {"objectives": {"names": ["a"]}, **spec},
        "status": {"workloads": {"governed": 1, "changed": [record]}},
    }
    finalizers = ["sluice.dev/thaw"]
    cluster.put(POLICIES, name, body, namespace=namespace, uid=f"p-{name}", finalizers=finalizers)
    labels = {MANAGED_BY: "sluice", POLICY_UID: f"p-{name}"}
    for resource in (ADMISSION_POLICIES, ADMISSION_BINDINGS):
        cluster.put(resource, f"gate-{name}", {}, labels=labels)
    workload = cluster.objects.get((DEPLOYMENTS.plural, f"web-{namespace}"))
    notes = {**(workload["metadata"]["annotations"] if workload else {}), key: "frozen"}
    cluster.put(
        DEPLOYMENTS,
        f"web-{namespace}",
        {"spec": {"template": {}}},
        namespace=namespace,
        uid=f"uid-{namespace}",
        annotations=notes,
        managedFields=[_applied(notes)],
    )


def annotations(cluster: Cluster, namespace: str = "shop") -> dict[str, str]:
    found: dict[str, str]
    found = cluster.objects[DEPLOYMENTS.plural, f"web-{namespace}"]["metadata"]["annotations"]
    return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(thaw, "with_api", lambda work, **_: asyncio.run(work(cluster)))
    return cluster


def thaw_all(*more: str) -> Result:
    return CliRunner().invoke(app, ["thaw", "--all", "--reason", "incident", *more])


def finalizers(cluster: Cluster) -> dict[str, list[str]]:
    return {
        name: body["metadata"].get("finalizers", [])
        for (plural, name), body in cluster.objects.items()
        if plural == POLICIES.plural
    }


def test_all_policies_are_lifted_and_the_kill_switch_is_engaged(cluster: Cluster) -> None:
    policy(cluster, "a")
    policy(cluster, "b", namespace="zoo")
    result = thaw_all()
    assert result.exit_code == 0
    assert cluster.names(ADMISSION_POLICIES) == cluster.names(ADMISSION_BINDINGS) == set()
    assert annotations(cluster) == annotations(cluster, "zoo") == {}
    assert len(cluster.names(CONFIG_MAPS)) == 1


def test_what_two_policies_changed_on_one_workload_is_all_taken_back(cluster: Cluster) -> None:
    policy(cluster, "a")
    policy(cluster, "b")
    assert set(annotations(cluster)) == {"example.com/a", "example.com/b"}
    assert thaw_all().exit_code == 0
    assert annotations(cluster) == {}


@pytest.mark.parametrize("refused", ["gate-a", "web-shop"])
def test_a_refusal_at_one_policy_keeps_no_other_from_being_lifted(
    cluster: Cluster, refused: str
) -> None:
    policy(cluster, "a")
    policy(cluster, "b", namespace="zoo")
    cluster.refused = {refused}
    result = thaw_all()
    assert result.exit_code == 1
    assert "not lifted: ErrorBudgetPolicy shop/a: " in result.stderr
    assert f"{refused} is not yours" in result.stderr
    assert "gate-b" not in cluster.names(ADMISSION_POLICIES)
    assert annotations(cluster, "zoo") == {}


def test_a_fault_at_one_policy_keeps_no_other_from_being_lifted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(cluster, "a")
    policy(cluster, "b", namespace="zoo")
    lift = thaw.lift

    async def failing(policy: Any, **others: Any) -> int:
        if policy.metadata.name == "a":
            raise KeyError("manager")
        return await lift(policy, **others)

    monkeypatch.setattr(thaw, "lift", failing)
    result = thaw_all()
    assert result.exit_code == 1
    assert "not lifted: ErrorBudgetPolicy shop/a: KeyError: 'manager'" in result.stderr
    assert cluster.names(ADMISSION_POLICIES) == {"gate-a"}


def test_gates_that_cannot_be_swept_keep_no_policy_from_being_lifted(cluster: Cluster) -> None:
    policy(cluster, "a")
    labels = {MANAGED_BY: "sluice", POLICY_UID: "p-gone"}
    cluster.put(ADMISSION_POLICIES, "gate-gone", {}, labels=labels)
    cluster.refused = {"gate-gone"}
    result = thaw_all()
    assert result.exit_code == 1
    assert "gate-gone is not yours" in result.stderr
    assert cluster.names(ADMISSION_POLICIES) == {"gate-gone"}
    assert annotations(cluster) == {}


def test_a_policy_that_cannot_be_read_is_lifted_too(cluster: Cluster) -> None:
    policy(cluster, "a", fieldOfANewerVersion=1)
    result = thaw_all()
    assert (result.exit_code, result.stderr) == (0, "")
    assert "errorbudgetpolicy shop/a lifted (1 workloads given back)" in result.stdout
    assert cluster.names(ADMISSION_POLICIES) == set()
    assert annotations(cluster) == {}


def test_in_named_namespaces_only_those_are_lifted(cluster: Cluster) -> None:
    policy(cluster, "a")
    policy(cluster, "b", namespace="zoo")
    assert thaw_all("--watch-namespaces", "zoo, farm").exit_code == 0
    assert cluster.names(ADMISSION_POLICIES) == {"gate-a"}
    assert set(annotations(cluster)) == {"example.com/a"}


def test_a_thaw_leaves_finalizers_and_the_switch_to_who_comes_back(cluster: Cluster) -> None:
    policy(cluster, "a")
    assert thaw_all().exit_code == 0
    assert finalizers(cluster) == {"a": ["sluice.dev/thaw"]}
    [switch] = (body for (kind, _), body in cluster.objects.items() if kind == CONFIG_MAPS.plural)
    assert "ownerReferences" not in switch["metadata"]


def test_before_an_uninstall_controllers_see_the_switch_first_and_policies_are_released(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(cluster, "a")
    policy(cluster, "b")
    cluster.user = "system:serviceaccount:sluice-system:sluice"
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        assert cluster.names(CONFIG_MAPS)
        assert cluster.names(ADMISSION_POLICIES) == {"gate-a", "gate-b"}
        waited.append(seconds)

    monkeypatch.setattr(thaw.asyncio, "sleep", wait)
    assert thaw_all("--uninstall").exit_code == 0
    assert waited == [15.0]
    assert cluster.names(ADMISSION_POLICIES) == set()
    assert annotations(cluster) == {}
    assert finalizers(cluster) == {"a": [], "b": []}
    [switch] = (body for (kind, _), body in cluster.objects.items() if kind == CONFIG_MAPS.plural)
    assert switch["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "name": "sluice",
            "uid": f"uid-of-{cluster.user}",
        }
    ]


def test_an_uninstall_tells_what_it_leaves(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thaw, "_SEEN_BY_ALL", 0.0)
    for name in ("a", "b"):
        labels = {"sluice.dev/ledger": "current", "sluice.dev/objective-uid": name}
        where = {"namespace": "sluice-system", "labels": labels}
        cluster.put(CONFIG_MAPS, f"sluice-ledger-{name}", {}, **where)
    said = thaw_all("--uninstall").output
    assert "left on purpose: the definitions *.sluice.dev with all their objects" in said
    # The kill switch is a third one; it is told of apart.
    assert "configmaps with what was counted, in namespace sluice-system" in said
    assert cluster.names(CONFIG_MAPS) >= {"sluice-ledger-a", "sluice-ledger-b"}
    assert "left on purpose" not in thaw_all().output


def test_without_rights_in_the_cluster_no_admission_policy_is_asked_for(cluster: Cluster) -> None:
    policy(cluster, "a")
    said = thaw_all("--scope", "namespace", "--watch-namespaces", "shop")
    assert said.exit_code == 0, said.output
    assert not {one for one in cluster.asked if one.startswith("validating")}
    assert annotations(cluster) == {}


@pytest.mark.parametrize("user", ["ann", "system:serviceaccount:elsewhere:sluice"])
def test_a_switch_can_go_with_an_account_of_its_own_namespace_only(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    cluster.user = user
    monkeypatch.setattr(thaw, "_SEEN_BY_ALL", 0.0)
    assert thaw_all("--uninstall").exit_code == 0
    [switch] = (body for (kind, _), body in cluster.objects.items() if kind == CONFIG_MAPS.plural)
    assert "ownerReferences" not in switch["metadata"]


def test_where_the_definitions_are_gone_there_is_nothing_to_lift(cluster: Cluster) -> None:
    list_objects = cluster.list

    async def listed(resource: Resource, **others: Any) -> AsyncIterator[Object]:
        if resource == POLICIES:
            raise ApiError(status=404, reason="NotFound", message="no such resource")
        async for body in list_objects(resource, **others):
            yield body

    cluster.list = listed  # type: ignore[method-assign]
    assert thaw_all().exit_code == 0


GONE = ApiError(status=404, reason="NotFound", message='namespaces "sluice-system" not found')
GOING = ApiError(
    status=403,
    reason="Forbidden",
    message="unable to create new content in namespace sluice-system because it is being "
    "terminated",
)


@pytest.mark.parametrize("homeless", [GONE, GOING])
def test_after_the_controllers_namespace_is_gone_policies_are_released_without_a_switch(
    cluster: Cluster, homeless: ApiError
) -> None:
    policy(cluster, "a")
    cluster.homeless = homeless
    done = thaw_all("--uninstall")
    assert done.exit_code == 0, done.output
    assert finalizers(cluster) == {"a": []}
    assert cluster.names(ADMISSION_POLICIES) == set()
    assert annotations(cluster) == {}
    assert done.stderr.startswith(
        "sluice thaw: namespace sluice-system is gone, so no kill switch is engaged; should a "
        "controller run in another one, it enforces again: name that by --system-namespace"
    )
    assert "The kill switch is engaged" not in done.stdout
    assert "left on purpose" not in done.stdout


def test_a_thaw_in_the_wrong_namespace_lifts_nothing_that_would_come_back(
    cluster: Cluster,
) -> None:
    policy(cluster, "a")
    cluster.homeless = GONE
    for more in ((), ("--dry-run=server",)):
        refused = thaw_all(*more)
        assert refused.exit_code == 1
        assert "nothing was lifted: name the controller's namespace by --system-name" in (
            refused.stderr
        )
    assert cluster.names(ADMISSION_POLICIES) == {"gate-a"}


def test_a_right_that_is_missing_for_the_switch_is_no_namespace_that_is_gone(
    cluster: Cluster,
) -> None:
    policy(cluster, "a")
    cluster.homeless = ApiError(status=403, reason="Forbidden", message="cannot create configmaps")
    assert isinstance(thaw_all("--uninstall").exception, ApiError)
    assert cluster.names(ADMISSION_POLICIES) == {"gate-a"}


def test_without_all_nothing_is_touched(cluster: Cluster) -> None:
    policy(cluster, "a")
    before = copy.deepcopy(cluster.objects)
    assert CliRunner().invoke(app, ["thaw"]).exit_code == 2
    assert cluster.objects == before


def test_a_dry_run_tells_what_would_be_lifted_and_touches_nothing(cluster: Cluster) -> None:
    policy(cluster, "a")
    policy(cluster, "b", namespace="zoo")
    before = copy.deepcopy(cluster.objects)
    result = CliRunner().invoke(app, ["thaw", "--all", "--dry-run=server"])
    assert result.exit_code == 0
    assert "errorbudgetpolicy shop/a would be lifted (1 workloads given back)" in result.stdout
    assert "errorbudgetpolicy zoo/b would be lifted" in result.stdout
    assert "nothing was changed" in result.stdout
    assert cluster.objects == before
