"""The schedule of a staggered thaw."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.durations import format_duration, parse_duration
from sluice.api.policy import Stagger, ThawStatus
from sluice.policy.thaw import WAVE, Wave, ends_at, wave, wave_size

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
staggers = st.builds(
    Stagger,
    per_minute=st.integers(1, 50),
    within=st.integers(0, 120).map(lambda minutes: format_duration(minutes * MINUTE)),
)


def run(
    held: int, stagger: Stagger, steps: list[int], now: datetime = NOW
) -> list[tuple[datetime, int]]:
    """The waves of a thaw that is looked at after `steps` seconds each, and on time after those."""
    thaw: ThawStatus | None = None
    waves = []
    while held:
        step = wave(thaw, held=held, stagger=stagger, now=now)
        if step.size:
            waves.append((now, step.size))
        held -= step.size
        thaw = step.thaw
        assert (thaw is None) == (held == 0)
        if thaw is not None:
            assert thaw.held == held
            now = now + timedelta(seconds=steps.pop()) if steps else max(now, thaw.next_at)
    return waves


@pytest.mark.parametrize(
    ("held", "stagger", "sizes"),
    [
        (0, Stagger(), []),
        (1, Stagger(), [1]),
        (10, Stagger(), [10]),
        (11, Stagger(), [10, 1]),
        (35, Stagger(), [10, 10, 10, 5]),
        (300, Stagger(), [10] * 30),
        (500, Stagger(), [17] * 29 + [7]),
        (500, Stagger(within="0s"), [500]),
        (500, Stagger(within="119s"), [500]),
        (500, Stagger(within="2m"), [250, 250]),
        (5, Stagger(per_minute=1), [1] * 5),
        (5, Stagger(per_minute=4096), [5]),
    ],
)
def test_waves_are_small_and_a_large_fleet_takes_no_longer_than_it_may(
    held: int, stagger: Stagger, sizes: list[int]
) -> None:
    waves = run(held, stagger, [])
    assert [size for _, size in waves] == sizes
    assert [at for at, _ in waves] == [NOW + number * MINUTE for number in range(len(sizes))]


@given(st.integers(1, 4096), staggers, st.lists(st.integers(0, 7200), max_size=30))
def test_no_minute_sees_more_than_a_wave_whatever_the_controller_missed(
    held: int, stagger: Stagger, steps: list[int]
) -> None:
    size = wave_size(held, stagger)
    waves = run(held, stagger, steps)
    assert sum(it for _, it in waves) == held
    assert all(it <= size for _, it in waves)
    assert all(after[0] - before[0] >= WAVE for before, after in itertools.pairwise(waves))
    assert len(waves) == math.ceil(held / size)


@given(st.integers(1, 4096), staggers)
def test_it_ends_when_it_says(held: int, stagger: Stagger) -> None:
    step = wave(None, held=held, stagger=stagger, now=NOW)
    waves = run(held, stagger, [])
    last = waves[-1][0]
    assert (NOW if step.thaw is None else ends_at(step.thaw, stagger)) == last
    assert last - NOW <= parse_duration(stagger.within)


def test_between_two_waves_nobody_goes_and_who_was_released_by_hand_is_counted_out() -> None:
    first = wave(None, held=40, stagger=Stagger(), now=NOW)
    assert first.size == 10
    thaw = first.thaw
    between = wave(thaw, held=27, stagger=Stagger(), now=NOW + timedelta(seconds=59))
    expected = ThawStatus(since=NOW, total=40, held=27, next_at=NOW + MINUTE)
    assert between == Wave(0, expected)


def test_a_clock_that_was_set_back_does_not_stop_a_thaw() -> None:
    ahead = ThawStatus(since=NOW, total=40, held=30, next_at=NOW + timedelta(hours=5))
    assert wave(ahead, held=30, stagger=Stagger(), now=NOW).size == 10


def test_who_turns_staggering_off_during_a_thaw_ends_it() -> None:
    under_way = ThawStatus(since=NOW, total=40, held=30, next_at=NOW + MINUTE)
    assert wave(under_way, held=30, stagger=Stagger(within="0s"), now=NOW) == Wave(30)
