"""The sources of counts, by name."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer
from sluice.indicators.database import Database, Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.source import Source
from sluice.indicators.statement import Statement

_NOT_PROMETHEUS = Failure(
    Reason.SOURCE_MISMATCH,
    "spec.source.name: this source is a PostgreSQL, in which only spec.indicator.sql is measured: "
    "name one that is a Prometheus, or measure by sql",
)
_NOT_POSTGRESQL = Failure(
    Reason.SOURCE_MISMATCH,
    "spec.source.name: this source is a Prometheus, in which ratio, latency and threshold are "
    "measured: spec.indicator.sql needs a MetricSource that is a PostgreSQL",
)
_Found = TypeVar("_Found")

DEFAULT = "default"
"""The source of objectives that name none; the command line may define it."""


class NamedSource:
    """A source as those know it who measure: it stays while what stands behind its name changes.

    So a new URL or password takes effect at the next query, and no counts are lost. What a source
    of the other kind would have to answer is a failure `SourceMismatch`.
    """

    def __init__(self, behind: Source | Database | Failure) -> None:
        self._behind = behind
        self._promql: Source | Failure = _NOT_PROMETHEUS
        self._sql: Database | Failure = _NOT_POSTGRESQL
        self._dedup_label = ""
        self.stand_behind(behind)

    @property
    def behind(self) -> Source | Database | Failure:
        """Who answers; or the failure that every query gives."""
        return self._behind

    @property
    def dedup_label(self) -> str:
        """See `Source`; while nobody answers, that of who did last."""
        return self._dedup_label

    def stand_behind(self, behind: Source | Database | Failure) -> None:
        """Let `behind` answer from now on."""
        self._behind = behind
        if isinstance(behind, Failure):
            self._promql = self._sql = behind
        elif isinstance(behind, Database):
            self._promql, self._sql = _NOT_PROMETHEUS, behind
        else:
            self._promql, self._sql = behind, _NOT_POSTGRESQL
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

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        """See `Database`."""
        database = self._sql
        if isinstance(database, Failure):
            return database
        return await database.rows(statement, ranges)

    async def _ask(self, question: Callable[[Source], Awaitable[_Found]]) -> _Found | Failure:
        source = self._promql
        return source if isinstance(source, Failure) else await question(source)


class Sources:
    """The sources that objectives may name."""

    def __init__(self) -> None:
        self._known: dict[str, NamedSource] = {}
        self._gone: dict[str, NamedSource] = {}

    def get(self, name: str) -> NamedSource | Failure:
        """The source called `name`, or a failure that lists those there are."""
        return self._known.get(name) or self._not_found(name)

    def put(self, name: str, behind: Source | Database | Failure) -> None:
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
