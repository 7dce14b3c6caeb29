"""What measuring needs of a source of counts that speaks PromQL, or is of any kind."""

from typing import Protocol

from sluice.indicators.answers import Answer
from sluice.indicators.database import Database
from sluice.indicators.failure import Failure


class Source(Protocol):
    """Answers PromQL; times are Unix seconds. Nothing raises: every failure is a value."""

    @property
    def dedup_label(self) -> str:
        """The label that tells apart the replicas that scraped the same; empty if there is none."""
        ...

    async def instant(self, query: str, at: float) -> Answer:
        """The vector that `query` gives at `at`."""
        ...

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """The samples as they were scraped, of the last `seconds` before `at`."""
        ...

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """What `query` gives at `start` and every `step` seconds after it, up to `end`."""
        ...

    async def metric_type(self, metric: str) -> str | Failure | None:
        """The type that targets state for `metric`, such as `counter`; None if none is known."""
        ...


class AnySource(Source, Database, Protocol):
    """What an objective names may be of either kind; what the other kind is asked is a failure."""
