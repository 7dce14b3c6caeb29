import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.indicator import Indicator
from sluice.api.reasons import Reason
from sluice.indicators.expressions import Expression, parse_expression, sides_query
from sluice.indicators.failure import Failure
from sluice.indicators.promql import Side
from sluice.indicators.resolve import stated

WHERE = "spec.indicator.ratio.total.query"


@pytest.mark.parametrize(
    "text",
    [
        "sum(increase(x[$window]))",
        "sum(x) - sum(x offset $window)",
        "(sum(increase(x[$window]))) or vector(0) # without any there were none",
        "sum(max_over_time(rate(x[5m])[$window:1m]))",
    ],
)
def test_an_expression_with_the_window_filled_in_is_taken(text: str) -> None:
    expression = parse_expression(text, WHERE)
    assert isinstance(expression, Expression)
    assert "$window" not in expression.over(300)
    assert "300s" in expression.over(300)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "sum(increase(x[$window])",
            "spec.indicator.ratio.total.query: 'sum(increase(x[$window])'",
        ),
        ("sum(increase(x[$windows]))", "'sum(increase(x[$windows]))'"),
        ("x[$window]", "an instant vector is needed"),
        ("x[1h:$window]", "an instant vector is needed"),
        ("42", "an instant vector is needed"),
        ("'$window'", "an instant vector is needed"),
    ],
)
def test_what_gives_no_count_is_refused(text: str, says: str) -> None:
    failure = parse_expression(text, WHERE)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert says in failure.message


@given(st.text())
def test_any_text_is_an_expression_or_a_failure(text: str) -> None:
    assert isinstance(parse_expression(text, WHERE), Expression | Failure)


def test_a_comment_at_the_end_of_a_query_takes_nothing_with_it() -> None:
    commented = Expression("sum(increase(x[$window])) # all of them", WHERE)
    query = sides_query({Side.TOTAL: commented, Side.BAD: commented}, 300)
    assert isinstance(promql_parser.parse(query), promql_parser.BinaryExpr)


def test_what_is_wrong_with_a_thresholds_query_is_told_without_asking_a_source() -> None:
    threshold = {"query": "max(x", "operator": "LessThan", "value": "1"}
    (field,) = stated(Indicator.model_validate({"threshold": threshold}))
    assert field.where == "spec.indicator.threshold.query"
    assert isinstance(field.parsed, Failure)
