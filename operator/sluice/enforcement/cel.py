"""CEL source text from data: a literal always evaluates to the value it was made from.

Names, labels and images reach an expression only through this module, so none of them can end a
literal and become code. The text is ASCII, so that its length in characters (what the API server
limits to 100,000) is its length in bytes (what etcd limits). Quotes are single: double ones would
grow when the expression is sent as JSON.
Source: the Common Expression Language's definition, section "Values", and its grammar.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

MAX_EXPRESSION = 100_000
"""Characters in one expression; the API server's CEL parser refuses a longer one."""

_INT64 = range(-(2**63), 2**63)
_PRINTABLE = range(0x20, 0x7F)
_SURROGATES = range(0xD800, 0xE000)
_BASIC_PLANE = range(0x10000)


def string(text: str) -> str:
    """A string literal.

    A lone surrogate, which no UTF-8 text contains, becomes U+FFFD as in Go's JSON decoder.
    """
    return f"'{''.join(map(_escape, text))}'"


def _escape(character: str) -> str:
    code = ord(character)
    if character in "'\\":
        return "\\" + character
    if code in _PRINTABLE:
        return character
    if code in _SURROGATES:
        return "\\ufffd"
    return f"\\u{code:04x}" if code in _BASIC_PLANE else f"\\U{code:08x}"


def strings(texts: Iterable[str]) -> str:
    """A list of string literals."""
    return f"[{','.join(map(string, texts))}]"


def timestamp(instant: datetime) -> str:
    """A timestamp in UTC, whole seconds.

    Raises:
        ValueError: `instant` has no zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone, so it names no instant")
    return f"timestamp({string(instant.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ'))})"


def json(value: Any) -> str:
    """Any JSON value as a literal with every value wrapped in `dyn()`.

    The API server compiles with homogeneous collections: `{"a": 1, "b": "x"}` is refused, the same
    values behind `dyn()` are not. `dyn()` of a constant is folded when the expression is compiled.

    Raises:
        ValueError: NaN or an infinity, which JSON does not have.
        TypeError: a Python value that is none of JSON's.
    """
    return f"dyn({_bare(value)})"


def _bare(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value)
        case str():
            return string(value)
        case Mapping():
            return mapping({key: json(member) for key, member in value.items()})
        case Sequence():
            return f"[{','.join(map(json, value))}]"
        case _:
            raise TypeError(f"{type(value).__name__} is no JSON value")


def _number(value: float) -> str:
    if isinstance(value, int) and value in _INT64:
        return str(value)
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is no JSON value")
    text = repr(value)
    return text if "." in text or "e" in text else f"{text}.0"


def mapping(members: Mapping[str, str]) -> str:
    """A map from string keys to expressions that are CEL already."""
    return "{" + ",".join(f"{string(key)}:{text}" for key, text in members.items()) + "}"


def every(conditions: Iterable[str]) -> str:
    """The conjunction of expressions; `true` for none."""
    return " && ".join(f"({condition})" for condition in conditions) or "true"


def some(conditions: Iterable[str]) -> str:
    """The disjunction of expressions; `false` for none."""
    return " || ".join(f"({condition})" for condition in conditions) or "false"
