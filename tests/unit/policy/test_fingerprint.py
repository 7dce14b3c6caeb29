"""What a pod template deploys, known again by digests."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.policy.fingerprint import fingerprint

RESTARTED = "kubectl.kubernetes.io/restartedAt"


def template(**metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}, **metadata},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }


@pytest.mark.parametrize(
    "other",
    [
        template(labels={"app": "web", "pod-template-hash": "5d8f"}),
        template(labels={"app": "web", "rollouts-pod-template-hash": "5d8f"}),
        template(creationTimestamp=None),
        template(annotations={}),
        template() | {"$patch": "replace"},
        {key: template()[key] for key in ("spec", "metadata")},
    ],
    ids=["hash", "rollout's hash", "null time", "no annotations", "patch", "order"],
)
def test_what_kubernetes_adds_to_a_revision_is_no_difference(other: dict[str, Any]) -> None:
    assert fingerprint(other).equals(fingerprint(template()))


@pytest.mark.parametrize(
    "other",
    [
        template(labels={"app": "web", "tier": "1"}),
        template(labels={}),
        template(annotations={"a": "b"}),
        template(finalizers=["example.com/hold"]),
        template() | {"spec": {"containers": [{"name": "web", "image": "web:2"}]}},
        template() | {"spec": {"containers": [{"name": "web", "image": "web:1", "tty": True}]}},
        {"spec": template()["spec"]},
    ],
)
def test_anything_else_is_a_difference(other: dict[str, Any]) -> None:
    assert not fingerprint(other).equals(fingerprint(template()))


def test_only_the_annotations_that_are_named_do_not_count() -> None:
    restarted = template(annotations={RESTARTED: "now", "checksum/config": "1"})
    before = template(annotations={"checksum/config": "1"})
    assert fingerprint(restarted).equals(fingerprint(before), ignoring=[RESTARTED])
    assert not fingerprint(restarted).equals(fingerprint(before))
    assert not fingerprint(restarted).equals(fingerprint(template()), ignoring=[RESTARTED])


def test_images_are_those_of_all_containers() -> None:
    both = template()
    both["spec"]["initContainers"] = [{"name": "migrate", "image": "migrate:1"}]
    assert fingerprint(template()).images < fingerprint(both).images
    assert len(fingerprint(both).images) == 2


def test_nothing_of_the_template_can_be_read_from_it() -> None:
    secret = "correct horse battery staple"
    found = template(annotations={"note": secret}, labels={"app": secret})
    found["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": secret}]
    assert secret not in repr(fingerprint(found))


@pytest.mark.parametrize(
    "broken",
    [
        {"metadata": ["x"]},
        {"metadata": {"labels": "x"}},
        {"spec": 7},
        {"spec": {"containers": ["x"]}},
    ],
)
def test_what_is_no_template_is_an_error_and_no_fingerprint(broken: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        fingerprint(broken)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(), values, max_size=4), st.dictionaries(st.text(), values, max_size=4)
)
def test_two_specs_have_one_fingerprint_only_if_they_are_equal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    left, right = ({"spec": {"x": spec}} for spec in (one, other))
    same = fingerprint(left).equals(fingerprint(right))
    assert same == (_typed(one) == _typed(other))
    assert fingerprint(left).equals(fingerprint(copy.deepcopy(left)))


def _typed(value: Any) -> Any:
    """In Python True equals 1; in JSON it does not."""
    if isinstance(value, dict):
        # Kubernetes reads null and an empty list as nothing.
        return {key: _typed(member) for key, member in value.items() if member not in (None, [])}
    if isinstance(value, list):
        return [_typed(member) for member in value]
    return type(value), value
