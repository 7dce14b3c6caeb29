"""A circuit breaker: a source that fails is asked once in a while, not by everybody.

Pure; the clock is injected. Source of the pattern: M. Nygard, "Release It!", chapter "Stability
Patterns". Back-off doubles, with jitter, so that several controllers do not knock together.
"""

import random
from collections.abc import Callable

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure

OPENS_AFTER = 5
"""Failures in a row: one objective's queries that time out are broken up by others' answers."""

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0
_JITTER = 0.2
_OF_SOURCE = frozenset(
    {
        Reason.SOURCE_UNREACHABLE,
        Reason.SOURCE_UNAUTHORIZED,
        Reason.SOURCE_TIMEOUT,
        Reason.SOURCE_ERROR,
        Reason.INVALID_RESPONSE,
    }
)


class Breaker:
    """What became of the latest queries to one source, and whether to send another.

    Args:
        monotonic: the present time in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._last: Failure | None = None
        self._ask_at = 0.0

    @property
    def open(self) -> bool:
        """Whether all but single queries are refused."""
        return self._last is not None and self._failures >= OPENS_AFTER

    def refusal(self) -> Failure | None:
        """What a query that is not sent now is answered; None if it is to be sent.

        When a pause is over one query may go, as a probe; the next one only after another pause.
        """
        if not self.open:
            return None
        if self._monotonic() < self._ask_at:
            return self._last
        self._pause()
        return None

    def record(self, problem: Failure | None) -> None:
        """Take in what a query came to; None if it was answered."""
        if problem is None or problem.reason not in _OF_SOURCE:
            self._failures, self._last = 0, None
            return
        self._failures, self._last = self._failures + 1, problem
        self._pause()

    def _pause(self) -> None:
        doublings = max(0, self._failures - OPENS_AFTER)
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(doublings, 10))
        jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        self._ask_at = self._monotonic() + pause * jitter
