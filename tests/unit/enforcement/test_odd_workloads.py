"""Whatever its editors made of a workload, it is read, planned and rendered without an exception.

Given are only what the API server demands or sets itself: names, uids, versions, and a template
with containers that have names.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.metadata import LabelSelector
from sluice.enforcement.freeze import Freeze
from sluice.enforcement.history import workload
from sluice.enforcement.kinds import HOLDS, KINDS
from sluice.enforcement.names import UNDO
from sluice.enforcement.native import render
from sluice.enforcement.plan import Want, plan
from sluice.enforcement.revisions import of_replica_set
from sluice.enforcement.target import Target, annotation
from sluice.kube.cache import Cache, Key, Workload
from sluice.kube.resources import WORKLOADS

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
REVISION = "deployment.kubernetes.io/revision"
WANT = Want("policy-1", pause=True, annotations={"a.io/x": "1"})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def partly(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects in which any member may be absent or null."""
    return st.fixed_dictionaries(
        {}, optional={key: st.none() | value for key, value in members.items()}
    )


CHANGES = partly(
    policy=st.sampled_from(["policy-1", "p"]),
    field=st.sampled_from([*HOLDS, annotation("a.io/x"), annotation(""), "spec.replicas"]),
    previous=st.sampled_from(["null", "3", "-1", '"x"', "{", "[]"]),
    value=st.sampled_from(["true", '"OnDelete"', "2147483647", '"1"', "null", "{", ""]),
    time=st.sampled_from(["2026-08-20T10:04:00Z", "0001-01-01T00:00:00+23:59", "yesterday"]),
)
MIRRORS = partly(uid=st.sampled_from(["uid-1", "uid-0"]), changes=st.lists(CHANGES, max_size=2))
NOTES = st.dictionaries(
    st.sampled_from(["a.io/x", "b", ""]), st.text(max_size=9), max_size=2
) | st.one_of(
    st.builds(lambda value: {UNDO: value}, st.text() | JSON.map(repr)),
    MIRRORS.map(lambda value: {UNDO: json.dumps(value)}),
    st.builds(lambda value: {REVISION: value}, st.sampled_from(["1", "-1", "٣", "²", "9" * 5000])),
)
FIELDS = st.one_of(
    JSON,
    partly(
        **{
            "f:metadata": st.none() | JSON | partly(**{"f:annotations": JSON}),
            "f:spec": JSON
            | st.sampled_from(
                [
                    {"f:paused": {}},
                    {"f:updateStrategy": {"f:type": {}}},
                    {"f:updateStrategy": {"f:rollingUpdate": {"f:partition": {}}}},
                ]
            ),
        }
    ),
    st.just({"f:metadata": {"f:annotations": {"f:a.io/x": {}, f"f:{UNDO}": {}, "f:": {}}}}),
)
MANAGED = partly(
    manager=st.sampled_from(["sluice", "", "helm"]),
    operation=st.sampled_from(["Apply", "Update", ""]),
    fieldsV1=FIELDS,
    time=st.just("2026-08-20T10:04:00Z"),
)
OWNERS = partly(uid=st.sampled_from(["uid-1", "uid-2"]), controller=st.booleans())
META = partly(
    annotations=NOTES,
    labels=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    managedFields=st.lists(MANAGED, max_size=3),
    ownerReferences=st.lists(OWNERS, max_size=2),
)
CONTAINERS = st.builds(
    lambda given, name: {**given, "name": name},
    partly(image=st.text(max_size=9), args=st.lists(st.text(max_size=3), max_size=2)),
    st.text(min_size=1, max_size=5),
)
TEMPLATES = st.builds(
    lambda given, spec, containers: {**given, "spec": {**spec, "containers": containers}},
    partly(metadata=partly(annotations=NOTES, labels=NOTES, creationTimestamp=st.none())),
    partly(initContainers=st.lists(CONTAINERS, max_size=1), nodeSelector=JSON),
    st.lists(CONTAINERS, min_size=1, max_size=2),
)


STRATEGIES = partly(
    type=st.sampled_from(["RollingUpdate", "OnDelete"]),
    rollingUpdate=partly(partition=st.sampled_from([0, 3, 2**31 - 1])),
)
SPECS = partly(paused=st.booleans(), updateStrategy=STRATEGIES)
STATUSES = partly(updateRevision=st.text(max_size=5), observedGeneration=st.integers(0))


@st.composite
def workloads(draw: st.DrawFn) -> dict[str, Any]:
    served = {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "7"}
    return {
        "apiVersion": "apps/v1",
        "kind": draw(st.sampled_from(sorted(KINDS))),
        "metadata": {**draw(META), **served},
        "spec": {**draw(SPECS), "template": draw(TEMPLATES)},
        "status": draw(STATUSES),
    }


@st.composite
def retained(draw: st.DrawFn) -> dict[str, Any]:
    """What any object can be that a workload's controller, or somebody else, has made."""
    live = draw(workloads())
    if draw(st.booleans()):
        return {**live, "kind": "ReplicaSet"}
    patch = {"spec": {"template": {**live["spec"]["template"], "$patch": "replace"}}}
    data = draw(st.just(patch) | JSON)
    revision = draw(partly(revision=st.integers(0, 2**63 - 1)))
    return {
        **revision,
        "kind": "ControllerRevision",
        "metadata": live["metadata"],
        "data": data,
    }


@given(workloads(), st.lists(st.sampled_from([WANT, Want("q", pause=True)]), max_size=2))
def test_an_odd_workload_is_planned_for_and_given_back(
    live: dict[str, Any], wants: list[Want]
) -> None:
    target = Target.of(live)
    changes = plan(target, wants, {}, NOW)
    given_back = plan(target, [], changes.records, NOW)
    assert not any(given_back.remaining.values())


@given(workloads(), st.lists(retained(), max_size=3))
def test_an_odd_workload_is_frozen_with_its_odd_revisions(
    live: dict[str, Any], kept: list[dict[str, Any]]
) -> None:
    freeze = Freeze(
        namespace="shop",
        policy="default",
        uid="p-1",
        action="Deny",
        message_prefix="",
        message_infix="",
        kinds=tuple(KINDS),
        message_suffix="",
        selector=LabelSelector(),
        expires=NOW,
        workloads=(workload(live, kept),),
    )
    assert len(render(freeze).manifests) == 2


@given(workloads())
def test_an_odd_workload_is_cut_down_for_the_cache(live: dict[str, Any]) -> None:
    resource = WORKLOADS[live["kind"]]
    _, found = Cache().put(resource, live)
    assert isinstance(found, Workload)
    assert (found.kind, found.key) == (live["kind"], Key(resource.plural, "shop", "web"))


@pytest.mark.parametrize("manager", [{}, {"manager": ""}, {"manager": None}])
def test_a_field_manager_without_a_name_is_somebody_else(manager: dict[str, Any]) -> None:
    entry = {**manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    served = {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "7"}
    target = Target.of(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**served, "managedFields": [entry]},
            "spec": {"paused": False},
        }
    )
    assert target.ours == frozenset()
    (problem,) = plan(target, [Want("policy-1", pause=True)], {}, NOW).problems
    assert "a field manager without a name set it to null" in problem.message


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1.5", "²", ""])
def test_a_revision_without_a_sane_number_counts_as_the_oldest(number: str) -> None:
    replica_set = {
        "metadata": {"annotations": {REVISION: number}},
        "spec": {"template": {"spec": {"containers": [{"name": "web"}]}}},
    }
    found = of_replica_set(replica_set)
    assert (found.number, found.images) == (0, {"web": ""})
