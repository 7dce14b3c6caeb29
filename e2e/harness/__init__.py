"""A real Kubernetes control plane, Prometheus and PostgreSQL, and a simulated service."""

from e2e.harness.api_calls import Call
from e2e.harness.api_proxy import ApiProxy, api_proxy
from e2e.harness.client import Kubectl, KubectlError
from e2e.harness.cluster import RUN_LABEL, ControlPlane
from e2e.harness.controlplane import control_plane
from e2e.harness.errors import NoControlPlane
from e2e.harness.history import History, Target, simulate
from e2e.harness.polling import wait_until
from e2e.harness.postgres_programs import NoPostgres, postgres_programs
from e2e.harness.postgres_server import Certificate, Postgres, postgres
from e2e.harness.processes import Daemon, DaemonFailedError, Scope, scope
from e2e.harness.programs import helm, kubectl
from e2e.harness.prometheus_programs import NoPrometheus, prometheus_programs
from e2e.harness.prometheus_server import Prometheus, ScrapeTarget, prometheus
from e2e.harness.promql import Sample
from e2e.harness.shop import Shop, shop
from e2e.harness.traffic import BOUNDS, Counts, events

__all__ = [
    "BOUNDS",
    "RUN_LABEL",
    "ApiProxy",
    "Call",
    "Certificate",
    "ControlPlane",
    "Counts",
    "Daemon",
    "DaemonFailedError",
    "History",
    "Kubectl",
    "KubectlError",
    "NoControlPlane",
    "NoPostgres",
    "NoPrometheus",
    "Postgres",
    "Prometheus",
    "Sample",
    "Scope",
    "ScrapeTarget",
    "Shop",
    "Target",
    "api_proxy",
    "control_plane",
    "events",
    "helm",
    "kubectl",
    "postgres",
    "postgres_programs",
    "prometheus",
    "prometheus_programs",
    "scope",
    "shop",
    "simulate",
    "wait_until",
]
