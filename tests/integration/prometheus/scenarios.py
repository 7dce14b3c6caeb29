"""The services that budgets are measured of: each is one thing that goes wrong elsewhere."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.prometheus.synthetic import Events, Process, Service, Target

HOUR = 3600
DAY = 24 * HOUR
SEED = 20260820
END = 1_790_000_233.0
"""When all budgets are measured: in the middle of a slice."""
BEGIN = END - 31 * DAY
"""When Prometheus' data begin."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A service, and the budget of it that is measured.

    Attributes:
        rate: events a second that a service is expected to go on with that has not existed for
            a whole window yet.
    """

    service: Service
    window: str = "1d"
    target: str = "99.9"
    rate: float | None = None

    @property
    def length(self) -> int:
        return int(self.window[:-1]) * {"h": HOUR, "d": DAY}[self.window[-1]]


def _one(job: str, process: Process, **target: object) -> Service:
    return Service(job, [Target(job, "a", [process], **target)])  # type: ignore[arg-type]


def _steady(start: float, end: float, rate: float, ratio: float) -> Process:
    good = Events(start).until(end, rate * (1 - ratio))
    return Process(start, end, good, Events(start).until(end, rate * ratio))


def build(seed: int) -> dict[str, Scenario]:
    """All scenarios, with scrape phases by chance."""
    chance = random.Random(seed)

    def phase(interval: float = 60.0) -> dict[str, float]:
        return {"interval": interval, "phase": round(chance.random() * interval, 3)}

    long = END - 70 * DAY
    scenarios = {
        "steady errors": Scenario(
            _one("steady", _steady(long, END, 10, 0.0005), **phase(), seen=(BEGIN, END)), "30d"
        ),
        "no error ever": Scenario(
            _one("clean", _steady(long, END, 10, 0), **phase(), seen=(BEGIN, END)), "30d"
        ),
        "first errors at once": Scenario(
            _one("burst", _burst(), **phase(), seen=(BEGIN, END)), "30d"
        ),
        "outage at night": Scenario(
            _one("night", _night(), **phase(120), seen=(BEGIN, END)), "30d"
        ),
        "idle for 20 minutes": Scenario(_one("idle", _idle(), **phase())),
        "unscraped for 20 minutes": Scenario(
            _one(
                "unscraped",
                _steady(END - 2 * DAY, END, 100, 0.0005),
                **phase(),
                unseen=[(END - 9 * HOUR, END - 9 * HOUR + 1200)],
            )
        ),
        "unscraped for three days": Scenario(
            _one(
                "unscraped-days",
                _steady(END - 8 * DAY, END, 10, 0.0005),
                **phase(),
                unseen=[(END - 5 * DAY, END - 2 * DAY)],
            ),
            "7d",
        ),
        "one scrape in ten fails": Scenario(
            _one("missing", _steady(END - 2 * DAY, END, 100, 0.0005), **phase(), missing=0.1)
        ),
        "restarts inside slices": Scenario(_restarts(chance, phase(15))),
        "rolling deploy": Scenario(_deploy(chance, phase)),
        "new service": Scenario(
            _one("new", _steady(END - DAY, END, 10, 0.002), **phase()), "30d", rate=10
        ),
        "short retention": Scenario(
            _one("retention", _steady(long, END, 5, 0.0007), **phase(120), seen=(BEGIN, END)), "60d"
        ),
    }
    for interval, phases, window in ((1, 1, 6), (15, 3, 24), (60, 3, 168), (120, 3, 168)):
        for number in range(phases):
            name = f"scraped every {interval} s, phase {number}"
            job = f"every{interval}-{number}"
            scenarios[name] = Scenario(
                _one(job, _uneven(chance, window * HOUR), **phase(interval)), f"{window}h"
            )
    for interval in (1, 15, 60, 120):
        # A sample on every boundary, or on every other one, of slices and of lookbacks.
        name, job = f"scraped every {interval} s, on the boundaries", f"aligned{interval}"
        hours = 6 if interval == 1 else 24
        process = _uneven(chance, hours * HOUR)
        service = _one(job, process, interval=interval, phase=0)
        scenarios[name] = Scenario(service, f"{hours}h")
    return scenarios


def _burst() -> Process:
    start = BEGIN - DAY
    bad = Events(start).until(END - 5 * DAY - 777, 0).at_once(50).until(END, 0)
    return Process(start, END, Events(start).until(END, 100 / 60), bad)


def _night() -> Process:
    """Twelve busy hours a day; two hours in one night in which every request fails."""
    good, bad = Events(BEGIN), Events(BEGIN)
    time, night = BEGIN, BEGIN + 20 * DAY + 15 * HOUR
    while time < END:
        rate = 100.0 if (time - BEGIN) % DAY < 12 * HOUR else 0.1
        fails = night <= time < night + 2 * HOUR
        time = min(END, time + HOUR)
        good.until(time, 0 if fails else rate)
        bad.until(time, rate if fails else 0)
    return Process(BEGIN, END, good, bad)


def _idle() -> Process:
    start, pause = END - 2 * DAY, END - 7 * HOUR
    good = Events(start).until(pause, 100).until(pause + 1200, 0).until(END, 100)
    bad = Events(start).until(pause, 0.05).until(pause + 1200, 0).until(END, 0.05)
    return Process(start, END, good, bad)


def _uneven(chance: random.Random, length: float) -> Process:
    """Traffic that changes by the minute, and failures that come in clusters; calm in the end."""
    start = time = END - length - 1.5 * HOUR
    good, bad = Events(start), Events(start)
    while time < END:
        time = min(END, time + 60)
        fails = END - length + 600 < time < END - 600 and chance.random() < 1 / 6
        good.until(time, chance.uniform(5, 50))
        bad.until(time, 0.2 if fails else 0)
    return Process(start, END, good, bad)


def _restarts(chance: random.Random, phase: dict[str, float]) -> Service:
    """A process that is restarted every few hours, often before it has caught up with itself."""
    processes, start = [], END - 2 * DAY
    while start < END:
        end = min(END, start + chance.uniform(0.05, 4) * HOUR)
        processes.append(_steady(start, end, 20, 0.0004))
        start = end
    return Service("restarts", [Target("restarts", "a", processes, **phase)])  # type: ignore[arg-type]


def _deploy(chance: random.Random, phase: Callable[[float], dict[str, float]]) -> Service:
    """Four pods, replaced one by one every three hours; each begins with a few errors."""
    targets = []
    generations = 16
    for pod in range(4):
        start = END - 2 * DAY
        for generation in range(generations):
            last = generation == generations - 1
            end = END if last else start + 3 * HOUR + chance.uniform(-600, 600)
            bad = Events(start).until(start + 20, 0).at_once(3).until(end, 0.002)
            process = Process(start, end, Events(start).until(end, 10), bad)
            instance = f"pod-{pod}-{generation}"
            # It is discovered a few seconds after its start.
            seen = (start + chance.uniform(1, 12), end)
            targets.append(Target("deploy", instance, [process], **phase(15), seen=seen))  # type: ignore[arg-type]
            start = end
    return Service("deploy", targets)
