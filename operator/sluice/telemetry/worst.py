"""The worst of what was seen lately."""

from collections.abc import Callable

_SPAN = 60.0


class Worst:
    """The highest value of the last minute or two; 0 without any.

    Args:
        monotonic: the present time in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._now = self._before = 0.0

    def take(self, value: float) -> None:
        """Take a value in."""
        self._turn()
        self._now = max(self._now, value)

    @property
    def value(self) -> float:
        """The highest value."""
        self._turn()
        return max(self._now, self._before)

    def _turn(self) -> None:
        passed = self._monotonic() - self._began
        if passed < _SPAN:
            return
        self._before = self._now if passed < 2 * _SPAN else 0.0
        self._now = 0.0
        self._began += passed // _SPAN * _SPAN
