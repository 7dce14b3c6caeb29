"""A real Prometheus for as long as a `with` block runs."""

import http.client
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from e2e.harness.backfill import backfill
from e2e.harness.histograms import NativeHistogram, write_histograms
from e2e.harness.ports import LOOPBACK, free_port
from e2e.harness.processes import Daemon, Scope, scope
from e2e.harness.prometheus_programs import PrometheusPrograms, Version, prometheus_programs
from e2e.harness.promql import Client, Sample
from e2e.harness.starting import started


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """What Prometheus scrapes.

    Attributes:
        job: the label `job`.
        address: host and port.
        instance: the label `instance`, as in the back-filled history; default: the address.
    """

    job: str
    address: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """Whom Prometheus lets in, and how the harness gets in.

    Attributes:
        config: its web configuration (`--web.config.file`).
        headers: what the harness sends.
        context: how it does so over TLS; None for a server without.
    """

    config: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None


class Prometheus:
    """A running Prometheus with a data directory of its own."""

    def __init__(
        self,
        scope: Scope,
        programs: PrometheusPrograms,
        flags: Sequence[str],
        interval: str,
        door: Door,
    ) -> None:
        self._scope = scope
        self._programs = programs
        self._flags = list(flags)
        self._interval = interval
        self._door = door
        self._port = free_port()
        self._daemon: Daemon | None = None

    @property
    def url(self) -> str:
        """Its base URL; the same after a stop and a start."""
        scheme = "http" if self._door.context is None else "https"
        return f"{scheme}://{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """Its process; another one after a stop and a start."""
        assert self._daemon is not None
        return self._daemon.pid

    @property
    def data(self) -> Path:
        """The directory of its database."""
        return self._scope.directory / "data"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._scope.logs / "prometheus.log"

    def configure(self, targets: Iterable[ScrapeTarget | tuple[str, str]], rules: str = "") -> None:
        """Write its configuration, which counts from the next start or `reload`.

        Args:
            targets: what to scrape; a pair is job and address.
            rules: a rule file's text.
        """
        (self._scope.directory / "rules.yaml").write_text(rules or "groups: []\n")
        jobs: dict[str, list[dict[str, Any]]] = {}
        for item in targets:
            target = item if isinstance(item, ScrapeTarget) else ScrapeTarget(*item)
            labels = {"instance": target.instance or target.address}
            group = {"targets": [target.address], "labels": labels}
            jobs.setdefault(target.job, []).append(group)
        config = {
            "global": {"scrape_interval": self._interval, "evaluation_interval": self._interval},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": groups} for job, groups in jobs.items()
            ],
        }
        self._config.write_text(yaml.safe_dump(config))

    def start(self) -> None:
        """Start it, again at the same address, and wait until it answers."""
        self._daemon = started(self._start, self._ready, name="prometheus")

    def stop(self, *, grace: float = 20.0) -> None:
        """Stop it; `grace=0` is a crash. What it stored is there after the next start."""
        if self._daemon is not None:
            self._daemon.stop(grace)

    def reload(
        self, targets: Iterable[ScrapeTarget | tuple[str, str]] | None = None, rules: str = ""
    ) -> None:
        """Make it read its configuration again, after `configure` when targets are given."""
        if targets is not None:
            self.configure(targets, rules)
        self._client.open("/-/reload", method="POST")

    def api(self, path: str, **parameters: str | float) -> Any:
        """Call its API, for example `api("query", query="up")`, and return the answer's data."""
        return self._client.api(path, **parameters)

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """Evaluate an expression that gives an instant vector."""
        return self._client.query(expression, at)

    def value(self, expression: str, at: float | None = None) -> float | None:
        """The value of an expression that gives one series; None when it gives none."""
        return self._client.value(expression, at)

    @property
    def _client(self) -> Client:
        return Client(self.url, self._door.headers, self._door.context)

    @property
    def _config(self) -> Path:
        return self._scope.directory / "prometheus.yaml"

    def _start(self) -> Daemon:
        web = self._scope.directory / "web.yaml"
        web.write_text(self._door.config)
        arguments = [
            f"--web.config.file={web}",
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=20y",  # old history must not be dropped at the start
            f"--web.listen-address={LOOPBACK}:{self._port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
            *self._flags,
        ]
        return self._scope.start("prometheus", [self._programs.prometheus, *arguments], grace=0.0)

    def _ready(self) -> bool:
        try:
            self._client.open("/-/ready")
            flags = self.api("status/flags")
        except (OSError, ValueError, http.client.HTTPException):
            return False
        # Another one may have been quicker to take the port, and it answers as well.
        return bool(flags["storage.tsdb.path"] == str(self.data))


@contextmanager
def prometheus(
    *,
    history: Iterable[str] | Path | None = None,
    targets: Iterable[ScrapeTarget | tuple[str, str]] = (),
    rules: str = "",
    interval: str = "1s",
    flags: Sequence[str] = (),
    door: Door | None = None,
    version: Version = "any",
    histograms: Iterable[NativeHistogram] = (),
    keep_logs: Path | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus with back-filled history that scrapes targets.

    It begins to scrape targets, also new ones, about five seconds after it learnt of them: its
    service discovery collects changes for that long, and there is no flag for it.

    Args:
        history: OpenMetrics lines with timestamps, or a file; see `backfill`.
        targets: what to scrape; a pair is job and address.
        rules: a rule file's text.
        interval: the scrape and evaluation interval.
        flags: further flags.
        door: whom it lets in; default: everybody.
        version: which one, see `prometheus_programs`.
        histograms: further history, of native histograms.
        keep_logs: a directory to copy its log into at the end.

    Raises:
        NoPrometheus: when there is none to be had.
        ValueError: when the history is not accepted.
    """
    programs = prometheus_programs(version)
    with scope("sluice-prometheus-", keep_logs=keep_logs) as running:
        server = Prometheus(running, programs, flags, interval, door or Door())
        if history is not None:
            backfill(programs.promtool, history, server.data, running.directory)
        write_histograms(histograms, server.data)
        server.configure(targets, rules)
        server.start()
        yield server
