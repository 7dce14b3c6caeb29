"""Structural OpenAPI v3 schemas, as the API server wants them in a CRD, from the models.

What pydantic emits is JSON Schema: it refers (`$ref`), it offers `null` as an alternative and it
closes objects, all of which a structural schema must not do. Source: kubernetes.io, "Extend the
Kubernetes API with CustomResourceDefinitions", section "Specifying a structural schema".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from sluice.api.metadata import key_rule

Schema = dict[str, Any]

RULES = "x-kubernetes-validations"

_KEYWORDS = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "items",
    "additionalProperties",
    "x-kubernetes-map-type",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    RULES,
)
"""Every keyword that may leave the generator, in the order of the YAML."""

_BOUNDS = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}


class SchemaError(ValueError):
    """A model says something that a CRD cannot say, or leaves out what a CRD needs."""


class _StatedDefaults(GenerateJsonSchema):
    """Defaults as the models state them, so that nested defaults stand in one place only."""

    def encode_default(self, dft: Any) -> Any:
        match dft:
            case BaseModel():
                return dft.model_dump(mode="json", by_alias=True, exclude_unset=True)
            case list():
                return [self.encode_default(item) for item in dft]
            case _:
                return to_jsonable_python(dft)


def structural(model: type[BaseModel], *, bounded: bool) -> Schema:
    """The structural schema of `model`, all references inlined.

    Args:
        model: A model whose fields all have descriptions.
        bounded: Whether every string, list and map must have an upper bound. The API server
            estimates the cost of CEL rules from the bounds and refuses a CRD that may be too
            costly, so what users write is bounded.

    Raises:
        SchemaError: a description or a bound is missing, a model contains itself, or a model uses
            a keyword that structural schemas do not have.
    """
    document = model.model_json_schema(schema_generator=_StatedDefaults)
    definitions = document.pop("$defs", {})
    return _Converter(definitions, bounded=bounded).convert(document, (model.__name__,))


def without_defaults_in_lists(schema: Schema, *, inside: bool = False) -> Schema:
    """`schema` without the defaults of fields of list items, which readers fill in by the models.

    `kubectl apply` and Argo CD compare a custom resource's list as a whole: with a default filled
    in by the API server, it would differ from what was applied for ever.
    """
    schema = {key: value for key, value in schema.items() if not (inside and key == "default")}
    if "properties" in schema:
        schema["properties"] = {
            name: without_defaults_in_lists(field, inside=inside)
            for name, field in schema["properties"].items()
        }
    if "items" in schema:
        schema["items"] = without_defaults_in_lists(schema["items"], inside=True)
    return schema


class _Converter:
    """One conversion: the definitions that `$ref` names, and how strict to be."""

    def __init__(self, definitions: Mapping[str, Schema], *, bounded: bool) -> None:
        self._definitions = definitions
        self._bounded = bounded

    def convert(
        self, node: Schema, path: tuple[str, ...], within: frozenset[str] = frozenset()
    ) -> Schema:
        """`node`, met at `path` inside the definitions `within`, as a structural schema."""
        node, within = self._inlined(node, path, within)
        node = _without_json_schema_only(node, path)
        if "properties" in node:
            node["properties"] = {
                name: self._convert_property(child, (*path, name), within)
                for name, child in node["properties"].items()
            }
        for child in ("items", "additionalProperties"):
            if child in node:
                node[child] = self.convert(node[child], (*path, "[]"), within)
        if _says_nothing(node):
            del node["default"]
        self._check_bounds(node, path)
        return {keyword: node[keyword] for keyword in _KEYWORDS if keyword in node}

    def _convert_property(
        self, node: Schema, path: tuple[str, ...], within: frozenset[str]
    ) -> Schema:
        schema = self.convert(node, path, within)
        if not schema.get("description"):
            raise SchemaError(f"{'.'.join(path)}: give the field a description")
        return schema

    def _inlined(
        self, node: Schema, path: tuple[str, ...], within: frozenset[str]
    ) -> tuple[Schema, frozenset[str]]:
        """`node` with `$ref` and the optional's `anyOf` replaced by what they stand for."""
        node = dict(node)
        if "anyOf" in node:
            arms = [arm for arm in node.pop("anyOf") if arm != {"type": "null"}]
            if len(arms) != 1:
                raise SchemaError(f"{'.'.join(path)}: a union of types; make it a union by field")
            node = _merged(arms[0], node)
        if "$ref" not in node:
            return node, within
        name = node.pop("$ref").removeprefix("#/$defs/")
        if name in within:
            raise SchemaError(f"{'.'.join(path)}: {name} contains itself; a CRD cannot say that")
        return _merged(self._definitions[name], node), within | {name}

    def _check_bounds(self, node: Schema, path: tuple[str, ...]) -> None:
        bound = _BOUNDS.get(node["type"])
        closed = {bound, "enum", "format", "properties"} & node.keys()
        if self._bounded and bound and not closed:
            raise SchemaError(f"{'.'.join(path)}: bound the {node['type']} with {bound}")


def _merged(definition: Schema, usage: Schema) -> Schema:
    """What is said where a type is used, on top of what its definition says; rules add up."""
    merged = {**definition, **usage}
    if RULES in definition and RULES in usage:
        merged[RULES] = [*definition[RULES], *usage[RULES]]
    return merged


def _without_json_schema_only(node: Schema, path: tuple[str, ...]) -> Schema:
    """`node` in keywords of structural schemas only, nothing lost that the API server can check."""
    node = dict(node)
    node.pop("title", None)
    if node.get("additionalProperties") is False:
        # The API server prunes unknown fields, or refuses them if the client asks for it.
        del node["additionalProperties"]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "propertyNames" in node:
        node[RULES] = [*node.get(RULES, []), *_key_rules(node.pop("propertyNames"), path)]
    if node.get("type") == "integer":
        node["format"] = "int64"
    unknown = node.keys() - set(_KEYWORDS)
    if unknown or "type" not in node:
        what = f"no structural schema has {', '.join(sorted(unknown))}" if unknown else "no type"
        raise SchemaError(f"{'.'.join(path)}: {what}")
    return node


def _key_rules(names: Schema, path: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Bounds of a map's keys as CEL: structural schemas have no `propertyNames`."""
    match names:
        case {"minLength": int(shortest), "maxLength": int(longest), **rest} if not rest:
            yield key_rule(shortest, longest)
        case _:
            raise SchemaError(f"{'.'.join(path)}: bound the keys by minLength and maxLength only")


def _says_nothing(node: Schema) -> bool:
    """Whether the default is what absence means anyway.

    An empty object says something if it is where defaults of its fields take hold.
    """
    default = node.get("default", ...)
    if default == {} and "properties" in node:
        return not any("default" in child for child in node["properties"].values())
    return default is None or default in ("", [], {})
