import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.reasons import Reason
from sluice.indicators import promql
from sluice.indicators.failure import Failure
from sluice.indicators.promql import Matcher, Selector, Side, parse_selector

WHERE = "spec.indicator.ratio.total.metric"


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("requests_total", "requests_total"),
        ('requests_total{code=~"5..",job="a"}', 'requests_total{code=~"5..",job="a"}'),
        ('{__name__="requests_total",job!="a"}', 'requests_total{job!="a"}'),
        ('requests_total{path!~"/\\\\d+"}', 'requests_total{path!~"/\\\\d+"}'),
        ('requests_total{q="say \\"hi\\"\\n"}', 'requests_total{q="say \\"hi\\"\\n"}'),
    ],
)
def test_a_selector_is_read_and_written(text: str, selector: str) -> None:
    assert str(parse_selector(text, WHERE)) == selector


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rate(x[5m])", "a vector selector alone"),
        ("sum(x)", "a vector selector alone"),
        ("x[5m]", "a vector selector alone"),
        ("x + y", "a vector selector alone"),
        ("1", "a vector selector alone"),
        ("x offset 5m", "offset and @"),
        ("x @ 5", "offset and @"),
        ('x{job="a" or job="b"}', "'or' between matchers"),
        ('x{job="a"', "unexpected end of input inside braces"),
        ('x{code=~"["}', "regex"),
        ("", "no expression"),
        ('{job="a"}', "name one metric"),
        ('{__name__=~"a|b"}', "name one metric"),
        ('{__name__="x",__name__!="y"}', "cannot be matched on"),
        ('{"with space"}', "name one metric"),
    ],
)
def test_what_is_no_selector_is_refused_with_its_place_and_problem(text: str, problem: str) -> None:
    failure = parse_selector(text, WHERE)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.stalled
    assert failure.message.startswith(f"{WHERE}: {text!r}: ")
    assert problem in failure.message


@given(st.text())
def test_any_text_gives_a_selector_or_a_failure(text: str) -> None:
    assert isinstance(parse_selector(text, WHERE), Selector | Failure)


@given(st.text(max_size=40), st.sampled_from(["=", "!="]))
def test_a_value_comes_through_quoting_unchanged(value: str, operator: str) -> None:
    selector = Selector("x", (Matcher("label", operator, value),))
    parsed = parse_selector(str(selector), WHERE)
    assert parsed == selector or "\x00" in value


@given(st.sets(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1)))
def test_values_matched_as_alternatives_are_taken_literally(values: set[str]) -> None:
    if not values:
        return
    matcher = promql.one_of("label", values)
    assert isinstance(parse_selector(f"x{{{matcher}}}", WHERE), Selector)


SELECTORS = {
    Side.TOTAL: Selector("requests_total", (Matcher("job", "=", "a"),)),
    Side.BAD: Selector("requests_total", (Matcher("code", "=~", "5.."),)),
}


@pytest.mark.parametrize(
    "query",
    [
        promql.movement_query(SELECTORS, 300),
        promql.tick_query(SELECTORS, 97),
        promql.value_query(SELECTORS),
        promql.exceptions_query(SELECTORS[Side.BAD], 300),
        promql.facts_query(SELECTORS[Side.TOTAL], {"a"}, {"10.0.0.1:80", 'odd"\\'}, 300),
        promql.boundaries_query(Selector("x_bucket")),
    ],
)
def test_every_query_is_promql(query: str) -> None:
    promql_parser.parse(query)
