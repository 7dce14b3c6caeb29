from sluice.telemetry.worst import Worst


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_worst_is_remembered_for_a_minute_at_least_and_two_at_most() -> None:
    clock = Clock()
    worst = Worst(clock)
    assert worst.value == 0
    worst.take(5.0)
    worst.take(3.0)
    assert worst.value == 5
    clock.now += 100
    assert worst.value == 5
    worst.take(1.0)
    clock.now += 25
    assert worst.value == 1


def test_what_was_long_ago_is_forgotten_at_once() -> None:
    clock = Clock()
    worst = Worst(clock)
    worst.take(5.0)
    clock.now += 1000
    assert worst.value == 0
