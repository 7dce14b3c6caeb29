"""The sources of counts, by name."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer
from sluice.indicators.failure import Failure
from sluice.indicators.source import Source

_Found = TypeVar("_Found")

DEFAULT = "default"
"""The source of objectives that name none; the command line may define it."""


class NamedSource:
    """A source as those know it who measure: it stays while what stands behind its name changes.

    So a new URL or password takes effect at the next query, and no counts are lost.
    """

    def __init__(self, behind: Source | Failure) -> None:
        self._behind = behind
        self._dedup_label = ""
        self.stand_behind(behind)

    @property
    def behind(self) -> Source | Failure:
        """Who answers; or the failure that every query gives."""
        return self._behind

    @property
    def dedup_label(self) -> str:
        """See `Source`; while nobody answers, that of who did last."""
        return self._dedup_label

    def stand_behind(self, behind: Source | Failure) -> None:
        """Let `behind` answer from now on."""
        self._behind = behind
        if not isinstance(behind, Failure):
            self._dedup_label = behind.dedup_label

    async def instant(self, query: str, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(lambda source: source.instant(query, at))

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """See `Source`."""
        return await self._ask(lambda source: source.samples(selector, seconds, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """See `Source`."""
        return await self._ask(lambda source: source.range(query, start, end, step))

    async def metric_type(self, metric: str) -> str | Failure | None:
        """See `Source`."""
        return await self._ask(lambda source: source.metric_type(metric))

    async def _ask(self, question: Callable[[Source], Awaitable[_Found]]) -> _Found | Failure:
        behind = self._behind
        return behind if isinstance(behind, Failure) else await question(behind)


class Sources:
    """The sources that objectives may name."""

    def __init__(self) -> None:
        self._known: dict[str, NamedSource] = {}
        self._gone: dict[str, NamedSource] = {}

    def get(self, name: str) -> NamedSource | Failure:
        """The source called `name`, or a failure that lists those there are."""
        return self._known.get(name) or self._not_found(name)

    def put(self, name: str, behind: Source | Failure) -> None:
        """Let `behind` answer for `name` from now on, also to those who asked for it before."""
        source = self._known.get(name) or self._gone.pop(name, None)
        if source is None:
            source = NamedSource(behind)
        source.stand_behind(behind)
        self._known[name] = source

    def drop(self, name: str) -> None:
        """There is no such source any more; whoever still holds it is told so."""
        source = self._known.pop(name, None)
        if source is not None:
            self._gone[name] = source
            source.stand_behind(self._not_found(name))

    def _not_found(self, name: str) -> Failure:
        known = ", ".join(sorted(self._known)) or "none"
        message = f"spec.source.name: no source {name!r}; there are: {known}"
        if name == DEFAULT:
            message += "; name one of these, or let" if self._known else "; let"
            message += (
                f" the platform create a MetricSource called {DEFAULT!r} or start the controller "
                "with --prometheus-url"
            )
        return Failure(Reason.SOURCE_NOT_FOUND, message)
