"""When an objective's counts are kept, and when measuring starts over."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.controller.objectives import Objectives
from sluice.controller.standings import Standings
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import Sources
from sluice.kube.cache import Cache, Key
from sluice.telemetry.metrics import Metrics

KEY = Key("servicelevelobjectives", "shop", "checkout")


def objective(uid: str = "u-1", **spec: Any) -> ServiceLevelObjective:
    indicator = {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}}
    return ServiceLevelObjective.model_validate(
        {
            "metadata": {"name": "checkout", "namespace": "shop", "uid": uid},
            "spec": {
                "objective": "99.9",
                "window": {"rolling": "30d"},
                "indicator": indicator,
                **spec,
            },
        }
    )


def source(session: aiohttp.ClientSession, url: str, label: str = "") -> Prometheus:
    return Prometheus("default", url, session, dedup_label=label)


@pytest.fixture
def sources() -> Sources:
    return Sources()


@pytest.fixture
def objectives(sources: Sources) -> Objectives:
    return Objectives(
        api=None,  # type: ignore[arg-type]
        cache=Cache(),
        sources=sources,
        standings=Standings(monotonic=lambda: 0.0, lasts=1.0),
        metrics=Metrics(),
        clock=lambda: datetime(2026, 8, 20, tzinfo=UTC),
        changed=lambda _: None,
        refused=lambda _: None,
        interval=60,
        settle=30,
        identity="test",
    )


async def test_counts_stay_while_a_source_moves_or_is_away(
    objectives: Objectives, sources: Sources
) -> None:
    async with aiohttp.ClientSession() as session:
        sources.put("default", source(session, "http://one:9090", "replica"))
        first = objectives._meter(KEY, objective())
        assert isinstance(first, Meter)
        sources.put("default", Failure(Reason.SECRET_NOT_FOUND, "away"))
        assert objectives._meter(KEY, objective()) is first
        sources.drop("default")
        missing = objectives._meter(KEY, objective())
        assert isinstance(missing, Failure)
        assert missing.reason is Reason.SOURCE_NOT_FOUND
        sources.put("default", source(session, "http://two:9090", "replica"))
        assert objectives._meter(KEY, objective(objective="99")) is first


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(objective(window={"rolling": "7d"}), id="window"),
        pytest.param(objective(source={"name": "other"}), id="source"),
        pytest.param(objective("u-2"), id="another object of the same name"),
    ],
)
async def test_measuring_starts_over_when_the_objective_means_something_else(
    objectives: Objectives, sources: Sources, changed: ServiceLevelObjective
) -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("default", "other"):
            sources.put(name, source(session, "http://one:9090"))
        first = objectives._meter(KEY, objective())
        assert objectives._meter(KEY, changed) is not first


async def test_measuring_starts_over_when_replicas_are_counted_in_another_way(
    objectives: Objectives, sources: Sources
) -> None:
    async with aiohttp.ClientSession() as session:
        sources.put("default", source(session, "http://one:9090"))
        first = objectives._meter(KEY, objective())
        sources.put("default", source(session, "http://one:9090", "replica"))
        second = objectives._meter(KEY, objective())
        assert isinstance(second, Meter)
        assert second is not first
