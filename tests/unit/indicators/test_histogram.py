"""What native histograms tell, and what they do not."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.indicators.answers import read_series
from sluice.indicators.histogram import (
    Bucket,
    Histogram,
    Portion,
    mixed,
    no_boundary,
    read_histogram,
)
from sluice.indicators.movement import movement
from sluice.indicators.native import counter_of, told, untold, values_of
from sluice.indicators.promql import Selector

HALF = 0.5
FAST, ALL = Portion(HALF, fast=True), Portion(HALF, fast=False)


def exponential(schema: int, counts: dict[int, float]) -> Histogram:
    """By index: the bucket with index 0 ends at 1."""
    step = 2.0**-schema
    buckets = tuple(
        Bucket(2.0 ** ((index - 1) * step), 2.0 ** (index * step), count)
        for index, count in sorted(counts.items())
    )
    return Histogram(sum(counts.values()), buckets)


def simple(fast: float, slow: float) -> Histogram:
    return exponential(0, {-1: fast, 1: slow})


@given(
    st.integers(0, 8),
    st.dictionaries(st.integers(-1000, 1000), st.integers(1, 10**9), max_size=8),
    st.integers(-7, 7),
)
def test_powers_of_two_are_boundaries_at_every_resolution_from_zero_on(
    schema: int, counts: dict[int, float], exponent: int
) -> None:
    histogram = exponential(schema, counts)
    assert histogram.parted(2.0**exponent) is None
    assert histogram.nearest(2.0**exponent) is None
    fast = sum(n for index, n in counts.items() if index <= exponent * 2**schema)
    assert histogram.up_to(2.0**exponent) == fast
    assert histogram.schema in {schema, None}


@pytest.mark.parametrize("schema", range(-4, 9))
def test_the_schema_shows_in_three_buckets(schema: int) -> None:
    assert exponential(schema, {-3: 1, 0: 1, 1: 1}).schema == schema
    assert exponential(schema, {-3: 1, 0: 1}).schema is None


def test_custom_buckets_have_no_schema() -> None:
    bounds = (0.1, 0.2, 0.4, 0.8)
    buckets = tuple(Bucket(*pair, 1) for pair in pairwise(bounds))
    histogram = Histogram(3, buckets)
    assert histogram.schema is None
    assert histogram.nearest(0.4) is None
    assert histogram.nearest(0.3) == [0.2, 0.4]


def test_what_lies_inside_a_bucket_is_not_guessed() -> None:
    wide = exponential(-1, {0: 4, 1: 2, 2: 1})  # (0.25, 1], (1, 4], (4, 16]
    assert math.isnan(wide.up_to(HALF))
    assert wide.nearest(HALF) == [0.25, 1.0]
    assert wide.up_to(1.0) == 4


def test_a_threshold_beyond_all_events_is_refused_as_well() -> None:
    histogram = exponential(3, {-9: 1, -8: 1, -7: 1})
    nearest = histogram.nearest(3.0)
    assert nearest is not None
    assert [f"{bound:.3f}" for bound in nearest] == ["2.828", "3.084"]
    assert math.isfinite(histogram.up_to(3.0))


def test_the_first_and_the_last_custom_bucket_have_one_boundary() -> None:
    first = Histogram(1, (Bucket(-math.inf, 0.1, 1),))
    last = Histogram(1, (Bucket(10.0, math.inf, 1),))
    assert first.nearest(0.05) == [0.1]
    assert last.nearest(30.0) == [10.0]
    assert "nearest: 10 s" in no_boundary("x", 30.0, last).message


def test_no_events_tell_that_none_were_fast() -> None:
    assert Histogram(0, ()).up_to(HALF) == 0
    assert "nearest: none" in no_boundary("x", HALF, Histogram(0, ())).message


def test_messages_name_the_metric_and_what_to_do() -> None:
    assert 'd{job="a"}' in mixed('d{job="a"}').message
    message = no_boundary("d", 0.3, exponential(0, {-2: 1, -1: 1, 0: 1})).message
    assert "0.3 s is no bucket boundary of d, a native histogram of schema 0" in message
    assert "nearest: 0.25 s and 0.5 s; powers of two (250ms, 500ms" in message


def test_a_histogram_is_read_from_an_answer() -> None:
    shown = {"count": "5", "sum": "1.5", "buckets": [[3, "-0.1", "0.1", "2"], [0, "1", "2", "3"]]}
    expected = Histogram(5, (Bucket(-0.1, 0.1, 2), Bucket(1, 2, 3)))
    assert read_histogram(shown) == expected
    assert read_histogram({"count": "0", "sum": "0"}) == Histogram(0, ())
    item = {"metric": {"a": "b"}, "histograms": [[7, shown]]}
    (series,) = read_series({"resultType": "matrix", "result": [item]}, "matrix", "here")
    assert (series.times, series.values, [*series.histograms]) == ([], [], [(7.0, expected)])
    item = {"metric": {}, "histogram": [7, shown]}
    (series,) = read_series({"resultType": "vector", "result": [item]}, "vector", "here")
    assert [*series.histograms] == [(7.0, expected)]


@pytest.mark.parametrize("portion", [ALL, FAST])
def test_a_restart_shows_in_all_portions_if_it_shows_in_any(portion: Portion) -> None:
    """After it more events in all than before, but fewer fast ones."""
    shown = [(0.0, simple(990, 10)), (60.0, simple(900, 600))]
    samples = counter_of({}, shown, portion, scraped_once=True)
    moved = movement(samples, 30, 100)
    assert moved is not None
    assert moved.moved == (900 if portion.fast else 1500)


def test_only_slow_events_may_have_become_fewer() -> None:
    shown = [(0.0, simple(10, 90)), (60.0, simple(200, 5))]
    moved = movement(counter_of({}, shown, ALL, scraped_once=True), 30, 100)
    assert moved is not None
    assert moved.moved == 205


def test_a_series_that_was_forgotten_begins_anew() -> None:
    shown = [(0.0, simple(50, 0)), (60.0, simple(5, 0)), (7200.0, simple(7, 0))]
    samples = counter_of({}, shown, ALL, scraped_once=True)
    assert samples.values == [50, 55, 7]
    assert movement(samples, 7100, 7300).first == 7


def test_replicas_show_what_the_process_has_shown() -> None:
    shown = [(0.0, simple(50, 0)), (60.0, simple(5, 0))]
    assert counter_of({}, shown, ALL, scraped_once=False).values == [50, 5]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=20))
def test_fast_events_are_never_more_than_all(runs: list[tuple[int, int]]) -> None:
    shown = [(60.0 * number, simple(*counts)) for number, counts in enumerate(runs)]
    counters = [counter_of({}, shown, portion, scraped_once=True) for portion in (FAST, ALL)]
    moves = [movement(samples, 1, 1e6) for samples in counters]
    fast, total = (0.0 if it is None else it.moved for it in moves)
    assert 0 <= fast <= total


def answer(*histograms: Histogram, present: str = "1") -> list:
    items = [
        {"metric": {"sluice_part": "present"}, "values": [[9, present]]},
        {
            "metric": {"sluice_part": "shape"},
            "histograms": [
                [
                    number,
                    {
                        "count": it.count,
                        "buckets": [[0, b.lower, b.upper, b.count] for b in it.buckets],
                    },
                ]
                for number, it in enumerate(histograms)
            ],
        },
    ]
    return read_series({"resultType": "matrix", "result": items}, "matrix", "here")


def test_an_answer_tells_where_the_threshold_is_a_boundary() -> None:
    whole, wide = simple(1, 1), exponential(-1, {0: 4})
    total = Selector("d", portion=ALL)
    found = answer(whole, wide)
    assert values_of(found[1], total) == ([0, 1], [1, 0])
    assert values_of(found[0], total) == ([9], [1])
    assert "0.5 s is no bucket boundary of d" in untold(found, total).message
    assert untold(answer(whole), total) is None
    assert "cannot add up" in untold(answer(), total).message
    assert untold(answer(present="0"), total) is None
    assert untold(found, Selector("counter")) is None


def test_without_any_series_there_is_nothing_that_is_not_told() -> None:
    nan = math.nan
    shape, present = np.array([1, 0, nan, nan]), np.array([2, 2, nan, 2])
    assert told(shape, present).tolist() == [True, False, True, False]
