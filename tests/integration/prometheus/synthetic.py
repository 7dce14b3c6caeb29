"""Services with a known truth, and the samples that a Prometheus has of them, at any phase."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

REQUESTS = "http_requests_total"
DURATION = "http_request_duration_seconds"


class Events:
    """A count that grows over time: at a rate, or at once."""

    def __init__(self, start: float) -> None:
        self._times = [start]
        self._counts = [0.0]

    def until(self, end: float, rate: float) -> "Events":
        """Go on to `end` with `rate` events a second."""
        self._counts.append(self._counts[-1] + rate * (end - self._times[-1]))
        self._times.append(end)
        return self

    def at_once(self, count: int) -> "Events":
        """Count this many at the present point of time."""
        self._counts.append(self._counts[-1] + count)
        self._times.append(self._times[-1] + 0.001)
        return self

    def at(self, times: np.ndarray) -> np.ndarray:
        """The count at each time; whole numbers."""
        counts: np.ndarray = np.floor(np.interp(times, self._times, self._counts) + 1e-6)
        return counts


@dataclass
class Process:
    """One run of a program: its counters begin at zero.

    `good` and `bad` must reach from its start to its end.
    """

    start: float
    end: float
    good: Events
    bad: Events

    def counted(self, start: float, end: float) -> tuple[float, float]:
        """Total and bad events after `start` up to `end`."""
        times = np.clip([start, end], self.start, self.end)
        good, bad = np.diff(self.good.at(times))[0], np.diff(self.bad.at(times))[0]
        return good + bad, bad


@dataclass
class Target:
    """What Prometheus scrapes: one process after the other under the same labels.

    Attributes:
        seen: when it is scraped at all; default: as long as its processes run.
        unseen: times in between in which its scrapes fail.
        missing: the share of single scrapes that fail.
        states_start: whether it exposes when its process started.
        replica: the label `replica` that the Prometheus puts on its series; none if empty.
    """

    job: str
    instance: str
    processes: list[Process]
    interval: float = 60.0
    phase: float = 0.0
    seen: tuple[float, float] | None = None
    unseen: list[tuple[float, float]] = field(default_factory=list)
    missing: float = 0.0
    states_start: bool = True
    replica: str = ""

    def scrapes(self, chance: random.Random) -> np.ndarray:
        start, end = self.seen or (self.processes[0].start, self.processes[-1].end)
        first = np.ceil((start - self.phase) / self.interval)
        times = np.arange(first * self.interval + self.phase, end, self.interval)
        kept = np.array([chance.random() >= self.missing for _ in times], bool)
        for gap_start, gap_end in self.unseen:
            kept &= (times < gap_start) | (times >= gap_end)
        stored: np.ndarray = np.round(times[kept], 3)
        return stored

    def lines(self, chance: random.Random) -> Iterator[str]:
        """OpenMetrics lines of all its series."""
        labels = f'job="{self.job}",instance="{self.instance}"'
        if self.replica:
            labels += f',replica="{self.replica}"'
        times = self.scrapes(chance)
        stamps = [f"{time:.3f}" for time in times]
        yield from (f"up{{{labels}}} 1 {stamp}" for stamp in stamps)
        for process in self.processes:
            here = (times >= process.start) & (times < process.end)
            own = [stamp for stamp, mine in zip(stamps, here, strict=True) if mine]
            yield from _process_lines(labels, process, times[here], own, self.states_start)


def _process_lines(
    labels: str, process: Process, times: np.ndarray, stamps: list[str], states_start: bool
) -> Iterator[str]:
    good, bad = process.good.at(times), process.bad.at(times)
    for code, counts in (("200", good), ("500", bad)):
        for count, stamp in zip(counts, stamps, strict=True):
            if count:
                yield f'{REQUESTS}{{{labels},code="{code}"}} {count:.0f} {stamp}'
    # Every bad event is a slow one.
    for total, fast, stamp in zip(good + bad, good, stamps, strict=True):
        yield f'{DURATION}_bucket{{{labels},le="0.5"}} {fast:.0f} {stamp}'
        yield f'{DURATION}_bucket{{{labels},le="+Inf"}} {total:.0f} {stamp}'
        yield f"{DURATION}_count{{{labels}}} {total:.0f} {stamp}"
    if states_start:
        for stamp in stamps:
            yield f"process_start_time_seconds{{{labels}}} {process.start:.3f} {stamp}"
    exposed = 3 + states_start + (good > 0).astype(int) + (bad > 0)
    for count, stamp in zip(exposed, stamps, strict=True):
        yield f"scrape_samples_scraped{{{labels}}} {count} {stamp}"


@dataclass
class Service:
    """Targets of one job, and what they truly counted."""

    job: str
    targets: list[Target]

    def truth(self, start: float, end: float) -> tuple[float, float]:
        """Total and bad events after `start` up to `end`."""
        counts = [
            process.counted(start, end) for target in self.targets for process in target.processes
        ]
        return sum(total for total, _ in counts), sum(bad for _, bad in counts)


def history(services: list[Service], chance: random.Random) -> Iterator[str]:
    """All samples of all services as OpenMetrics text."""
    for service in services:
        for target in service.targets:
            yield from target.lines(chance)
    yield "# EOF"
