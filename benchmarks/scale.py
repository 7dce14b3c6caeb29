"""What many objectives cost one controller: `python -m benchmarks.scale`.

`sluice run`, with its default settings, on a real API server and a real Prometheus: as many
objectives of 30 days as asked for, in namespaces of fifty with a policy each. Measured from its
start until all budgets are known, and then for some minutes of steady state. Prometheus and the API
server run on the same machine, and their work is not counted.
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import exporter
from benchmarks.report import RESULTS, environment, keep, show
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

_SIZES = (100, 1000)
_LARGE = 10_000
_TOGETHER = 50
_SCRAPED_EVERY = 60
_HISTORY = 24 * 3600
_BEHIND = 5.0
_GIVE_UP = 1800.0
# Each look at its metrics is work for the controller, too, and counted.
_LOOKS = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    """What one controller did; times in seconds, memory in MiB.

    Attributes:
        objectives: how many there were.
        seconds: of steady state.
        known_after: from the start until every budget was known.
        start_cpu: processor time until then.
        cpu: processor time in a minute of steady state.
        memory: the most that was resident.
        queries: queries to Prometheus in a minute.
        writes: writes of a status in a minute.
        lag: how late the latest evaluation began, at the worst that was seen.
        evaluation: how long an evaluation of an objective took, on average.
    """

    objectives: int
    seconds: float
    known_after: float
    start_cpu: float
    cpu: float
    memory: float
    queries: float
    writes: float
    lag: float
    evaluation: float


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="objectives")
    parser.add_argument("--large", action="store_true", help=f"{_LARGE} objectives as well")
    parser.add_argument("--minutes", type=float, default=5.0, help="of steady state")
    parser.add_argument("--profile", type=Path, help="write a profile (cProfile) of the controller")
    options = parser.parse_args()
    sizes = [*options.sizes, *([_LARGE] if options.large else [])]
    loads, version = [], ""
    for size in sizes:
        with _world(size) as world:
            version = world.server.api("status/buildinfo")["version"]
            loads.append(_measure(world, size, options.minutes * 60, options.profile))
    _show(loads)
    if options.profile is None:
        keep(
            "scale", {"environment": environment(prometheus=version), "loads": _with_others(loads)}
        )
    return 0


def _with_others(loads: Sequence[Load]) -> list[dict[str, Any]]:
    """These loads and those of other sizes that were kept before."""
    kept = RESULTS / "scale.json"
    before = json.loads(kept.read_text())["loads"] if kept.exists() else []
    by_size = {load["objectives"]: load for load in [*before, *map(asdict, loads)]}
    return [by_size[size] for size in sorted(by_size)]


@dataclass(frozen=True, slots=True)
class _World:
    """A cluster with objectives, and a Prometheus with what they are about."""

    plane: ControlPlane
    kubeconfig: Path
    server: Prometheus
    processes: Scope


@contextmanager
def _world(size: int) -> Iterator[_World]:
    end = time.time() - _BEHIND
    started = end - _HISTORY - 3600
    with ExitStack() as stack:
        plane = stack.enter_context(control_plane())
        kubeconfig = stack.enter_context(installed(plane))
        for number in range(0, size, _TOGETHER):
            plane.apply(*_namespace(number, min(size, number + _TOGETHER)))
        address = stack.enter_context(exporter.exporter(size, started))
        server = stack.enter_context(
            prometheus(
                history=exporter.history(size, started, end - _HISTORY, end, _SCRAPED_EVERY),
                targets=[ScrapeTarget(exporter.JOB, address, exporter.INSTANCE)],
                interval=f"{_SCRAPED_EVERY}s",
            )
        )
        yield _World(plane, kubeconfig, server, stack.enter_context(scope("sluice-scale-")))


def _namespace(first: int, end: int) -> list[dict[str, Any]]:
    """A namespace with the objectives from `first` up to `end`, and a policy about them all."""
    namespace = f"team-{first // _TOGETHER}"
    policy = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"objectives": {"selector": {}}},
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        *(_objective(namespace, number) for number in range(first, end)),
        policy,
    ]


def _objective(namespace: str, number: int) -> dict[str, Any]:
    total = f'{exporter.METRIC}{{service="{number}"}}'
    bad = f'{exporter.METRIC}{{service="{number}",code=~"5.."}}'
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": f"service-{number}", "namespace": namespace},
        "spec": {
            "objective": "99.9",
            "window": {"rolling": "30d"},
            "indicator": {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}},
        },
    }


def _measure(world: _World, size: int, seconds: float, profile: Path | None) -> Load:
    controller = _start(world, profile)
    pid = controller.daemon.pid

    def known() -> bool:
        controller.daemon.check()
        return sum(_samples(controller, "sluice_objective_budget_known")) == size

    known_after = wait_until(known, timeout=_GIVE_UP, what="all budgets are known", interval=_LOOKS)
    start_cpu = _cpu(pid)
    before = _Counters.read(world.server, controller)
    began, lag = time.monotonic(), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(_LOOKS)
        lag = max(lag, *_samples(controller, "sluice_schedule_lag_seconds"))
    minutes = (time.monotonic() - began) / 60
    passed = _Counters.read(world.server, controller).since(before)
    load = Load(
        objectives=size,
        seconds=round(minutes * 60),
        known_after=round(known_after, 1),
        start_cpu=round(start_cpu, 1),
        cpu=round((_cpu(pid) - start_cpu) / minutes, 2),
        memory=round(_peak_memory(pid)),
        queries=round(passed.queries / minutes),
        writes=round(passed.writes / minutes),
        lag=round(lag, 2),
        evaluation=round(passed.busy / max(1.0, passed.evaluations), 3),
    )
    controller.stop()
    return load


def _start(world: _World, profile: Path | None) -> Controller:
    port = free_port()
    profiled = ["-m", "cProfile", "-o", str(profile.resolve())] if profile else []
    command = [
        *(sys.executable, *profiled, "-m", "sluice", "run"),
        *("--prometheus-url", world.server.url, "--listen", f"127.0.0.1:{port}"),
        *("--namespace", NAMESPACE, "--kubeconfig", str(world.kubeconfig)),
    ]
    daemon: Daemon = world.processes.start("sluice", command, grace=60.0)
    return Controller(daemon, port)


@dataclass(frozen=True, slots=True)
class _Counters:
    """Counters of Prometheus and of the controller; `busy` in seconds."""

    queries: float
    writes: float
    evaluations: float
    busy: float

    @classmethod
    def read(cls, server: Prometheus, controller: Controller) -> "_Counters":
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:
            own = answer.read().decode()
        handled = (
            f'prometheus_http_requests_total{{code="200",handler="/api/v1/{path}"}}'
            for path in ("query", "query_range")
        )
        duration = 'sluice_evaluation_duration_seconds_{}{{kind="servicelevelobjectives"}}'
        return cls(
            queries=sum(sum(_values(own, beginning)) for beginning in handled),
            writes=sum(_samples(controller, 'sluice_writes_total{outcome="ok"')),
            evaluations=sum(_samples(controller, duration.format("count"))),
            busy=sum(_samples(controller, duration.format("sum"))),
        )

    def since(self, before: "_Counters") -> "_Counters":
        """What has passed since `before`."""
        return _Counters(
            self.queries - before.queries,
            self.writes - before.writes,
            self.evaluations - before.evaluations,
            self.busy - before.busy,
        )


def _samples(controller: Controller, beginning: str) -> list[float]:
    """The values of the controller's own samples that begin so."""
    return _values(controller.page("/metrics")[1], beginning)


def _values(text: str, beginning: str) -> list[float]:
    return [
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(beginning)
    ]


def _cpu(pid: int) -> float:
    """Processor seconds of a process so far. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_memory(pid: int) -> float:
    """MiB. Source: proc(5), VmHWM of status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("the kernel does not tell a process' peak memory")


def _show(loads: Sequence[Load]) -> None:
    show(
        "One controller, an evaluation of each objective a minute (times in s, memory in MiB)",
        (
            *("objectives", "seconds", "known", "CPU till then", "CPU/min", "memory"),
            *("queries/min", "writes/min", "lag", "evaluation"),
        ),
        [[f"{value:,}" for value in asdict(load).values()] for load in loads],
    )


if __name__ == "__main__":
    sys.exit(main())
