"""When a Rollout of Argo Rollouts is held, and what a freeze says of it."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.enforcement.history import workload
from sluice.enforcement.kinds import KINDS
from sluice.enforcement.plan import Want, plan
from sluice.enforcement.retained import entry
from sluice.enforcement.target import Target

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
WANT = Want("policy-1", pause=True)
UNDER_WAY = {"stableRS": "h1", "currentPodHash": "h2"}
NUMBER = "rollout.argoproj.io/revision"


def template(image: str, **filled: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"run": "web"}},
        "spec": {"containers": [{"name": "web", "image": image}], **filled},
    }


def rollout(image: str = "web:2", **status: Any) -> dict[str, Any]:
    served = {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "7"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {**served, "annotations": {NUMBER: "2"}},
        "spec": {"template": template(image)},
        "status": status,
    }


def replica_set(number: int, image: str, **annotations: str) -> dict[str, Any]:
    """As Kubernetes stores what Argo Rollouts made: with what it fills in."""
    found = template(image, restartPolicy="Always", dnsPolicy="ClusterFirst")
    found["metadata"]["labels"]["rollouts-pod-template-hash"] = f"h{number}"
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "annotations": {NUMBER: str(number), **annotations},
            "ownerReferences": [{"uid": "uid-1", "controller": True}],
        },
        "spec": {"template": found},
    }


BOTH = [replica_set(1, "web:1"), replica_set(2, "web:2")]


def is_held(live: dict[str, Any], retained: list[dict[str, Any]]) -> bool:
    applied = plan(Target.of(live, retained), [WANT], {}, NOW).apply
    return applied is not None and applied["spec"] == {"paused": True}


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"currentPodHash": "h1"},
        {"stableRS": "h2", "currentPodHash": "h2"},
        {**UNDER_WAY, "abort": True},
    ],
    ids=["seen by nobody", "the first rollout", "idle", "aborted"],
)
def test_a_rollout_that_is_not_under_way_is_not_held(status: dict[str, Any]) -> None:
    assert not is_held(rollout(**status), BOTH)


def test_one_that_is_under_way_is_held_by_its_pause() -> None:
    assert is_held(rollout(**UNDER_WAY), BOTH)
    # As Argo Rollouts writes it when somebody annotates a Rollout that goes on.
    same = replica_set(2, "web:2", **{"rollout.argoproj.io/revision-history": "2"})
    assert is_held(rollout(**UNDER_WAY), [BOTH[0], same])
    assert is_held(rollout(**UNDER_WAY), [])


BACK = {
    "back to the stable revision, not seen yet": (rollout("web:1", **UNDER_WAY), BOTH),
    "back to an earlier revision, numbered anew": (
        rollout("web:0", **UNDER_WAY),
        [
            replica_set(1, "web:1"),
            replica_set(3, "web:0", **{"rollout.argoproj.io/revision-history": "0"}),
        ],
    ),
    "back to an earlier revision, as kubectl argo rollouts undo writes it": (
        {
            **rollout(**UNDER_WAY),
            "spec": {"template": template("web:1", restartPolicy="Always")},
        },
        BOTH,
    ),
    "back by the Deployment that it refers to": (
        {**rollout(**UNDER_WAY), "spec": {"workloadRef": {"name": "web"}}},
        [
            replica_set(1, "web:1"),
            replica_set(2, "web:0", **{"rollout.argoproj.io/revision-history": "0"}),
        ],
    ),
}


@pytest.mark.parametrize(("live", "retained"), BACK.values(), ids=BACK.keys())
def test_a_rollback_is_not_held(live: dict[str, Any], retained: list[dict[str, Any]]) -> None:
    assert not is_held(live, retained)


def test_a_rollback_ends_the_hold() -> None:
    live = rollout(**UNDER_WAY)
    changes = plan(Target.of(live, BOTH), [WANT], {}, NOW)
    assert changes.apply is not None
    held = deepcopy(live)
    held["spec"] = {"template": template("web:1"), "paused": True}
    held["metadata"]["annotations"] |= changes.apply["metadata"]["annotations"]
    owned = {
        "f:metadata": {"f:annotations": {"f:sluice.dev/undo": {}}},
        "f:spec": {"f:paused": {}},
    }
    held["metadata"]["managedFields"] = [
        {"manager": "sluice", "operation": "Apply", "fieldsV1": owned}
    ]
    released = plan(Target.of(held, BOTH), [WANT], changes.remaining, NOW)
    assert released.apply is not None
    assert "spec" not in released.apply
    assert not any(released.remaining.values())


def test_another_workloads_revisions_say_nothing() -> None:
    others = deepcopy(BOTH)
    for one in others:
        one["metadata"]["ownerReferences"] = [{"uid": "uid-2", "controller": True}]
    assert is_held(rollout("web:1", **UNDER_WAY), others)


def test_its_stamp_tells_of_a_revision_and_of_how_far_it_is() -> None:
    stamp = KINDS["Rollout"].stamp
    assert stamp({"metadata": {}, "spec": {}}) == ""
    stamps = [stamp(rollout(**UNDER_WAY)), stamp(rollout(**UNDER_WAY, abort=True))]
    stamps.append(stamp(rollout(stableRS="h2", currentPodHash="h2")))
    assert len(set(stamps)) == 3


def test_revisions_with_the_images_that_run_are_spelled_out_as_stored_and_as_written() -> None:
    retained = [replica_set(1, "web:2"), replica_set(2, "web:2")]
    retained[0]["spec"]["template"]["spec"]["hostNetwork"] = True
    found = workload(rollout(), retained)
    assert [one.number for one in found.revisions] == [2, 1]
    literals = entry(found, []).templates
    assert len(literals) == 4
    assert [("restartPolicy" in one) for one in literals] == [True, False, True, False]
    assert not [one for one in literals if "rollouts-pod-template-hash" in one]


def test_one_that_refers_to_a_deployment_has_nothing_of_its_own_to_go_back_to() -> None:
    live = {**rollout(), "spec": {"workloadRef": {"kind": "Deployment", "name": "web"}}}
    found = workload(live, [])
    assert (found.images, found.revisions) == ({}, ())
    assert entry(found, []).size == 0
