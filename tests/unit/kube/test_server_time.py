from email.utils import formatdate

import pytest
import structlog.testing

from sluice.kube.server_time import TOLERANCE, ServerTime

NOON = 1_800_000_000.0


class Node:
    """A process whose clock may be `ahead`; time passes by `wait`."""

    def __init__(self) -> None:
        self.true, self.started, self.ahead = NOON, 1000.0, 0.0
        self.time = ServerTime(
            wall=lambda: self.true + self.ahead, monotonic=lambda: self.started + self.true - NOON
        )

    def wait(self, seconds: float) -> None:
        self.true += seconds

    def hear(self, *, took: float = 0.01) -> None:
        self.time.heard(formatdate(self.true, usegmt=True), took=took)


def test_before_the_api_server_was_heard_nothing_is_known() -> None:
    node = Node()
    node.ahead = 7200
    assert node.time.offset == 0
    assert node.time.problem() is None


@pytest.mark.parametrize("fraction", [0.0, 0.4, 0.999])
@pytest.mark.parametrize("ahead", [0.0, 25.0, -25.0, 7200.0, -7200.0])
def test_the_offset_is_known_to_a_second(ahead: float, fraction: float) -> None:
    node = Node()
    node.ahead = ahead
    node.wait(fraction)
    node.hear()
    assert node.time.offset == pytest.approx(ahead, abs=1)
    assert (node.time.problem() is None) == (abs(ahead) < TOLERANCE)


@pytest.mark.parametrize(("ahead", "words"), [(7200, "7200 s ahead of"), (-3600, "3600 s behind")])
def test_a_step_shows_at_once_without_another_answer(ahead: float, words: str) -> None:
    node = Node()
    node.hear()
    node.wait(500)
    assert node.time.problem() is None
    node.ahead = ahead
    problem = node.time.problem()
    assert problem is not None
    assert words in problem.replace("7199", "7200").replace("3601", "3600")
    node.ahead = 0
    assert node.time.problem() is None


def test_a_machine_that_slept_is_right_with_the_next_answer() -> None:
    node = Node()
    node.hear()
    node.started -= 600  # its monotonic clock stood still
    node.wait(600)
    assert node.time.problem() is not None
    node.hear()
    assert node.time.problem() is None


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Nov 2026 99:99:99 GMT"])
def test_an_answer_that_does_not_tell_the_time_is_none(date: str | None) -> None:
    node = Node()
    node.time.heard(date, took=0)
    assert node.time.offset == 0


def test_an_answer_that_took_long_does_not_count() -> None:
    node = Node()
    node.hear()
    told = formatdate(node.true, usegmt=True)
    node.wait(60)
    node.time.heard(told, took=60)
    assert node.time.problem() is None


def test_that_a_clock_is_wrong_and_is_right_again_is_logged_once() -> None:
    node = Node()
    with structlog.testing.capture_logs() as logs:
        for ahead in (0, 0, 600, 600, 0, 0):
            node.ahead = ahead
            node.wait(2)
            node.hear()
    assert [one["event"] for one in logs] == ["clock is wrong", "clock is right again"]
    assert "ahead of the API server's" in logs[0]["problem"]
