"""How soon a freeze is in force: from a sample in Prometheus to the first update that is denied.

`sluice run` and a real Prometheus that scrapes services every second. A service fails at once so
often that its budget falls below the threshold. When that was is the time of the scrape, as
Prometheus has stored it, which is some milliseconds before it can be queried.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np

from benchmarks.gated import Fleet, client, deploy
from benchmarks.load import Client
from benchmarks.report import show
from e2e.harness import ControlPlane
from e2e.stack import SERVICES, Service, Stack, condition, installed, stack
from e2e.story.manifests import objective, policy
from sluice.enforcement import names

_SEED = 1
_INTERVAL, _SETTLE, _REST = 60.0, 30.0, 2.0
"""Promised is less than the sum: the defaults of `sluice run`, and what comes on top."""

_READY = 600.0
_GIVE_UP = 120.0
_PROBED_EVERY = 0.02
_SPENT = 90
_THRESHOLD = 20.0
_BEFORE = 1.5
"""A scrape that has begun so many seconds before a failure may have met it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured.

    Attributes:
        interval: seconds between two evaluations, as `--interval`.
        settle: as `--settle`.
        teams: namespaces with an objective and a policy each.
        times: how often each of them freezes.
        fleet: what each of them governs.
    """

    interval: float
    settle: float
    teams: int
    times: int
    fleet: Fleet


PARTS = {
    "freeze": Setting(interval=_INTERVAL, settle=_SETTLE, teams=24, times=1, fleet=Fleet(1, 1)),
    "freeze-large": Setting(interval=6, settle=3, teams=1, times=5, fleet=Fleet(300, 5)),
}
"""The second one has a tenth of the default interval and settling, for it is about the rest."""

PROMISED = _INTERVAL + _SETTLE + _REST


@dataclass(frozen=True, slots=True)
class Crossing:
    """Seconds of one freeze.

    Attributes:
        total: from the sample until an update was denied.
        seen: of these, until the objective's status told of the sample.
        written: from then until the API server had the admission policy.
        denied: from then until it denied an update.
    """

    total: float
    seen: float
    written: float
    denied: float

    @property
    def rest(self) -> float:
        """What does not grow with the interval."""
        return self.written + self.denied

    def at_defaults(self, setting: Setting) -> float:
        """What `total` would be at the default interval, if `seen` grew with it."""
        scale = (_INTERVAL + _SETTLE) / (setting.interval + setting.settle)
        return self.seen * scale + self.rest


@dataclass(slots=True)
class Team:
    """A namespace and its service; times are those of the clock, seconds."""

    namespace: str
    service: Service
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    seen_at: float = 0.0
    written_at: float = 0.0


def measure(plane: ControlPlane, setting: Setting) -> tuple[dict[str, Any], bool]:
    """Freeze as often as `setting` says; the content of the results, and whether it was in time."""
    with _running(plane, setting) as (running, teams):
        found = asyncio.run(_measure(running, setting, teams))
    _show(setting, found)
    content = {
        "interval": setting.interval,
        "settle": setting.settle,
        "workloads": setting.fleet.workloads,
        "revisions": setting.fleet.revisions,
        "freezes": len(found),
        "seconds": {
            name: _summary([getattr(one, name) for one in found])
            for name in ("total", "seen", "written", "denied", "rest")
        },
        "shareOfIntervalAndSettle": _summary(
            [one.seen / (setting.interval + setting.settle) for one in found]
        ),
        "atDefaults": _summary([one.at_defaults(setting) for one in found]),
        "promised": PROMISED,
    }
    return content, all(one.at_defaults(setting) < PROMISED for one in found)


def _summary(values: Sequence[float]) -> dict[str, float]:
    found = {"p50": np.median(values), "p90": np.percentile(values, 90), "max": max(values)}
    return {name: round(float(value), 3) for name, value in found.items()}


@contextmanager
def _running(plane: ControlPlane, setting: Setting) -> Iterator[tuple[Stack, list[Team]]]:
    services = SERVICES[: setting.teams]
    with (
        installed(plane) as kubeconfig,
        stack(plane, kubeconfig, services) as running,
    ):
        teams = [Team(f"team-{n}", running.take()) for n in range(setting.teams)]
        for team in teams:
            objects = [objective(team.service.job), policy()]
            for one in objects:
                one["metadata"]["namespace"] = team.namespace
            plane.apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team.namespace}},
                *objects,
            )
        asyncio.run(_deploy(plane, setting.fleet, teams))
        controller = running.run(f"--interval={setting.interval}", f"--settle={setting.settle}")
        running.until("all known", lambda: _healthy(plane, setting.teams), timeout=_READY)
        yield running, teams
        controller.stop()


async def _deploy(plane: ControlPlane, fleet: Fleet, teams: Sequence[Team]) -> None:
    async with client(plane) as api:
        await deploy(api, fleet, *(team.namespace for team in teams))


def _healthy(plane: ControlPlane, wanted: int) -> bool:
    """Whether every budget is known, and every policy has decided by it."""
    time.sleep(1)  # of a look at it the API server has work, too
    items = plane.kubectl.json("get", "slo,ebp", "-A")["items"]
    known = [one for one in items if condition(one, "BudgetKnown").get("status") == "True"]
    return len(known) == 2 * wanted


async def _measure(running: Stack, setting: Setting, teams: Sequence[Team]) -> list[Crossing]:
    chance = random.Random(_SEED)
    async with client(running.plane) as api:
        by_name = {team.namespace: team for team in teams}
        watching = [
            asyncio.create_task(_watch(api, path, by_name))
            for path in (
                "/apis/sluice.dev/v1alpha1/servicelevelobjectives",
                "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            )
        ]
        try:
            found = await asyncio.gather(
                *(
                    _cross(api, running, setting, team, chance.uniform(0, setting.interval))
                    for team in teams
                )
            )
        finally:
            for task in watching:
                task.cancel()
    return [one for each in found for one in each]


async def _watch(api: Client, path: str, teams: dict[str, Team]) -> None:
    """Note when objects say what is waited for."""
    async with api.watch(path) as lines:
        async for line in lines:
            now, event = time.time(), json.loads(line)
            found, metadata = event["object"], event["object"]["metadata"]
            if found["kind"] == "ServiceLevelObjective":
                team = teams.get(metadata["namespace"])
                budget = found.get("status", {}).get("errorBudget", {})
                below = float(budget.get("remaining", 100)) < _THRESHOLD
                if team is not None and below and not team.seen.is_set():
                    team.seen_at = now
                    team.seen.set()
            elif event["type"] == "ADDED":
                whose = metadata.get("annotations", {}).get(names.POLICY, "")
                team = teams.get(whose.partition("/")[0])
                if team is not None:
                    team.written_at = now


async def _cross(
    api: Client, running: Stack, setting: Setting, team: Team, delay: float
) -> list[Crossing]:
    found = []
    for _ in range(setting.times):
        await asyncio.sleep(delay)
        team.seen.clear()
        began = time.time()
        team.service.spend(_SPENT)
        async with asyncio.timeout(setting.interval + setting.settle + _GIVE_UP):
            await team.seen.wait()
            denied_at = await _until(api, setting.fleet, team, HTTPStatus.FORBIDDEN)
        crossed = await asyncio.to_thread(_crossed_at, running, team, began)
        found.append(
            Crossing(
                total=denied_at - crossed,
                seen=team.seen_at - crossed,
                written=team.written_at - team.seen_at,
                denied=denied_at - team.written_at,
            )
        )
        if len(found) < setting.times:
            team.service.recover()
            await _until(api, setting.fleet, team, HTTPStatus.OK)
    return found


async def _until(api: Client, fleet: Fleet, team: Team, wanted: HTTPStatus) -> float:
    """When a deployment was first answered so."""
    while True:
        status, _ = await api.send(fleet.change(team.namespace, 0))
        if status == wanted:
            return time.time()
        await asyncio.sleep(_PROBED_EVERY)


def _crossed_at(running: Stack, team: Team, began: float) -> float:
    """The time of the first sample with the failures."""
    failures = f'http_requests_total{{job="{team.service.job}",code="500"}}[10m]'
    answer = running.prometheus.api("query", query=failures)
    [series] = answer["result"]
    samples = [(float(at), float(value)) for at, value in series["values"]]
    before = max((value for at, value in samples if at < began - _BEFORE), default=0.0)
    return next(at for at, value in samples if at >= began - _BEFORE and value > before)


def _show(setting: Setting, found: Sequence[Crossing]) -> None:
    scale = setting.interval + setting.settle
    rows = {
        "sample to denial": [one.total for one in found],
        "sample to the objective's status": [one.seen for one in found],
        f"the same as a share of {scale:g} s": [one.seen / scale for one in found],
        "status to admission policy": [one.written for one in found],
        "admission policy to denial": [one.denied for one in found],
        "status to denial": [one.rest for one in found],
        "sample to denial, at the defaults": [one.at_defaults(setting) for one in found],
    }
    show(
        f"{len(found)} freezes of {setting.fleet.workloads} Deployments with "
        f"{setting.fleet.revisions} revisions, interval {setting.interval:g} s, settle "
        f"{setting.settle:g} s: seconds (promised: less than {PROMISED:g} at the defaults)",
        ("from", "p50", "p90", "max"),
        [[name, *(f"{it:.2f}" for it in _summary(each).values())] for name, each in rows.items()],
    )
