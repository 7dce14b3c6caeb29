"""The reference of a kind as a Markdown page, from the same schema as its CRD."""

import json
from collections.abc import Iterator

from sluice.api import GROUP, VERSION
from sluice.api.crds import Column, Resource, object_schema
from sluice.api.schema import RULES, Schema


def page(resource: Resource) -> str:
    """The page of `resource`: every field with its type, bounds, default and description."""
    schema = object_schema(resource)
    parts = (_part(name, schema["properties"][name]) for name in ("spec", "status"))
    sections = [_head(resource, schema), _columns(resource.columns), *parts, _rules_section(schema)]
    return "\n".join(line for section in sections for line in section)


def _head(resource: Resource, schema: Schema) -> list[str]:
    short_names = " and ".join(f"`{name}`" for name in resource.short_names)
    scope = "namespaced" if resource.namespaced else "cluster-scoped"
    return [
        f"# {resource.kind}",
        "",
        "<!-- Made by `sluice crds` from the models: edit those. -->",
        "",
        schema["description"],
        "",
        f"`{GROUP}/{VERSION}`, {scope}; `kubectl` also knows it as {short_names}.",
        "",
    ]


def _columns(columns: tuple[Column, ...]) -> list[str]:
    wide = " (with `-o wide`)"
    return [
        "## Columns of `kubectl get`",
        "",
        "| column | meaning |",
        "| --- | --- |",
        *(
            f"| {column.name}{wide if column.priority else ''} | {column.description} |"
            for column in columns
        ),
        "",
    ]


def _part(name: str, schema: Schema) -> list[str]:
    return [
        f"## {name}",
        "",
        schema["description"],
        "",
        "| field | type | default | description |",
        "| --- | --- | --- | --- |",
        *_rows(schema, name),
        "",
    ]


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        cells = (f"`{path}.{name}`", _type(field), default, _escaped(field["description"]))
        yield f"| {' | '.join(cells)} |"
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _rows(inner, f"{path}.{name}{'[]' if 'items' in field else ''}")


def _type(field: Schema) -> str:
    if "items" in field:
        return f"list of {_type(field['items'])}{_at_most(field.get('maxItems'))}"
    if "additionalProperties" in field:
        values = _type(field["additionalProperties"])
        return f"map to {values}{_at_most(field.get('maxProperties'))}"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("format") == "date-time":
        return "time"
    return f"{field['type']}{_limits(field)}"


def _limits(field: Schema) -> str:
    limits = []
    if "minimum" in field:
        limits.append(f"at least {field['minimum']}")
    if "maximum" in field:
        limits.append(f"at most {field['maximum']}")
    if "maxLength" in field:
        limits.append(f"{field.get('minLength', 0)} to {field['maxLength']} characters")
    if "pattern" in field:
        limits.append(f"`{_escaped(field['pattern'])}`")
    return f", {', '.join(limits)}" if limits else ""


def _at_most(count: int | None) -> str:
    return "" if count is None else f" (at most {count})"


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default in (None, {}) else f"`{_escaped(json.dumps(default))}`"


def _escaped(text: str) -> str:
    return text.replace("\n", " ").replace("|", r"\|")


def _rules_section(schema: Schema) -> list[str]:
    return [
        "## Rules",
        "",
        "The API server refuses an object that breaks one of these, with this message.",
        "",
        *(f"- `{path or 'the object'}`: {message}" for path, message in _rules(schema, "")),
        "",
    ]


def _rules(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get(RULES, []):
        yield path, rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}".removeprefix("."))
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")
