"""The samples of replicas as one series: what moved is counted once."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.indicators.movement import Samples, movement
from sluice.indicators.replicas import merged

Pairs = list[tuple[float, float]]


def samples(pairs: Pairs) -> Samples:
    return Samples({}, [time for time, _ in pairs], [value for _, value in pairs])


def together(*replicas: Pairs) -> Pairs:
    found = merged([samples(pairs) for pairs in replicas])
    return list(zip(found.times, found.values, strict=True))


def moved(pairs: Samples) -> float:
    found = movement(pairs, 0, 10**6)
    return found.moved if found else 0.0


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param([(1, 5), (11, 9)], [(6, 7)], [(1, 5), (6, 7), (11, 9)], id="two phases"),
        pytest.param([(1, 5), (31, 9)], [], [(1, 5), (31, 9)], id="one was not there"),
        pytest.param(
            [(1, 5), (31, 20)],
            [(6, 7), (16, 12), (26, 18)],
            [(1, 5), (6, 7), (16, 12), (26, 18), (31, 20)],
            id="a gap of one is filled by the other",
        ),
        pytest.param(
            [(1, 100), (11, 3), (21, 8)],
            [(6, 105), (16, 5)],
            [(1, 100), (6, 105), (11, 3), (16, 5), (21, 8)],
            id="a reset that both see is one reset",
        ),
        pytest.param(
            [(1, 100), (11, 3), (21, 8)],
            [(6, 105), (11.05, 106), (21.05, 8)],
            [(1, 100), (6, 105), (11, 3), (21, 8), (21.05, 8)],
            id="a sample of before the reset that comes late is no event",
        ),
        pytest.param(
            [(1, 100), (11, 3), (21, 8)],
            [(6, 105), (21.05, 7)],
            [(1, 100), (6, 105), (11, 3), (21, 8)],
            id="a sample that is late by a clock is no reset",
        ),
        pytest.param(
            [(1, 100), (11, 3), (21, 2), (31, 6)],
            [(6, 105), (16, 5), (26, 4)],
            [(1, 100), (6, 105), (11, 3), (16, 5), (21, 2), (26, 4), (31, 6)],
            id="two resets are two",
        ),
        pytest.param(
            [(1, 100), (11, 2)],
            [(6, 110), (56, 30), (66, 35)],
            [(1, 100), (6, 110), (11, 2), (56, 30), (66, 35)],
            id="one that was away at the reset goes on from there",
        ),
    ],
)
def test_samples_are_kept_if_they_tell_of_events(one: Pairs, other: Pairs, expected: Pairs) -> None:
    assert together(one, other) == expected
    assert together(other, one) == expected


def test_one_replica_alone_is_left_as_it_is() -> None:
    alone = samples([(1, 5), (2, 1)])
    assert merged([alone]) is alone


class Counter:
    """A counter with a known truth that is reset now and then."""

    def __init__(self, chance: random.Random, length: int) -> None:
        self.values = [0]
        self.events = [0]
        for _ in range(length):
            step = chance.randrange(5)
            start = 0 if chance.random() < 0.02 else self.values[-1]
            self.values.append(start + step)
            self.events.append(self.events[-1] + step)

    def scraped(self, chance: random.Random, interval: int, gap: tuple[int, int]) -> Pairs:
        phase = chance.randrange(interval)
        return [
            (float(time), float(self.values[time]))
            for time in range(phase + 1, len(self.values), interval)
            if not gap[0] <= time < gap[1]
        ]


@given(st.integers(0, 2**32), st.sampled_from([3, 7, 15]), st.sampled_from([0, 40, 150]))
def test_merged_movement_telescopes_and_is_never_more_than_the_truth(
    seed: int, interval: int, gap: int
) -> None:
    chance = random.Random(seed)
    counter = Counter(chance, 400)
    replicas = []
    for _ in range(2):
        start = chance.randrange(400)
        replicas.append(counter.scraped(chance, interval, (start, start + gap)))
    found = merged([samples(pairs) for pairs in replicas])
    parts = [movement(found, start, end) for start, end in pairwise(range(0, 500, 50))]
    assert sum(part.moved for part in parts if part) == moved(found)
    assert (
        moved(found) <= counter.events[int(found.times[-1])] - counter.events[int(found.times[0])]
    )


@given(st.integers(0, 2**32), st.sampled_from([3, 7, 15]))
def test_without_resets_merged_movement_is_from_the_first_to_the_last_sample_of_all(
    seed: int, interval: int
) -> None:
    chance = random.Random(seed)
    counter = Counter(chance, 200)
    counter.values = counter.events
    one, other = (counter.scraped(chance, interval, (50 * n, 50 * n + 40)) for n in (1, 2))
    every = [value for _, value in (*one, *other)]
    assert moved(merged([samples(one), samples(other)])) == max(every) - min(every)
