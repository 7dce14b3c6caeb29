"""What the gate remembers of what it has seen, and what it does not."""

import pickle

import pytest

from sluice.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    OVERRIDES,
    POLICIES,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from sluice.policy.fingerprint import fingerprint
from tests.unit.gate.objects import (
    Known,
    controller_revision,
    frozen,
    override,
    policy,
    replica_set,
    template,
    workload,
)


def test_of_a_template_only_digests_are_kept() -> None:
    known = Known().see(POLICIES, policy())
    known.see(REPLICA_SETS, replica_set(workload(), "registry.example.com/secret-name:1", 1))
    revisions = known.memory.revisions("shop")
    assert revisions is not None
    assert len(revisions) == 1
    assert b"secret-name" not in pickle.dumps(revisions)


def test_revisions_are_kept_only_where_there_is_a_policy() -> None:
    known = Known().see(REPLICA_SETS, replica_set(workload(), "web:1", 1))
    assert known.memory.revisions("shop") == ()
    known.see(POLICIES, policy())
    known.see(REPLICA_SETS, replica_set(workload(), "web:1", 1))
    assert len(known.memory.revisions("shop") or ()) == 1
    known.memory.drop(POLICIES, policy())
    assert known.memory.revisions("shop") == ()


def test_what_has_not_been_listed_yet_is_not_known() -> None:
    known = Known()
    known.memory.put(POLICIES, policy())
    assert known.memory.unlisted() == ["shop"]
    assert known.memory.revisions("shop") is None
    known.memory.listed(["shop"])
    assert known.memory.unlisted() == []
    assert known.memory.revisions("shop") == ()


def test_a_list_that_was_long_on_its_way_brings_nothing_back() -> None:
    known, gone = Known(), replica_set(workload(), "web:1", 1)
    known.memory.put(POLICIES, policy())
    known.memory.drop(REPLICA_SETS, gone)
    known.memory.put(REPLICA_SETS, gone)
    known.memory.listed(["shop"])
    assert known.memory.revisions("shop") == ()
    known.see(REPLICA_SETS, gone)
    assert len(known.memory.revisions("shop") or ()) == 1


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_controller_revision_is_the_template_that_it_was_made_from(kind: str) -> None:
    owner = workload(kind, image="web:1")
    known = Known().see(POLICIES, policy())
    known.see(CONTROLLER_REVISIONS, controller_revision(owner, "web:1", 3))
    [found] = known.memory.revisions("shop", owner=owner["metadata"]["uid"]) or ()
    assert found.number == 3
    assert found.deploys.equals(fingerprint(template("web:1")))


def test_revisions_of_others_are_not_a_workloads_own() -> None:
    other = workload(name="other")
    known = frozen().see(REPLICA_SETS, replica_set(other, "other:1", 1))
    assert len(known.memory.revisions("shop", owner="uid-of-web") or ()) == 2
    assert len(known.memory.revisions("shop") or ()) == 3


def test_a_revision_of_something_else_is_none() -> None:
    stranger = {**workload(), "kind": "VirtualMachine"}
    known = Known().see(POLICIES, policy())
    known.see(CONTROLLER_REVISIONS, controller_revision(stranger, "web:1", 1))
    orphan = controller_revision(workload("StatefulSet"), "web:1", 2)
    del orphan["metadata"]["ownerReferences"]
    known.see(CONTROLLER_REVISIONS, orphan)
    assert known.memory.revisions("shop") == ()


def test_an_object_that_makes_no_sense_does_not_stop_the_others() -> None:
    broken = replica_set(workload(), "web:1", 1)
    broken["spec"]["template"] = {"spec": {"containers": ["x"]}}
    known = Known().see(POLICIES, policy())
    known.see(REPLICA_SETS, broken, replica_set(workload(), "web:1", 2))
    assert [one.number for one in known.memory.revisions("shop") or ()] == [2]


def test_a_policy_that_cannot_be_read_governs_nothing_and_is_told_of() -> None:
    known = Known().see(POLICIES, policy(), policy("newer", frobnicate=True))
    assert [one.policy.metadata.name for one in known.memory.governors("shop")] == ["default"]
    assert known.memory.unreadable("shop") == ("newer",)
    assert known.memory.count_unreadable() == 1


def test_a_policy_that_can_be_read_no_more_denies_no_more() -> None:
    known = Known().see(POLICIES, policy()).see(POLICIES, policy(frobnicate=True))
    assert known.memory.governors("shop") == ()


def test_what_is_known_follows_every_change() -> None:
    known = frozen()
    assert known.memory.governors("shop")[0].overrides == ()
    known.see(OVERRIDES, override())
    assert len(known.memory.governors("shop")[0].overrides) == 1
    known.memory.drop(OVERRIDES, override())
    assert known.memory.governors("shop")[0].overrides == ()
    known.see(POLICIES, policy(admission="Allow"))
    [governor] = known.memory.governors("shop")
    assert governor.decision is not None
    assert not governor.decision.frozen


def test_a_full_list_forgets_what_it_does_not_have_in_its_namespace_only() -> None:
    known = frozen().see(STATEFUL_SETS, workload("StatefulSet"))
    elsewhere = workload()
    elsewhere["metadata"]["namespace"] = "other"
    known.see(DEPLOYMENTS, elsewhere)
    known.memory.retain(DEPLOYMENTS, "shop", set())
    known.memory.retain(REPLICA_SETS, None, {("shop", "web-2")})
    known.memory.retain(OVERRIDES, None, set())
    assert known.memory.workload("Deployment", "shop", "web") is None
    assert known.memory.workload("Deployment", "other", "web") is not None
    assert known.memory.workload("StatefulSet", "shop", "web") is not None
    assert [one.number for one in known.memory.revisions("shop") or ()] == [2]
    known.memory.retain(POLICIES, None, set())
    assert list(known.memory.all_governors()) == []


def test_a_workload_that_was_deleted_while_frozen_is_remembered_until_it_is_there_again() -> None:
    known, key = frozen(), ("shop", "web")
    known.memory.drop(DEPLOYMENTS, workload())
    assert known.memory.was_deleted("Deployment", key)
    assert not known.memory.was_deleted("StatefulSet", key)
    known.see(DEPLOYMENTS, workload())
    assert not known.memory.was_deleted("Deployment", key)


@pytest.mark.parametrize(("admission", "labels"), [("Warn", None), ("Deny", {}), (None, None)])
def test_a_workload_that_was_deleted_otherwise_is_forgotten(
    admission: str | None, labels: dict[str, str] | None
) -> None:
    known = Known().see(POLICIES, policy(admission=admission))
    live = workload() if labels is None else workload(labels=labels)
    known.see(DEPLOYMENTS, live)
    known.memory.drop(DEPLOYMENTS, live)
    assert not known.memory.was_deleted("Deployment", ("shop", "web"))
