"""A cluster with many objectives, their services in a Prometheus, and one controller for them.

The services are one target's, the objectives are in namespaces of fifty with a policy each.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from benchmarks import exporter
from benchmarks.processor import cpu
from e2e.harness import (
    ControlPlane,
    Daemon,
    Prometheus,
    Scope,
    ScrapeTarget,
    control_plane,
    prometheus,
    scope,
    wait_until,
)
from e2e.harness.ports import free_port
from e2e.stack import NAMESPACE, Controller, installed

TOGETHER = 50
LOOKS = 15.0
"""Seconds between two looks at a controller's metrics: each is work for it, too, and counted."""

_SCRAPED_EVERY = 60
_BEHIND = 5.0
_GIVE_UP = 3600.0
_PATIENCE = 12
# A ServiceAccount's token that ends during a benchmark would end the controller's rights.
_TOKEN_LASTS = "24h"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A cluster with objectives, and a Prometheus with what they are about.

    Attributes:
        size: how many objectives there are.
        hours: of data that their services had at the start.
    """

    size: int
    hours: float
    plane: ControlPlane
    kubeconfig: str
    server: Prometheus
    processes: Scope

    def start(self, *program: str) -> Controller:
        """Start a controller with default settings.

        Args:
            program: what `python` runs in place of `-m sluice run`; it takes the same options.
        """
        port = free_port()
        command = [
            *(sys.executable, *(program or ("-m", "sluice", "run"))),
            *("--prometheus-url", self.server.url, "--listen", f"127.0.0.1:{port}"),
            *("--namespace", NAMESPACE, "--kubeconfig", self.kubeconfig),
        ]
        daemon: Daemon = self.processes.start("sluice", command, grace=60.0)
        return Controller(daemon, port)

    def known(self, controller: Controller, share: float, began: float) -> float:
        """Seconds since `began` (monotonic) until this share of all budgets is known."""
        said = time.monotonic()

        def enough() -> bool:
            nonlocal said
            controller.daemon.check()
            known = sum(samples(controller, "sluice_objective_budget_known"))
            if time.monotonic() - said > 60:
                said = time.monotonic()
                say(f"{known:.0f} known; {cpu(controller.daemon.pid):.0f} s of processor time")
            return known >= share * self.size

        wait_until(enough, timeout=_GIVE_UP, what=f"{share:.0%} are known", interval=LOOKS / 3)
        return round(time.monotonic() - began, 1)


def namespace_of(number: int) -> str:
    """The namespace of an objective."""
    return f"team-{number // TOGETHER}"


def team(first: int, end: int) -> list[Object]:
    """A namespace with the objectives from `first` up to `end`, and a policy about them all."""
    namespace = namespace_of(first)
    policy = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"objectives": {"selector": {}}},
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        *(objective(number) for number in range(first, end)),
        policy,
    ]


def objective(number: int) -> Object:
    """An objective of 99.9 % over 30 days for a service."""
    total = f'{exporter.METRIC}{{service="{number}"}}'
    bad = f'{exporter.METRIC}{{service="{number}",code=~"5.."}}'
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": f"service-{number}", "namespace": namespace_of(number)},
        "spec": {
            "objective": "99.9",
            "window": {"rolling": "30d"},
            "indicator": {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}},
        },
    }


@contextmanager
def fleet(
    size: int,
    hours: float,
    *,
    members: Callable[[int, int], Sequence[Object]] = team,
    injected: exporter.Injected | None = None,
) -> Iterator[Fleet]:
    """Everything but the controller.

    Args:
        size: how many objectives.
        hours: of data that their services have at the start.
        members: the objects of a namespace, for its first objective and the one behind its last.
        injected: events that services have counted beside their even traffic.
    """
    end = time.time() - _BEHIND
    begin = end - hours * 3600
    started = begin - 3600
    say(f"{size} objectives of services with {hours:g} hours of data")
    with ExitStack() as stack:
        plane = stack.enter_context(control_plane())
        stack.enter_context(installed(plane))
        kubeconfig = plane.service_account_kubeconfig(NAMESPACE, "sluice", duration=_TOKEN_LASTS)
        for number in range(0, size, TOGETHER):
            if number % 1000 == 0:
                say(f"{number} objectives applied")
            plane.apply(*members(number, min(size, number + TOGETHER)))
        address = stack.enter_context(exporter.exporter(size, started, injected))
        say("loading the history into Prometheus")
        server = stack.enter_context(
            prometheus(
                history=exporter.history(size, started, begin, end, _SCRAPED_EVERY),
                targets=[ScrapeTarget(exporter.JOB, address, exporter.INSTANCE)],
                interval=f"{_SCRAPED_EVERY}s",
            )
        )
        processes = stack.enter_context(scope("sluice-fleet-"))
        yield Fleet(size, hours, plane, str(kubeconfig), server, processes)


def samples(controller: Controller, beginning: str) -> list[float]:
    """The values of the controller's own samples that begin so; none if it does not answer."""
    for _ in range(_PATIENCE):
        status, text = controller.page("/metrics")
        if status == HTTPStatus.OK:
            return values(text, beginning)
        controller.daemon.check()
    return []


def values(text: str, beginning: str) -> list[float]:
    """The values of the samples of a page of metrics that begin so."""
    return [
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(beginning)
    ]


def say(text: str) -> None:
    """Tell how far a benchmark has come."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
