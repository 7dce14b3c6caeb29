from typing import Any

import pytest

from sluice.enforcement.history import workload
from sluice.enforcement.revisions import images, of_controller_revision, of_replica_set

Object = dict[str, Any]


def template(image: str, **labels: str) -> Object:
    return {
        "metadata": {"labels": {"run": "web", **labels}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


def replica_set(image: str, number: str | None, owner: str = "uid-1") -> Object:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "annotations": {} if number is None else {"deployment.kubernetes.io/revision": number},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"template": template(image, **{"pod-template-hash": "5f6d"})},
    }


DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "web", "uid": "uid-1"},
    "spec": {"template": template("web:2")},
}


def test_the_newest_revision_is_first_by_number_not_by_text() -> None:
    owned = [replica_set("web:1", "9"), replica_set("web:2", "10"), replica_set("web:0", None)]
    found = workload(DEPLOYMENT, owned)
    assert [one.number for one in found.revisions] == [10, 9, 0]


def test_the_hash_label_is_not_part_of_a_revision() -> None:
    found = of_replica_set(replica_set("web:1", "1"))
    assert found.template == template("web:1")


@pytest.mark.parametrize(
    "owners",
    [
        [],
        [{"uid": "uid-2", "controller": True}],
        [{"uid": "uid-1"}],
        [{"uid": "uid-1", "controller": False}],
    ],
)
def test_a_replica_set_of_another_controller_is_no_revision(owners: list[Object]) -> None:
    stranger = replica_set("web:1", "1")
    stranger["metadata"]["ownerReferences"] = owners
    assert workload(DEPLOYMENT, [stranger]).revisions == ()


def test_a_null_creation_timestamp_is_no_difference() -> None:
    old = replica_set("web:2", "2")
    old["spec"]["template"]["metadata"]["creationTimestamp"] = None
    assert of_replica_set(old).template == DEPLOYMENT["spec"]["template"]


def test_images_of_init_containers_count() -> None:
    both = template("web:1")
    both["spec"]["initContainers"] = [{"name": "init", "image": "init:1"}]
    assert images(both) == {"init": "init:1", "web": "web:1"}


def test_the_replica_set_is_left_as_it_was() -> None:
    original = replica_set("web:1", "1")
    of_replica_set(original)
    assert original == replica_set("web:1", "1")


def controller_revision(image: str, number: int, owner: str = "uid-2") -> Object:
    return {
        "kind": "ControllerRevision",
        "metadata": {"ownerReferences": [{"uid": owner, "controller": True}]},
        "revision": number,
        "data": {"spec": {"template": {**template(image), "$patch": "replace"}}},
    }


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_revisions_of_a_set_are_the_templates_of_its_controller_revisions(kind: str) -> None:
    live = {**DEPLOYMENT, "kind": kind, "metadata": {"name": "web", "uid": "uid-2"}}
    retained = [controller_revision("web:1", 1), controller_revision("web:2", 2)]
    found = workload(live, [*retained, controller_revision("web:9", 9, owner="uid-3")])
    assert (found.kind, found.key) == (kind, f"{kind}/web")
    assert [(one.number, one.template) for one in found.revisions] == [
        (2, template("web:2")),
        (1, template("web:1")),
    ]


def test_only_what_a_kind_is_retained_as_is_a_revision_of_it() -> None:
    forged = controller_revision("web:9", 9, owner="uid-1")
    assert workload(DEPLOYMENT, [forged]).revisions == ()


@pytest.mark.parametrize(
    "data",
    [
        None,
        "a text",
        {},
        {"spec": None},
        {"spec": {"template": {"metadata": [], "spec": {"containers": []}}}},
        {"spec": {"template": {"spec": {}}}},
        {"spec": {"template": {"spec": {"containers": [{"image": "web:1"}]}}}},
        {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": 7}]}}}},
    ],
)
def test_a_controller_revision_of_something_else_is_no_revision(data: Any) -> None:
    assert of_controller_revision({"metadata": {}, "revision": 1, "data": data}) is None
