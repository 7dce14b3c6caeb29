"""Reads manifests with the models, and says what is wrong with them in words for their authors."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

NO_SUCH_FIELD = "there is no such field: check its spelling and its indentation"
_KEY = "[key]"
_SHOWN = 80
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct: where in the object (`spec.stages[1].when`), and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def read(model: type[_Model], body: Mapping[str, Any]) -> _Model | list[Problem]:
    """The object that `body` is, or everything that is wrong with it.

    Args:
        model: What it should be.
        body: The manifest; its fields count only by the names that they have in YAML.
    """
    try:
        return model.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        return [_problem(details) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails) -> Problem:
    location = details["loc"]
    # What is wrong with a key is said of the map that it is in.
    return Problem(
        path_of(location[:-2] if location[-1:] == (_KEY,) else location), _message(details)
    )


def path_of(location: Iterable[int | str]) -> str:
    """Where something is, as in `spec.stages[1].when`; keys with control characters are quoted."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in location
    ).removeprefix(".")


def printable(text: str) -> str:
    """A text from a manifest as part of one line: quoted, as in JSON, if it would break it."""
    return text if text.isprintable() else json.dumps(text)


def _message(details: ErrorDetails) -> str:
    """Pydantic's words where they are for people already; those for programmers are replaced."""
    value = details["input"]
    if details["type"] == "string_type" and isinstance(value, bool | int | float):
        return _unquoted(value)
    wanted = details.get("ctx", {})
    other = {
        "missing": "this field is required: set it",
        "extra_forbidden": NO_SUCH_FIELD,
        "string_pattern_mismatch": f"{_shown(value)} does not match {wanted.get('pattern')}",
        "enum": f"{_shown(value)} is not supported: write {wanted.get('expected')}",
        "literal_error": f"{_shown(value)} is not supported: write {wanted.get('expected')}",
        "model_type": f"{_shown(value)} is no mapping of fields to values",
        "int_type": f"{_shown(value)} is no whole number: write one, without quotes",
        "bool_type": f"{_shown(value)} is neither true nor false: write one, without quotes",
        "dict_type": f"{_shown(value)} is no mapping of keys to values",
    }
    return other.get(details["type"]) or details["msg"].removeprefix("Value error, ")


def _unquoted(value: float) -> str:
    """What YAML makes of a text without quotes is no more what was written: `99.90`, `on`."""
    kind, text = ("boolean", str(value).lower()) if isinstance(value, bool) else ("number", value)
    return f'this must be a string, and {text} is a {kind}: quote it, as in "{text}"'


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
