"""Services that each have one thing go wrong, the samples of them, and what truly happened."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sluice.budget.corrections import Correction, Ranges, rounded
from tests.integration.prometheus.synthetic import DURATION, Events, Process, Target

HOUR = 3600
DAY = 24 * HOUR
END = 1_790_000_233.0
"""When all budgets are measured: in the middle of a slice."""
BEGIN = END - 31 * DAY
"""When Prometheus' data begin."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Samples that Prometheus does not have: lines that contain `text`, from `start` to `end`."""

    text: str
    start: float
    end: float

    def hides(self, line: str) -> bool:
        """Whether it hides this line."""
        return self.text in line and self.start <= _time(line) < self.end


@dataclass(frozen=True, slots=True)
class Calendar:
    """A period of the calendar: what it is called in manifests, and its ends in Unix seconds."""

    period: str
    zone: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Case:
    """A service, and the budget of it that is measured.

    Attributes:
        name: what goes wrong.
        targets: all of one job of their own.
        window: of the objective.
        objective: percent.
        hidden: samples that are missing.
        rate: events a second that a service is expected to go on with that is younger than its
            window, or whose window has not ended.
        to_date: the budget is measured against the events so far.
        limit: which documented limit this runs into; its error is shown and not judged.
        calendar: the window, in place of `window`; the peers have none such.
        at: when it is measured.
        corrections: what is declared not to count, or to count besides; the peers have no such.
    """

    name: str
    targets: list[Target]
    window: str = "30d"
    objective: str = "99.9"
    hidden: tuple[Hidden, ...] = ()
    rate: float | None = None
    to_date: bool = False
    limit: str = ""
    calendar: Calendar | None = None
    at: float = END
    corrections: tuple[Correction, ...] = ()

    @property
    def declared(self) -> dict[str, object]:
        """The window as manifests have it."""
        if self.calendar is None:
            return {"rolling": self.window}
        return {"calendar": {"period": self.calendar.period, "timeZone": self.calendar.zone}}

    @property
    def replica(self) -> str:
        """The label that tells apart the Prometheus that scraped it; empty if there was one."""
        return "replica" if any(target.replica for target in self.targets) else ""

    @property
    def job(self) -> str:
        """The label `job` of all its series."""
        return self.targets[0].job

    def truth(self, start: float) -> float:
        """Percent of the budget spent by all that happened after `start`, scraped or not."""
        total, bad = self._happened(start, self.at)
        for one in self._excluded().within(start, self.at):
            taken = self._happened(one.start, one.end)
            total, bad = total - taken[0], bad - taken[1]
        for correction in self.corrections:
            if correction.added is not None:
                total, bad = total + correction.added.total, bad + correction.added.bad
        if self.rate is not None:
            end = self.at if self.calendar is None else self.calendar.end
            total = self.rate * (end - start)
        return float(100 * bad / (total * (1 - float(self.objective) / 100)))

    def _happened(self, start: float, end: float) -> tuple[float, float]:
        processes = {id(it): it for target in self.targets for it in target.processes}
        counts = [process.counted(start, end) for process in processes.values()]
        return sum(total for total, _ in counts), sum(bad for _, bad in counts)

    def _excluded(self) -> Ranges:
        """The times that do not count, by whole slices."""
        return Ranges(
            rounded(one) for it in self.corrections if it.added is None for one in it.ranges
        )

    def lines(self, chance: random.Random) -> Iterator[str]:
        """Its samples as OpenMetrics text, those of each series ordered by time."""
        for target in self.targets:
            down = [line for span in target.unseen for line in _down(target, *span)]
            up = []
            for line in target.lines(chance):
                if line.startswith(DURATION) or any(it.hides(line) for it in self.hidden):
                    continue
                if down and line.startswith("up{"):
                    up.append(line)
                else:
                    yield line
            yield from sorted([*up, *down], key=_time)


def _time(line: str) -> float:
    return float(line.rpartition(" ")[2])


def _down(target: Target, start: float, end: float) -> Iterator[str]:
    """What Prometheus records of a target that does not answer."""
    labels = f'job="{target.job}",instance="{target.instance}"'
    if target.replica:
        labels += f',replica="{target.replica}"'
    time = start - start % target.interval + target.phase
    while time < end:
        if time >= start:
            yield f"up{{{labels}}} 0 {time:.3f}"
        time += target.interval


@dataclass(frozen=True, slots=True)
class Scraping:
    """Makes targets that are scraped at a phase by chance.

    Attributes:
        seed: distinguishes the jobs of several runs.
        chance: decides on the phases.
        events: decides on what happens, which is the same in all runs.
    """

    seed: int
    chance: random.Random
    events: random.Random

    def job(self, name: str) -> str:
        """The job of a case in this run."""
        return f"{name}-{self.seed}"

    def target(
        self,
        name: str,
        *processes: Process,
        instance: str = "a",
        interval: float = 60.0,
        seen: tuple[float, float] | None = None,
        unseen: tuple[float, float] | None = None,
        missing: float = 0.0,
        replica: str = "",
    ) -> Target:
        """A target; `seen` is by default all the time that Prometheus has data of."""
        return Target(
            self.job(name),
            instance,
            list(processes),
            interval=interval,
            phase=round(self.chance.random() * interval, 3),
            seen=seen or (BEGIN, END),
            unseen=[unseen] if unseen else [],
            missing=missing,
            replica=replica,
        )


def steady(start: float, end: float, rate: float, ratio: float) -> Process:
    """A process with `rate` events a second, of which the share `ratio` is bad."""
    good = Events(start).until(end, rate * (1 - ratio))
    return Process(start, end, good, Events(start).until(end, rate * ratio))


def hourly(
    start: float, rate: Callable[[float], float], ratio: Callable[[float], float]
) -> Process:
    """A process whose traffic and errors change by the hour; it has failed once at its start."""
    good, bad = Events(start), Events(start).at_once(1)
    time = start + HOUR
    good.until(time, rate(start))
    while time < END:
        now, time = time, min(END, time + HOUR)
        good.until(time, rate(now) * (1 - ratio(now)))
        bad.until(time, rate(now) * ratio(now))
    return Process(start, END, good, bad)
