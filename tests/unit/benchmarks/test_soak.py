"""What the soak test takes for growth, and what not."""

import random

import pytest

from benchmarks.crossings import Crossings
from benchmarks.soak import Sample, growth


def sample(minute: float, memory: float) -> Sample:
    return Sample(minute, memory, 30, 40, 5, 0.1, 0.2, 3.0, 2000, 1)


@pytest.mark.parametrize("leak", [0.0, 6.0, -3.0])
def test_a_leak_is_found_in_spite_of_noise(leak: float) -> None:
    chance = random.Random(7)
    found = [sample(it, 300 + leak * it / 60 + chance.uniform(-0.5, 0.5)) for it in range(40)]
    assert growth(found, "memory") == pytest.approx(leak, abs=0.8)


def test_a_peak_that_goes_again_is_no_growth() -> None:
    found = [sample(it, 300 + (80 if it in {30, 31, 32} else 0)) for it in range(40)]
    assert growth(found, "memory") == 0


def test_what_is_injected_never_goes_down_and_is_one_service_s_own() -> None:
    crossings, seen = Crossings(), []
    for _ in range(4):
        crossings.spend(50)
        seen.append(crossings.injected(50, "500"))
        crossings.recover(50)
    assert seen == sorted(set(seen))
    assert crossings.injected(0, "500") == crossings.injected(51, "500") == 0
