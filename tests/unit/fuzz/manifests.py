"""Manifests that are valid, nearly valid and hostile, for hypothesis to draw.

Their shape is what the CRDs' schemas say, their values are those of the manifests that the API
server's own verdicts are tested with (e2e/manifests), or hostile ones. So most of a manifest makes
sense, which is what it takes to get far.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from sluice.api import API_VERSION
from sluice.api.crds import RESOURCES
from tests.unit.fuzz.hostile import json_values, scalars, texts

_ROOT = Path(__file__).parents[3]
_TABLES = _ROOT / "e2e/manifests"
KINDS = tuple(resource.kind for resource in RESOURCES)
_LONGEST_LIST = 3


@cache
def cases(kind: str) -> tuple[Any, ...]:
    """The specs of a kind, good and bad, whose verdicts are tested."""
    table = yaml.safe_load((_TABLES / f"{kind.lower()}.yaml").read_text())
    return tuple(case["spec"] for case in table if "spec" in case)


@cache
def accepted(kind: str) -> tuple[Any, ...]:
    """Those that the API server takes in."""
    table = yaml.safe_load((_TABLES / f"{kind.lower()}.yaml").read_text())
    return tuple(case["spec"] for case in table if "spec" in case and "refused" not in case)


@cache
def _schema(kind: str) -> Any:
    for path in (_ROOT / "crds").glob("sluice.dev_*.yaml"):
        crd = yaml.safe_load(path.read_text())
        if crd["spec"]["names"]["kind"] == kind:
            return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    raise LookupError(f"no CRD of {kind}")


@cache
def _known(kind: str) -> Mapping[str, tuple[Any, ...]]:
    """The scalars that the tables have, by the name of their field."""
    found: dict[str, list[Any]] = {}
    for spec in cases(kind):
        for name, value in _leaves(spec, ""):
            found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, below in value.items():
                yield from _leaves(below, str(key))
        case list():
            for below in value:
                yield from _leaves(below, name)
        case _:
            yield name, value


def specs(kind: str) -> st.SearchStrategy[Any]:
    """Specs of a kind: by its schema, or from the tables, and of both some with a part replaced."""
    whole = _of(kind, _schema(kind)["spec"], "spec") | st.sampled_from(cases(kind))
    return whole | st.tuples(whole, st.randoms(use_true_random=False), json_values()).map(_replaced)


def statuses() -> st.SearchStrategy[Any]:
    """Statuses as a later version may have left them: the API server knows no other mistakes."""
    unknown = st.dictionaries(st.sampled_from(["later", "more"]), finite(json_values()), max_size=2)
    return st.tuples(unknown, st.sampled_from([{}, {"observedGeneration": -1}])).map(
        lambda parts: {**parts[0], **parts[1]}
    )


def finite(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Those of the values that are JSON: an API server holds no other."""
    return values.filter(_is_json)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@cache
def bodies(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects as an API server could hold them: of their metadata it takes care itself."""
    return st.fixed_dictionaries(
        {
            "apiVersion": st.just(API_VERSION),
            "kind": st.just(kind),
            "metadata": _metadata(kind),
            "spec": finite(specs(kind)),
        },
        optional={"status": statuses()},
    )


def _metadata(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    name = "default" if kind == "ErrorBudgetPolicy" else "checkout"
    place = {} if kind == "MetricSource" else {"namespace": "shop"}
    labels = st.dictionaries(st.sampled_from(["app", "a.b/c", "x"]), st.sampled_from(["", "web"]))
    return st.fixed_dictionaries(
        {
            "name": st.just(name),
            "uid": st.just("u-1"),
            "resourceVersion": st.just("7"),
            "generation": st.sampled_from([1, 2**62]),
            "creationTimestamp": st.sampled_from(["2026-08-20T09:00:00Z", "2036-01-01T00:00:00Z"]),
        },
        optional={
            "labels": labels,
            "annotations": st.dictionaries(st.just("a"), texts(), max_size=1),
            "finalizers": st.just(["sluice.dev/enforcement"]),
        },
    ).map(lambda metadata: {**metadata, **place})


def _of(kind: str, schema: Mapping[str, Any], name: str) -> st.SearchStrategy[Any]:
    """What a schema describes; one value in a few is not of it."""
    sound = _sound(kind, schema, name)
    return st.integers(0, 19).flatmap(lambda luck: json_values() if luck == 0 else sound)


def _sound(kind: str, schema: Mapping[str, Any], name: str) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "object" if "properties" in schema:
            members = {key: _of(kind, below, key) for key, below in schema["properties"].items()}
            required = {
                key: members.pop(key) for key in schema.get("required", ()) if key in members
            }
            return st.fixed_dictionaries(required, optional=members)
        case "object":
            return st.dictionaries(
                st.sampled_from(["app", "a.b/c", ""]) | texts(),
                _of(kind, schema.get("additionalProperties", {}), name),
                max_size=2,
            )
        case "array":
            return st.lists(_of(kind, schema["items"], name), max_size=_LONGEST_LIST)
        case _:
            return _scalar(kind, schema, name)


def _scalar(kind: str, schema: Mapping[str, Any], name: str) -> st.SearchStrategy[Any]:
    usual = schema.get("enum") or _known(kind).get(name)
    if usual is None:
        return scalars()
    # Four in five make sense: else nothing gets past the first look.
    return st.one_of(*[st.sampled_from(usual)] * 4, scalars())


def _replaced(drawn: tuple[Any, Any, Any]) -> Any:
    """A copy of a value with one part, wherever it is, replaced by another."""
    value, chance, other = drawn
    if not isinstance(value, dict | list) or not value or chance.random() < 0.2:
        return other
    if isinstance(value, list):
        place = chance.randrange(len(value))
        return [*value[:place], _replaced((value[place], chance, other)), *value[place + 1 :]]
    key = chance.choice(list(value))
    return {**value, key: _replaced((value[key], chance, other))}
