"""A limit for requests that anybody in the cluster can make, so that the webhook has its turn."""

from collections.abc import Callable


class Throttle:
    """A token bucket: `rate` requests a second on average, `burst` at once."""

    def __init__(self, *, rate: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._left = burst
        self._at = monotonic()

    def admits(self) -> bool:
        """Whether one more request may be served now; if so it is counted."""
        now = self._monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
