"""Prometheus-style durations."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30d", timedelta(days=30)),
        ("4w", timedelta(weeks=4)),
        ("1y", timedelta(days=365)),
        ("1h30m", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("1m1ms", timedelta(seconds=60, milliseconds=1)),
        ("1y2w3d4h5m6s7ms", timedelta(382, 4 * 3600 + 5 * 60 + 6, milliseconds=7)),
        ("90m", timedelta(minutes=90)),
        ("007d", timedelta(days=7)),
        ("0s", timedelta(0)),
        ("100y", timedelta(days=36500)),
    ],
)
def test_units_are_added_up_from_large_to_small(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "1.5h", "-5m", "30m1h", "1h1h", "1 h", " 1h", "1h ", "1h\n", "1H", "1M", "1mo"],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write it as 30d, 1h30m or 500ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["101y", "100y1ms", "99999999999999999999d"])
def test_a_duration_beyond_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a hundred years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(minutes=43, seconds=12), "43m12s"),
        (timedelta(days=30), "30d"),
        (timedelta(days=400), "400d"),
        (timedelta(minutes=-5), "-5m"),
        (timedelta(0), "0s"),
        (timedelta(microseconds=499), "0s"),
        (timedelta(microseconds=-499), "0s"),
        (timedelta(microseconds=1600), "2ms"),
        (timedelta(hours=1, milliseconds=1), "1h1ms"),
    ],
)
def test_a_length_is_written_in_days_and_smaller_units(length: timedelta, text: str) -> None:
    assert format_duration(length) == text


@given(st.integers(0, 100 * 365 * 86_400_000))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(length)) == length


@given(st.integers(1, 100 * 365 * 86_400_000))
def test_a_negative_length_is_the_positive_one_with_a_sign(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)
    assert format_duration(-length) == f"-{format_duration(length)}"


@given(st.text(alphabet="0123456789ywdhms. \n", max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        length = parse_duration(text)
    except ValueError:
        return
    assert timedelta(0) <= length <= timedelta(days=36500)
