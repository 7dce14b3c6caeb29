"""PromQL expressions of users that give a count or a value: read, filled in and asked for. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import promql_parser

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.promql import PART, SIDE, Side, labelled, union

WINDOW = "$window"
"""Stands for the time that a query is to count over."""

_SAMPLE = 300
_NO_VECTORS = (
    promql_parser.MatrixSelector,
    promql_parser.SubqueryExpr,
    promql_parser.NumberLiteral,
    promql_parser.StringLiteral,
)


class Answered(StrEnum):
    """What a member of a query's answer says of one side."""

    VALUE = "value"
    SERIES = "series"  # how many there are, those without a finite value included


@dataclass(frozen=True, slots=True)
class Expression:
    """PromQL that a user wrote; `where` is the field that it stands in."""

    text: str
    where: str

    def over(self, seconds: int) -> str:
        """The expression over so many seconds."""
        return self.text.replace(WINDOW, f"{seconds}s")


def parse_expression(text: str, where: str) -> Expression | Failure:
    """The expression that `text` is, with `$window` filled in.

    Returns:
        The expression, or why it is none: no PromQL, or of a type that has no single value.
    """
    expression = Expression(text, where)
    try:
        parsed: Any = promql_parser.parse(expression.over(_SAMPLE))
    except ValueError as error:
        return Failure(Reason.INVALID_QUERY, f"{where}: {text!r}: {error}")
    if isinstance(parsed, _NO_VECTORS):
        problem = "an instant vector is needed, as sum(increase(requests_total[$window])) is one"
        return Failure(Reason.INVALID_QUERY, f"{where}: {text!r}: {problem}")
    return expression


def sides_query(expressions: dict[Side, Expression], seconds: int) -> str:
    """For each side its value over so many seconds, and how many series it has."""
    return union(
        *(
            # A line of its own, so that a comment at the end does not take the rest with it.
            labelled(f"{function}(({expression.over(seconds)}\n))", **{SIDE: side, PART: part})
            for side, expression in expressions.items()
            for part, function in {Answered.VALUE: "sum", Answered.SERIES: "count"}.items()
        )
    )
