"""docs/reference/kubectl-sluice.md, made from the commands and the models themselves."""

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from sluice.cli.examples import EXAMPLES
from sluice.cli.explain_model import ExplainAnswer
from sluice.cli.main import COMMANDS, command
from sluice.cli.status_model import StatusAnswer

PROGRAM = "kubectl sluice"
FOR_PEOPLE = tuple(name for name in COMMANDS if name in EXAMPLES)
PRINTED: dict[str, type[BaseModel]] = {"status": StatusAnswer, "explain": ExplainAnswer}
"""What commands print with `-o json`."""


def page() -> str:
    """The whole page."""
    head = [
        "# kubectl sluice",
        "",
        (
            "<!-- Made from the commands: UPDATE_GOLDEN=1 pytest tests/unit/cli/"
            "test_reference.py writes it. -->"
        ),
        "",
        "`kubectl sluice X` is `sluice X`. [The guide](../guides/kubectl.md) tells how to use it.",
        "",
        "| command | what |",
        "| --- | --- |",
        *(f"| [`{name}`](#{name}) | {COMMANDS[name]} |" for name in FOR_PEOPLE),
        "",
    ]
    return "\n".join([*head, *(line for name in FOR_PEOPLE for line in section(name))])


def section(name: str) -> Iterator[str]:
    found = command(name, program=PROGRAM)
    yield from (f"## {name}", "", *_help(found), "")
    yield from ("```sh", *(f"{PROGRAM} {line}" for line, _ in EXAMPLES[name]), "```", "")
    yield from ("| argument or option | default | meaning |", "| --- | --- | --- |")
    yield from (_parameter(one) for one in found.params if one.name != "help")
    yield ""
    if name in PRINTED:
        yield from (f"### {name} -o json", "", *_fields(PRINTED[name]), "")


def _help(found: Any) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(found.help).split("\n\n")):
        yield from ("", paragraph.replace("\n", " ")) if number else (paragraph,)


def _parameter(one: Any) -> str:
    if one.param_type_name == "argument":
        name = f"`{one.metavar or one.name}`"
    else:
        name = ", ".join(f"`{it}`" for it in (*one.opts, *one.secondary_opts))
    text = (one.help or "").replace("|", r"\|")
    if choices := _choices(one.type_descriptor.annotation):
        text += f" {', '.join(f'`{_text(it)}`' for it in choices)}."
    if getattr(one, "envvar", None):
        text += f" Also `{one.envvar}`."
    return f"| {name} | {_default(one)} | {text} |"


def _choices(annotation: Any) -> list[Any]:
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return list(annotation)
    return list(get_args(annotation)) if get_origin(annotation) is Literal else []


def _default(one: Any) -> str:
    if one.required:
        return "required"
    default = one.default
    unset = default is None or default is False or default == "" or callable(default)
    return "" if unset else f"`{_text(default)}`"


def _text(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def _fields(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(by_alias=True, mode="validation")
    yield from (schema["description"], "", "| field | type | meaning |", "| --- | --- | --- |")
    yield from _rows(schema, schema.get("$defs", {}), "")


def _rows(schema: dict[str, Any], definitions: dict[str, Any], path: str) -> Iterator[str]:
    for name, field in schema["properties"].items():
        kind, inner, suffix = _kind(field, definitions)
        yield f"| `{path}{name}` | {kind} | {field['description']} |"
        if inner is not None:
            yield from _rows(inner, definitions, f"{path}{name}{suffix}.")


def _kind(
    field: dict[str, Any], definitions: dict[str, Any]
) -> tuple[str, dict[str, Any] | None, str]:
    """A field's type in words, the object that it is or holds, and how its path goes on."""
    if "anyOf" in field:
        [first] = [one for one in field["anyOf"] if one.get("type") != "null"]
        kind, inner, suffix = _kind(first, definitions)
        return f"{kind} or null", inner, suffix
    if "$ref" in field:
        found = definitions[field["$ref"].rpartition("/")[2]]
        if "enum" in found:
            return " or ".join(f"`{it}`" for it in found["enum"]), None, ""
        return "object", found, ""
    if field.get("type") == "array":
        kind, inner, _ = _kind(field["items"], definitions)
        return f"list of {kind}s", inner, "[]"
    return _scalar(field), None, ""


def _scalar(field: dict[str, Any]) -> str:
    if field.get("type") == "object":
        return "map to strings"
    if "const" in field:
        return f"`{field['const']}`"
    return "time" if field.get("format") == "date-time" else str(field["type"])
