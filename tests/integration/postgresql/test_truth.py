"""Budgets from a real PostgreSQL, compared with what truly happened, to the event."""

import random
from collections.abc import Iterator

import pytest

from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.budget import Budget
from sluice.budget.counts import SLICE
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.sources import NamedSource
from tests.integration.postgresql.conftest import Site
from tests.integration.postgresql.requests import Request, Table

pytestmark = pytest.mark.postgresql

END = 1_800_000_000 // HOUR * HOUR + 0.0
SEED = 20260820


def declared(query: str, window: str = "2d", **fields: object) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99",
            "window": {"rolling": window},
            "indicator": {"sql": {"counts": {"query": query}}},
            "source": {"name": "db"},
            **fields,
        }
    )


def traffic(start: float, end: float) -> list[Request]:
    """Irregular requests, and some exactly at the boundaries of slices, where it is told once."""
    chance = random.Random(SEED)
    rows, at = [], start
    while at < end:
        at += chance.expovariate(1 / 20)
        rows.append(Request(at, 500 if chance.random() < 0.02 else 200, chance.random()))
    boundary = start // SLICE * SLICE
    while boundary < end:
        boundary += SLICE
        rows += [Request(boundary), Request(boundary, 503)]
    return [row for row in rows if row.at <= end]


@pytest.fixture
def table(site: Site) -> Iterator[Table]:
    yield Table(site.server, "requests")
    site.server.execute("drop table requests")


def plain(site: Site) -> NamedSource:
    return NamedSource(site.source(tls={"mode": "Disable"}))


async def budget_at(meter: Meter, spec: ServiceLevelObjectiveSpec, now: float) -> Budget:
    reading = await meter.advance(now)
    assert isinstance(reading, Reading), reading
    budget = meter.evaluate(objective_of(spec, now), now).budget
    assert isinstance(budget, Budget), budget
    return budget


async def test_what_is_read_back_is_the_truth_to_the_event(site: Site, table: Table) -> None:
    table.add(traffic(END - 3 * DAY, END + HOUR))
    spec = declared(table.counts)
    now = END + 1234
    budget = await budget_at(Meter(spec, plain(site)), spec, now)
    assert (budget.total, budget.bad) == table.truth(budget.bounds.start, now)
    assert budget.covered == 100
    assert budget.newest == now


async def test_what_is_followed_live_is_what_is_read_back_and_the_truth(
    site: Site, table: Table
) -> None:
    table.add(traffic(END - 3 * DAY, END + 3 * HOUR))
    spec = declared(table.counts)
    live, now = Meter(spec, plain(site)), END - 100
    while now < END + 2 * HOUR:
        followed = await budget_at(live, spec, now)
        last, now = now, now + 97
    back = await budget_at(Meter(spec, plain(site)), spec, last)
    truth = table.truth(back.bounds.start, last)
    assert (followed.total, followed.bad) == (back.total, back.bad) == truth


@pytest.mark.parametrize("length", ["5m", "30m", "1h"])
async def test_slices_of_time_are_judged_one_by_one_also_in_the_past(
    site: Site, table: Table, length: str
) -> None:
    table.add(traffic(END - 3 * DAY, END))
    slices = {"length": length, "objective": "92", "empty": "Good"}
    spec = declared(table.counts, budgeting={"timeslices": slices})
    budget = await budget_at(Meter(spec, plain(site)), spec, END + 31)
    width = {"5m": 300, "30m": 1800, "1h": 3600}[length]
    starts = range(budget.bounds.start, int(END), width)
    judged = [table.truth(start, start + width) for start in starts]
    assert budget.total == len(judged)
    assert budget.bad == sum(bad > 0.08 * total * (1 + 1e-6) for total, bad in judged)
    assert 0 < budget.bad < budget.total


async def test_an_event_at_a_boundary_is_told_twice_by_between_and_once_as_documented(
    site: Site, table: Table
) -> None:
    table.add([Request(END - HOUR + number * SLICE) for number in range(13)])
    fields = {"minEvents": 1, "window": "1h"}
    spec = declared(table.counts, **fields)
    once = await budget_at(Meter(spec, plain(site)), spec, END)
    assert once.total == 12
    between = table.counts.replace("at > $start and at <= $end", "at between $start and $end")
    twice = declared(between, **fields)
    assert (await budget_at(Meter(twice, plain(site)), twice, END)).total == 24


@pytest.mark.parametrize("slices_before", [0, 1])
async def test_rows_that_come_late_are_found_in_the_last_two_slices(
    site: Site, table: Table, slices_before: int
) -> None:
    table.add(traffic(END - DAY, END))
    spec = declared(table.counts, "1d")
    meter = Meter(spec, plain(site))
    await budget_at(meter, spec, END + 40)
    table.add([Request(END - slices_before * SLICE - 10 * n, 500) for n in range(1, 20)])
    budget = await budget_at(meter, spec, END + SLICE + 40)
    assert (budget.total, budget.bad) == table.truth(budget.bounds.start, END + SLICE + 40)


async def test_a_query_that_gives_nothing_tells_a_gap_and_one_that_gives_zero_none(
    site: Site, table: Table
) -> None:
    rows = traffic(END - DAY, END)
    gap = (END - 6 * HOUR, END - 4 * HOUR)
    table.add([row for row in rows if not gap[0] < row.at <= gap[1]])
    spec = declared(table.counts, "1d")
    zero = await budget_at(Meter(spec, plain(site)), spec, END)
    assert zero.covered == 100
    having = declared(table.counts + " having count(*) > 0", "1d")
    known = await budget_at(Meter(having, plain(site)), having, END)
    assert float(known.covered) == pytest.approx(100 * 22 / 24, abs=0.01)
    assert (known.total, known.bad) == (zero.total, zero.bad)


@pytest.mark.parametrize(
    "columns",
    [
        "count(*)::integer as total, 0::smallint as bad",
        "count(*)::numeric as total, 0::real as bad",
        "count(*)::float8 * 1.0 as total, null::bigint as bad",
        "null::numeric as good, count(*) as total",
    ],
)
async def test_numbers_of_any_type_are_counts(site: Site, table: Table, columns: str) -> None:
    table.add(traffic(END - DAY, END))
    query = f"select {columns} from requests where at > $start and at <= $end"
    spec = declared(query, "1d")
    budget = await budget_at(Meter(spec, plain(site)), spec, END)
    total, _ = table.truth(budget.bounds.start, END)
    assert (budget.total, budget.bad) == (total, total if "good" in columns else 0)


async def test_times_without_a_zone_are_of_utc_wherever_the_database_is(
    site: Site, table: Table
) -> None:
    table.add(traffic(END - DAY, END))
    site.server.execute("alter role sluice_reader set timezone = 'Asia/Kolkata'")
    try:
        naive = table.counts.replace(
            "requests", "(select at at time zone 'UTC' as at, status from requests) as naive"
        )
        spec = declared(naive, "1d")
        budget = await budget_at(Meter(spec, plain(site)), spec, END)
    finally:
        site.server.execute("alter role sluice_reader reset timezone")
    assert (budget.total, budget.bad) == table.truth(budget.bounds.start, END)


async def test_a_restart_of_the_server_loses_no_event(site: Site, table: Table) -> None:
    table.add(traffic(END - 2 * DAY, END + 2 * HOUR))
    spec = declared(table.counts, "1d")
    meter = Meter(spec, plain(site))
    await budget_at(meter, spec, END)
    site.server.stop(crash=True)
    try:
        failure = await meter.advance(END + 700)
    finally:
        site.server.start()
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_UNREACHABLE
    budget = await budget_at(meter, spec, END + 1500)
    assert (budget.total, budget.bad) == table.truth(budget.bounds.start, END + 1500)


async def test_a_month_is_read_by_the_hour_and_is_exact(site: Site, table: Table) -> None:
    table.add(traffic(END - 31 * DAY, END))
    spec = declared(table.counts, "30d")
    site.server.execute("create extension if not exists pg_stat_statements")
    site.server.execute("select pg_stat_statements_reset()")
    told: list[float] = []
    meter = Meter(spec, plain(site), progress=told.append)
    budget = await budget_at(meter, spec, END + 31)
    assert (budget.total, budget.bad) == table.truth(budget.bounds.start, END + 31)
    asked = "select coalesce(sum(calls), 0)::int from pg_stat_statements where query like %s"
    [(calls,)] = site.server.execute(asked, "%from requests where at >%limit%")
    assert len(told) >= 4
    assert told == sorted(told)
    # 24 to 25 hours by slices, 29 days by the hour, the live rest; a check in each batch of twelve.
    assert 288 + 29 * 24 <= calls <= (301 + 29 * 24) * 13 / 12 + 35
