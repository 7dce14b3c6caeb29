"""What teams may write: wrong, hostile, slow or too much; and what the database makes of it."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.guard import GuardedDatabase
from sluice.indicators.postgresql import PostgreSQL
from sluice.indicators.statement import Shape, Statement, parse_statement
from tests.integration.postgresql.conftest import USER, Site
from tests.integration.postgresql.requests import Request, Table

pytestmark = pytest.mark.postgresql

SPAN = (1_800_000_000, 1_800_000_300)
WHERE = "spec.indicator.sql.counts.query"


@pytest.fixture
def table(site: Site) -> Iterator[Table]:
    """A table that the role may write to: only the transaction keeps it from that."""
    made = Table(site.server, "requests")
    made.add([Request(SPAN[0] + number, note=note) for number, note in enumerate(NOTES, 1)])
    site.server.execute(f"grant all on requests to {USER}")
    site.server.execute("create sequence numbers")
    site.server.execute(f"grant all on sequence numbers to {USER}")
    site.server.execute(
        "create function remove_all() returns bigint language sql as "
        "'delete from requests; select 1::bigint'"
    )
    yield made
    site.server.execute("drop function remove_all")
    site.server.execute("drop sequence numbers")
    site.server.execute("drop table requests")


NOTES = ["$start", "$end", "50%", "it's", "plain", "$$", "%s"]


def parsed(text: str, shape: Shape = Shape.COUNTS) -> Statement:
    found = parse_statement(text, WHERE, shape)
    assert isinstance(found, Statement), found
    return found


def counting(which: str) -> str:
    return (
        f"select count(*) as total, count(*) filter (where {which}) as bad "
        "from requests where at > $start and at <= $end"
    )


async def failure_of(source: PostgreSQL, text: str, shape: Shape = Shape.COUNTS) -> Failure:
    found = parse_statement(text, WHERE, shape)
    if isinstance(found, Failure):
        return found
    answer = await source.rows(found, [SPAN])
    assert isinstance(answer, Failure), answer
    return answer


@pytest.mark.parametrize(
    ("which", "bad"),
    [
        ("note = '$start'", 1),
        ("note in ('$start', '$end')", 2),
        ("note = $$$end$$", 1),
        ("note = $q$$$$q$", 1),
        ("note like '50%'", 1),
        ("note = '%s'", 1),
        ("note = 'it''s' -- it's $start", 1),
        (r"note = E'it\'s' /* $start */", 1),
        ("extract(epoch from at)::bigint % 2 = 0", 3),
        ("at - interval '3 s' <= $start", 3),
    ],
)
async def test_texts_and_comments_are_left_as_they_are(
    source: PostgreSQL, table: Table, which: str, bad: int
) -> None:
    assert table.truth(*SPAN) == (len(NOTES), 0)
    text = counting(which).replace("-- it's $start)", "-- it's $start\n)")
    assert await source.rows(parsed(text), [SPAN]) == [{"total": len(NOTES), "bad": bad}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 1 as total, 0 as bad, $start, $end; drop table requests", "more than one statem"),
        ("commit; drop table requests; select $start, $end", "more than one statement"),
        (
            (
                "with gone as (delete from requests where at > $start and at <= $end returning 1) "
                "select count(*) as total, 0 as bad from gone"
            ),
            "1:6: WITH clause containing a data-modifying statement must be at the top level",
        ),
        (
            "select remove_all() as total, 0 as bad from requests where at > $start and at <= $end",
            "cannot execute DELETE in a read-only transaction",
        ),
        (
            (
                "select (set_config('transaction_read_only', 'off', true) = '')::int as total, "
                "remove_all() as bad where $start < $end"
            ),
            "transaction read-write mode must be set before any query",
        ),
        (
            "select nextval('numbers') as total, 0 as bad where $start < $end",
            "cannot execute nextval() in a read-only transaction",
        ),
        (
            "select 1 as total, 0 as bad from requests where at > $start and at <= $end for update",
            "cannot execute SELECT FOR UPDATE in a read-only transaction",
        ),
        (
            "select length(pg_read_file('/etc/passwd')) as total, 0 as bad where $start < $end",
            "permission denied for function pg_read_file",
        ),
        (
            "select count(*) as total, 0 as bad from pg_authid where $start < $end",
            "permission denied for table pg_authid",
        ),
        ("update requests set status = 200 where at > $start and at <= $end", "begins with select"),
    ],
)
async def test_nothing_is_ever_changed(
    source: PostgreSQL, table: Table, query: str, said: str
) -> None:
    failure = await failure_of(source, query)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.stalled
    assert said in failure.message
    assert table_size(table) == len(NOTES)


def table_size(table: Table) -> int:
    [(size,)] = table._server.execute("select count(*) from requests")
    return int(size)


async def test_what_a_read_only_transaction_lets_through_does_not_last(
    site: Site, source: PostgreSQL
) -> None:
    """PostgreSQL has refused this only since version 16."""
    made = parsed("select lo_create(0)::bigint as p", Shape.VALUE)
    await source.rows(made, [SPAN])
    assert site.server.execute("select count(*) from pg_largeobject_metadata") == [(0,)]


@pytest.mark.parametrize(
    "body",
    [
        "select 1 as total, 0 as bad) as a; drop table requests; select * from (select 1",
        "select 1 as total, 0 as bad where $1 < $2) as a; delete from requests; select (1",
        "select 1 as total, 0 as bad) as a; commit; delete from requests; select * from (select 1",
    ],
)
async def test_what_got_past_our_own_checks_would_be_refused_by_the_database(
    source: PostgreSQL, table: Table, body: str
) -> None:
    parameters = ("$start", "$end") if "$1" in body else ()
    hostile = Statement(WHERE, body, Shape.COUNTS, body, parameters, ())
    failure = await source.rows(hostile, [SPAN])
    assert isinstance(failure, Failure)
    assert "cannot insert multiple commands into a prepared statement" in failure.message
    assert table_size(table) == len(NOTES)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            (
                "select count(*) as total,\n  count(*) filter (where state >= 500) as bad\n"
                "from requests where at > $start and at <= $end"
            ),
            (
                '2:26: column "state" does not exist (Perhaps you meant to reference the column '
                '"requests.status".)'
            ),
        ),
        (
            "select count(*) as total, 0 as bad from request where at > $start and at <= $end",
            '1:41: relation "request" does not exist',
        ),
        (
            "select 1 as total, 0 as bad where at > $start and at <= $end and oops",
            'column "at" does not exist',
        ),
        (
            "select 1 total 0 bad from requests where at > $start and at <= $end",
            '1:16: syntax error at or near "0"',
        ),
        (
            "select 1 as total from requests where at > $start and at <= $end",
            "the columns total and bad (or good) are needed, and it gives total",
        ),
        (
            "select 1 as good, 2 as bad from requests where at > $start and at <= $end",
            "the columns total and bad (or good) are needed, and it gives good, bad",
        ),
        (
            "select max(note) as total, 0 as bad from requests where at > $start and at <= $end",
            "the column total is of type text, and a number is needed",
        ),
        (
            (
                "select max(at) - min(at) as total, 0 as bad from requests where at > $start "
                "and at <= $end"
            ),
            (
                "the column total is of type interval, and a number is needed: of an interval take "
                "extract(epoch from ...)"
            ),
        ),
        (
            "select 1 as total, 0 as bad from requests where at > $start and at <= $end",
            "it gives more than one row, and one is needed: add them up",
        ),
        (
            "select 1 / count(*) as total, 0 as bad from requests where at < $start and at > $end",
            "division by zero",
        ),
        (
            "select note::int as total, 0 as bad from requests where at > $start and at <= $end",
            'invalid input syntax for type integer: "$start"',
        ),
    ],
)
async def test_a_wrong_query_is_told_in_the_words_of_the_database_and_where(
    source: PostgreSQL, table: Table, query: str, said: str
) -> None:
    assert table_size(table)
    failure = await failure_of(source, query)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.message.startswith(f"{WHERE}: ")
    assert said in failure.message


async def test_no_row_is_none_and_null_is_null(source: PostgreSQL, table: Table) -> None:
    none = counting("true") + " group by note having count(*) > 9"
    assert await source.rows(parsed(none), [SPAN]) == [None]
    null = parsed(
        "select sum(status) as total, null::int as good from requests "
        "where at < $start and at > $end"
    )
    assert await source.rows(null, [SPAN, SPAN]) == [{"total": None, "good": None}] * 2
    assert table_size(table)


async def test_a_query_that_takes_too_long_is_given_up_by_the_server(
    site: Site, table: Table
) -> None:
    source = site.source(statementTimeout="300ms")
    slow = "select 1 as total, 0 as bad from pg_sleep(20) where $start < $end"
    began = time.monotonic()
    failure = await failure_of(source, slow)
    assert time.monotonic() - began < 5
    assert failure.reason is Reason.SOURCE_TIMEOUT
    assert f"gave a query up: {WHERE}: canceling statement due to statement timeout" in (
        failure.message
    )
    assert table_size(table)


async def test_a_query_cannot_take_its_timeout_off(
    site: Site, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.indicators.postgresql._GRACE", 1.0)
    source = site.source(statementTimeout="300ms")
    off = parsed(
        "select (set_config('statement_timeout', '0', false) = '')::int as total, "
        "case when extract(epoch from $start) = 0 then length(pg_sleep(30)::text) end as bad "
        "where $start < $end"
    )
    began = time.monotonic()
    failure = await source.rows(off, [SPAN, (0, 300)])
    assert time.monotonic() - began < 10
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_TIMEOUT
    await until_idle(site)
    assert table_size(table)


async def test_a_table_that_is_locked_is_not_waited_for(site: Site, table: Table) -> None:
    source = site.source(statementTimeout="300ms")
    with site.server.connect() as other:
        other.execute("begin")
        other.execute("lock table requests in access exclusive mode")
        failure = await failure_of(source, counting("true"))
        other.execute("rollback")
    assert failure.reason is Reason.SOURCE_TIMEOUT
    assert await source.rows(parsed(counting("true")), [SPAN]) == [
        {"total": len(NOTES), "bad": len(NOTES)}
    ]
    assert table_size(table)


@pytest.mark.parametrize(
    "query",
    [
        "select generate_series(1, 1000000000) as p",
        "select repeat('x', 10000000) as p",
        "select array_agg(n) as p from generate_series(1, 100) as n",
    ],
)
async def test_the_memory_of_an_answer_is_bounded(source: PostgreSQL, query: str) -> None:
    began = time.monotonic()
    failure = await failure_of(source, query, Shape.VALUE)
    assert failure.reason is Reason.INVALID_QUERY
    assert time.monotonic() - began < 5


async def test_a_connection_that_is_cut_is_told_and_the_next_one_works(
    site: Site, source: PostgreSQL
) -> None:
    slow = parsed("select 1 as p from pg_sleep(1.5)", Shape.VALUE)
    asking = asyncio.create_task(source.rows(slow, [SPAN]))
    await until_running(site)
    site.server.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", USER
    )
    failure = await asking
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_UNREACHABLE
    assert "the connection broke (terminating connection" in failure.message
    assert await source.probe() is None


async def test_a_question_that_is_not_waited_for_any_more_stops_in_the_database(
    site: Site, source: PostgreSQL
) -> None:
    slow = parsed("select 1 as p from pg_sleep(60)", Shape.VALUE)
    asking = asyncio.create_task(source.rows(slow, [SPAN]))
    await until_running(site)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until_idle(site)


async def test_no_more_connections_than_allowed_are_open_at_once(site: Site) -> None:
    guarded = GuardedDatabase(site.source(), monotonic=time.monotonic, most=2)
    slow = parsed("select 1 as p from pg_sleep(0.1)", Shape.VALUE)
    asking = asyncio.gather(*(guarded.rows(slow, [SPAN]) for _ in range(8)))
    most = 0
    while not asking.done():
        most = max(most, open_connections(site))
        await asyncio.sleep(0.01)
    assert await asking == [[{"p": 1}]] * 8
    assert most == 2


async def test_a_database_that_is_down_is_hardly_asked(site: Site) -> None:
    guarded = GuardedDatabase(site.source(port=1), monotonic=time.monotonic)
    value = parsed("select 1 as p", Shape.VALUE)
    answers = [await guarded.rows(value, [SPAN]) for _ in range(30)]
    assert {it.reason for it in answers if isinstance(it, Failure)} == {Reason.SOURCE_UNREACHABLE}
    began = time.monotonic()
    await guarded.rows(value, [SPAN])
    assert time.monotonic() - began < 0.01


def open_connections(site: Site) -> int:
    ours = "select count(*) from pg_stat_activity where usename = %s"
    [(count,)] = site.server.execute(ours, USER)
    return int(count)


async def until_running(site: Site) -> None:
    running = "select 1 from pg_stat_activity where usename = %s and wait_event = 'PgSleep'"
    while not site.server.execute(running, USER):
        await asyncio.sleep(0.02)


async def until_idle(site: Site) -> None:
    async def gone() -> None:
        while open_connections(site):
            await asyncio.sleep(0.02)

    await asyncio.wait_for(gone(), timeout=8)
