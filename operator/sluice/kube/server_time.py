"""Whether this process' clock can be relied on: it is held against the API server's.

A freeze ends at a time that the API server compares with its own clock, and what is read of a
source is of times that this process names. With a clock that is hours ahead data would be missing,
and events of the present; with one that is behind, a freeze would have ended when it is written.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import structlog

TOLERANCE = 30.0
"""Seconds by which the two clocks may differ: far more than time synchronisation leaves, and less
than any time that a policy or a budget is about."""

_SLOW = 5.0
"""Seconds that an answer may take; of a slower one it is not known when it was written."""

_log = structlog.get_logger(__name__)


class ServerTime:
    """What the API server's answers say of the time, and how far off this process' clock is.

    Between two answers time goes on by the monotonic clock. So a step of the clock shows at once,
    and also while the API server does not answer.

    Args:
        wall: the clock to be checked, Unix seconds.
        monotonic: seconds.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._base: float | None = None
        self._told = False

    def heard(self, date: str | None, *, took: float) -> None:
        """Take in an answer's header `Date`, in whole seconds (RFC 9110, section 6.6.1).

        Args:
            date: the header; None if there is none.
            took: seconds from the question to the answer.
        """
        if date is None or took > _SLOW:
            return
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self._base = told + 0.5 - self._monotonic()
        self._tell()

    @property
    def offset(self) -> float:
        """Seconds, to one or two, by which this process' clock is ahead; 0 if it is not known."""
        if self._base is None:
            return 0.0
        return self._wall() - self._base - self._monotonic()

    def reliable(self) -> bool:
        """Whether this process may decide, and write: not by a clock that is wrong."""
        return self.problem() is None

    def problem(self) -> str | None:
        """Why nothing may be decided by this process' clock; None if it is right, or not known."""
        offset = self.offset
        if abs(offset) <= TOLERANCE:
            return None
        return (
            f"the clock here is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the "
            "API server's: nothing is decided or written until it is right; check the node's time "
            "synchronisation"
        )

    def _tell(self) -> None:
        problem = self.problem()
        if problem is not None and not self._told:
            _log.error("clock is wrong", problem=problem)
        elif problem is None and self._told:
            _log.info("clock is right again")
        self._told = problem is not None
