"""Variables in a stage's annotations."""

import pytest

from sluice.policy.expansion import UnknownVariable, annotations, expand
from tests.unit.policy.examples import decided, known, spec_of, unknown

VALUES = {"policy": "p", "stage": "$(policy)", "objective": "", "since": "t"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(policy)/$(since)", "p/t"),
        ("$(objective)", ""),
        ("a value is not expanded again: $(stage)", "a value is not expanded again: $(policy)"),
        ("$policy $(policy ($policy)", "$policy $(policy ($policy)"),
    ],
)
def test_references_are_replaced_and_the_rest_is_left(text: str, expanded: str) -> None:
    assert expand(text, VALUES) == expanded


@pytest.mark.parametrize("name", ["Policy", "", " stage", "owner"])
def test_an_unknown_variable_is_an_error_that_names_the_known_ones(name: str) -> None:
    found = expand(f"$(policy) $({name})", VALUES)
    assert found == UnknownVariable(name)
    assert found.message == (
        f"$({name}) is no variable: use one of $(policy), $(stage), $(objective), $(since)"
    )


def stages(value: str) -> list[dict[str, object]]:
    annotate = {"example.com/why": value, "example.com/on": "yes"}
    return [
        {"name": "Healthy", "annotate": annotate},
        {"name": "Low", "when": {"remainingBelow": "20"}},
    ]


def test_a_decision_gives_its_stages_annotations() -> None:
    spec = spec_of(stages=stages("$(policy) $(stage) $(objective) $(since)"))
    assert annotations(decided(known("80"), spec=spec)) == {
        "example.com/why": "default Healthy checkout-availability 2026-08-20T10:04:00Z",
        "example.com/on": "yes",
    }
    assert annotations(decided(known("10"), spec=spec)) == {}


def test_without_a_deciding_objective_its_name_is_empty() -> None:
    spec = spec_of(stages=stages("[$(objective)]"))
    assert annotations(decided(unknown(), spec=spec)) == {
        "example.com/why": "[]",
        "example.com/on": "yes",
    }


def test_an_unknown_variable_in_an_annotation_is_returned() -> None:
    spec = spec_of(stages=stages("$(team)"))
    assert annotations(decided(known("80"), spec=spec)) == UnknownVariable("team")
