"""Known objectives beside others whose history is being read, in one real Prometheus."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from e2e.harness.prometheus_server import Prometheus as Server
from sluice.controller.applicable import Applicable
from sluice.controller.dispatcher import Dispatcher, Lane
from sluice.controller.ledgers import Ledgers
from sluice.controller.objectives import HISTORIES, Objectives
from sluice.controller.standings import Standings
from sluice.indicators.guard import GuardedSource
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import Sources
from sluice.kube.cache import Cache, Key
from sluice.kube.ledgers import LedgerStore
from sluice.kube.resources import OBJECTIVES, Resource
from sluice.telemetry.metrics import Metrics
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import END, Scenario

pytestmark = pytest.mark.prometheus

_INTERVAL = 0.25
_KNOWN, _NEW = 4, 60
# Seconds beyond the interval, or the share of what all history takes on a busy machine.
_LATE, _SHARE = 1.0, 0.25


class Cluster:
    """An API server that takes what is applied; the objects that it holds."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}

    def body(self, name: str, window: str, scenario: Scenario) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "shop", "uid": name, "generation": 1}
        indicator = INDICATORS["bad"](scenario.service.job)
        spec = {"objective": "99.9", "window": {"rolling": window}, "indicator": indicator}
        self.objects[name] = {"metadata": metadata, "spec": spec}
        return self.objects[name]

    async def apply(self, resource: Resource, body: dict[str, Any], **_: str) -> dict[str, Any]:
        assert resource is OBJECTIVES
        found = self.objects[body["metadata"]["name"]]
        found["status"] = body["status"]
        return found

    async def get(self, *_: Any, **__: Any) -> None:
        """No ledger is kept."""


async def test_known_objectives_keep_their_interval_while_the_history_of_others_is_read(
    scenarios: Mapping[str, Scenario], server: Server
) -> None:
    cluster, cache, sources, metrics = Cluster(), Cache(), Sources(), Metrics()
    began = time.monotonic()
    ledgers = Ledgers(
        store=LedgerStore(cluster, namespace="sluice-system"),  # type: ignore[arg-type]
        metrics=metrics,
        clock=lambda: datetime.fromtimestamp(END, UTC),
        monotonic=lambda: 0.0,
        post=lambda _: None,
    )
    objectives = Objectives(
        ledgers=ledgers,
        applicable=Applicable(),
        api=cluster,  # type: ignore[arg-type]
        cache=cache,
        sources=sources,
        standings=Standings(monotonic=time.monotonic, lasts=300),
        metrics=metrics,
        clock=lambda: datetime.fromtimestamp(END - 120 + time.monotonic() - began, UTC),
        changed=lambda *_: None,
        refused=pytest.fail,
        corrected=lambda *_: None,
        interval=_INTERVAL,
        settle=30,
        post=lambda _: None,
    )
    evaluated: defaultdict[str, list[float]] = defaultdict(list)

    async def reconcile(key: Key) -> float | None:
        again = await objectives.reconcile(key)
        evaluated[key.name].append(time.monotonic())
        return again

    lane = Lane(reconcile, 64, behind=objectives.behind, behind_at_once=HISTORIES)
    dispatcher = Dispatcher({OBJECTIVES.plural: lane}, metrics=metrics, monotonic=time.monotonic)

    def declare(names: list[str], window: str) -> None:
        for name in names:
            cache.put(OBJECTIVES, cluster.body(name, window, scenarios["steady errors"]))
            dispatcher.now(Key(OBJECTIVES.plural, "shop", name))

    async def all_known(names: list[str]) -> None:
        levels = [None]
        while None in levels or "Unknown" in levels:
            await asyncio.sleep(0.05)
            levels = [cluster.objects[name].get("status", {}).get("level") for name in names]

    known, new = (
        [f"{what}-{n}" for n in range(many)] for what, many in (("k", _KNOWN), ("n", _NEW))
    )
    async with aiohttp.ClientSession() as session:
        source = Prometheus("default", server.url, session)
        sources.put("default", GuardedSource(source, monotonic=time.monotonic))
        running = asyncio.create_task(dispatcher.run())
        declare(known, "1d")
        await asyncio.wait_for(all_known(known), 60)
        declare(new, "30d")
        from_then_on = time.monotonic()
        await asyncio.wait_for(all_known(new), 120)
        took = time.monotonic() - from_then_on
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    latest = max(_INTERVAL * 1.1 + _LATE, took * _SHARE)
    for name in known:
        times = [from_then_on, *(at for at in evaluated[name] if at > from_then_on)]
        assert max(after - before for before, after in pairwise(times)) < latest
    # The first time it was looked for a ledger.
    begun = [evaluated[name][1] for name in new]
    complete = [evaluated[name][2] for name in new]
    assert max(begun) < sorted(complete)[HISTORIES]
