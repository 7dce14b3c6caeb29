"""Queries in SQL: where a parameter is one, what is refused unsent, and where an error is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.statement import Shape, Statement, parse_statement

WHERE = "spec.indicator.sql.counts.query"


def parsed(text: str, shape: Shape = Shape.VALUE) -> Statement:
    found = parse_statement(text, WHERE, shape)
    assert isinstance(found, Statement), found
    return found


def refused(text: str, shape: Shape = Shape.VALUE) -> str:
    found = parse_statement(text, WHERE, shape)
    assert isinstance(found, Failure), found
    assert found.reason is Reason.INVALID_QUERY
    assert found.message.startswith(f"{WHERE}: ")
    return found.message.removeprefix(f"{WHERE}: ")


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("select $start, $end", "select $1, $2"),
        ("select $end, $start, $end", "select $1, $2, $1"),
        ("select at>$start", "select at>$1"),
        ("select '$start', $end", "select '$start', $1"),
        ("select 'it''s $start', $end", "select 'it''s $start', $1"),
        (r"select E'it\'s $start', $end", r"select E'it\'s $start', $1"),
        (r"select e'\\', $end", r"select e'\\', $1"),
        (r"select '\', $end", r"select '\', $1"),
        ('select "$start" from "a""$end"', 'select "$start" from "a""$end"'),
        ("select 1 -- $start\n, $end", "select 1 -- $start\n, $1"),
        ("select 1 -- it's\n, $end", "select 1 -- it's\n, $1"),
        ("select /* $start /* ' */ $end */ $end", "select /* $start /* ' */ $end */ $1"),
        ("select $$ $start $$, $end", "select $$ $start $$, $1"),
        ("select $a$ $start $$ $b$ $a$, $end", "select $a$ $start $$ $b$ $a$, $1"),
        ("select $start$ $end $start$", "select $start$ $end $start$"),
        ("select a$start, _$end", "select a$start, _$end"),
        ("select '100%', 7 % 4, $end", "select '100%', 7 % 4, $1"),
        ("select %s, %(start)s, $end", "select %s, %(start)s, $1"),
        ("select '{}'::jsonb ? 'a', $end", "select '{}'::jsonb ? 'a', $1"),
        ("select (array[1,2])[1]", "select (array[1,2])[1]"),
        ("select 1;", "select 1"),
        ("select ';' ; -- the end;\n ;", "select ';' "),
        ("  -- what it counts\nwith a as (select 1) table a", None),
        ("(select 1)", None),
        ("VALUES (1)", None),
        ("select '한국어', $end", "select '한국어', $1"),
    ],
)
def test_a_parameter_is_one_where_postgresql_would_take_it_for_one(
    text: str, body: str | None
) -> None:
    assert parsed(text).body == (text if body is None else body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a query begins with select or with"),
        ("-- nothing", "a query begins with select or with"),
        ("drop table requests", "a query begins with select or with"),
        ("copy (select 1) to program 'sh'", "a query begins with select or with"),
        ("set role postgres", "a query begins with select or with"),
        ("do $$ begin end $$", "a query begins with select or with"),
        ("selected", "a query begins with select or with"),
        ("select 1; drop table requests", "there is more than one statement"),
        ("select 1;\ncommit;\nselect 2", "there is more than one statement"),
        ("select $1", "$1 means nothing: there are $start and $end"),
        ("select $begin", "$begin means nothing: there are $start and $end"),
        ("select $ending", "$ending means nothing"),
        ("select 'a", "a quotation mark ' is not closed"),
        ("select '''", "a quotation mark ' is not closed"),
        ('select "a', 'a quotation mark " is not closed'),
        ("select /* /* */ 1", "a comment that begins with /* does not end"),
        ("select $a$ $b$", "the text that begins with $a$ does not end"),
        ("select 1) as x, (select 2", "a parenthesis closes nothing"),
        ("select (1", "a parenthesis is not closed"),
        ("select '\0'", "a character of the code 0"),
    ],
)
def test_what_is_no_single_query_is_refused_unsent(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("select '$start', $end", "$start"),
        ("select $start -- $end", "$end"),
        ("select a$start, $end", "$start"),
    ],
)
def test_counts_are_of_a_time_whose_both_ends_are_used(text: str, missing: str) -> None:
    assert refused(text, Shape.COUNTS) == (
        f"{missing} stands only in a text or a comment: it must be used"
    )
    parsed(text, Shape.VALUE)


@pytest.mark.parametrize(
    ("columns", "fits"),
    [
        (["total", "bad"], True),
        (["good", "total"], True),
        (["total"], False),
        (["total", "good", "bad"], False),
        (["total", "bad", "at"], False),
        (["total", "total"], False),
        (["good", "bad"], False),
        (["Total", "bad"], False),
        ([], False),
    ],
)
def test_counts_are_two_columns_known_by_their_names(columns: list[str], fits: bool) -> None:
    statement = parsed("select $start, $end", Shape.COUNTS)
    problem = statement.problem(columns)
    assert (problem is None) is fits
    assert fits or ", ".join(columns) in str(problem)


def test_a_value_is_a_column_of_any_name() -> None:
    assert parsed("select 1").problem(["p99"]) is None
    assert parsed("select 1, 2").problem(["a", "b"]) == "one column is needed, and it gives a, b"


def test_the_place_of_an_error_is_that_in_what_was_written() -> None:
    text = "select\n  $start, $end, nothing,\n  $start, neither"
    statement = parsed(text)
    for word, place in (("nothing", "2:17"), ("neither", "3:11"), ("select", "1:1")):
        sent = statement.sql(2).index(word, len("select * from (\n")) + 1
        assert statement.place(sent) == place
    assert statement.place(1) == ""
    assert statement.place(len(statement.sql(2))) == ""


def test_what_looks_like_our_parameters_in_quotes_is_left_as_it_is() -> None:
    assert parsed("select '$$1' || '$1', $start").body == "select '$$1' || '$1', $1"


PIECES = st.sampled_from(
    [
        *("select", "$start", "$end", "'", '"', "--", "\n", "/*", "*/", "$$", "$a$", "(", ")"),
        *(";", " ", "a", "$", "E'", "\\", "%", "1", "é"),
    ]
)


# A `$1` of the text's own, in quotes, could not be told from ours when names are put back.
@given(st.lists(PIECES, max_size=30).map("".join).filter(lambda text: "$1" not in text))
def test_whatever_is_written_is_sent_as_it_stands_or_refused(text: str) -> None:
    found = parse_statement("select " + text, WHERE, Shape.VALUE)
    if isinstance(found, Failure):
        return
    back = found.body
    for number, name in reversed(list(enumerate(found.parameters, 1))):
        back = back.replace(f"${number}", name)
    assert found.text.startswith(back)
    rest = found.text[len(back) :]
    assert not rest or rest.startswith(";")
