"""Kubernetes label selectors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.metadata import LabelSelector

LABELS = {"app": "shop", "tier": "front", "empty": ""}

label_maps = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y", ""]))


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"app": "shop"}}, True),
        ({"matchLabels": {"app": "shop", "tier": "front"}}, True),
        ({"matchLabels": {"app": "shop", "tier": "back"}}, False),
        ({"matchLabels": {"absent": "x"}}, False),
        ({"matchLabels": {"empty": ""}}, True),
        ({"matchLabels": {"absent": ""}}, False),
        (expression("app", "In", "shop", "bank"), True),
        (expression("app", "In", "bank"), False),
        (expression("absent", "In", "shop"), False),
        (expression("absent", "In", ""), False),
        (expression("app", "NotIn", "bank"), True),
        (expression("app", "NotIn", "shop", "bank"), False),
        (expression("absent", "NotIn", "shop"), True),
        (expression("app", "Exists"), True),
        (expression("empty", "Exists"), True),
        (expression("absent", "Exists"), False),
        (expression("app", "DoesNotExist"), False),
        (expression("absent", "DoesNotExist"), True),
        ({"matchLabels": {"app": "shop"}, **expression("tier", "In", "back")}, False),
        ({"matchLabels": {"app": "bank"}, **expression("tier", "In", "front")}, False),
        ({"matchLabels": {"app": "shop"}, **expression("tier", "In", "front")}, True),
    ],
)
def test_a_selector_matches_as_kubernetes_would(selector: dict[str, Any], matches: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(LABELS) is matches


def test_all_expressions_must_hold() -> None:
    selector = LabelSelector.model_validate(
        {
            "matchExpressions": [
                {"key": "app", "operator": "Exists"},
                {"key": "absent", "operator": "Exists"},
            ]
        }
    )
    assert not selector.matches(LABELS)


@given(label_maps)
def test_an_empty_selector_matches_every_object(labels: dict[str, str]) -> None:
    assert LabelSelector().matches(labels)


@given(label_maps, st.lists(st.sampled_from(["x", "y", ""]), unique=True))
def test_not_in_is_the_opposite_of_in(labels: dict[str, str], values: list[str]) -> None:
    chosen = LabelSelector.model_validate(expression("a", "In", *values))
    excluded = LabelSelector.model_validate(expression("a", "NotIn", *values))
    assert chosen.matches(labels) is not excluded.matches(labels)


@given(label_maps, label_maps)
def test_more_labels_never_unmatch_required_ones(
    required: dict[str, str], others: dict[str, str]
) -> None:
    assert LabelSelector(match_labels=required).matches({**others, **required})
