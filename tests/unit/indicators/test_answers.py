import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.reasons import Reason
from sluice.indicators.answers import Raw, read_data, read_metric_type, read_series
from sluice.indicators.failure import Failure

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "data", "resultType", "result", "metric", "value", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
KIND = st.sampled_from(["vector", "matrix"])


@given(JSON, st.sampled_from([200, 204, 302, 400, 401, 500]))
def test_no_json_raises(answer: object, status: int) -> None:
    raw = Raw(status, "application/json", json.dumps(answer).encode())
    data = read_data(raw, "here")
    read_series(data, "vector", "here")
    read_metric_type(data, "x", "here")


@given(JSON, KIND)
def test_no_result_raises(result: object, kind: str) -> None:
    data = {"resultType": kind, "result": result}
    found = read_series(data, kind, "here")
    assert isinstance(found, list | Failure)


@given(st.binary(max_size=50), st.sampled_from(["application/json", "text/html", ""]))
def test_no_body_raises(body: bytes, kind: str) -> None:
    read_data(Raw(200, kind, body), "here")


def test_numbers_beyond_a_float_and_nesting_beyond_the_stack_are_failures() -> None:
    huge = {"resultType": "vector", "result": [{"metric": {}, "value": [1, 10**400]}]}
    assert isinstance(read_series(huge, "vector", "here"), Failure)
    deep = Raw(200, "application/json", b"[" * 200_000)
    assert isinstance(read_data(deep, "here"), Failure)


EMPTY = {"resultType": "vector", "result": []}


def answered(**more: object) -> object:
    body = json.dumps({"status": "success", "data": EMPTY, **more}).encode()
    return read_data(Raw(200, "application/json", body), "here")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"warnings": ["receive series from Addr: a:10901: rpc error:\nUnavailable"]}, "Addr: a"),
        ({"warnings": ["PromQL info: x", "remote_read: server returned HTTP 500"]}, "remote_read"),
        ({"warnings": "not even a list"}, "not even a list"),
        ({"isPartial": True}, "isPartial"),
        ({"warnings": ["x" * 5000]}, "x" * 200),
    ],
)
def test_an_answer_that_says_it_is_only_a_part_is_a_failure(
    more: dict[str, object], told: str
) -> None:
    found = answered(**more)
    assert isinstance(found, Failure)
    assert found.reason is Reason.SOURCE_ERROR
    assert found.message.startswith("here answered with a part of the data only: ")
    assert told in found.message
    assert len(found.message) < 300
    assert "\n" not in found.message


@pytest.mark.parametrize(
    "more",
    [
        {"warnings": None, "infos": ["PromQL info: metric might not be a counter"]},
        {"warnings": ["PromQL warning: bucket label le is missing", "PromQL info: x"]},
        {"warnings": ["No StoreAPIs matched for this query"]},  # Thanos, before its data begin
        {"isPartial": False},
    ],
)
def test_remarks_about_a_query_are_no_failure(more: dict[str, object]) -> None:
    assert answered(**more) == EMPTY


@pytest.mark.parametrize(
    "half", [rb"\ud800", rb"\uDFFF", "\ud800".encode("utf-8", "surrogatepass")]
)
def test_half_of_a_surrogate_pair_can_be_written_again(half: bytes) -> None:
    body = b'{"status": "error", "errorType": "bad_data", "error": "a' + half + b'"}'
    found = read_data(Raw(422, "application/json", body), "it")
    assert isinstance(found, Failure)
    assert found.message.startswith("it refused a query: a")
    found.message.encode()


def test_a_whole_surrogate_pair_stays_what_it_is() -> None:
    body = rb'{"status": "success", "data": "\ud83d\udea2"}'
    assert read_data(Raw(200, "application/json", body), "it") == "🚢"


def test_an_error_of_several_lines_is_told_in_one() -> None:
    body = b'{"status": "error", "errorType": "bad_data", "error": "1:5:\\n  parse error"}'
    found = read_data(Raw(422, "application/json", body), "it")
    assert isinstance(found, Failure)
    assert found.message == "it refused a query: 1:5: parse error"
