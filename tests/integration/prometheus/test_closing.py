"""The reconciler over the end of a calendar period, with a real Prometheus."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.api import API_VERSION
from sluice.controller.applicable import Applicable
from sluice.controller.ledgers import Ledgers
from sluice.controller.objectives import Objectives
from sluice.controller.standings import Standings
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import Sources
from sluice.kube.cache import Cache, Key
from sluice.kube.events import Event
from sluice.kube.ledgers import LedgerStore
from sluice.kube.resources import OBJECTIVES, Resource
from sluice.telemetry.metrics import Metrics
from tests.integration.prometheus.indicators import INDICATORS
from tests.integration.prometheus.scenarios import DAY, END, HOUR, Scenario

pytestmark = pytest.mark.prometheus

KEY = Key(OBJECTIVES.plural, "shop", "restarts")
MIDNIGHT = END // DAY * DAY - 5.5 * HOUR
"""The last one in Kolkata."""


@dataclass
class Server:
    """What the reconciler asks of an API server: it keeps the object."""

    stored: dict[str, Any]

    async def apply(
        self, resource: Resource, body: dict[str, Any], *, subresource: str
    ) -> dict[str, Any]:
        assert (resource, subresource) == (OBJECTIVES, "status")
        self.stored = {**self.stored, "status": body["status"]}
        return self.stored

    async def get(self, *_: Any, **__: Any) -> None:
        """No ledger is kept."""


async def test_a_period_closes_with_one_event_and_the_next_begins_full(
    scenarios: Mapping[str, Scenario], source: Prometheus
) -> None:
    scenario = scenarios["restarts inside slices"]
    spec = {
        "objective": "99.9",
        "window": {"calendar": {"period": "Day", "timeZone": "Asia/Kolkata"}},
        "indicator": INDICATORS["bad"](scenario.service.job),
    }
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "uid": "1", "generation": 1}
    server = Server({"apiVersion": API_VERSION, "metadata": metadata, "spec": spec})
    cache, now = Cache(), [MIDNIGHT - 150]
    posted: list[tuple[float, Event]] = []

    def post(event: Event) -> None:
        posted.append((now[0], event))

    cache.put(OBJECTIVES, server.stored)
    sources = Sources()
    sources.put("default", source)
    ledgers = Ledgers(
        store=LedgerStore(server, namespace="sluice-system"),  # type: ignore[arg-type]
        metrics=Metrics(),
        clock=lambda: datetime.fromtimestamp(now[0], UTC),
        monotonic=lambda: 0.0,
        post=post,
    )
    objectives = Objectives(
        ledgers=ledgers,
        applicable=Applicable(),
        api=server,  # type: ignore[arg-type]
        cache=cache,
        sources=sources,
        standings=Standings(monotonic=lambda: now[0], lasts=300),
        metrics=Metrics(),
        clock=lambda: datetime.fromtimestamp(now[0], UTC),
        changed=lambda *_: None,
        refused=pytest.fail,
        corrected=lambda *_: None,
        interval=60,
        settle=30,
        post=post,
    )
    remaining: dict[str, list[float]] = {}
    while now[0] < MIDNIGHT + 900:
        while not await objectives.reconcile(KEY):
            pass  # the newest day comes first, then the rest of what is needed
        status = server.stored["status"]
        left = float(status["errorBudget"]["remaining"])
        remaining.setdefault(status["window"]["name"], []).append(left)
        now[0] += 60
    assert list(remaining) == ["2026-09-20", "2026-09-21"]
    assert remaining["2026-09-20"][-1] < 70
    assert remaining["2026-09-21"][0] > 99
    total, bad = scenario.service.truth(MIDNIGHT - DAY, MIDNIGHT)
    [(at, closed)] = [(at, event) for at, event in posted if event.reason == "PeriodClosed"]
    assert closed.metadata.namespace == "shop"
    assert closed.note.startswith("2026-09-20 closed with ")
    left = float(closed.note.split()[3].rstrip("%"))
    assert left == pytest.approx(100 - 100 * bad / (total * 0.001), abs=0.1)
    # Not before the period's last slice was closed.
    assert MIDNIGHT + 30 <= at <= MIDNIGHT + 30 + 60
