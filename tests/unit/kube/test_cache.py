from typing import Any

import pytest

from sluice.kube.cache import Cache, Key, Malformed, Workload
from sluice.kube.resources import DAEMON_SETS, DEPLOYMENTS, OBJECTIVES, STATEFUL_SETS, Resource


def objective(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1},
        "spec": {
            "objective": "99.9",
            "window": {"rolling": "30d"},
            "indicator": {"latency": {"metric": "seconds", "threshold": "500ms"}},
            **spec,
        },
    }


def deployment(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "uid": name, **metadata}}


def test_an_object_is_kept_and_what_was_known_before_is_told() -> None:
    cache = Cache()
    assert cache.put(OBJECTIVES, objective("a"))[0] is None
    before, after = cache.put(OBJECTIVES, objective("a", objective="99"))
    assert before is not None
    assert before.spec.objective == "99.9"
    assert after.spec.objective == "99"


def test_an_object_that_cannot_be_read_is_kept_with_the_field_and_the_problem() -> None:
    cache = Cache()
    _, found = cache.put(OBJECTIVES, objective("a", surprise=1))
    assert isinstance(found, Malformed)
    assert found.problem == (
        "spec.surprise: there is no such field: check its spelling and its indentation"
    )
    assert cache.objectives("shop") == []
    assert cache.get(Key("servicelevelobjectives", "shop", "a")) is found


def test_an_object_whose_name_no_crd_of_ours_would_take_is_kept_as_well() -> None:
    _, found = Cache().put(OBJECTIVES, objective("n" * 200))
    assert isinstance(found, Malformed)
    assert found.uid == "n" * 200


def test_a_full_list_repairs_a_deletion_that_the_watch_missed() -> None:
    cache = Cache()
    for name in ("a", "b", "c"):
        cache.put(OBJECTIVES, objective(name))
    cache.put(DEPLOYMENTS, deployment("a"))
    gone = cache.retain(OBJECTIVES, {Key(OBJECTIVES.plural, "shop", "b")}, began=cache.stamp)
    assert {key.name for key in gone} == {"a", "c"}
    assert [found.metadata.name for found in cache.objectives("shop")] == ["b"]
    assert len(cache.workloads("shop")) == 1


def test_a_workload_is_cut_down_to_what_deciding_needs() -> None:
    cache = Cache()
    cache.put(
        DEPLOYMENTS,
        deployment(
            "web",
            labels={"app": "web"},
            annotations={"deployment.kubernetes.io/revision": "7"},
            ownerReferences=[{"kind": "Rollout", "controller": True}],
        ),
    )
    (found,) = cache.workloads("shop")
    assert isinstance(found, Workload)
    assert (found.revision, found.controlled, found.labels) == ("7", True, {"app": "web"})


def test_namespaces_are_kept_apart() -> None:
    cache = Cache()
    cache.put(OBJECTIVES, objective("a"))
    assert cache.objectives("other") == []


def versioned(name: str, version: str, **spec: Any) -> dict[str, Any]:
    body = objective(name, **spec)
    body["metadata"]["resourceVersion"] = version
    return body


def test_a_list_that_was_long_on_its_way_does_not_bring_the_past_back() -> None:
    cache = Cache()
    cache.put(OBJECTIVES, versioned("a", "10", objective="99"))
    before, after = cache.put(OBJECTIVES, versioned("a", "9", objective="95"))
    assert before is after
    assert [it.spec.objective for it in cache.objectives("shop")] == ["99"]
    cache.put(OBJECTIVES, versioned("a", "11", objective="90"))
    assert [it.spec.objective for it in cache.objectives("shop")] == ["90"]


def test_what_came_while_a_list_was_on_its_way_is_not_dropped_by_it() -> None:
    cache = Cache()
    cache.put(OBJECTIVES, versioned("old", "5"))
    began = cache.stamp
    cache.put(OBJECTIVES, versioned("new", "7"))
    assert {key.name for key in cache.retain(OBJECTIVES, set(), began=began)} == {"old"}


def test_scaling_a_workload_changes_nothing_that_is_known_of_it() -> None:
    cache = Cache()
    cache.put(DEPLOYMENTS, deployment("web", generation=1, resourceVersion="1"))
    before, after = cache.put(DEPLOYMENTS, deployment("web", generation=2, resourceVersion="2"))
    assert before == after


def test_a_version_that_is_known_is_not_read_again_but_was_seen_now() -> None:
    cache = Cache()
    _, first = cache.put(OBJECTIVES, versioned("a", "10"))
    began = cache.stamp
    assert cache.put(OBJECTIVES, versioned("a", "10")) == (first, first)
    assert cache.get(Key(OBJECTIVES.plural, "shop", "a")) is first
    assert cache.retain(OBJECTIVES, set(), began=began) == set()


def test_workloads_of_one_name_are_kept_by_kind() -> None:
    cache = Cache()
    for resource in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS):
        cache.put(resource, deployment("web"))
    assert [(it.kind, it.key.plural) for it in cache.workloads("shop")] == [
        ("Deployment", "deployments"),
        ("StatefulSet", "statefulsets"),
        ("DaemonSet", "daemonsets"),
    ]
    cache.drop(Key(STATEFUL_SETS.plural, "shop", "web"))
    assert [it.kind for it in cache.workloads("shop")] == ["Deployment", "DaemonSet"]


@pytest.mark.parametrize(
    ("resource", "retained"),
    [
        (DEPLOYMENTS, {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "2"}}}),
        (STATEFUL_SETS, {"status": {"updateRevision": "web-7f"}}),
        (DAEMON_SETS, {"status": {"observedGeneration": 2}}),
    ],
    ids=lambda value: value.kind if isinstance(value, Resource) else None,
)
def test_a_workload_changes_when_another_revision_of_it_is_retained(
    resource: Resource, retained: dict[str, Any]
) -> None:
    cache = Cache()
    live = {**deployment("web", resourceVersion="1"), "status": {}}
    cache.put(resource, live)
    metadata = {**live["metadata"], **retained.get("metadata", {}), "resourceVersion": "2"}
    before, after = cache.put(resource, {**live, **retained, "metadata": metadata})
    assert before != after


@pytest.mark.parametrize(
    ("resource", "spec"),
    [
        (DEPLOYMENTS, {"paused": True}),
        (STATEFUL_SETS, {"updateStrategy": {"rollingUpdate": {"partition": 2147483647}}}),
        (DAEMON_SETS, {"updateStrategy": {"type": "OnDelete"}}),
    ],
    ids=lambda value: value.kind if isinstance(value, Resource) else None,
)
def test_a_hold_that_is_taken_back_is_noticed(resource: Resource, spec: dict[str, Any]) -> None:
    cache = Cache()
    before, _ = cache.put(resource, {**deployment("web", resourceVersion="1"), "spec": spec})
    assert before is None
    held, free = cache.put(resource, {**deployment("web", resourceVersion="2"), "spec": {}})
    assert (getattr(held, "held", None), getattr(free, "held", None)) == (True, False)
