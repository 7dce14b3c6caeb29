import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.enforcement import cel
from tests.unit.enforcement.cel_reader import read

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)


@given(JSON)
def test_any_json_value_reads_back_as_itself(value: Any) -> None:
    assert read(cel.json(value)) == value


@given(JSON)
def test_a_literal_is_printable_ascii_on_one_line(value: Any) -> None:
    assert all(" " <= character <= "~" for character in cel.json(value))


@given(st.text())
def test_no_text_ends_its_string_literal(text: str) -> None:
    read_back = read(cel.string(text))
    assert len(read_back) == len(text)
    assert cel.string(text).endswith("'")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("", "''"),
        ("web:1", "'web:1'"),
        ("'); true || ('", "'\\'); true || (\\''"),
        ("''' + \"", "'\\'\\'\\' + \"'"),
        ("back\\slash", "'back\\\\slash'"),
        ("${HOME}\n\r\t\x00", "'${HOME}\\u000a\\u000d\\u0009\\u0000'"),
        ("é", "'\\u00e9'"),
        ("🚢", "'\\U0001f6a2'"),
        ("\ud800", "'\\ufffd'"),
    ],
)
def test_what_could_end_a_string_is_escaped(text: str, literal: str) -> None:
    assert cel.string(text) == literal


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (True, "dyn(true)"),
        (1, "dyn(1)"),
        (-(2**63), "dyn(-9223372036854775808)"),
        (2**63, "dyn(9.223372036854776e+18)"),
        (1.0, "dyn(1.0)"),
        (1e16, "dyn(1e+16)"),
        ([], "dyn([])"),
        ({"a": [1, "b"]}, "dyn({'a':dyn([dyn(1),dyn('b')])})"),
    ],
)
def test_every_value_stands_behind_dyn(value: Any, literal: str) -> None:
    assert cel.json(value) == literal


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no JSON value"):
        cel.json({"a": value})


def test_a_python_object_is_refused() -> None:
    with pytest.raises(TypeError, match="datetime is no JSON value"):
        cel.json([datetime(2026, 1, 1, tzinfo=UTC)])


def test_a_timestamp_is_in_utc() -> None:
    instant = datetime(2026, 8, 20, 10, 4, tzinfo=timezone(timedelta(hours=2)))
    assert cel.timestamp(instant) == "timestamp('2026-08-20T08:04:00Z')"


def test_a_timestamp_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        cel.timestamp(datetime(2026, 8, 20, 10, 4))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("parts", "both", "either"),
    [([], "true", "false"), (["a"], "(a)", "(a)"), (["a", "b"], "(a) && (b)", "(a) || (b)")],
)
def test_conditions_are_joined_in_parentheses(parts: list[str], both: str, either: str) -> None:
    assert cel.every(parts) == both
    assert cel.some(parts) == either
