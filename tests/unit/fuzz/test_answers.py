"""Whatever a Prometheus answers, an objective has finite numbers or a message of one line."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.slo import ServiceLevelObjectiveStatus
from sluice.controller.applicable import Applicable
from sluice.controller.ledgers import Ledgers
from sluice.controller.objectives import Objectives
from sluice.controller.standings import Standings
from sluice.indicators.answers import Raw, read_data, read_metric_type, read_series
from sluice.indicators.failure import Failure
from sluice.indicators.sources import Sources
from sluice.kube.cache import Cache, Key, Malformed, parse
from sluice.kube.ledgers import LedgerStore
from sluice.kube.resources import OBJECTIVES
from sluice.telemetry.metrics import Metrics
from tests.unit.controller.world import Table
from tests.unit.fuzz.hostile import fuzzed, json_values, one_line, readable
from tests.unit.fuzz.liar import WHERE, Liar, lies
from tests.unit.fuzz.manifests import accepted

NOW = datetime(2026, 8, 20, 10, 2, tzinfo=UTC)
KEY = Key(OBJECTIVES.plural, "shop", "checkout")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Measuring:
    """An objective that is measured in a source, at a time that is turned by hand."""

    def __init__(self, spec: Any, source: Liar) -> None:
        self.now = NOW
        self.api = Table()
        api: Any = self.api
        self.cache, metrics, sources = Cache(), Metrics(), Sources()
        for name in ("default", "another"):
            sources.put(name, source)
        ledgers = Ledgers(
            store=LedgerStore(api, namespace="sluice-system"),
            metrics=metrics,
            clock=lambda: self.now,
            monotonic=self.seconds,
            post=lambda _: None,
        )
        self.objectives = Objectives(
            api=api,
            cache=self.cache,
            sources=sources,
            standings=Standings(monotonic=self.seconds, lasts=300.0),
            ledgers=ledgers,
            metrics=metrics,
            applicable=Applicable(),
            clock=lambda: self.now,
            changed=lambda *_: None,
            refused=lambda _: None,
            corrected=lambda *_: None,
            interval=60,
            settle=30,
            post=lambda _: None,
        )
        metadata = {"name": "checkout", "namespace": "shop", "uid": "u-1", "generation": 1}
        self.cache.put(OBJECTIVES, self.api.put(OBJECTIVES, {"metadata": metadata, "spec": spec}))

    def seconds(self) -> float:
        return (self.now - NOW).total_seconds()

    async def evaluate(self, times: int = 1) -> dict[str, Any]:
        """The status after the objective was due so often, a minute apart."""
        for _ in range(times):
            for _ in range(4):  # it is due again at once while its history is read
                if await self.objectives.reconcile(KEY) != 0.0:
                    break
            self.now += timedelta(minutes=1)
        status: dict[str, Any] = self.api.objects[OBJECTIVES.plural, "shop", "checkout"]["status"]
        return status


def judge(status: dict[str, Any]) -> None:
    """What holds for every status, whatever it was made from."""
    json.dumps(status, allow_nan=False)
    ServiceLevelObjectiveStatus.model_validate(status)
    for condition in status["conditions"]:
        assert readable(condition), condition
    for number in numbers(status):
        assert _NUMBER.fullmatch(number), status


def numbers(status: dict[str, Any]) -> Iterator[str]:
    budget = status.get("errorBudget", {})
    yield from (budget[name] for name in ("consumed", "remaining", "toDate") if budget)
    yield from budget.get("events", {}).values()
    yield from (rate["value"] for rate in status.get("burnRates", ()))
    if status.get("sli") is not None:
        yield status["sli"]


def of_prometheus() -> list[dict[str, Any]]:
    """The objectives that the API server takes in and a Prometheus is asked about."""
    specs = accepted("ServiceLevelObjective")
    readable = [spec for spec in specs if not isinstance(parse_spec(spec), Malformed)]
    return [spec for spec in readable if "sql" not in spec["indicator"]]


def honest(told: dict[str, Any]) -> Raw:
    return Raw(200, "application/json", json.dumps(told).encode())


def parse_spec(spec: Any) -> Any:
    return parse(OBJECTIVES, {"metadata": {"name": "x", "namespace": "y"}, "spec": spec})


def mostly_short() -> st.SearchStrategy[dict[str, Any]]:
    """These objectives, most of them with a short window: it is read back in a few answers."""
    short = st.sampled_from([{}, *[{"window": {"rolling": "6h"}}] * 19])
    return st.tuples(st.sampled_from(of_prometheus()), short).map(lambda it: {**it[0], **it[1]})


@fuzzed
@given(mostly_short(), lies(), st.sampled_from(["", "replica"]))
def test_an_objective_that_is_lied_to_has_numbers_or_a_reason(
    spec: dict[str, Any], told: Any, label: str
) -> None:
    judge(asyncio.run(Measuring(spec, Liar(told, label)).evaluate(2)))


@fuzzed
@given(
    st.binary() | json_values().map(lambda it: json.dumps(it).encode("utf-8", "surrogatepass")),
    st.sampled_from([200, 200, 200, 401, 422, 500]),
    st.sampled_from(["application/json", "application/json", "text/html", ""]),
    st.sampled_from(["vector", "matrix"]),
)
def test_any_bytes_are_series_or_a_failure(
    body: bytes, status: int, content_type: str, kind: str
) -> None:
    data = read_data(Raw(status, content_type, body), WHERE)
    for found in (read_series(data, kind, WHERE), read_metric_type(data, "x", WHERE)):
        if isinstance(found, Failure):
            assert one_line(found.message), found
            assert WHERE in found.message


@pytest.mark.parametrize("spec", of_prometheus())
async def test_an_objective_that_is_told_the_truth_is_measured_or_told_why_not(
    spec: dict[str, Any],
) -> None:
    judge(await Measuring(spec, Liar([honest])).evaluate(2))
