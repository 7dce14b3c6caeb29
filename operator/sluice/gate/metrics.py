"""The gate's own metrics."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the gate knows at the moment.

    Attributes:
        synced: Whether it answers by what it knows, or lets everything pass.
        killed: Whether the kill switch is engaged.
        frozen: How many policies deny changes.
        unreadable: How many policies cannot be read, and therefore deny nothing.
        lost_for: Seconds since it knew to be up to date; 0 while it does.
        clock_offset: Seconds by which its clock is ahead of the API server's.
        certificate_expires: When the webhook's certificate does, Unix seconds; None without one.
    """

    synced: bool
    killed: bool
    frozen: int
    unreadable: int
    lost_for: float
    clock_offset: float = 0.0
    certificate_expires: float | None = None


class GateMetrics:
    """The counters of one gate, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sluice_gate_requests",
            "Changes judged for the API server, by verdict and by the rule that settled it.",
            ("verdict", "rule"),
            registry=self.registry,
        )
        self.exceptions = Counter(
            "sluice_gate_exceptions",
            "Requests that the gate failed at; a change passed for it.",
            ("endpoint",),
            registry=self.registry,
        )
        self.throttled = Counter(
            "sluice_gate_throttled",
            "Requests that were refused because there were too many.",
            registry=self.registry,
        )
        self.duration = Histogram(
            "sluice_gate_request_duration_seconds",
            "Time that the gate took to answer.",
            ("endpoint",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def page(self, accept: str) -> tuple[bytes, str]:
        """All metrics and their content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def watch(self, read: Callable[[], Reading]) -> None:
        """Show these readings from now on."""
        self.registry.register(_Readings(read))


class _Readings(Collector):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """All families, made anew."""
        found = self._read()
        yield from _families(
            [
                ("sluice_gate_synced", "1 while the gate answers by what it knows.", found.synced),
                ("sluice_gate_kill_switch", "1 while the kill switch is engaged.", found.killed),
                ("sluice_gate_frozen_policies", "Policies that deny changes.", found.frozen),
                (
                    "sluice_gate_unreadable_policies",
                    "Policies that cannot be read and deny nothing.",
                    found.unreadable,
                ),
                (
                    "sluice_gate_lost_seconds",
                    "For how long the gate has been cut off from the API server.",
                    found.lost_for,
                ),
                (
                    "sluice_gate_clock_offset_seconds",
                    "Seconds by which the clock here is ahead of the API server's, to one or two.",
                    found.clock_offset,
                ),
                (
                    "sluice_gate_certificate_expiration_timestamp_seconds",
                    "When the webhook's certificate expires: from then on changes pass.",
                    found.certificate_expires,
                ),
            ]
        )


def _families(values: Iterable[tuple[str, str, float | None]]) -> Iterator[Metric]:
    for name, help_text, value in values:
        if value is None:
            continue
        family = GaugeMetricFamily(name, help_text)
        family.add_metric([], float(value))
        yield family
