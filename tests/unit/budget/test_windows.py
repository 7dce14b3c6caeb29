import pytest

from sluice.budget.windows import DAY, HOUR, RollingWindow


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (100 * HOUR, 76 * HOUR),
        (100 * HOUR + 1, 76 * HOUR),
        (101 * HOUR - 0.5, 76 * HOUR),
        (101 * HOUR, 77 * HOUR),
    ],
)
def test_a_rolling_window_begins_at_the_hour_before_its_length_ago(now: float, start: int) -> None:
    bounds = RollingWindow(DAY).bounds(now)
    assert (bounds.start, bounds.end) == (start, now)


def test_events_leave_the_window_when_its_start_passes_them() -> None:
    window = RollingWindow(DAY)
    leaves = window.leaves(76 * HOUR)
    assert window.bounds(leaves).start == 76 * HOUR
    assert window.bounds(leaves - 0.001).start < 76 * HOUR
