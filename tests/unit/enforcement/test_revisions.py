from typing import Any

import pytest

from sluice.enforcement import revisions

Object = dict[str, Any]


def template(image: str, **labels: str) -> Object:
    return {
        "metadata": {"labels": {"run": "web", **labels}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


def replica_set(image: str, number: str | None, owner: str = "uid-1") -> Object:
    return {
        "metadata": {
            "annotations": {} if number is None else {"deployment.kubernetes.io/revision": number},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"template": template(image, **{"pod-template-hash": "5f6d"})},
    }


DEPLOYMENT = {"metadata": {"name": "web", "uid": "uid-1"}, "spec": {"template": template("web:2")}}


def test_the_newest_revision_is_first_by_number_not_by_text() -> None:
    owned = [replica_set("web:1", "9"), replica_set("web:2", "10"), replica_set("web:0", None)]
    found = revisions.workload(DEPLOYMENT, owned)
    assert [one.number for one in found.revisions] == [10, 9, 0]


def test_the_hash_label_is_not_part_of_a_revision() -> None:
    found = revisions.revision(replica_set("web:1", "1"))
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
    assert revisions.workload(DEPLOYMENT, [stranger]).revisions == ()


def test_the_current_revision_is_the_one_with_the_deployments_template() -> None:
    found = revisions.workload(DEPLOYMENT, [replica_set("web:1", "1"), replica_set("web:2", "2")])
    current = revisions.current(DEPLOYMENT, found.revisions)
    assert current is not None
    assert current.number == 2


def test_a_template_that_has_not_rolled_out_has_no_current_revision() -> None:
    found = revisions.workload(DEPLOYMENT, [replica_set("web:1", "1")])
    assert revisions.current(DEPLOYMENT, found.revisions) is None


def test_a_null_creation_timestamp_is_no_difference() -> None:
    old = replica_set("web:2", "2")
    old["spec"]["template"]["metadata"]["creationTimestamp"] = None
    assert revisions.revision(old).template == DEPLOYMENT["spec"]["template"]


def test_images_of_init_containers_count() -> None:
    both = template("web:1")
    both["spec"]["initContainers"] = [{"name": "init", "image": "init:1"}]
    assert revisions.images(both) == {"init": "init:1", "web": "web:1"}


def test_the_replica_set_is_left_as_it_was() -> None:
    original = replica_set("web:1", "1")
    revisions.revision(original)
    assert original == replica_set("web:1", "1")
