"""Bring up what the story takes place on, and take it down again."""

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from e2e.demo.session import Session
from e2e.demo.terminal import Terminal
from e2e.harness import prometheus_programs, scope
from e2e.harness.gotools import ALL, built
from e2e.harness.providers import Request
from e2e.harness.providers import built as built_control_plane
from e2e.stack import EXAMPLE, NAMESPACE, installed, stack

_READY_SECONDS = 60.0


@contextmanager
def session(terminal: Terminal, *, logs: Path) -> Iterator[Session]:
    """A control plane with the chart, a month of Prometheus, a live shop and `sluice run`.

    All logs are copied into the directory `logs` if the block, or the set-up, fails.

    The control plane is always one of our own, whatever the environment points to: a demo has no
    business in anybody's cluster.
    """
    terminal.chapter("Setting up")
    with ExitStack() as resources:
        with _step(terminal, "programs: Kubernetes, kwok, Helm, Prometheus"):
            for tool in ALL:
                built(tool)
            prometheus_programs()
        directory = resources.enter_context(scope("sluice-demo-"))
        resources.push(_saver(directory.logs, logs))
        request = Request(directory, secrets.token_hex(4))
        with _step(terminal, "control plane: etcd, API server, controllers, a simulated node"):
            plane = resources.enter_context(built_control_plane(request))
        with _step(terminal, "Sluice's Helm chart: CRDs, rights, admission policy of overrides"):
            resources.enter_context(installed(plane))
            # A token for longer than the chart's tests need it: KEEP=1 may stay up for a day.
            kubeconfig = plane.service_account_kubeconfig(NAMESPACE, "sluice", duration="24h")
        with _step(terminal, "Prometheus with 30 days of the shop's history, and the shop itself"):
            running = resources.enter_context(stack(plane, kubeconfig, [EXAMPLE]))
        resources.push(_saver(running.processes.logs, logs))
        resources.push(_saver(running.prometheus.log.parent, logs))
        with _step(terminal, "sluice run, every second, with the chart's ServiceAccount"):
            controller = running.run()
            running.until(
                "sluice is ready",
                lambda: controller.page("/readyz")[0] == 200,
                timeout=_READY_SECONDS,
            )
        yield Session(running, running.take(EXAMPLE.job).shop, controller, terminal)


def _saver(source: Path, logs: Path) -> Callable[..., None]:
    """For `ExitStack.push`: copies logs on an error, before their own directory is removed."""

    def save(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception) and source.exists():
            shutil.copytree(source, logs, dirs_exist_ok=True)

    return save


@contextmanager
def _step(terminal: Terminal, what: str) -> Iterator[None]:
    started = time.monotonic()
    with terminal.working(what):
        yield
    terminal.checked(f"{what} ({time.monotonic() - started:.1f} s)")
