"""What many objectives cost one controller: `python -m benchmarks.scale`.

`sluice run`, with its default settings, on a real API server and a real Prometheus: as many
objectives of 30 days as asked for, in namespaces of fifty with a policy each. Measured from its
start until all budgets are known, and then for some minutes of steady state. Prometheus and the API
server run on the same machine; of their work only Prometheus' is told, on its own.
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.fleet import LOOKS, Fleet, fleet, samples, say, values
from benchmarks.processor import cpu, peak_memory
from benchmarks.report import RESULTS, environment, keep, show
from e2e.harness import Prometheus
from e2e.stack import Controller

_SIZES = (100, 1000)
_LARGE = 10_000
# Samples of two series a service that are loaded at the start, which takes minutes of 3 million.
_SAMPLES = 3_000_000
_LONGEST_HISTORY = 24.0
# The lag that is shown is the worst of up to two minutes: those of the start are not counted.
_SETTLING = 130.0


@dataclass(frozen=True, slots=True)
class Load:
    """What one controller did; times in seconds, memory in MiB.

    Attributes:
        objectives: how many there were.
        history: hours of data that their services had at the start.
        seconds: of steady state.
        half_known_after: from the start until half of all budgets were known.
        known_after: from the start until every budget was known.
        start_cpu: processor time until then.
        cpu: processor time in a minute of steady state.
        memory: the most that was resident.
        queries: queries to Prometheus in a minute; those that objectives share count once.
        prometheus_cpu: Prometheus' processor time in a minute, with its scrapes.
        writes: writes of a status in a minute.
        lag: how late an evaluation began, at the worst of the steady state.
        busy: processor time of the whole machine in a minute of steady state.
        evaluation: how long an evaluation of an objective took, on average.
    """

    objectives: int
    history: float
    seconds: float
    half_known_after: float
    known_after: float
    start_cpu: float
    cpu: float
    memory: float
    queries: float
    prometheus_cpu: float
    writes: float
    lag: float
    busy: float
    evaluation: float


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="objectives")
    parser.add_argument("--large", action="store_true", help=f"{_LARGE} objectives as well")
    parser.add_argument("--minutes", type=float, default=5.0, help="of steady state; 3 or more")
    parser.add_argument("--history", type=float, help="hours of data; default: 24, less of many")
    parser.add_argument("--profile", type=Path, help="write a profile (cProfile) of the controller")
    options = parser.parse_args()
    sizes = [*options.sizes, *([_LARGE] if options.large else [])]
    loads = []
    for size in sizes:
        hours = options.history or min(_LONGEST_HISTORY, _SAMPLES / size / 2 / 60)
        with fleet(size, hours) as world:
            version = world.server.api("status/buildinfo")["version"]
            loads.append(_measure(world, options.minutes * 60, options.profile))
        if options.profile is None:
            machine = environment(prometheus=version)
            keep("scale", {"environment": machine, "loads": _with_others(loads[-1])})
    _show(loads)
    return 0


def _with_others(load: Load) -> list[dict[str, Any]]:
    """This load and those of other sizes that were kept before."""
    kept = RESULTS / "scale.json"
    before = json.loads(kept.read_text())["loads"] if kept.exists() else []
    by_size = {one["objectives"]: one for one in [*before, asdict(load)]}
    return [by_size[size] for size in sorted(by_size)]


def _measure(world: Fleet, seconds: float, profile: Path | None) -> Load:
    profiled = ("-m", "cProfile", "-o", str(profile.resolve())) if profile else ()
    controller = world.start(*profiled, "-m", "sluice", "run")
    pid, began = controller.daemon.pid, time.monotonic()
    known_after = {share: world.known(controller, share, began) for share in (0.5, 1.0)}
    start_cpu = cpu(pid)
    machine, server_cpu = _machine_cpu(), cpu(world.server.pid)
    before, steady = _Counters.read(world.server, controller), time.monotonic()
    lag = 0.0
    while time.monotonic() - steady < seconds:
        time.sleep(LOOKS)
        found = samples(controller, "sluice_schedule_lag_seconds")
        if time.monotonic() - steady > _SETTLING:
            lag = max([lag, *found])
    minutes = (time.monotonic() - steady) / 60
    passed = _Counters.read(world.server, controller).since(before)
    load = Load(
        objectives=world.size,
        history=round(world.hours, 1),
        seconds=round(minutes * 60),
        half_known_after=known_after[0.5],
        known_after=known_after[1.0],
        start_cpu=round(start_cpu, 1),
        cpu=round((cpu(pid) - start_cpu) / minutes, 2),
        memory=round(peak_memory(pid)),
        queries=round(passed.queries / minutes),
        prometheus_cpu=round((cpu(world.server.pid) - server_cpu) / minutes, 2),
        writes=round(passed.writes / minutes),
        lag=round(lag, 2),
        busy=round((_machine_cpu() - machine) / minutes),
        evaluation=round(passed.busy / max(1.0, passed.evaluations), 3),
    )
    say(f"measured: {load}")
    controller.stop()
    return load


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
            queries=sum(sum(values(own, beginning)) for beginning in handled),
            writes=sum(samples(controller, 'sluice_writes_total{outcome="ok"')),
            evaluations=sum(samples(controller, duration.format("count"))),
            busy=sum(samples(controller, duration.format("sum"))),
        )

    def since(self, before: "_Counters") -> "_Counters":
        """What has passed since `before`."""
        return _Counters(
            self.queries - before.queries,
            self.writes - before.writes,
            self.evaluations - before.evaluations,
            self.busy - before.busy,
        )


def _machine_cpu() -> float:
    """Processor seconds of all processes so far. Source: proc(5), the first line of stat."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    ticks = dict(zip(names, map(int, Path("/proc/stat").read_text().split()[1:9]), strict=True))
    idle = ticks["idle"] + ticks["iowait"]
    return (sum(ticks.values()) - idle) / os.sysconf("SC_CLK_TCK")


def _show(loads: Sequence[Load]) -> None:
    show(
        "One controller, an evaluation of each objective a minute (times in s, memory in MiB)",
        (
            *("objectives", "history", "seconds", "half known", "known", "CPU till then"),
            *("CPU/min", "memory", "queries/min", "Prometheus CPU/min", "writes/min", "lag"),
            *("all CPU/min", "evaluation"),
        ),
        [[f"{value:,}" for value in asdict(load).values()] for load in loads],
    )


if __name__ == "__main__":
    sys.exit(main())
