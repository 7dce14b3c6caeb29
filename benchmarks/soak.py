"""What a controller takes after an hour, in place of some minutes: `python -m benchmarks.soak`.

`sluice run` with its default settings for 2,000 objectives in namespaces of fifty. Every minute a
policy freezes for some minutes and thaws again, and an objective is deleted and created anew; then
memory, tasks, threads, open files, processor time and the lag of the event loop are sampled. What
grows from minute to minute would grow for weeks. The first minutes are a warm-up and not judged.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import observed
from benchmarks.crossings import HOURS, Crossings, enforced, namespaces
from benchmarks.fleet import Fleet, fleet, objective, samples, say
from benchmarks.processor import cpu, descriptors, resident, threads
from benchmarks.report import environment, keep, show
from e2e.stack import Controller

_SIZE = 2000
_MINUTES = 60
_WARM_UP = 15
_FROZEN_FOR = 6
_LEAST = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """A controller at the end of a minute.

    Attributes:
        minute: since all budgets were known.
        memory: resident, MiB.
        tasks: of asyncio, the least of the minute.
        files: open files and sockets.
        threads: of the process.
        lag: by which the event loop was late at the worst of the minute, seconds.
        behind: by which evaluations began late at the worst of the last one or two, seconds.
        cpu: processor time of the minute, seconds.
        known: budgets that are known.
        frozen: policies that deny.
    """

    minute: float
    memory: float
    tasks: int
    files: int
    threads: int
    lag: float
    behind: float
    cpu: float
    known: int
    frozen: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A number of the samples, and what it may be.

    Attributes:
        name: for the table.
        limit: the most that it may be.
        of: the number, of the samples after the warm-up.
    """

    name: str
    limit: float
    of: Callable[[Sequence[Sample]], float]


def growth(found: Sequence[Sample], name: str) -> float:
    """By how much a number grows in an hour.

    The median of the slopes between all pairs of samples, which single peaks do not move.
    Source: Sen, "Estimates of the regression coefficient based on Kendall's tau" (1968).
    """
    at = np.array([one.minute for one in found])
    value = np.array([getattr(one, name) for one in found], dtype=float)
    first, second = np.triu_indices(len(found), k=1)
    return float(np.median((value[second] - value[first]) / (at[second] - at[first])) * 60)


def lag(found: Sequence[Sample]) -> float:
    """The median of what the event loop was late by at the worst of each minute, seconds."""
    return float(np.median([one.lag for one in found]))


# With 5 MiB an hour a limit of 1 GiB is reached after a week. What is lost once a minute, with each
# freeze or with each objective that goes, would be 60 an hour.
BOUNDS = (
    Bound("memory, growth in MiB/h", 5.0, lambda found: growth(found, "memory")),
    Bound("tasks, growth/h", 6.0, lambda found: growth(found, "tasks")),
    Bound("open files, growth/h", 6.0, lambda found: growth(found, "files")),
    Bound("threads, growth/h", 1.0, lambda found: growth(found, "threads")),
    Bound("lag of the event loop, median of the minutes' worst, s", 1.0, lag),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 if something grows, or if no policy froze and thawed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--size", type=int, default=_SIZE, help="objectives")
    parser.add_argument("--minutes", type=int, default=_MINUTES, help=f"{_LEAST} or more")
    options = parser.parse_args(arguments)
    if options.minutes < _LEAST:
        parser.error(f"--minutes must be {_LEAST} or more: less says nothing about growth")
    crossings = Crossings()
    with fleet(options.size, HOURS, members=enforced, injected=crossings.injected) as world:
        found = _soak(world, crossings, options.minutes)
        freezes = _freezes(world)
    warm_up = min(_WARM_UP, options.minutes // 3)
    judged = [one for one in found if one.minute > warm_up]
    verdict = {bound.name: round(bound.of(judged), 2) for bound in BOUNDS}
    keep(
        "soak",
        {
            "environment": environment(),
            "objectives": options.size,
            "warmUp": warm_up,
            "freezes": freezes,
            "verdict": verdict,
            "samples": [asdict(one) for one in found],
        },
    )
    _show(found, warm_up, verdict, freezes)
    grows = any(verdict[bound.name] > bound.limit for bound in BOUNDS)
    return 1 if grows or not freezes else 0


def _soak(world: Fleet, crossings: Crossings, minutes: int) -> list[Sample]:
    observations = world.processes.directory / "observations"
    controller = world.start("-P", observed.__file__, "--observations", str(observations))
    world.known(controller, 1.0, time.monotonic())
    say("all budgets are known")
    firsts, began, found = namespaces(world.size), time.monotonic(), list[Sample]()
    spent = cpu(controller.daemon.pid)
    for minute in range(minutes):
        crossings.spend(firsts[minute % len(firsts)])
        if minute >= _FROZEN_FOR:
            crossings.recover(firsts[(minute - _FROZEN_FOR) % len(firsts)])
        _replace(world, firsts[minute % len(firsts)] + 1)
        time.sleep(max(0.0, began + (minute + 1) * 60 - time.monotonic()))
        now = cpu(controller.daemon.pid)
        at = (time.monotonic() - began) / 60
        found.append(_sample(controller, at, now - spent, _observed(observations, 60)))
        spent = now
        say(str(found[-1]))
    controller.stop()
    return found


def _replace(world: Fleet, number: int) -> None:
    """Delete an objective and create it anew: what was kept of it must go with it."""
    found = objective(number)
    name, namespace = (found["metadata"][it] for it in ("name", "namespace"))
    world.plane.kubectl("-n", namespace, "delete", "slo", name)
    world.plane.apply(found)


def _observed(observations: Path, seconds: float) -> list[dict[str, Any]]:
    """What the controller wrote in the last `seconds`."""
    lines = observations.read_text().splitlines()
    return [json.loads(line) for line in lines[-round(seconds / observed.EVERY) :]]


def _sample(
    controller: Controller, minute: float, spent: float, seen: Sequence[dict[str, Any]]
) -> Sample:
    pid = controller.daemon.pid
    return Sample(
        minute=round(minute, 2),
        memory=round(resident(pid), 1),
        tasks=min(one["tasks"] for one in seen),
        files=descriptors(pid),
        threads=threads(pid),
        lag=max(one["lag"] for one in seen),
        behind=round(max(samples(controller, "sluice_schedule_lag_seconds"), default=0.0), 2),
        cpu=round(spent, 2),
        known=round(sum(samples(controller, "sluice_objective_budget_known"))),
        frozen=round(sum(samples(controller, "sluice_policy_frozen"))),
    )


def _freezes(world: Fleet) -> int:
    """How often a policy froze and thawed again, by their histories."""
    thawed = 0
    for policy in world.plane.kubectl.json("get", "ebp", "-A")["items"]:
        told = policy.get("status", {}).get("history", [])
        thawed += sum(1 for one in told if one.get("from") == "Exhausted")
    return thawed


def _show(found: Sequence[Sample], warm_up: int, verdict: dict[str, float], freezes: int) -> None:
    show(
        f"One controller, a minute a line; the first {warm_up} are its warm-up",
        list(asdict(found[0])),
        [[f"{value:,}" for value in asdict(one).values()] for one in found],
    )
    show(
        f"After the warm-up; {freezes} freezes began and ended",
        ("what", "measured", "at most"),
        [[bound.name, f"{verdict[bound.name]:+.2f}", f"{bound.limit:g}"] for bound in BOUNDS],
    )


if __name__ == "__main__":
    sys.exit(main())
