"""What went wrong while measuring, as a value."""

from dataclasses import dataclass

from sluice.api.reasons import Reason

_STALLED = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.INVALID_QUERY,
        Reason.NOT_A_COUNTER,
        Reason.BUCKET_NOT_FOUND,
        Reason.SOURCE_NOT_FOUND,
        Reason.SOURCE_MISMATCH,
        Reason.RULES_NOT_SERVED,
        Reason.RULES_REFUSED,
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there are no counts.

    Attributes:
        reason: for programs, a reason of the API.
        message: for people: what, where, and what to do.
        divisible: the same asked in smaller parts may succeed.
    """

    reason: Reason
    message: str
    divisible: bool = False

    @property
    def stalled(self) -> bool:
        """Whether trying again is of no use before somebody has changed something."""
        return self.reason in _STALLED
