"""Synthetic history for Prometheus, and the exact truth about it.

A target's events come from a function of the instant; within a step they are spread evenly. Scrapes
read the running counts at their own instants, each target with a phase of its own, as a real
Prometheus does. So the truth between any two instants is known to the event, also where no scrape
saw it.
"""

import heapq
import math
import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from e2e.harness.traffic import BOUNDS, NOTHING, Counts, samples, series

Traffic = Callable[[str, float], Counts]
"""Events of an instance in the step that begins at an instant: a pure function of the two."""


@dataclass(frozen=True, slots=True)
class Target:
    """One instance of the service.

    Attributes:
        instance: its label.
        begins: it exists from here on; it has no events and no samples before.
        ends: it is gone from here on.
        restarts: its counters go back to zero at these instants.
        unreachable: between these it counts, but cannot be scraped: `up` is 0.
    """

    instance: str
    begins: float = -math.inf
    ends: float = math.inf
    restarts: tuple[float, ...] = ()
    unreachable: tuple[tuple[float, float], ...] = ()

    def lives(self, at: float) -> bool:
        """Whether it exists at an instant."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class _Run:
    """A target's running counts at each step's start: good, bad, and each latency bucket."""

    target: Target
    phase: float
    columns: "tuple[array[int], ...]"  # quoted: not subscriptable before Python 3.12


@dataclass(frozen=True, slots=True)
class History:
    """Simulated events of a service between two instants, and how they were scraped.

    Attributes:
        start: where it begins.
        end: where it ends; the last sample is not later.
        job: the label `job`.
        interval: seconds between two scrapes of a target.
        step: seconds of one step of the traffic function.
        blind: between these Prometheus saw nothing, not even that targets were down.
    """

    start: float
    end: float
    job: str
    interval: float
    step: float
    blind: tuple[tuple[float, float], ...]
    _runs: dict[str, _Run] = field(repr=False)

    def truth(self, begin: float, end: float) -> Counts:
        """All that happened between two instants, scraped or not."""
        total = NOTHING
        for run in self._runs.values():
            total += self._counted(run, end) - self._counted(run, begin)
        return total

    def counts(self, instance: str, at: float | None = None) -> Counts:
        """What a target's counters show at an instant; default: the end, for going on live."""
        at = self.end if at is None else at
        run = self._runs[instance]
        return self._counted(run, at) - self._counted(run, self.started(instance, at))

    def started(self, instance: str, at: float | None = None) -> float:
        """When the target's process started that runs at an instant; default: at the end."""
        at = self.end if at is None else at
        target = self._runs[instance].target
        return max([target.begins, self.start, *(r for r in target.restarts if r <= at)])

    def lines(self) -> Iterator[str]:
        """OpenMetrics text with timestamps, in the order of time."""
        yield from _merged([self._scrapes(run) for run in self._runs.values()])
        yield "# EOF"

    def _scrapes(self, run: _Run) -> Iterator[tuple[float, list[str]]]:
        target = run.target
        labels = f'job="{self.job}",instance="{target.instance}"'
        names, up = series(labels), f"up{{{labels}}}"
        process, before = -math.inf, NOTHING
        for number in range(math.ceil((self.end - self.start) / self.interval)):
            # Prometheus stores milliseconds: the count must be of the very instant it is stored at.
            at = round(self.start + run.phase + number * self.interval, 3)
            if at > self.end or not target.lives(at) or _within(self.blind, at):
                continue
            if _within(target.unreachable, at):
                yield at, [f"{up} 0 {at}"]
                continue
            if (started := self.started(target.instance, at)) != process:
                process, before = started, self._counted(run, started)
            shown = self._counted(run, at) - before
            lines = [f"{sample} {at}" for sample in samples(names, shown, process)]
            yield at, [f"{up} 1 {at}", *lines]

    def _counted(self, run: _Run, at: float) -> Counts:
        steps = (min(max(at, self.start), self.end) - self.start) / self.step
        whole = min(int(steps), len(run.columns[0]) - 2)
        part = steps - whole
        good, bad, *latency = (
            column[whole] + math.floor((column[whole + 1] - column[whole]) * part)
            for column in run.columns
        )
        return Counts(good, bad, tuple(latency))


def simulate(
    traffic: Traffic,
    *,
    start: float,
    end: float,
    targets: Sequence[Target | str] = ("shop-0",),
    job: str = "shop",
    interval: float = 15.0,
    step: float = 60.0,
    blind: Sequence[tuple[float, float]] = (),
    seed: int = 0,
) -> History:
    """Simulate a service's traffic.

    Args:
        traffic: events of an instance in the step that begins at an instant.
        start: where the history begins.
        end: where it ends.
        targets: the instances.
        job: the label `job`.
        interval: seconds between two scrapes.
        step: seconds that one call of `traffic` stands for.
        blind: spans in which Prometheus saw nothing.
        seed: decides on the scrape phases.
    """
    runs = {}
    for item in targets:
        target = Target(item) if isinstance(item, str) else item
        columns = [array("q", [0]) for _ in range(2 + len(BOUNDS) + 1)]
        for number in range(math.ceil((end - start) / step)):
            at = start + number * step
            counts = traffic(target.instance, at) if target.lives(at) else NOTHING
            for column, value in zip(
                columns, (counts.good, counts.bad, *counts.latency), strict=True
            ):
                column.append(value)
        phase = random.Random(f"{seed}/{target.instance}").uniform(0, interval)
        running = tuple(array("q", accumulate(column)) for column in columns)
        runs[target.instance] = _Run(target, phase, running)
    return History(start, end, job, interval, step, tuple(blind), runs)


def _merged(scrapes: Sequence[Iterator[tuple[float, list[str]]]]) -> Iterator[str]:
    """The lines of several targets' scrapes in the order of time."""
    for _, lines in heapq.merge(*scrapes, key=lambda scrape: scrape[0]):
        yield from lines


def _within(spans: Sequence[tuple[float, float]], at: float) -> bool:
    return any(begin <= at < end for begin, end in spans)
