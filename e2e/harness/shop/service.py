"""A simulated service: load in, counters out."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from e2e.harness.traffic import (
    DURATION,
    NOTHING,
    REQUESTS,
    STARTED,
    Counts,
    events,
    samples,
    series,
)

_TYPES = f"""\
# TYPE {REQUESTS} counter
# TYPE {DURATION} histogram
# TYPE {STARTED} gauge
"""


@dataclass(frozen=True, slots=True)
class Load:
    """How the shop's traffic looks.

    Attributes:
        rate: requests a second.
        error_ratio: the share of them that fail.
        slow_ratio: the share of them that take between 1 and 2.5 s; the others take below 0.1 s.
        available: 0 when scrapes are answered with an error, so that `up` is 0.
    """

    rate: float = 10.0
    error_ratio: float = 0.0
    slow_ratio: float = 0.0
    available: float = 1.0


class Shop:
    """A service with counters; thread-safe."""

    def __init__(
        self,
        load: Load,
        *,
        initial: Counts = NOTHING,
        started: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._load = load
        self._counts = initial
        self._started = clock() if started is None else started
        self._until = clock()
        self._rest = (0.0, 0.0, 0.0)
        self.address = ""

    @property
    def counts(self) -> Counts:
        """All that its counters show now: the exact truth."""
        with self._lock:
            self._advance()
            return self._counts

    def set(self, **load: float) -> None:
        """Change the load from now on: `rate`, `error_ratio`, `slow_ratio`, `available`."""
        with self._lock:
            self._advance()
            self._load = replace(self._load, **load)

    def inject(self, *, total: int = 0, bad: int = 0, slow: int = 0) -> None:
        """Count events at once: `total`, or as many as are bad or slow when that is more."""
        with self._lock:
            self._advance()
            self._counts += events(max(total, bad, slow), bad, slow)

    def restart(self) -> None:
        """Begin to count from zero, as a new process does."""
        with self._lock:
            self._counts = NOTHING
            self._started = self._until = self._clock()

    def metrics(self) -> str | None:
        """The text that a scrape gets; None while it is not available."""
        with self._lock:
            self._advance()
            if not self._load.available:
                return None
            return _TYPES + "\n".join(samples(series(""), self._counts, self._started)) + "\n"

    def _advance(self) -> None:
        now = self._clock()
        seconds, self._until = max(now - self._until, 0.0), max(now, self._until)
        load = self._load
        amount = load.rate * seconds
        shares = (1.0, load.error_ratio, load.slow_ratio)
        exact = [amount * share + rest for share, rest in zip(shares, self._rest, strict=True)]
        total = int(exact[0])
        bad, slow = min(int(exact[1]), total), min(int(exact[2]), total)
        # A part of an event waits for the next time: the long-run rates are exact.
        self._rest = (exact[0] - total, exact[1] - bad, exact[2] - slow)
        self._counts += events(total, bad, slow)
