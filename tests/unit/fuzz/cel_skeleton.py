"""What is left of CEL source when its data are taken out: the code.

Tokens are found by the language's own grammar (github.com/google/cel-spec, doc/langdef.md,
section "Syntax"), independently of what writes them here.
"""

import re

_TOKEN = re.compile(
    r"""
    (?P<space>[\t\n\f\r ]+)
    | (?P<string>'(?:[^'\\\n\r]|\\.)*')
    | (?P<number>-?(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+))
    | (?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    | (?P<mark>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:,.()\[\]{}])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:['\\]|u[0-9a-f]{4}|U[0-9a-f]{8})")
_PAIRS = {")": "(", "]": "[", "}": "{"}
STRING, NUMBER = "<string>", "<number>"


class NotCelError(ValueError):
    """The text has something that is no token of CEL."""


def skeleton(text: str) -> list[str]:
    """The tokens with every string and every number replaced.

    Raises:
        NotCelError: something is no token, an escape is none, or brackets are not in pairs.
    """
    tokens, position, opened = [], 0, list[str]()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotCelError(text[position : position + 40])
        position, token = match.end(), match.group()
        match match.lastgroup:
            case "string":
                if "\\" in _ESCAPE.sub("", token):
                    raise NotCelError(f"an escape in {token}")
                tokens.append(STRING)
            case "number":
                tokens.append(NUMBER)
            case "name" | "mark":
                tokens.append(token)
                _pair(token, opened)
    if opened:
        raise NotCelError(f"not closed: {opened}")
    return tokens


def _pair(token: str, opened: list[str]) -> None:
    if token in _PAIRS.values():
        opened.append(token)
    elif token in _PAIRS and (not opened or opened.pop() != _PAIRS[token]):
        raise NotCelError(f"{token} closes nothing")
