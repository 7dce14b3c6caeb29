from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.indicators.movement import Known, Movement, Samples, counts_from_zero, movement
from sluice.indicators.promql import Fact

START, END = 10_000.0, 10_300.0


def samples(*pairs: tuple[float, float]) -> Samples:
    return Samples({}, [START + time for time, _ in pairs], [value for _, value in pairs])


@pytest.mark.parametrize(
    ("name", "series", "expected"),
    [
        ("between boundaries", [(-10, 5), (100, 7), (290, 9)], Movement(4)),
        ("a sample on the first boundary is before", [(0, 5), (100, 7)], Movement(2)),
        ("a sample on the last boundary is inside", [(-10, 5), (300, 7), (310, 9)], Movement(2)),
        ("gone in the middle", [(-10, 5), (40, 8)], Movement(3)),
        ("a reset between two scrapes is added", [(-10, 50), (50, 3), (200, 5)], Movement(5)),
        ("a reset that has caught up", [(-10, 50), (50, 3), (200, 60)], Movement(60)),
        ("two resets", [(-10, 5), (50, 1), (100, 4), (150, 2)], Movement(1 + 3 + 2)),
        ("back after a gap", [(-3000, 5), (200, 9)], Movement(4)),
        ("back after too long", [(-3601, 5), (200, 9), (250, 10)], Movement(1, first=9)),
        ("new", [(100, 4), (200, 9)], Movement(5, first=4)),
        ("new, one sample", [(100, 4)], Movement(0, first=4)),
        ("not there", [(-10, 5), (400, 7)], None),
        ("nowhere", [], None),
    ],
)
def test_a_counter_moves_by_what_it_counted(
    name: str, series: list[tuple[float, float]], expected: Movement | None
) -> None:
    assert movement(samples(*series), START, END) == expected, name


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=60),
    st.floats(0.5, 120),
    st.floats(0, 120),
    st.sets(st.integers(1, 59)),
)
def test_slices_telescope_whatever_the_phase_interval_and_resets(
    steps: list[int], interval: float, phase: float, resets: set[int]
) -> None:
    """The movement over consecutive slices is that between the first and the last sample."""
    times = [phase + interval * n for n in range(len(steps))]
    values, counted = [0.0], 0.0
    for n, step in enumerate(steps[1:], 1):
        # After a reset the counter may be anywhere below what it was.
        reset = n in resets and step < values[-1]
        values.append(step if reset else values[-1] + step)
        counted += step
    series = Samples({}, times, values)
    boundaries = [-1.0 + 300 * n for n in range(int(times[-1] // 300) + 3)]
    found = [movement(series, start, end) for start, end in pairwise(boundaries)]
    assert sum(one.moved for one in found if one) == counted


TARGET = {"job": "shop", "instance": "a"}
SERIES = {**TARGET, "code": "500"}


def known(fact: Fact, value: float, *, at_end: bool = False, **labels: str) -> Known:
    return Known(fact, {**TARGET, **labels}, END if at_end else START, value)


@pytest.mark.parametrize(
    ("name", "facts", "from_zero"),
    [
        ("nothing is known", [], False),
        ("its process has just started", [known(Fact.STARTED, START + 9, at_end=True)], True),
        (
            "its process started shortly before",
            [known(Fact.STARTED, START - 30, at_end=True)],
            True,
        ),
        ("an old process, relabelled", [known(Fact.STARTED, START - 9000, at_end=True)], False),
        (
            "a new code of a target that was up",
            [known(Fact.UP, 1), known(Fact.SIBLING, 3)],
            True,
        ),
        (
            "a first request of a target that was up",
            [known(Fact.UP, 1), known(Fact.EXPOSED, 7), known(Fact.EXPOSED, 8, at_end=True)],
            True,
        ),
        (
            "a code that our scraping has let in again",
            [
                known(Fact.UP, 1),
                known(Fact.SIBLING, 3),
                known(Fact.EXPOSED, 7),
                known(Fact.EXPOSED, 7, at_end=True),
            ],
            False,
        ),
        ("a target that was down", [known(Fact.UP, 0), known(Fact.SIBLING, 3)], False),
        (
            "a target that was not there",
            [known(Fact.UP, 1, at_end=True), known(Fact.SIBLING, 3, at_end=True)],
            False,
        ),
        (
            "another target",
            [known(Fact.UP, 1, instance="b"), known(Fact.SIBLING, 3, instance="b")],
            False,
        ),
        (
            "a target of the same name in another cluster",
            [known(Fact.UP, 1, cluster="b"), known(Fact.SIBLING, 3)],
            False,
        ),
    ],
)
def test_a_new_series_counts_from_zero_only_on_evidence(
    name: str, facts: list[Known], from_zero: bool
) -> None:
    assert counts_from_zero(SERIES, facts, START, END) is from_zero, name
