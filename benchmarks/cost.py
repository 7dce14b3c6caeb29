"""What measuring costs Prometheus: `python -m benchmarks.cost`.

Samples that Prometheus reads for one objective in an hour of steady state, by its own statistics
of each query (`stats=all`): for Sluice, a meter that follows an hour of back-filled
history at a simulated clock, a tick a minute; for Sloth and Pyrra, one evaluation of each of the
rules that they generate, times the evaluations of an hour; and the floor, every new sample once.
Exits with 1 where Sluice reads more than five times the floor, or more than a thousandth of what
either peer reads.

The peers read 30 days of raw samples, in proportion to the number of series. They are measured with
10 series, and with 100 where scraping is slowest, to show the proportion; the rest is computed.
"""

import asyncio
import functools
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks.peers import Question, Rule, pyrra, sloth, versions
from benchmarks.recordings import recorded
from benchmarks.report import environment, keep, show
from benchmarks.services import DAY, END, HOUR
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.indicators.answers import Raw
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import NamedSource

SERIES = (10, 100, 1000)
SCRAPES = (15, 30, 60)
MOST_FLOORS = 5.0
LEAST_SAVED = 1000.0

_CODES = (*range(200, 209), 500)
_TICK = 60
_MEASURED = {(10, 15), (10, 30), (10, 60), (100, 60)}
"""Of which numbers of series and scrape intervals the peers find 30 days of samples."""
_METRIC = "http_requests_total"
_PEERS: dict[str, Callable[[Question], list[Rule]]] = {
    "Sloth": sloth,
    "Pyrra": pyrra,
    "Pyrra, fast": functools.partial(pyrra, fast=True),
}
"""The last one is Pyrra with `performanceOverAccuracy`."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of `series` series, one in ten of them of errors."""

    series: int
    scrape: int

    @property
    def job(self) -> str:
        """The label `job`."""
        return f"shop-{self.series}-{self.scrape}"

    @property
    def total(self) -> str:
        """Selects all events."""
        return f'{_METRIC}{{job="{self.job}"}}'

    @property
    def bad(self) -> str:
        """Selects the bad ones."""
        return f'{_METRIC}{{job="{self.job}",code=~"5.."}}'

    @property
    def floor(self) -> int:
        """Samples that come in an hour."""
        return self.series * HOUR // self.scrape

    @property
    def question(self) -> Question:
        """Its objective, as the peers are told it."""
        return Question(self.job, self.total, self.bad)

    @property
    def measured(self) -> bool:
        """Whether there is history enough for the peers."""
        return (self.series, self.scrape) in _MEASURED

    def lines(self) -> Iterator[str]:
        """Its samples as OpenMetrics text."""
        length = 31 * DAY if self.measured else 6 * HOUR
        for pod in range(self.series // len(_CODES)):
            phase = pod * 7.3 % self.scrape
            labels = f'job="{self.job}",instance="{pod}"'
            times = [
                int(END - length) // self.scrape * self.scrape + phase + number * self.scrape
                for number in range(length // self.scrape)
            ]
            yield from (f"up{{{labels}}} 1 {time:.3f}" for time in times)
            for code in _CODES:
                series = f'{_METRIC}{{{labels},code="{code}"}}'
                rate = 2.0 if code < 500 else 0.01
                for time in times:
                    yield f"{series} {int(rate * (time - END + 40 * DAY))} {time:.3f}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Samples read in an hour, by Sluice in so many queries, and by peer."""

    service: Service
    sluice: int
    queries: int
    peers: dict[str, float]

    @property
    def floors(self) -> float:
        """How many times Sluice reads each new sample."""
        return self.sluice / self.service.floor

    @property
    def saved(self) -> float:
        """How many times more the cheaper peer reads."""
        return min(self.peers.values()) / self.sluice

    @property
    def kept(self) -> bool:
        """Whether both promises hold."""
        return self.floors <= MOST_FLOORS and self.saved >= LEAST_SAVED


class Counting(Prometheus):
    """A client that adds up its queries and what Prometheus says of their cost."""

    queries = 0
    samples_read = 0

    async def _call(self, method: str, path: str, parameters: dict[str, str]) -> Raw | Failure:
        if not path.startswith("query"):
            return await super()._call(method, path, parameters)
        raw = await super()._call(method, path, {**parameters, "stats": "all"})
        if isinstance(raw, Raw):
            self.queries += 1
            self.samples_read += _samples(json.loads(raw.body)["data"])
        return raw


def main() -> int:
    """Run the benchmark and say whether Sluice is as cheap as it promises."""
    services = [Service(*pair) for pair in itertools.product(SERIES, SCRAPES)]
    with prometheus(history=_history(services)) as server:
        version = server.api("status/buildinfo")["version"]
        costs = asyncio.run(_measure_all(server, services))
    _show(costs)
    used = environment(prometheus=version, **versions())
    keep("cost", {"environment": used, **_content(costs)})
    return 0 if all(cost.kept for cost in costs) else 1


def _history(services: list[Service]) -> Iterator[str]:
    for service in services:
        yield from service.lines()
        if service.measured:
            codes = {"code": [str(code) for code in _CODES]}
            rules = [rule for generate in _PEERS.values() for rule in generate(service.question)]
            yield from recorded(rules, END, codes)
    yield "# EOF"


async def _measure_all(server: Server, services: list[Service]) -> list[Cost]:
    costs = []
    async with aiohttp.ClientSession() as session:
        for service in services:
            source = Counting("default", server.url, session)
            await _follow(service, source)
            peers = _peers(service, server)
            costs.append(Cost(service, source.samples_read, source.queries, peers))
    return costs


async def _follow(service: Service, source: Counting) -> None:
    """Make a meter follow the last hour, and leave in `source` what only that has cost."""
    spec = ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99.9",
            "window": {"rolling": "30d"},
            "indicator": {
                "ratio": {"total": {"metric": service.total}, "bad": {"metric": service.bad}}
            },
        }
    )
    meter = Meter(spec, NamedSource(source))
    # It has settled by then: closings refer to what the ones before them have read.
    begin = END - 2 * HOUR
    await _advance(meter, begin, HOUR)
    source.samples_read = source.queries = 0
    await _advance(meter, begin + HOUR, HOUR)


async def _advance(meter: Meter, begin: float, seconds: int) -> None:
    for passed in range(_TICK, seconds + 1, _TICK):
        reading = await meter.advance(begin + passed)
        if not isinstance(reading, Reading):
            raise TypeError(reading.message)


def _peers(service: Service, server: Server) -> dict[str, float]:
    """Samples that the rules of each peer read in an hour."""
    shown = service if service.measured else Service(10, service.scrape)
    more = service.series / shown.series
    return {
        name: _hour(generate(shown.question), server, more) for name, generate in _PEERS.items()
    }


def _hour(rules: list[Rule], server: Server, more: float) -> float:
    """Samples read in an hour by the rules, with `more` times the series."""
    samples = 0.0
    for rule in rules:
        once = _samples(server.api("query", query=rule.expression, time=END, stats="all"))
        scaled = more if f"{_METRIC}{{" in rule.expression else 1
        samples += once * scaled * HOUR / rule.interval
    return samples


def _samples(data: dict[str, Any]) -> int:
    """Samples that a query has read."""
    return int(data["stats"]["samples"]["totalQueryableSamples"])


def _show(costs: list[Cost]) -> None:
    rows = [
        [
            f"{cost.service.series:,}, {cost.service.scrape} s",
            f"{cost.service.floor:,}",
            f"{cost.sluice:,}",
            f"{cost.floors:.2f}",
            f"{cost.queries}",
            *(_peer(cost, samples) for samples in cost.peers.values()),
            f"{cost.saved:,.0f} x",
        ]
        for cost in costs
    ]
    show(
        "Samples read by Prometheus for one objective in an hour (* computed from 10 series)",
        ("series, scrape", "floor", "Sluice", "x floor", "queries", *_PEERS, "cheapest is"),
        rows,
    )


def _peer(cost: Cost, samples: float) -> str:
    return f"{samples / 1e6:,.1f} M" + (" " if cost.service.measured else " *")


def _content(costs: list[Cost]) -> dict[str, object]:
    return {
        "unit": "samples read by Prometheus in an hour of steady state",
        "promises": {"timesTheFloor": MOST_FLOORS, "peerOverSluice": LEAST_SAVED},
        "services": [
            {
                "series": cost.service.series,
                "scrapeSeconds": cost.service.scrape,
                "floor": cost.service.floor,
                "Sluice": cost.sluice,
                "timesTheFloor": round(cost.floors, 2),
                "queries": cost.queries,
                **cost.peers,
                "peersComputed": not cost.service.measured,
                "peerOverSluice": round(cost.saved),
            }
            for cost in costs
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
