"""Everything at once: the chart in a control plane, a Prometheus with live services, `sluice run`.

The controller runs outside of the cluster, but as the chart's ServiceAccount with the chart's
rights: one that is missing fails here as it would in a pod.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from e2e.harness import (
    ControlPlane,
    Counts,
    Daemon,
    History,
    Prometheus,
    Scope,
    ScrapeTarget,
    Shop,
    events,
    helm,
    prometheus,
    scope,
    shop,
    simulate,
    wait_until,
)
from e2e.harness.ports import free_port

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm/sluice"
NAMESPACE = "sluice-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:sluice"

_INSTANCE = "shop-0"
_HOUR = 3600.0
_DAY = 24 * _HOUR
_RATE = 1.0
_SCRAPED_EVERY = 120.0
_SECONDS_BEHIND = 5.0


@contextmanager
def installed(plane: ControlPlane, *more: str) -> Iterator[Path]:
    """The chart, without a pod of its own, with `more` values; its ServiceAccount's kubeconfig."""
    if plane.provider == "existing":
        # What Helm installs from crds/ it leaves behind; what a run applies is cleaned up.
        plane.apply(*(path.read_text() for path in sorted(CHART.glob("crds/*.yaml"))))
    upgrade(plane, *more)
    try:
        yield plane.service_account_kubeconfig(NAMESPACE, "sluice")
    finally:
        _helm(plane, "uninstall", "sluice", "--wait")


def upgrade(plane: ControlPlane, *more: str, flags: Sequence[str] = ()) -> None:
    """Install the chart as `installed` does, or upgrade what is there, with `more` values."""
    set_ = ["replicas=0", "prometheusUrl=http://prometheus.invalid:9090", *more]
    values = [argument for value in set_ for argument in ("--set", value)]
    install = ("upgrade", "--install", "sluice", str(CHART), "--create-namespace")
    _helm(plane, *install, *values, *flags)


def _helm(plane: ControlPlane, *arguments: str) -> None:
    run = [str(helm()), "--kubeconfig", str(plane.kubeconfig), "--namespace", NAMESPACE]
    environment = os.environ | {"HELM_CACHE_HOME": str(plane.directory / "helm-cache")}
    # The chart's Jobs need an image; e2e/chart/test_lifecycle.py runs what they run.
    subprocess.run(
        [*run, *arguments, "--no-hooks"], check=True, capture_output=True, env=environment
    )


@dataclass
class Service:
    """A service that Prometheus scrapes, with even traffic for as long as its window is.

    Attributes:
        job: the label `job` of its series.
        shop: the service itself.
        allowed: the share of its requests that its objective lets fail.
        requests: how many it had in the window, about.
    """

    job: str
    shop: Shop
    allowed: float
    requests: float

    def spend(self, percent: float) -> None:
        """Fail so many requests at once that `percent` points of its error budget are gone."""
        bad = round(self.requests * self.allowed * percent / 100)
        self.shop.inject(bad=bad)
        self.requests += bad

    def recover(self) -> None:
        """Answer fifty times the window's requests well, which dilutes the failures."""
        good = round(50 * self.requests)
        self.shop.inject(total=good)
        self.requests += good


@dataclass(frozen=True, slots=True)
class Past:
    """A service's back-filled history and what its objective allows."""

    job: str
    days: float
    allowed: float
    error_ratio: float = 0.0

    def simulated(self, end: float) -> History:
        """Even traffic; failures are spread by the step's number, to come at the right rate."""
        step = 600.0
        total = round(_RATE * step)

        def traffic(_: str, at: float) -> Counts:
            number, share = int(at // step), total * self.error_ratio
            return events(total, bad=int((number + 1) * share) - int(number * share))

        # Somewhat longer than the window, which begins at a full hour.
        start = end - self.days * _DAY - 2 * _HOUR
        interval = _SCRAPED_EVERY
        return simulate(traffic, start=start, end=end, interval=interval, step=step, job=self.job)


EXAMPLE = Past("shop", days=30, allowed=0.001, error_ratio=0.0002)
"""The service of examples/shop, which has 80 % of its budget left."""

SPENT = Past("spent", days=1, allowed=0.01, error_ratio=0.004)
"""The same with 40 % of its budget spent, evenly over the day."""

SERVICES = [Past(f"service-{number}", days=1, allowed=0.01) for number in range(72)]
"""Services of a day with nothing spent of the budget of an objective of 99 %."""


@dataclass
class Controller:
    """A running `sluice run`."""

    daemon: Daemon
    port: int

    def page(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages; status 0 while it does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, sample: str) -> float | None:
        """The value of a sample such as `sluice_leader`; None if there is none."""
        _, text = self.page("/metrics")
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(sample)]
        return float(values[0]) if values else None

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.daemon.log.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM, as a pod's end; the exit code."""
        return self.daemon.stop(grace=15)

    def kill(self) -> None:
        """SIGKILL."""
        self.daemon.kill()


@dataclass(frozen=True)
class Stack:
    """What a scenario works with."""

    plane: ControlPlane
    prometheus: Prometheus
    services: list[Service]
    processes: Scope
    kubeconfig: Path
    numbers: Iterator[int] = field(default_factory=count)

    def take(self, job: str = "") -> Service:
        """A service that nobody else uses; the one called `job` if it is named."""
        if not self.services:
            raise RuntimeError("all services are taken: add some to e2e.stack.SERVICES")
        found = next((one for one in self.services if one.job == job), self.services[-1])
        self.services.remove(found)
        return found

    def run(
        self,
        *flags: str,
        url: str | None = "",
        env: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> Controller:
        """Start the controller, quick enough for a test.

        Args:
            flags: more of its options.
            url: in place of Prometheus'; None for no source at all.
            env: more of its environment.
            through: a command that starts it.
        """
        number, port = next(self.numbers), free_port()
        quick = ["--interval=1", "--settle=1", "--log-format=console"]
        source = [] if url is None else ["--prometheus-url", url or self.prometheus.url]
        daemon = self.processes.start(
            f"sluice-{number}",
            [
                *(*through, sys.executable, "-m", "sluice", "run", *quick, *source),
                *("--listen", f"127.0.0.1:{port}", "--identity", f"controller-{number}"),
                *("--namespace", NAMESPACE, "--kubeconfig", str(self.kubeconfig), *flags),
            ],
            env={**os.environ, **(env or {})},
        )
        return Controller(daemon, port)

    def until(self, what: str, ready: Callable[[], bool], *, timeout: float = 60.0) -> float:
        """Wait until `ready`; seconds waited."""
        return wait_until(ready, timeout=timeout, what=what, interval=0.2)

    def within(self, plane: ControlPlane, kubeconfig: Path) -> "Stack":
        """The same Prometheus and services with another control plane."""
        return replace(self, plane=plane, kubeconfig=kubeconfig)


@contextmanager
def stack(plane: ControlPlane, kubeconfig: Path, pasts: Sequence[Past]) -> Iterator[Stack]:
    """A Prometheus with the history of services that go on live, and room for processes."""
    end = time.time() - _SECONDS_BEHIND
    with ExitStack() as resources:
        processes = resources.enter_context(scope("sluice-stack-"))
        histories = [past.simulated(end) for past in pasts]
        services, targets = [], []
        for past, history in zip(pasts, histories, strict=True):
            running = resources.enter_context(
                shop(
                    rate=_RATE,
                    initial=history.counts(_INSTANCE),
                    started=history.started(_INSTANCE),
                )
            )
            targets.append(ScrapeTarget(past.job, running.address, _INSTANCE))
            services.append(Service(past.job, running, past.allowed, _RATE * past.days * _DAY))
        server = resources.enter_context(prometheus(history=_lines(histories), targets=targets))
        yield Stack(plane, server, services, processes, kubeconfig)


def _lines(histories: Sequence[History]) -> Iterator[str]:
    for history in histories:
        yield from (line for line in history.lines() if line != "# EOF")


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of an object; empty if it has none of that type."""
    conditions: Sequence[dict[str, Any]] = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})
