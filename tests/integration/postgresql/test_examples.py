"""The examples run as they are against a real PostgreSQL with the table that they describe."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from e2e.harness import Postgres
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.api.source import MetricSourceSpec
from sluice.budget.budget import Budget
from sluice.budget.windows import DAY
from sluice.indicators.declared import objective_of
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.sources import NamedSource
from tests.integration.postgresql.conftest import USER, Site

pytestmark = pytest.mark.postgresql

EXAMPLES = Path(__file__).parents[3] / "examples"
NOW = 1_800_000_040.0


def examples(*files: str) -> dict[str, ServiceLevelObjectiveSpec]:
    manifests = [it for file in files for it in yaml.safe_load_all((EXAMPLES / file).read_text())]
    return {
        it["metadata"]["name"]: ServiceLevelObjectiveSpec.model_validate(it["spec"])
        for it in manifests
    }


SPECS = examples("objectives/70-sql-latency.yaml", "objectives/80-sql-statements.yaml")


@pytest.fixture(scope="module")
def orders(site: Site) -> Iterator[Postgres]:
    """Thirty days with a request every ten seconds, of which every fiftieth takes 150 ms."""
    site.server.execute("create database orders")

    def run(sql: str) -> None:
        site.server.execute(sql, database="orders")

    run("create table requests (at timestamptz not null, duration interval not null)")
    run(
        "insert into requests select to_timestamp(s), "
        "case when s / 10 % 50 = 0 then interval '150 ms' else interval '20 ms' end "
        f"from generate_series({int(NOW - 31 * DAY)} / 10 * 10, {int(NOW)}, 10) as s"
    )
    run("create index on requests (at)")
    run(f"grant select on requests to {USER}")
    run("create extension pg_stat_statements")
    site.server.execute(f"grant pg_read_all_stats to {USER}")
    yield site.server
    site.server.execute(f"revoke pg_read_all_stats from {USER}")
    site.server.execute("drop database orders")


def source(site: Site) -> NamedSource:
    [text] = yaml.safe_load_all((EXAMPLES / "sources/postgresql.yaml").read_text())
    declared = MetricSourceSpec.model_validate(text["spec"]).postgresql
    assert declared is not None
    fields = {"database": declared.database, "statementTimeout": declared.statement_timeout}
    return NamedSource(site.source(**fields))


async def budget_of(meter: Meter, spec: ServiceLevelObjectiveSpec) -> Budget:
    reading = await meter.advance(NOW)
    assert isinstance(reading, Reading), reading
    budget = meter.evaluate(objective_of(spec, NOW), NOW).budget
    assert isinstance(budget, Budget), budget
    return budget


async def test_requests_slower_than_a_limit_are_counted(site: Site, orders: Postgres) -> None:
    spec = SPECS["orders-latency"]
    budget = await budget_of(Meter(spec, source(site)), spec)
    seen = "select count(*), count(*) filter (where duration > interval '100 ms') from requests "
    seen += "where at > to_timestamp(%s) and at <= to_timestamp(%s)"
    [truth] = orders.execute(seen, budget.bounds.start, NOW, database="orders")
    assert (budget.total, budget.bad) == truth
    assert budget.bad / budget.total == pytest.approx(1 / 50, rel=0.01)
    assert float(budget.consumed) == pytest.approx(200, abs=0.1)


async def test_a_percentile_is_looked_at_and_is_beyond_its_limit(
    site: Site, orders: Postgres
) -> None:
    spec = SPECS["orders-p99"]
    budget = await budget_of(Meter(spec, source(site)), spec)
    assert (budget.total, budget.bad) == (1, 1)
    orders.execute("update requests set duration = '20 ms'", database="orders")
    again = await budget_of(Meter(spec, source(site)), spec)
    assert (again.total, again.bad) == (1, 0)


async def test_statements_have_calls_and_a_mean(site: Site, orders: Postgres) -> None:
    spec = SPECS["orders-mean"]
    orders.execute("select pg_stat_statements_reset()", database="orders")
    few = Meter(spec, source(site))
    assert isinstance(await few.advance(NOW), Reading)
    assert not few.account.counts(NOW - DAY, NOW).covered
    with orders.connect("orders") as connection:
        for _ in range(100):
            connection.execute("select 1")
    budget = await budget_of(Meter(spec, source(site)), spec)
    assert (budget.total, budget.bad) == (1, 0)
    with ThreadPoolExecutor(20) as threads:
        nap = "select pg_sleep(0.25)"
        list(threads.map(lambda _: orders.execute(nap, database="orders"), range(120)))
    slow = await budget_of(Meter(spec, source(site)), spec)
    assert (slow.total, slow.bad) == (1, 1)
