"""The metrics that Sluice exports, with their labels, as its own endpoints show them."""

from prometheus_client.parser import text_string_to_metric_families

from sluice.gate.metrics import GateMetrics, Reading
from sluice.telemetry.metrics import Metrics, PolicyReading, ProcessReading
from sluice.telemetry.objective_samples import ObjectiveReading, Shown

_OF_TARGETS = {"job", "instance", "namespace"}
"""What Prometheus adds to every sample."""


def exported() -> dict[str, set[str]]:
    """The labels of every series, by its name, of controller and gate."""
    found: dict[str, set[str]] = {}
    for page in (_controller(), _gate()):
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels, _OF_TARGETS)
    return found


def _controller() -> str:
    metrics = Metrics()
    objective = ObjectiveReading(
        "shop", "checkout", True, 0.5, 0.999, {"1h": 1.0}, {("Page", "1h"): False}
    )
    policy = PolicyReading("shop", "default", "Healthy", False, 3)
    process = ProcessReading(leading=True, synced=True, killed=False, lag=0.5)
    metrics.watch(
        lambda: [("checkout", Shown((objective,), lambda: objective))],
        lambda: [policy],
        lambda: process,
    )
    metrics.evaluations.labels("slo", "ok")
    metrics.duration.labels("slo")
    metrics.source_failures.labels("default", "Timeout")
    metrics.writes.labels("status", "ok")
    metrics.events_dropped.labels("late")
    metrics.ledger_reads.labels("resumed")
    return metrics.page("")[0].decode()


def _gate() -> str:
    metrics = GateMetrics()
    metrics.watch(lambda: Reading(True, False, 0, 0, 0.0, certificate_expires=1.8e9))
    metrics.requests.labels("allowed", "Scales")
    metrics.exceptions.labels("validate")
    metrics.duration.labels("validate")
    return metrics.page("")[0].decode()
