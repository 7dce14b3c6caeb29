"""What a gate costs a deployment, and how soon it freezes: `python -m benchmarks.gate`.

On a real API server: updates of Deployments' pod templates with no gate, with native admission and
with the webhook, thawed and frozen, in short blocks one after the other; and the time from the
sample in Prometheus by which a budget falls below its threshold until an update is denied. Exits
with 1 where a promise does not hold.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchmarks import freezing
from benchmarks.gated import (
    API_SERVER,
    BARE,
    GATE,
    PHASES,
    Fleet,
    Gated,
    InForce,
    Variant,
    client,
    gated,
)
from benchmarks.load import Block, Call, Client, Estimate, added, percentile
from benchmarks.report import RESULTS, environment, keep, show
from e2e.harness import ControlPlane, control_plane

RATES = {50: 3.0, 200: 2.0}
"""Requests a second, and seconds of a block."""

PLUGINS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook")
PARTS = (*PLUGINS, "request", API_SERVER, GATE)
"""What is told of a request beside its latency, milliseconds."""

FLEETS = {"small": Fleet(5, 3), "large": Fleet(300, 5)}
SEED = 1

_NATIVE_MEDIAN = 3.0
_WEBHOOK_P99 = 5.0
_WEBHOOK_RATE = 50
_WARM_UP = 1.0
_SWITCHES = 4


@dataclass(frozen=True, slots=True)
class Inside:
    """Seconds that the API server has spent on updates so far, by its own histograms."""

    plugins: dict[str, float]
    requests: float

    @classmethod
    def read(cls, text: str) -> "Inside":
        """From its metrics page. Source: Kubernetes, "Kubernetes Metrics Reference"."""
        plugins = dict.fromkeys(PLUGINS, 0.0)
        requests = 0.0
        for line in text.splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.startswith("apiserver_admission_controller_admission_duration_seconds_sum{"):
                for name in PLUGINS:
                    if f'name="{name}"' in sample and 'operation="UPDATE"' in sample:
                        plugins[name] += float(value)
            elif sample.startswith("apiserver_request_duration_seconds_sum{") and (
                'dry_run="All"' in sample and 'verb="PATCH"' in sample
            ):
                requests += float(value)
        return cls(plugins, requests)

    def since(self, before: "Inside", count: int) -> dict[str, float]:
        """Milliseconds a request of `count` requests."""
        passed = {name: self.plugins[name] - before.plugins[name] for name in PLUGINS}
        passed["request"] = self.requests - before.requests
        return {name: 1000 * seconds / count for name, seconds in passed.items()}


@dataclass(slots=True)
class Series:
    """All blocks of a variant at a rate; the n-th is of the n-th round."""

    phase: str
    variant: Variant
    rate: int
    blocks: list[Block] = field(default_factory=list)
    inside: list[dict[str, float]] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(len(block.times) for block in self.blocks)

    @property
    def otherwise(self) -> int:
        """How many had another end than they should: of the webhook, what passed unasked."""
        return sum(self.requests_but(block) for block in self.blocks)

    def requests_but(self, block: Block) -> int:
        return len(block.times) - block.statuses[self.variant.status]

    def mean(self, name: str) -> float:
        """Milliseconds a request in a part of the API server."""
        weights = [len(block.times) for block in self.blocks]
        pairs = zip(self.inside, weights, strict=True)
        return sum(one[name] * weight for one, weight in pairs) / sum(weights)


Measured = dict[tuple[str, Variant, int], Series]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parts = [*FLEETS, *freezing.PARTS]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="which of it")
    parser.add_argument(
        "--rates", type=int, nargs="+", default=RATES, choices=RATES, help="a second"
    )
    parser.add_argument("--rounds", type=int, default=12, help="blocks of each kind")
    options = parser.parse_args()
    kept_all = True
    for part in options.parts:
        load = os.getloadavg()[0]
        _say(f"{part}, at a load of {load:.1f}")
        with control_plane() as plane:
            version = plane.kubectl.json("version")["serverVersion"]["gitVersion"]
            if part in FLEETS:
                content, kept = _latency(plane, FLEETS[part], options.rounds, options.rates)
            else:
                content, kept = freezing.measure(plane, freezing.PARTS[part])
        kept_all = kept_all and kept
        content["loadBefore"] = round(load, 1)
        keep("gate", _with_others(part, content, environment(kubernetes=version)))
    return 0 if kept_all else 1


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _with_others(part: str, content: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    """This part and the others that were kept before."""
    path = RESULTS / "gate.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    return {**before, "environment": machine, part: content}


def _latency(
    plane: ControlPlane, fleet: Fleet, rounds: int, rates: Sequence[int]
) -> tuple[dict[str, Any], bool]:
    measured: Measured = {
        (phase, variant, rate): Series(phase, variant, rate)
        for phase, variants in PHASES.items()
        for variant in variants
        for rate in rates
    }
    in_force: list[InForce] = []
    with gated(plane, fleet) as world:
        _say(f"{fleet} is deployed")
        for number, (phase, count) in enumerate(_order(rounds)):
            with world.frozen() if phase == "frozen" else nullcontext() as entered:
                if entered is not None:
                    in_force.append(entered)
                asyncio.run(_rounds(world, phase, count, measured, random.Random(SEED + number)))
            _say(f"{phase}: {count} rounds")
    rows, kept = _rows(measured)
    _show(fleet, rows)
    content = {
        "workloads": fleet.workloads,
        "revisions": fleet.revisions,
        "rounds": rounds,
        "changes": rows,
        "besideAFreeze": _beside(measured),
        "native": [
            {"kB": it.kilobytes, "accepted": round(it.accepted, 2), "denied": round(it.denied, 2)}
            for it in in_force
        ],
    }
    return content, kept


def _order(rounds: int) -> Iterable[tuple[str, int]]:
    """Phases and rounds of each: thawed, frozen, frozen, thawed, so that a drift is in both."""
    switches = min(_SWITCHES, rounds)
    for number in range(switches):
        count = rounds // switches + (number < rounds % switches)
        phases = ("thawed", "frozen") if number % 2 == 0 else ("frozen", "thawed")
        yield from ((phase, count) for phase in phases)


async def _rounds(
    world: Gated, phase: str, count: int, measured: Measured, chance: random.Random
) -> None:
    async with client(world.plane) as api:
        for variant in PHASES[phase]:
            calls = variant.calls(world.fleet)
            await api.block(calls, rate=min(RATES), seconds=_WARM_UP, chance=chance)
        for _ in range(count):
            before = await _inside(api)
            for rate in sorted({rate for _, _, rate in measured}):
                seed = chance.random()
                for variant in chance.sample(PHASES[phase], len(PHASES[phase])):
                    spent = world.spent()
                    block = await api.block(
                        variant.calls(world.fleet),
                        rate=rate,
                        seconds=RATES[rate],
                        chance=random.Random(seed),
                    )
                    took = {
                        name: 1000 * (seconds - spent[name]) / len(block.times)
                        for name, seconds in world.spent().items()
                    }
                    after = await _inside(api)
                    series = measured[phase, variant, rate]
                    series.blocks.append(block)
                    series.inside.append(after.since(before, len(block.times)) | took)
                    before = after


async def _inside(api: Client) -> Inside:
    _, text = await api.send(Call("GET", "/metrics"))
    await asyncio.sleep(0.2)
    return Inside.read(text)


def _rows(measured: Measured) -> tuple[list[dict[str, Any]], bool]:
    rows, kept_all = [], True
    for (phase, variant, rate), series in measured.items():
        reference = measured[phase, BARE, rate]
        median, tail = (
            added(series.blocks, reference.blocks, percent, seed=SEED) for percent in (50, 99)
        )
        kept = variant is BARE or _kept(variant, rate, median, tail)
        kept_all = kept_all and kept
        rows.append(
            {
                "phase": phase,
                "change": variant.name,
                "rate": rate,
                "requests": series.requests,
                "otherwise": series.otherwise,
                "p50": round(percentile(series.blocks, 50), 3),
                "p99": round(percentile(series.blocks, 99), 3),
                "addedP50": median.json(),
                "addedP99": tail.json(),
                "ratioP50": round(_ratio(series, reference), 3),
                "lateP99": round(_late(series), 3),
                "inside": {name: round(series.mean(name), 3) for name in PARTS},
                "kept": kept,
            }
        )
    return rows, kept_all


def _ratio(series: Series, reference: Series) -> float:
    return percentile(series.blocks, 50) / percentile(reference.blocks, 50)


def _late(series: Series) -> float:
    return percentile([Block(block.late, [], block.statuses) for block in series.blocks], 99)


def _kept(variant: Variant, rate: int, median: Estimate, tail: Estimate) -> bool:
    """Whether what is promised of a variant holds; nothing is promised of some."""
    if variant.name == "native, thawed":
        return median.low <= 0 and tail.low <= 0
    if variant.name.startswith("native"):
        return median.value < _NATIVE_MEDIAN
    return rate != _WEBHOOK_RATE or tail.value < _WEBHOOK_P99


def _beside(measured: Measured) -> list[dict[str, Any]]:
    """What a freeze costs the namespaces that are not frozen."""
    rates = sorted({rate for _, _, rate in measured})
    pairs = [(measured["frozen", BARE, rate], measured["thawed", BARE, rate]) for rate in rates]
    return [
        {
            "rate": frozen.rate,
            "addedP50": added(frozen.blocks, thawed.blocks, 50, seed=SEED).json(),
            "addedP99": added(frozen.blocks, thawed.blocks, 99, seed=SEED).json(),
        }
        for frozen, thawed in pairs
    ]


def _show(fleet: Fleet, rows: Sequence[dict[str, Any]]) -> None:
    show(
        f"Updates of {fleet.workloads} Deployments with {fleet.revisions} revisions: milliseconds "
        "(95 % confidence; * a promise that does not hold)",
        (
            *("change", "rate", "p50", "p99", "added at p50", "added at p99"),
            *("policy", "webhook", "request", "CPU API", "CPU gate", "otherwise"),
        ),
        [
            [
                _label(row),
                str(row["rate"]),
                f"{row['p50']:.2f}",
                f"{row['p99']:.2f}",
                str(Estimate(*row["addedP50"])),
                str(Estimate(*row["addedP99"])),
                *(f"{row['inside'][name]:.2f}" for name in PARTS),
                f"{row['otherwise']}/{row['requests']}",
            ]
            for row in rows
        ],
    )


def _label(row: dict[str, Any]) -> str:
    beside = ", beside a freeze" if row["change"] == BARE.name and row["phase"] == "frozen" else ""
    return f"{row['change']}{beside}{'' if row['kept'] else ' *'}"


if __name__ == "__main__":
    sys.exit(main())
