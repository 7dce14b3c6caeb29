"""Sluice's own metrics.

What is said of objects is read when Prometheus scrapes, from what the controller knows at that
moment: no gauge is left behind by an object that is gone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from sluice.api.override import Effect
from sluice.telemetry.objective_samples import ObjectiveSamples, Shown

_END = b"# EOF\n"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class PolicyReading:
    """A policy as metrics show it."""

    namespace: str
    name: str
    stage: str
    frozen: bool
    governed: int
    overrides: Mapping[str, int] = field(default_factory=dict)
    """How many are active, by effect."""


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """The controller itself; lag in seconds behind the schedule.

    `clock_offset` is by how many seconds its clock is ahead of the API server's; `ledgers_overdue`,
    how many objectives have counted for long what is not stored.
    """

    leading: bool
    synced: bool
    killed: bool
    lag: float
    ledgers_overdue: int = 0
    clock_offset: float = 0.0


class Metrics:
    """The counters of one process and its collectors, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._objectives = ObjectiveSamples(lambda: ())
        self.evaluations = Counter(
            "sluice_evaluations",
            "Evaluations of objects, by kind and outcome (ok or error).",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self.duration = Histogram(
            "sluice_evaluation_duration_seconds",
            "Time that an evaluation took, queries included.",
            ("kind",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.source_failures = Counter(
            "sluice_source_failures",
            "Reads of a source that failed, by reason.",
            ("source", "reason"),
            registry=self.registry,
        )
        self.writes = Counter(
            "sluice_writes",
            "Writes to the API server, by what was written and outcome.",
            ("target", "outcome"),
            registry=self.registry,
        )
        self.events_dropped = Counter(
            "sluice_events_dropped",
            "Events that were not posted: refused, late (after two minutes) or full.",
            ("reason",),
            registry=self.registry,
        )
        self.ledger_reads = Counter(
            "sluice_ledger_reads",
            "Reads of a stored ledger, by what it was: resumed, kept, none, other, damaged, newer "
            "or error.",
            ("outcome",),
            registry=self.registry,
        )

    def watch(
        self,
        objectives: Callable[[], Iterable[tuple[object, Shown]]],
        policies: Callable[[], Iterable[PolicyReading]],
        process: Callable[[], ProcessReading],
    ) -> None:
        """Show these readings from now on."""
        self._objectives = ObjectiveSamples(objectives)
        self.registry.register(_Readings(policies, process))

    def page(self, accept: str) -> tuple[bytes, str]:
        """All samples and their content type, in the format that a scraper accepts."""
        encode, content_type = choose_encoder(accept)
        page, end = encode(self.registry), b""
        if page.endswith(_END):
            page, end = page.removesuffix(_END), _END
        return b"".join((page, self._objectives.page().encode(), end)), content_type


class _Readings(Collector):
    def __init__(
        self, policies: Callable[[], Iterable[PolicyReading]], process: Callable[[], ProcessReading]
    ) -> None:
        self._policies = policies
        self._process = process

    def collect(self) -> Iterator[Metric]:
        """All families, made anew."""
        yield from _policy_families(self._policies())
        process = self._process()
        for name, help_text, value in (
            ("sluice_leader", "1 in the process that holds the Lease.", process.leading),
            ("sluice_synced", "1 when the first full list was taken in.", process.synced),
            (
                "sluice_kill_switch",
                "1 while the kill switch lifts all enforcement.",
                process.killed,
            ),
            (
                "sluice_schedule_lag_seconds",
                "How late evaluations began, at the worst of the last minute or two.",
                process.lag,
            ),
            (
                "sluice_ledgers_overdue",
                "Objectives of which more than two hours of counts are not stored.",
                process.ledgers_overdue,
            ),
            (
                "sluice_clock_offset_seconds",
                "Seconds by which the clock here is ahead of the API server's, to one or two.",
                process.clock_offset,
            ),
        ):
            family = GaugeMetricFamily(name, help_text)
            family.add_metric([], float(value))
            yield family


def _policy_families(readings: Iterable[PolicyReading]) -> list[Metric]:
    labels = ("namespace", "policy")
    frozen = GaugeMetricFamily(
        "sluice_policy_frozen", "1 while the policy denies deployments.", labels=labels
    )
    stage = GaugeMetricFamily(
        "sluice_policy_stage", "1 for the stage in force.", labels=(*labels, "stage")
    )
    governed = GaugeMetricFamily(
        "sluice_policy_workloads", "How many workloads the policy governs.", labels=labels
    )
    overrides = GaugeMetricFamily(
        "sluice_policy_overrides",
        "How many GateOverrides of the policy are active, by effect.",
        labels=(*labels, "effect"),
    )
    for reading in readings:
        key = [reading.namespace, reading.name]
        frozen.add_metric(key, float(reading.frozen))
        governed.add_metric(key, float(reading.governed))
        if reading.stage:
            stage.add_metric([*key, reading.stage], 1.0)
        for effect in Effect:
            overrides.add_metric([*key, effect.value], float(reading.overrides.get(effect, 0)))
    return [frozen, stage, governed, overrides]
