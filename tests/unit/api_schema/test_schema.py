"""What becomes of a model on its way to a structural schema."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import BaseModel, Field, create_model

from sluice.api.base import Duration, Spec, Time, cel, rule
from sluice.api.schema import SchemaError, structural, without_defaults_in_lists


class Colour(StrEnum):
    """A colour."""

    RED = "Red"
    BLUE = "Blue"


class Inner(Spec):
    """Inside."""

    colour: Colour = Field(default=Colour.RED, description="Its colour.")
    note: str = Field(default="", max_length=9, description="A note.")


def schema_of(annotation: Any, *, bounded: bool = True, **field: Any) -> dict[str, Any]:
    field = {"description": "It.", **field}
    model = create_model("Model", __base__=Spec, it=(annotation, Field(**field)))
    properties: dict[str, Any] = structural(model, bounded=bounded)["properties"]
    return properties["it"]


@pytest.mark.parametrize(
    ("annotation", "field", "expected"),
    [
        pytest.param(
            Annotated[str, Field(pattern="^a$", min_length=1, max_length=2)],
            {},
            {"type": "string", "pattern": "^a$", "minLength": 1, "maxLength": 2},
            id="a string keeps its pattern and bounds",
        ),
        pytest.param(
            int | None,
            {"default": None, "ge": 1, "le": 5},
            {"type": "integer", "format": "int64", "minimum": 1, "maximum": 5},
            id="an optional field is one that may be absent, not null",
        ),
        pytest.param(
            Colour,
            {"default": Colour.BLUE},
            {"type": "string", "enum": ["Red", "Blue"], "default": "Blue"},
            id="an enum is inlined with its default",
        ),
        pytest.param(
            Literal["Only"], {}, {"type": "string", "enum": ["Only"]}, id="a constant is an enum"
        ),
        pytest.param(Time, {}, {"type": "string", "format": "date-time"}, id="a time"),
        pytest.param(
            list[Annotated[str, Field(max_length=3)]],
            {"max_length": 4, "json_schema_extra": {"x-kubernetes-list-type": "set"}},
            {
                "type": "array",
                "maxItems": 4,
                "items": {"type": "string", "maxLength": 3},
                "x-kubernetes-list-type": "set",
            },
            id="a set",
        ),
        pytest.param(
            dict[
                Annotated[str, Field(min_length=1, max_length=7)],
                Annotated[str, Field(max_length=3)],
            ],
            {"max_length": 4},
            {
                "type": "object",
                "maxProperties": 4,
                "additionalProperties": {"type": "string", "maxLength": 3},
                "x-kubernetes-validations": [
                    {
                        "rule": "self.all(key, size(key) >= 1 && size(key) <= 7)",
                        "message": "a key has 1 to 7 characters",
                    }
                ],
            },
            id="a map's key bounds become a rule",
        ),
        pytest.param(
            bool, {"default": False}, {"type": "boolean", "default": False}, id="a default of false"
        ),
        pytest.param(
            list[Colour],
            {"max_length": 2, "default": []},
            {
                "type": "array",
                "maxItems": 2,
                "items": {"description": "A colour.", "type": "string", "enum": ["Red", "Blue"]},
            },
            id="an empty default is left out",
        ),
    ],
)
def test_a_field_becomes(annotation: Any, field: dict[str, Any], expected: dict[str, Any]) -> None:
    assert schema_of(annotation, **field) == {"description": "It."} | expected


def test_a_nested_model_is_inlined_and_its_defaults_stand_in_one_place() -> None:
    assert schema_of(Inner, default=Inner()) == {
        "description": "It.",
        "type": "object",
        "default": {},
        "properties": {
            "colour": {
                "description": "Its colour.",
                "type": "string",
                "enum": ["Red", "Blue"],
                "default": "Red",
            },
            "note": {"description": "A note.", "type": "string", "maxLength": 9},
        },
    }


def test_a_default_holds_what_the_model_states_and_no_nulls() -> None:
    stated = [Inner(colour=Colour.BLUE), Inner()]
    assert schema_of(list[Inner], max_length=2, default=stated)["default"] == [
        {"colour": "Blue"},
        {},
    ]


def test_rules_of_a_type_and_of_its_use_add_up() -> None:
    class Ruled(Spec):
        """Ruled."""

        model_config = {"json_schema_extra": cel(rule("a", "of the type"))}  # noqa: RUF012

    schema = schema_of(Ruled, json_schema_extra=cel(rule("b", "of the use")))
    messages = [each["message"] for each in schema["x-kubernetes-validations"]]
    assert messages == ["of the type", "of the use"]


def test_a_duration_is_checked_by_the_api_server_too() -> None:
    schema = schema_of(Duration)
    assert (schema["minLength"], schema["maxLength"]) == (2, 32)
    assert "[0-9]+ms" in schema["pattern"]


def test_fields_without_a_default_are_required() -> None:
    model = create_model(
        "Model",
        __base__=Spec,
        here=(int, Field(description="It.")),
        there=(int | None, Field(default=None, description="It.")),
    )
    assert structural(model, bounded=True)["required"] == ["here"]


class Tree(BaseModel):
    """A tree."""

    child: Self | None = Field(default=None, description="A child.")


@pytest.mark.parametrize(
    ("annotation", "field", "message"),
    [
        (str, {"max_length": 1, "description": None}, "Model.it: give the field a description"),
        (str, {}, "Model.it: bound the string with maxLength"),
        (list[Colour], {}, "Model.it: bound the array with maxItems"),
        (list[str], {"max_length": 1}, r"Model.it.\[\]: bound the string with maxLength"),
        (
            dict[Annotated[str, Field(min_length=1, max_length=2)], Colour],
            {},
            "Model.it: bound the object with maxProperties",
        ),
        (
            dict[Annotated[str, Field(min_length=1)], Colour],
            {"max_length": 1},
            "Model.it: bound the keys by minLength and maxLength only",
        ),
        (int | str, {}, "Model.it: a union of types; make it a union by field"),
        (int, {"gt": 1}, "Model.it: no structural schema has exclusiveMinimum"),
        (Any, {}, "Model.it: no type"),
        (Tree, {}, r"Model.it.child: Tree contains itself"),
    ],
)
def test_a_model_that_no_crd_can_say_is_refused(
    annotation: Any, field: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        schema_of(annotation, **field)


def test_defaults_stay_out_of_list_items_because_lists_are_compared_as_a_whole() -> None:
    whole = schema_of(list[Inner], max_length=2, default=[Inner(colour=Colour.BLUE)])
    assert whole["items"]["properties"]["colour"]["default"] == "Red"
    applied = without_defaults_in_lists({"type": "object", "properties": {"it": whole}})
    assert applied["properties"]["it"]["default"] == [{"colour": "Blue"}]
    assert "default" not in applied["properties"]["it"]["items"]["properties"]["colour"]


def test_a_status_needs_no_bounds() -> None:
    assert schema_of(str, bounded=False) == {"description": "It.", "type": "string"}
