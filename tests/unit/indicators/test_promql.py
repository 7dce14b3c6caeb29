import re
from dataclasses import replace

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
        ('{"requests_total","job"="a"}', 'requests_total{job="a"}'),
        ('{"http.requests"}', '{"http.requests"}'),
        ('{"with space", "label.name"=~"x|y"}', '{"with space","label.name"=~"x|y"}'),
        ('{__name__="http.requests",job="a"}', '{"http.requests",job="a"}'),
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
        ('{"x","y"}', "cannot be matched on"),
    ],
)
def test_what_is_no_selector_is_refused_with_its_place_and_problem(text: str, problem: str) -> None:
    failure = parse_selector(text, WHERE)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.stalled
    assert failure.message.startswith(f"{WHERE}: {text!r}: ")
    assert problem in failure.message


@pytest.mark.parametrize(
    "text",
    [
        "x offset NaN",
        "x offset -inf",
        "x offset # comment\n NaN",
        "x offset 1e300",
        "x offset .5e19",
        "x offset 99999999999999999999999999",
        "x[1e300]",
        "x[5m:1e300]",
    ],
)
def test_a_duration_that_panics_the_parser_is_refused_in_silence(
    text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    failure = parse_selector(text, WHERE)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert "a duration is no finite number" in failure.message
    assert not promql.is_expression(text)
    assert capfd.readouterr().err == ""


class Panic(BaseException):
    """As the parser's own, which cannot be imported."""


@pytest.mark.parametrize("error", [Panic("boom"), OverflowError("boom"), ValueError("boom")])
def test_whatever_the_parser_raises_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def parse(_: str) -> None:
        raise error

    monkeypatch.setattr(promql_parser, "parse", parse)
    failure = parse_selector("x", WHERE)
    assert isinstance(failure, Failure)
    assert failure.message == f"{WHERE}: 'x': boom"


def test_an_interrupt_while_parsing_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(promql_parser, "parse", parse)
    with pytest.raises(KeyboardInterrupt):
        parse_selector("x", WHERE)


@pytest.mark.parametrize("opening", ["-", "(", "sum(", "x[5m]+"])
def test_nesting_that_would_overflow_the_parsers_stack_is_refused(opening: str) -> None:
    failure = parse_selector(opening * 100_000 + "x", WHERE)
    assert isinstance(failure, Failure)
    assert "operators and brackets" in failure.message


@pytest.mark.parametrize(
    "text",
    [
        'x{offset="NaN"}',
        'x{path="offset NaN"}',
        "x{path='[1e9]'}",
        "x{path=`offset inf`}",
        'x{path=~"' + "(/[a-z]+)" * 100 + '"}',
        "job:info:rate5m",
        "job:error_total",
        "job:inf",
        'x{a="\\"offset NaN"} # offset NaN',
    ],
)
def test_what_only_looks_like_such_a_duration_is_read(text: str) -> None:
    assert isinstance(parse_selector(text, WHERE), Selector)


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


REPLICAS = {side: replace(selector, replica="replica") for side, selector in SELECTORS.items()}


@pytest.mark.parametrize(
    "query",
    [
        promql.movement_query(REPLICAS, 300),
        promql.tick_query(REPLICAS, Side.BAD, 97),
        promql.exceptions_query(REPLICAS[Side.BAD], 300),
        promql.facts_query(REPLICAS[Side.TOTAL], {"a"}, {"b"}, 300),
        promql.movement_query(SELECTORS, 300),
        promql.movement_query(SELECTORS, 300, 61),
        promql.oldest_query(SELECTORS, 300),
        promql.tick_query(SELECTORS, Side.BAD, 97),
        promql.value_query(SELECTORS),
        promql.existence_query(SELECTORS[Side.TOTAL], 86_400),
        promql.exceptions_query(SELECTORS[Side.BAD], 300),
        promql.facts_query(SELECTORS[Side.TOTAL], {"a"}, {"10.0.0.1:80", 'odd"\\'}, 300),
        promql.boundaries_query(Selector("x_bucket")),
    ],
)
def test_every_query_is_promql(query: str) -> None:
    promql_parser.parse(query)


@pytest.mark.parametrize(
    "query",
    [
        promql.movement_query(REPLICAS, 300),
        promql.tick_query(REPLICAS, Side.BAD, 97),
        promql.tick_query(REPLICAS, Side.TOTAL, 97),
        promql.value_query(REPLICAS),
        promql.exceptions_query(REPLICAS[Side.BAD], 300),
    ],
)
def test_every_counter_with_replicas_is_read_once(query: str) -> None:
    once = re.findall(r"max without\(replica\)\((?:resets\()?requests_total\{", query)
    assert len(once) == query.count("requests_total{") > 0


def test_the_replicas_label_is_no_part_of_what_is_asked_sample_by_sample() -> None:
    assert str(REPLICAS[Side.TOTAL]) == str(SELECTORS[Side.TOTAL])
    assert promql.value_query({Side.TOTAL: REPLICAS[Side.TOTAL]}) == promql.labelled(
        'sum(max without(replica)(requests_total{job="a"})<Inf)',
        sluice_side="total",
        sluice_part="value",
    )
