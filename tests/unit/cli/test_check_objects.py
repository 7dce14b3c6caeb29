"""From documents to objects, and what is wrong with them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api import API_VERSION
from sluice.cli.check_files import Document
from sluice.cli.check_objects import Declarations, declared

SLO: dict[str, Any] = {
    "objective": "99.9",
    "window": {"rolling": "30d"},
    "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
}
POLICY: dict[str, Any] = {"objectives": {"selector": {}}}
OVERRIDE = {
    "policy": "default",
    "reason": "INC-4711",
    "createdBy": "alice",
    "expiresAt": "2099-01-01T00:00:00Z",
}


def manifest(kind: str, spec: object, name: str = "a", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **more.pop("metadata", {})}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec, **more}


def of(*bodies: object) -> Declarations:
    return declared(Document(f"f.yaml, document {n}", body) for n, body in enumerate(bodies, 1))


def said(*bodies: object) -> list[str]:
    return [str(finding) for finding in of(*bodies).findings]


def test_objects_are_read_with_their_places_and_in_the_namespace_default() -> None:
    found = of(
        manifest("ServiceLevelObjective", SLO),
        manifest("ErrorBudgetPolicy", POLICY, metadata={"namespace": "shop"}),
        manifest("GateOverride", OVERRIDE),
    )
    assert found.findings == []
    (slo,), (policy,), (override,) = found.objectives, found.policies, found.overrides
    assert slo.where == "f.yaml, document 1 (ServiceLevelObjective default/a)"
    assert slo.object.metadata.namespace == "default"
    assert policy.where == "f.yaml, document 2 (ErrorBudgetPolicy shop/a)"
    assert override.spec.policy == "default"


def test_the_status_of_an_object_that_was_read_from_a_cluster_does_not_count() -> None:
    (slo,) = of(manifest("ServiceLevelObjective", SLO, status={"level": "Page"})).objectives
    assert slo.object.status.observed_generation == -1
    assert slo.object.status.level == "Unknown"


def test_what_a_cluster_adds_to_metadata_is_no_mistake() -> None:
    metadata = {"uid": "1", "managedFields": [{}], "generation": 3, "selfLink": "", "labels": None}
    assert said(manifest("ServiceLevelObjective", SLO, metadata=metadata)) == []


def test_other_kinds_are_counted_and_nothing_more() -> None:
    found = of(
        {"apiVersion": "v1", "kind": "ConfigMap"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": "nonsense"},
        {"apiVersion": "pyrra.dev/v1alpha1", "kind": "ServiceLevelObjective"},
        {"apiVersion": "v1", "kind": "ConfigMap"},
    )
    assert found == Declarations(ignored=found.ignored)
    assert found.ignored == {"ConfigMap": 2, "Deployment": 1, "ServiceLevelObjective": 1}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("text", "this is no Kubernetes object: apiVersion and kind are needed"),
        ({"kind": "ConfigMap"}, "this is no Kubernetes object: apiVersion and kind are needed"),
        (
            {"apiVersion": "sluice.dev/v1", "kind": "ErrorBudgetPolicy"},
            "apiVersion: there is no sluice.dev/v1: write sluice.dev/v1alpha1",
        ),
        (
            {"apiVersion": API_VERSION, "kind": "ErrorBudgetPolice"},
            (
                "kind: there is no ErrorBudgetPolice in sluice.dev: write ServiceLevelObjective or "
                "ErrorBudgetPolicy or GateOverride or BudgetCorrection or MetricSource"
            ),
        ),
    ],
)
def test_what_is_no_object_of_a_known_kind_is_told(body: object, says: str) -> None:
    assert said(body) == [f"f.yaml, document 1: {says}"]


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"metadata": {"lables": {"app": "checkout"}}}, "metadata.lables"),
        ({"sepc": {}}, "sepc"),
        ({"se\npc": {}}, '"se\\npc"'),
        ({"metadata": {"\x1e": 1}}, 'metadata."\\u001e"'),
    ],
)
def test_a_misspelt_field_outside_of_spec_is_told(more: dict[str, Any], path: str) -> None:
    assert said(manifest("ServiceLevelObjective", SLO, **more)) == [
        (
            f"f.yaml, document 1 (ServiceLevelObjective default/a): {path}: "
            "there is no such field: check its spelling and its indentation"
        )
    ]


def test_a_policy_that_makes_no_sense_is_told() -> None:
    low, lower = ({"name": name, "when": {"remainingBelow": "20"}} for name in ("B", "C"))
    (finding,) = said(
        manifest("ErrorBudgetPolicy", {**POLICY, "stages": [{"name": "A"}, low, lower]})
    )
    assert finding.startswith(
        "f.yaml, document 1 (ErrorBudgetPolicy default/a): spec.stages[2].when: "
        "C holds whenever B does"
    )


def test_the_same_object_twice_is_told_with_both_places() -> None:
    twice = [manifest("ServiceLevelObjective", SLO), manifest("ServiceLevelObjective", SLO)]
    elsewhere = manifest("ServiceLevelObjective", SLO, metadata={"namespace": "shop"})
    assert said(*twice, elsewhere, manifest("ErrorBudgetPolicy", POLICY)) == [
        (
            "f.yaml, document 2 (ServiceLevelObjective default/a): metadata.name: "
            "f.yaml, document 1 has it too: delete one of them"
        )
    ]


def test_an_object_without_metadata_is_told() -> None:
    body = {"apiVersion": API_VERSION, "kind": "ServiceLevelObjective", "spec": SLO}
    assert said(body) == [
        (
            "f.yaml, document 1 (ServiceLevelObjective without a name): "
            "metadata: this field is required: set it"
        )
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["ServiceLevelObjective", "ErrorBudgetPolicy", "GateOverride"]),
    metadata=_JSON,
    spec=_JSON,
)
def test_no_manifest_makes_it_fail(kind: str, metadata: Any, spec: Any) -> None:
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    assert of(body).findings
