"""The time that an objective is about, as bounds in Unix seconds."""

from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Bounds:
    """From `start` (excluded) to `end` (included), Unix seconds."""

    start: int
    end: float

    @property
    def length(self) -> float:
        """Seconds between the two."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """A window that ends now and is `length` seconds long.

    Its start is floored to the hour, because behind the last three days counts are kept by the
    hour. So it is up to an hour longer than `length`; the start in use is published.
    """

    length: int

    def bounds(self, now: float) -> Bounds:
        """The window at `now`."""
        return Bounds(int((now - self.length) // HOUR) * HOUR, now)

    def leaves(self, time: int) -> int:
        """When events up to `time`, a whole hour, have left the window."""
        return time + self.length
