"""Has counts recorded: keeps the PrometheusRules of all objectives, and knows what reads them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.api.source import Engine, MetricSource, PrometheusSource
from sluice.controller.rule_objects import OURS, Manifest, changes, manifest
from sluice.indicators.failure import Failure
from sluice.indicators.recorded_reader import Recorder
from sluice.indicators.recording import Subject
from sluice.indicators.records import Records
from sluice.indicators.sources import NamedSource, Sources
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import OBJECTIVES, PROMETHEUS_RULES, SOURCES

_log = structlog.get_logger(__name__)
_AT_ONCE = 8
# All objects are listed to find what somebody else has changed: of many, not that often.
_INTERVAL = 15.0
_INTERVAL_EACH = 0.02
_REFUSED = frozenset({400, 403, 404, 413, 422})
"""Answers of the API server that another try does not change."""
_UNEVALUATED = 6
"""Slices without any evaluation after which nobody can be about to load the rules any more."""
_MEANWHILE = "budgets are measured from raw samples meanwhile"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the objectives of one source want, by their uids; None of one that is not known yet."""

    source: str
    objects: dict[str, Manifest | None]


class Rulebook:
    """The rules of all objectives whose source says that counts are recorded.

    Args:
        api: reads and writes PrometheusRules.
        cache: the objectives and their sources.
        sources: where the records are.
        namespace: where PrometheusRules are written.
        enabled: whether the controller was given the rights to.
        settle: seconds after a slice's end before it is counted.
        clock: the present time, Unix seconds.
        changed: is told the name of a source whose `problem` is another now.
    """

    def __init__(
        self,
        *,
        api: ApiServer,
        cache: Cache,
        sources: Sources,
        namespace: str,
        enabled: bool,
        settle: int,
        clock: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        self._api = api
        self._cache = cache
        self._sources = sources
        self._namespace = namespace
        self._enabled = enabled
        self._settle = settle
        self._clock = clock
        self._changed = changed
        self._recorders: dict[str, Recorder] = {}
        self._records: dict[str, tuple[NamedSource, Records]] = {}
        self._problems: dict[str, Failure] = {}

    def recorder(self, slo: ServiceLevelObjective) -> Recorder:
        """What makes a new meter of the objective read records, whenever its source has any."""
        meta, source = slo.metadata, slo.spec.source.name
        recorder = Recorder(
            Subject(meta.uid, meta.namespace, meta.name),
            settle=self._settle,
            records=lambda: self._records_of(source),
        )
        self._recorders[meta.uid] = recorder
        return recorder

    def problem(self, source: str) -> Failure | None:
        """Why not all that should be is recorded in a source; None if nothing is amiss."""
        return self._problems.get(source)

    async def keep(self) -> float:
        """Make the objects what they should be, and note what is amiss; seconds until again."""
        wanted = self._wanted()
        problems = await self._kept(wanted) if self._enabled else _not_enabled(wanted)
        before, self._problems = self._problems, problems
        for source in before.keys() | problems.keys():
            if before.get(source) != problems.get(source):
                found = problems.get(source)
                _log.info("rules kept", source=source, problem=found and found.message)
                self._changed(source)
        return _INTERVAL + _INTERVAL_EACH * sum(len(one.objects) for one in wanted)

    def _declared(self, source: str) -> PrometheusSource | None:
        """What is declared of a source that has counts recorded; None of any other."""
        found = self._cache.get(Key(SOURCES.plural, "", source))
        if not isinstance(found, MetricSource):
            return None
        declared = found.spec.prometheus
        return declared if declared is not None and declared.engine is Engine.RECORDED else None

    def _records_of(self, name: str) -> Records | None:
        source = self._sources.get(name)
        if not self._enabled or self._declared(name) is None or isinstance(source, Failure):
            return None
        known = self._records.get(name)
        if known is None or known[0] is not source:
            records = Records(source, settle=self._settle, clock=self._clock)
            known = self._records[name] = (source, records)
        return known[1]

    def _wanted(self) -> list[_Wanted]:
        """By source; forgets who had an objective recorded that is gone."""
        some = {
            key.name: _Wanted(key.name, {})
            for key in self._cache.keys(SOURCES)
            if self._declared(key.name) is not None
        }
        uids = set()
        for key in self._cache.keys(OBJECTIVES):
            found = self._cache.get(key)
            uids.add(self._cache.uid(key))
            if isinstance(found, ServiceLevelObjective) and found.spec.source.name in some:
                of_source = some[found.spec.source.name]
                of_source.objects[found.metadata.uid] = self._manifest(found, of_source.source)
        for uid in self._recorders.keys() - uids:
            del self._recorders[uid]
        return list(some.values())

    def _unreadable(self) -> list[str]:
        """The uids of objectives that the models cannot read."""
        found = (self._cache.get(key) for key in self._cache.keys(OBJECTIVES))
        return [one.uid for one in found if isinstance(one, Malformed)]

    def _manifest(self, slo: ServiceLevelObjective, source: str) -> Manifest | None:
        recorder, declared = self._recorders.get(slo.metadata.uid), self._declared(source)
        if recorder is None or recorder.rules is None or declared is None:
            return None
        labels = declared.rule_labels
        return manifest(recorder.rules, namespace=self._namespace, source=source, labels=labels)

    async def _kept(self, wanted: list[_Wanted]) -> dict[str, Failure]:
        """Write what differs; what is amiss, by source."""
        try:
            listed = self._api.list(PROMETHEUS_RULES, namespace=self._namespace, labels=OURS)
            existing = [one async for one in listed]
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            return {one.source: _unlisted(error, self._namespace) for one in wanted}
        # What an objective that cannot be read wants is not known.
        objects: dict[str, Manifest | None] = dict.fromkeys(self._unreadable())
        for one in wanted:
            objects |= one.objects
        todo = changes(existing, objects)
        refused = await self._write(todo.apply)
        for name in todo.delete:
            await self._api.delete(PROMETHEUS_RULES, name, namespace=self._namespace)
        found = {one.source: self._amiss(one, refused) for one in wanted}
        return {source: problem for source, problem in found.items() if problem is not None}

    async def _write(self, manifests: tuple[Manifest, ...]) -> dict[str, ApiError]:
        """Apply the manifests; those that were refused, by name."""
        slots = asyncio.Semaphore(_AT_ONCE)
        refused: dict[str, ApiError] = {}

        async def apply(one: Manifest) -> None:
            async with slots:
                try:
                    await self._api.apply(PROMETHEUS_RULES, one)
                except ApiError as error:
                    if error.status not in _REFUSED:
                        raise
                    refused[one["metadata"]["name"]] = error

        await asyncio.gather(*(apply(one) for one in manifests))
        return refused

    def _amiss(self, wanted: _Wanted, refused: dict[str, ApiError]) -> Failure | None:
        for one in wanted.objects.values():
            error = None if one is None else refused.get(one["metadata"]["name"])
            if error is not None:
                message = f"the API server refuses a PrometheusRule: {error.message}; {_MEANWHILE}"
                return Failure(Reason.RULES_REFUSED, message)
        missed = [
            str(recorder.subject)
            for uid in wanted.objects
            if (recorder := self._recorders.get(uid)) and recorder.missed >= _UNEVALUATED
        ]
        if not missed:
            return None
        return Failure(
            Reason.RULES_NOT_EVALUATED,
            f"the rules of {len(missed)} of {len(wanted.objects)} objectives have not been "
            f"evaluated for {_UNEVALUATED} slices, such as those of {min(missed)}: check that the "
            f"ruler selects PrometheusRules of namespace {self._namespace} (ruleSelector, "
            f"ruleNamespaceSelector; ruleLabels here), that it runs, and that this source has "
            f"what it records; {_MEANWHILE}",
        )


def _unlisted(error: ApiError, namespace: str) -> Failure:
    if error.not_found:
        return Failure(
            Reason.RULES_NOT_SERVED,
            "engine Recorded needs PrometheusRules, which this cluster does not know: install the "
            f"CRDs of the Prometheus Operator, or set engine to Incremental; {_MEANWHILE}",
        )
    return Failure(
        Reason.RULES_REFUSED,
        f"engine Recorded needs rights on PrometheusRules in namespace {namespace}: set "
        f"recordedEngine.enabled in the chart's values ({error.message}); {_MEANWHILE}",
    )


def _not_enabled(wanted: list[_Wanted]) -> dict[str, Failure]:
    message = "the controller was not told to write PrometheusRules, which engine Recorded needs: "
    message += f"set recordedEngine.enabled in the chart's values; {_MEANWHILE}"
    return {one.source: Failure(Reason.RULES_REFUSED, message) for one in wanted}
