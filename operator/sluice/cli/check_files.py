"""Reads manifests from files, directories and standard input, as `kubectl apply -f` does."""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STDIN = "-"
_SUFFIXES = {".yaml", ".yml", ".json"}
_LIST = "List"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """What stands at a place: `shop.yaml, document 2`, or an item of a List there."""

    where: str
    body: Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to correct: where, and what."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def read_all(names: Iterable[str], stdin: Callable[[], bytes]) -> Iterator[Document | Finding]:
    """Every document of `names`, and what could not be read.

    Args:
        names: files; directories, of which all `*.yaml`, `*.yml` and `*.json` below are read; or
            `-` for standard input.
        stdin: reads standard input.
    """
    for name in names:
        try:
            if name == STDIN:
                yield from _parsed("standard input", stdin())
            elif Path(name).is_dir():
                yield from _below(Path(name))
            else:
                yield from _parsed(name, Path(name).read_bytes())
        except OSError as error:
            yield Finding(name, f"{error.strerror}: check the path and its permissions")


def _below(directory: Path) -> Iterator[Document | Finding]:
    files = sorted(path for path in directory.rglob("*") if path.suffix in _SUFFIXES)
    if not files:
        yield Finding(str(directory), "there is no *.yaml, *.yml or *.json below this directory")
    for path in files:
        yield from _parsed(str(path), path.read_bytes())


def _parsed(name: str, content: bytes) -> Iterator[Document | Finding]:
    number = 0
    try:
        for number, body in enumerate(_bodies(content.decode()), start=1):
            if body is not None:
                yield from _items(Document(f"{name}, document {number}", body))
    # The last four are what PyYAML lets through for a value that does not fit its tag.
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        yield Finding(f"{name}, document {number + 1}", f"cannot be read: {_problem(error)}")


def _bodies(text: str) -> Iterator[Any]:
    if text.lstrip().startswith("{"):
        try:
            body = json.loads(text)
        except ValueError:
            pass  # YAML may begin so as well; if it is none either, that is what is told
        else:
            yield body
            return
    yield from yaml.load_all(text, Loader=_Loader)


def _items(document: Document) -> Iterator[Document]:
    """The objects of a List, or the one that there is."""
    match document.body:
        case {"kind": str(kind), "items": list(items)} if kind.endswith(_LIST):
            # The items of a typed list need not say what they are: `FooList` does.
            common = {"apiVersion": document.body.get("apiVersion"), "kind": kind[: -len(_LIST)]}
            for number, item in enumerate(items, start=1):
                whole = {**common, **item} if kind != _LIST and isinstance(item, dict) else item
                yield from _items(Document(f"{document.where}, item {number}", whole))
        case _:
            yield document


def _problem(error: Exception) -> str:
    match error:
        case yaml.MarkedYAMLError(problem_mark=yaml.Mark() as mark):
            return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """YAML as the Kubernetes tools read it: a time is a text, and no key is there twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != _MERGE and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value!r} is there twice: delete one of the two"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)
