"""Reads CEL literals back by the language's grammar, independently of what writes them."""

import re
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<string>'(?:[^'\\\n\r]|\\.)*')
    | (?P<float>-?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
    | (?P<int>-?[0-9]+)
    | (?P<word>true|false|null|dyn)
    | (?P<mark>[\[\]{}():,])
    """,
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)


class NotALiteralError(ValueError):
    """The text is more, or something else, than one literal."""


def read(text: str) -> Any:
    """The value of a literal; an error if anything is left over."""
    tokens = _tokens(text)
    value = _value(tokens)
    if tokens:
        raise NotALiteralError(f"left over: {tokens}")
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotALiteralError(text[position : position + 40])
        tokens.append((str(match.lastgroup), match.group()))
        position = match.end()
    return tokens[::-1]


def _value(tokens: list[tuple[str, str]]) -> Any:
    kind, text = tokens.pop()
    match kind, text:
        case "string", _:
            return _ESCAPE.sub(_unescape, text[1:-1])
        case (("float" | "int"), _):
            return float(text) if kind == "float" else int(text)
        case "word", "dyn":
            _expect(tokens, "(")
            value = _value(tokens)
            _expect(tokens, ")")
            return value
        case "word", _:
            return _WORDS[text]
        case "mark", "[":
            return _members(tokens, "]", _value)
        case "mark", "{":
            return dict(_members(tokens, "}", _pair))
        case _:
            raise NotALiteralError(text)


def _unescape(match: re.Match[str]) -> str:
    short, long, single = match.groups()
    if single is None:
        return chr(int(short or long, 16))
    if single not in "'\\":
        raise NotALiteralError(f"escape \\{single}")
    return single


def _pair(tokens: list[tuple[str, str]]) -> tuple[str, Any]:
    key = _value(tokens)
    _expect(tokens, ":")
    return key, _value(tokens)


def _members(tokens: list[tuple[str, str]], end: str, member: Any) -> list[Any]:
    members = []
    while tokens and tokens[-1][1] != end:
        members.append(member(tokens))
        if tokens[-1][1] != end:
            _expect(tokens, ",")
    _expect(tokens, end)
    return members


def _expect(tokens: list[tuple[str, str]], mark: str) -> None:
    found = tokens.pop()[1] if tokens else "the end"
    if found != mark:
        raise NotALiteralError(f"{found} where {mark} is due")
