"""What recorded counts cost: `python -m benchmarks.recorded`.

Samples that a ruler reads in an hour to evaluate the rules of one objective, by Prometheus' own
statistics, next to what the incremental engine reads (`benchmarks.cost`); and what it takes to read
back the records of a fleet, which is one query a side of slices and one of minutes.
"""

import asyncio
import itertools
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

from benchmarks.cost import SCRAPES, SERIES, Counting, Service
from benchmarks.report import environment, keep, show
from benchmarks.services import END, HOUR
from e2e.harness.prometheus_server import Prometheus as Server
from e2e.harness.prometheus_server import prometheus
from sluice.api.indicator import Indicator
from sluice.budget.counts import SLICE
from sluice.indicators.answers import Raw
from sluice.indicators.counted import Counted
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.recording import MINUTE, MINUTES, SLICES, Subject, render
from sluice.indicators.records import DELAY, Records
from sluice.indicators.resolve import resolve

FLEETS = (1_000, 10_000)
_SETTLE = 30
_NOW = END // SLICE * SLICE + _SETTLE + DELAY + 5


class Short(Service):
    """A service with six hours of history, which is enough for rules."""

    __slots__ = ()

    @property
    def measured(self) -> bool:
        """Never: peers are not asked."""
        return False


@dataclass(frozen=True, slots=True)
class Cost:
    """Samples that a ruler reads in an hour for one objective."""

    service: Service
    samples: int


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What it takes to read the records of a fleet once.

    Attributes:
        record: slices or minutes.
        queries: how many, both sides together.
        megabytes: of their answers.
        seconds: until all objectives have their counts.
        processor_seconds: of them, of this process.
    """

    objectives: int
    record: str
    queries: int
    megabytes: float
    seconds: float
    processor_seconds: float


class Weighing(Prometheus):
    """A client that adds up its queries and the length of their answers."""

    queries = 0
    bytes = 0

    async def _call(self, method: str, path: str, parameters: dict[str, str]) -> Raw | Failure:
        raw = await super()._call(method, path, parameters)
        if isinstance(raw, Raw):
            self.queries += 1
            self.bytes += len(raw.body)
        return raw


def main() -> int:
    """Run the benchmark."""
    services = [Short(*pair) for pair in itertools.product(SERIES, SCRAPES)]
    with prometheus(history=_raw(services)) as server:
        version = server.api("status/buildinfo")["version"]
        costs = asyncio.run(_evaluate(server, services))
    found = []
    for objectives in FLEETS:
        with prometheus(history=_records(objectives)) as server:
            found += asyncio.run(_read_back(server, objectives))
    _show(costs, found)
    keep("recorded", {"environment": environment(prometheus=version), **_content(costs, found)})
    return 0


def _raw(services: list[Short]) -> Iterator[str]:
    for service in services:
        yield from service.lines()
    yield "# EOF"


async def _evaluate(server: Server, services: list[Short]) -> list[Cost]:
    costs = []
    async with aiohttp.ClientSession() as session:
        for service in services:
            source = Counting("default", server.url, session)
            ratio = {"total": {"metric": service.total}, "bad": {"metric": service.bad}}
            indicator = Indicator.model_validate({"ratio": ratio})
            found = await resolve(indicator, source, END)
            if not isinstance(found, Counted):
                raise TypeError(str(found))
            samples = 0
            for rule in render(found, Subject("u", "shop", service.job), settle=_SETTLE).rules:
                source.samples_read = 0
                await source.instant(inner(rule.expression), END)
                samples += source.samples_read * HOUR // _width(rule.record)
            costs.append(Cost(service, samples))
    return costs


def inner(expression: str) -> str:
    """What a rule evaluates once at a boundary: Prometheus counts no samples inside a subquery."""
    return expression.removeprefix("last_over_time((").rpartition(")[")[0]


def _width(record: str) -> int:
    return SLICE if record == SLICES else MINUTE


def _records(objectives: int) -> Iterator[str]:
    """What a ruler would have recorded of a fleet in the last twenty minutes."""
    for number in range(objectives):
        labels = (
            f'sluice_id="{number * 7919 % 16**4:04x}{number:012x}",'
            f'sluice_namespace="team-{number // 10}",sluice_objective="availability-{number}"'
        )
        for record, parts in ((SLICES, ("moved", "doubt")), (MINUTES, ("moved",))):
            width, phase = _width(record), number * 7.31 % _width(record)
            first = (_NOW - 1200) // width * width + _SETTLE + phase
            times = [first + step * width for step in range(1200 // width)]
            for side, part in itertools.product(("total", "bad"), parts):
                series = f'{record}{{{labels},sluice_side="{side}",sluice_part="{part}"}}'
                value = 0 if part == "doubt" else 1234.0 if side == "total" else 3
                yield from (f"{series} {value} {at:.3f}" for at in times if at <= _NOW)
    yield "# EOF"


async def _read_back(server: Server, objectives: int) -> list[ReadBack]:
    end = int(END // SLICE * SLICE)
    grids = {SLICES: Grid(end - SLICE, SLICE, 1), MINUTES: Grid(end, MINUTE, 5)}
    ids = [f"{number * 7919 % 16**4:04x}{number:012x}" for number in range(objectives)]
    found = []
    async with aiohttp.ClientSession() as session:
        for record, grid in grids.items():
            source = Weighing("default", server.url, session, timeout=120)
            records = Records(source, settle=_SETTLE, clock=lambda: _NOW)
            read = records.slices if record == SLICES else records.minutes
            began, used = time.perf_counter(), _processor()
            for identity in ids:
                members = await read(identity, grid)
                if isinstance(members, Failure) or not members:
                    raise TypeError(f"{record} of {identity}: {members}")
            found.append(
                ReadBack(
                    objectives,
                    record,
                    source.queries,
                    source.bytes / 1e6,
                    time.perf_counter() - began,
                    _processor() - used,
                )
            )
    return found


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _show(costs: list[Cost], found: list[ReadBack]) -> None:
    show(
        "Samples that a ruler reads for one objective in an hour",
        ("series, scrape", "floor", "rules", "x floor"),
        [
            [
                f"{cost.service.series:,}, {cost.service.scrape} s",
                f"{cost.service.floor:,}",
                f"{cost.samples:,}",
                f"{cost.samples / cost.service.floor:.2f}",
            ]
            for cost in costs
        ],
    )
    show(
        "Reading the records of all objectives back once",
        ("objectives", "what", "queries", "MB", "seconds", "of our CPU"),
        [
            [
                f"{one.objectives:,}",
                one.record,
                f"{one.queries}",
                f"{one.megabytes:.1f}",
                f"{one.seconds:.2f}",
                f"{one.processor_seconds:.2f}",
            ]
            for one in found
        ],
    )


def _content(costs: list[Cost], found: list[ReadBack]) -> dict[str, object]:
    return {
        "ruler": {
            "unit": "samples read by the ruler in an hour, for one objective",
            "services": [
                {
                    "series": cost.service.series,
                    "scrapeSeconds": cost.service.scrape,
                    "floor": cost.service.floor,
                    "rules": cost.samples,
                    "timesTheFloor": round(cost.samples / cost.service.floor, 2),
                }
                for cost in costs
            ],
        },
        "readBack": [
            {
                "objectives": one.objectives,
                "record": one.record,
                "queries": one.queries,
                "megabytes": round(one.megabytes, 1),
                "seconds": round(one.seconds, 2),
                "processorSeconds": round(one.processor_seconds, 2),
            }
            for one in found
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
