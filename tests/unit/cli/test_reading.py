"""What is said to the author of a manifest that the models cannot read."""

from typing import Any

import pytest

from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reading import Problem, read
from sluice.api.slo import ServiceLevelObjective

SPEC: dict[str, Any] = {
    "objective": "99.9",
    "window": {"rolling": "30d"},
    "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
}


def problems(spec: object = SPEC, **metadata: object) -> list[str]:
    body = {"metadata": {"name": "a", **metadata}, "spec": spec}
    found = read(ServiceLevelObjective, body)
    assert isinstance(found, list)
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"objective": 99.9},
            'spec.objective: this must be a string, and 99.9 is a number: quote it, as in "99.9"',
        ),
        (
            {"owner": True},
            'spec.owner: this must be a string, and true is a boolean: quote it, as in "true"',
        ),
        ({"minEvents": "5"}, "spec.minEvents: '5' is no whole number: write one, without quotes"),
        ({"minEvents": True}, "spec.minEvents: True is no whole number: write one, without quotes"),
        ({"window": "30d"}, "spec.window: '30d' is no mapping of fields to values"),
        ({"window": {}}, "spec.window: set exactly one of rolling and calendar"),
        ({"window": None}, "spec.window: this field is required: set it"),
        (
            {"min_events": 5},
            "spec.min_events: there is no such field: check its spelling and its indentation",
        ),
        (
            {"a\x1eb": 5},
            'spec."a\\u001eb": there is no such field: check its spelling and its indentation',
        ),
        (
            {"source": {"name": "A"}},
            "spec.source.name: 'A' does not match ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        ),
    ],
)
def test_a_wrong_field_is_told_with_its_path_and_what_to_do(
    fields: dict[str, Any], says: str
) -> None:
    assert problems({**SPEC, **fields}) == [says]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = problems({**SPEC, "objective": 99.9, "window": {"rolling": "1y"}, "x": 1}, name="A")
    assert [text.partition(":")[0] for text in wrong] == [
        "metadata.name",
        "spec.objective",
        "spec.window.rolling",
        "spec.x",
    ]


def test_a_long_value_is_not_shown_whole() -> None:
    (wrong,) = problems(["x" * 10_000])
    assert len(wrong) < 200


@pytest.mark.parametrize("absent", ["source", "minEvents", "agreement", "service"])
def test_a_field_that_is_null_is_one_that_is_left_out(absent: str) -> None:
    left_out = read(ServiceLevelObjective, {"metadata": {"name": "a"}, "spec": SPEC})
    null = {"metadata": {"name": "a", "labels": None}, "spec": {**SPEC, absent: None}}
    assert read(ServiceLevelObjective, null) == left_out


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "A"}, "metadata.name"),
        ({"name": "a" * 64}, "metadata"),
        ({"namespace": "a.b"}, "metadata.namespace"),
        ({"labels": {"version": 2}}, "metadata.labels.version"),
        ({"labels": {"team": "not a label"}}, "metadata.labels.team"),
    ],
)
def test_metadata_that_the_api_server_refuses_are_refused(
    fields: dict[str, Any], path: str
) -> None:
    (wrong,) = problems(**fields)
    assert wrong.startswith(f"{path}: ")


def test_two_broken_rules_of_one_field_are_both_told() -> None:
    stages = [{"name": "A", "when": {"level": "Page"}}, {"name": "B"}, {"name": "C"}]
    body = {
        "metadata": {"name": "a"},
        "spec": {"objectives": {"selector": {}}, "stages": stages},
    }
    assert read(ErrorBudgetPolicy, body) == [
        Problem(
            "spec.stages",
            "the first stage has no `when`: it is the normal state; "
            "every stage but the first needs `when`",
        )
    ]


def test_a_boolean_in_quotes_is_none() -> None:
    stages = [{"name": "A"}, {"name": "B", "when": {"level": "Page"}, "pauseRollouts": "yes"}]
    body = {
        "metadata": {"name": "a"},
        "spec": {"objectives": {"selector": {}}, "stages": stages},
    }
    assert read(ErrorBudgetPolicy, body) == [
        Problem(
            "spec.stages[1].pauseRollouts",
            "'yes' is neither true nor false: write one, without quotes",
        )
    ]
