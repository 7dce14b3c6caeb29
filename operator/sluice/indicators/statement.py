"""A query of an indicator in SQL: checked before it is sent, its parameters bound by the server.

`$start` and `$end` become `$1` and `$2` wherever PostgreSQL would take `$1` for a parameter, and
nowhere else: not in a text, a name, a comment, or between dollars. So nothing is ever put into the
SQL but a number's place. Source: PostgreSQL's documentation, section 4.1, "Lexical Structure".

This is no protection of the database: that is the read-only transaction and the role's rights. It
is here to tell the reader what is wrong, and to keep a query one query.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure

PARAMETERS = ("$start", "$end")

# The limit is of memory: whatever a query gives, two rows are enough to know of more than one.
_BEFORE, _AFTER = "select * from (\n", "\n) as measured limit "
_OPENINGS = frozenset({"select", "table", "values", "with"})
_TOKENS = re.compile(
    r"""
    (?P<comment> --[^\n\r]* | /\* )
    | (?P<escaped> [eE]'(?: [^'\\] | '' | \\. )*' )
    | (?P<quoted> '(?: [^'] | '' )*' | "(?: [^"] | "" )*" )
    | (?P<dollars> \$(?P<tag> (?: [^\W\d]\w* )? )\$ )
    | (?P<parameter> \$\w+ )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<number> \d[\w.]* )
    | (?P<open> [(\[] )
    | (?P<close> [)\]] )
    | (?P<end> ; )
    | (?P<unclosed> ['"] )
    | (?P<space> \s+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_COMMENT = re.compile(r"/\*|\*/")


class Shape(Enum):
    """What a query gives: a row of counts, or one value."""

    COUNTS = "counts"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Statement:
    """A query that can be sent.

    Attributes:
        where: the field in which it stands.
        text: as it stands there.
        shape: what it must give.
        body: with `$1` and `$2` in place of `parameters`.
        parameters: the names in the order of their numbers.
        moved: where in `body` a parameter ends, and how many characters were saved up to there.
    """

    where: str
    text: str
    shape: Shape
    body: str
    parameters: tuple[str, ...]
    moved: tuple[tuple[int, int], ...]

    def sql(self, rows: int) -> str:
        """What is sent for at most so many rows."""
        return f"{_BEFORE}{self.body}{_AFTER}{rows}"

    def place(self, position: int) -> str:
        """Line and column of a character of what was sent, as `3:14`; empty if it is ours.

        Args:
            position: its number, the first is 1.
        """
        index = position - 1 - len(_BEFORE)
        if not 0 <= index < len(self.body):
            return ""
        index += max((saved for end, saved in self.moved if end <= index), default=0)
        line = self.text.count("\n", 0, index) + 1
        return f"{line}:{index - (self.text.rfind(chr(10), 0, index) + 1) + 1}"

    def problem(self, columns: Sequence[str]) -> str | None:
        """What is wrong with the columns that it gives; None if they are those it must give."""
        given = ", ".join(columns) or "none"
        if self.shape is Shape.VALUE:
            return None if len(columns) == 1 else f"one column is needed, and it gives {given}"
        if len(columns) == len(PARAMETERS) and set(columns) in (
            {"total", "bad"},
            {"total", "good"},
        ):
            return None
        return f"the columns total and bad (or good) are needed, and it gives {given}"


def parse_statement(text: str, where: str, shape: Shape) -> Statement | Failure:
    """The query in a field, or a failure `InvalidQuery` that says what is wrong with it."""
    try:
        return _parsed(text, where, shape)
    except _InvalidError as error:
        return Failure(Reason.INVALID_QUERY, f"{where}: {error}")


class _InvalidError(Exception):
    """A text is no query that can be sent."""


def _parsed(text: str, where: str, shape: Shape) -> Statement:
    tokens = _without_end(list(_tokens(text)))
    _check_balance(tokens)
    first = next((it for it in tokens if it.kind not in {"space", "comment", "open"}), None)
    if first is None or first.text.lower() not in _OPENINGS:
        raise _InvalidError("a query begins with select or with; nothing else is sent")
    parameters: list[str] = []
    body, moved, saved = "", [], 0
    for token in tokens:
        if token.kind != "parameter":
            body += token.text
            continue
        if token.text not in PARAMETERS:
            raise _InvalidError(f"{token.text} means nothing: there are $start and $end")
        if token.text not in parameters:
            parameters.append(token.text)
        number = f"${parameters.index(token.text) + 1}"
        body += number
        saved += len(token.text) - len(number)
        moved.append((len(body), saved))
    missing = [it for it in PARAMETERS if it not in parameters]
    if shape is Shape.COUNTS and missing:
        raise _InvalidError(f"{missing[0]} stands only in a text or a comment: it must be used")
    return Statement(where, text, shape, body, tuple(parameters), tuple(moved))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    if "\0" in text:
        raise _InvalidError("a character of the code 0 cannot stand in it")
    position = 0
    while position < len(text):
        found = _TOKENS.match(text, position)
        assert found is not None
        kind, end = found.lastgroup or "", found.end()
        if kind == "tag":
            kind = "dollars"
        if found["dollars"] is not None:
            kind, end = "dollars", text.find(found[0], end)
            if end < 0:
                raise _InvalidError(f"the text that begins with {found[0]} does not end")
            end += len(found[0])
        elif found[0] == "/*":
            end = _comment_end(text, end)
        elif kind == "unclosed":
            raise _InvalidError(f"a quotation mark {found[0]} is not closed")
        yield _Token(kind, text[position:end])
        position = end


def _comment_end(text: str, position: int) -> int:
    """Where the comment ends in which `position` is: comments may stand in comments."""
    depth = 1
    for found in _IN_COMMENT.finditer(text, position):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    raise _InvalidError("a comment that begins with /* does not end")


def _without_end(tokens: list[_Token]) -> list[_Token]:
    """The tokens without a semicolon at the end, which is the only one that may be there."""
    ends = [index for index, token in enumerate(tokens) if token.kind == "end"]
    if not ends:
        return tokens
    if any(token.kind not in {"space", "comment", "end"} for token in tokens[ends[0] :]):
        raise _InvalidError("there is more than one statement: only one can be sent")
    return tokens[: ends[0]]


def _check_balance(tokens: Sequence[_Token]) -> None:
    """Parentheses that are closed and never opened would reach out of the query."""
    depth = 0
    for token in tokens:
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0:
            break
    if depth:
        which = "is not closed" if depth > 0 else "closes nothing"
        raise _InvalidError(f"a parenthesis {which}")
