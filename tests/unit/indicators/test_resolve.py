"""From declared indicators to counters, with a source that answers from a table."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.api.indicator import Indicator
from sluice.api.reasons import Reason
from sluice.indicators.counted import Counted
from sluice.indicators.failure import Failure
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.resolve import resolve


class Stub:
    """Buckets by `le`, and types by metric."""

    def __init__(self) -> None:
        self.refusal = ""
        self.queries: list[str] = []
        self.buckets: list[str] = []
        self.old_buckets: list[str] = []
        self.types: dict[str, str] = {}

    async def handle(self, request: web.Request) -> web.Response:
        match request.path.rpartition("/")[2]:
            case "metadata":
                kind = self.types.get(request.query["metric"])
                data: object = {request.query["metric"]: [{"type": kind}]} if kind else {}
            case "query":
                self.queries.append((await request.post())["query"])
                if self.refusal:
                    error = {"status": "error", "errorType": "bad_data", "error": self.refusal}
                    return web.json_response(error, status=400)
                vector = [{"metric": {"le": le}, "value": [1, "1"]} for le in self.buckets]
                data = {"resultType": "vector", "result": vector}
            case _:
                matrix = [{"metric": {"le": le}, "values": [[1, "1"]]} for le in self.old_buckets]
                data = {"resultType": "matrix", "result": matrix}
        text = json.dumps({"status": "success", "data": data})
        return web.Response(text=text, content_type="application/json")


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
async def source(stub: Stub) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Prometheus("default", str(server.make_url("/")), session)


def latency(threshold: str = "500ms", selector: str = "") -> Indicator:
    return Indicator.model_validate(
        {"latency": {"metric": "d_seconds", "selector": selector, "threshold": threshold}}
    )


def ratio(**sides: str) -> Indicator:
    metrics = {side: {"metric": metric} for side, metric in sides.items()}
    return Indicator.model_validate({"ratio": metrics})


@pytest.mark.parametrize(
    ("buckets", "matched"),
    [
        (["0.1", "0.5", "+Inf"], "0\\\\.5"),
        (["0.50", "1"], "0\\\\.50"),
        (["5e-1", "0.5", "1"], "0\\\\.5|5e\\\\-1"),
        (["0.5", "nonsense"], "0\\\\.5"),
    ],
)
async def test_the_bucket_is_found_however_its_boundary_is_written(
    stub: Stub, source: Prometheus, buckets: list[str], matched: str
) -> None:
    stub.buckets = buckets
    counted = await resolve(latency(selector='job="a"'), source, 1)
    assert isinstance(counted, Counted)
    assert str(counted.total) == 'd_seconds_count{job="a"}'
    assert str(counted.other) == f'd_seconds_bucket{{job="a",le=~"{matched}"}}'
    assert counted.always


async def test_a_whole_boundary_is_matched_as_written_before_prometheus_3_and_since(
    stub: Stub, source: Prometheus
) -> None:
    for buckets in (["1", "2"], ["1.0", "2.0"]):
        stub.buckets = buckets
        counted = await resolve(latency("1s"), source, 1)
        assert isinstance(counted, Counted)
        assert str(counted.other) == 'd_seconds_bucket{le=~"1|1\\\\.0"}'


@pytest.mark.parametrize(
    ("threshold", "written", "one_counter"),
    [
        ("1s", (["1"], ["1.0"]), True),  # upgraded of late
        ("1s", (["1"], ["1"]), True),  # may be upgraded any time
        ("1s", ([], ["1.0"]), False),
        ("500ms", (["0.5"], ["0.5"]), False),
    ],
)
async def test_buckets_whose_boundary_is_written_in_two_ways_are_one_counter(
    stub: Stub,
    source: Prometheus,
    threshold: str,
    written: tuple[list[str], list[str]],
    one_counter: bool,
) -> None:
    stub.old_buckets, stub.buckets = written
    counted = await resolve(latency(threshold), source, 1)
    assert isinstance(counted, Counted)
    assert counted.other.replica == ("le" if one_counter else "")
    assert counted.total.replica == ""


async def test_the_buckets_of_a_service_that_is_down_are_found_in_the_last_day(
    stub: Stub, source: Prometheus
) -> None:
    stub.old_buckets = ["0.5"]
    assert isinstance(await resolve(latency(), source, 1), Counted)


@pytest.mark.parametrize(
    ("threshold", "buckets", "words"),
    [
        ("300ms", ["0.1", "0.25", "0.5", "+Inf"], "300ms (0.3 s)"),
        ("300ms", ["0.1", "0.25", "0.5", "+Inf"], "nearest: 0.25 s and 0.5 s"),
        ("1m", ["0.1", "0.25", "+Inf"], "nearest: 0.25 s"),
        ("1m", ["+Inf"], "it has no other than +Inf"),
    ],
)
async def test_a_threshold_between_two_buckets_is_refused_with_the_nearest(
    stub: Stub, source: Prometheus, threshold: str, buckets: list[str], words: str
) -> None:
    stub.buckets = buckets
    failure = await resolve(latency(threshold), source, 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.BUCKET_NOT_FOUND
    assert words in failure.message


async def test_a_selector_of_latency_must_not_choose_the_bucket(source: Prometheus) -> None:
    failure = await resolve(latency(selector='le="0.5"'), source, 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert "leave le out" in failure.message


@pytest.mark.parametrize("kind", ["counter", "unknown", "histogram", "summary"])
async def test_what_may_be_a_counter_is_measured(stub: Stub, source: Prometheus, kind: str) -> None:
    stub.types = {"x_total": kind}
    assert isinstance(await resolve(ratio(total="x_total", good="x_total"), source, 1), Counted)


@pytest.mark.parametrize(
    ("metric", "named"), [("depth", "depth"), ("x_total", "x_total"), ("x_total", "x")]
)
async def test_what_says_that_it_is_a_gauge_is_refused(
    stub: Stub, source: Prometheus, metric: str, named: str
) -> None:
    stub.types = {named: "gauge"}
    failure = await resolve(ratio(total="other_total", bad=metric), source, 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.NOT_A_COUNTER
    assert f"{metric} is a gauge" in failure.message


async def test_metadata_that_cannot_be_had_do_not_matter() -> None:
    async with aiohttp.ClientSession() as session:
        source = Prometheus("default", "http://127.0.0.1:9", session)
        assert isinstance(await resolve(ratio(total="a", bad="b"), source, 1), Counted)


async def test_a_syntax_error_is_told_with_the_position_that_prometheus_gives(
    stub: Stub, source: Prometheus
) -> None:
    stub.refusal = 'invalid parameter "query": 1:3: parse error: unexpected identifier "b"'
    failure = await resolve(ratio(total="a b", bad="a c"), source, 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.message == (
        "spec.indicator.ratio.total.metric: 'a b': 1:3: parse error: unexpected identifier \"b\"; "
        "spec.indicator.ratio.bad.metric: 'a c': 1:3: parse error: unexpected identifier \"b\""
    )


async def test_a_syntax_error_is_told_without_a_position_where_there_is_nobody_to_ask() -> None:
    async with aiohttp.ClientSession() as session:
        source = Prometheus("default", "http://127.0.0.1:9", session)
        failure = await resolve(latency(selector="job="), source, 1)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_QUERY
    assert failure.message.startswith("spec.indicator.latency.selector: 'd_seconds_count{job=}': ")


async def test_an_expression_that_is_no_selector_is_not_evaluated(
    stub: Stub, source: Prometheus
) -> None:
    failure = await resolve(ratio(total="sum(a)", bad="b"), source, 1)
    assert isinstance(failure, Failure)
    assert "a vector selector alone is needed" in failure.message
    assert stub.queries == []
