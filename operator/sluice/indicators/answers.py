"""Reads the answers of Prometheus' HTTP API, and of what may stand before it. Pure.

Source of the protocol: prometheus.io/docs/prometheus/latest/querying/api.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.histogram import Histogram, read_histogram

_BEGINNING = 80
_LONGEST_WARNING = 200
_NO_STORE = "No StoreAPIs matched"
_WHOSE_URL = "check that the URL is Prometheus' own"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series of an answer: Unix seconds and values, ordered by time; only finite values.

    Attributes:
        histograms: the native histograms among its samples, with their times.
    """

    labels: Mapping[str, str]
    times: list[float]
    values: list[float]
    histograms: Sequence[tuple[float, Histogram]] = ()


Answer = list[Series] | Failure


def read_data(raw: Raw, where: str) -> Any:
    """The answer's `data`, or as a `Failure` what Prometheus or something before it says instead.

    Args:
        raw: the answer.
        where: what the source is called in messages.
    """
    if raw.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Failure(
            Reason.SOURCE_UNAUTHORIZED,
            f"{where} refused access (HTTP {raw.status}): check its credentials",
        )
    if raw.content_type != "application/json":
        return _not_json(raw, where)
    try:
        answer = _loaded(raw.body)
    except (ValueError, RecursionError) as error:
        return _invalid(where, f"JSON that cannot be read ({error})")
    return _data(answer, raw.status, where)


def read_series(data: Any, kind: str, where: str) -> Answer:
    """The series in the `data` of a query whose result is of type `kind`."""
    if isinstance(data, Failure):
        return data
    found = data.get("resultType") if isinstance(data, dict) else None
    if found != kind:
        return _invalid(where, f"resultType {found!r} in place of {kind!r}")
    try:
        return [_one_series(item, kind) for item in data["result"]]
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        return _invalid(where, f"a {kind} that cannot be read ({type(error).__name__}: {error})")


def read_metric_type(data: Any, metric: str, where: str) -> str | Failure | None:
    """The type of `metric` in the `data` of a metadata request; None if it is not there."""
    if isinstance(data, Failure):
        return data
    try:
        return next((str(entry["type"]) for entry in data.get(metric, [])), None)
    except (AttributeError, KeyError, TypeError):
        return _invalid(where, "metadata that are not those of metrics")


def _loaded(body: bytes) -> Any:
    """The JSON of `body`, in which every text can be written as UTF-8.

    Half of a surrogate pair is none: it would end whatever writes it, a query or a condition.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    text = body.decode(errors="replace")
    answer = json.loads(text)
    if _SURROGATE.search(text) is None:
        return answer
    return json.loads(json.dumps(answer, ensure_ascii=False).encode(errors="replace"))


def _data(answer: Any, status: int, where: str) -> Any:
    if not isinstance(answer, dict):
        return _invalid(where, "JSON that is no object")
    if answer.get("status") == "error":
        return _error(str(answer.get("errorType")), str(answer.get("error")), where)
    if status != HTTPStatus.OK or "data" not in answer:
        return _invalid(where, f"HTTP {status} without data: {_WHOSE_URL}")
    missing = _missing(answer)
    if missing:
        return Failure(
            Reason.SOURCE_ERROR,
            f"{where} answered with a part of the data only: {missing}; check what it reads from",
        )
    return answer["data"]


def _missing(answer: dict[str, Any]) -> str:
    """What an answer says is missing from it; empty if it is whole.

    Remarks on a query begin with `PromQL`. That Thanos has no store for a time is no error: before
    its data begin there is none. All other warnings are of a store that did not answer.
    Sources: prometheus.io/docs/prometheus/latest/querying/api, "Format overview"; Thanos' query
    API, "Partial response"; the answers of VictoriaMetrics' cluster version, `isPartial`.
    """
    warnings = answer.get("warnings") or []
    told = [str(one) for one in warnings] if isinstance(warnings, list) else [str(warnings)]
    amiss = (one for one in told if not one.startswith("PromQL ") and _NO_STORE not in one)
    found = next(amiss, "isPartial" if answer.get("isPartial") is True else "")
    return _one_line(found)[:_LONGEST_WARNING]


def _error(kind: str, text: str, where: str) -> Failure:
    """Prometheus' own error; `kind` is one of its error types."""
    kind, message = _one_line(kind), _one_line(text)
    match kind:
        case "bad_data":
            return Failure(Reason.INVALID_QUERY, f"{where} refused a query: {message}")
        case "timeout" | "canceled":
            return Failure(
                Reason.SOURCE_TIMEOUT, f"{where} gave a query up: {message}", divisible=True
            )
        case _:
            return Failure(
                Reason.SOURCE_ERROR,
                f"{where} failed ({kind}): {message}",
                divisible="too many samples" in message,
            )


def _not_json(raw: Raw, where: str) -> Failure:
    text = _one_line(raw.body.decode(errors="replace"))[:_BEGINNING]
    if raw.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure(Reason.SOURCE_ERROR, f"{where} answered HTTP {raw.status}: {text}")
    return _invalid(
        where,
        f"HTTP {raw.status} with {raw.content_type} in place of JSON, beginning {text!r}: "
        f"{_WHOSE_URL} and not that of a login page",
    )


def _invalid(where: str, what: str) -> Failure:
    return Failure(Reason.INVALID_RESPONSE, f"{where} answered {_one_line(what)}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _one_series(item: dict[str, Any], kind: str) -> Series:
    one = kind == "vector"
    pairs = [item["value"]] if one and "value" in item else item.get("values", [])
    native = [item["histogram"]] if one and "histogram" in item else item.get("histograms", [])
    times = [float(time) for time, _ in pairs]
    values = [float(value) for _, value in pairs]
    # A sum is finite only if all are; one by one they are looked at where it is not.
    if not math.isfinite(sum(times)) or not math.isfinite(sum(values)):
        finite = [
            (time, value)
            for time, value in zip(times, values, strict=True)
            if math.isfinite(time) and math.isfinite(value)
        ]
        times, values = [time for time, _ in finite], [value for _, value in finite]
    labels = {str(label): str(value) for label, value in item["metric"].items()}
    histograms = [(float(time), read_histogram(histogram)) for time, histogram in native]
    return Series(labels, times, values, histograms)
