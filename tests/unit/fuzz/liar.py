"""A Prometheus that lies: every answer is what an honest one would say, spoiled in a drawn way.

Answers are made as bytes and read as the client reads them, so that nothing is left out but HTTP.
"""

import copy
import json
from collections.abc import Callable, Sequence
from itertools import cycle
from random import Random
from typing import Any

from hypothesis import strategies as st

from sluice.indicators.answers import Answer, Raw, read_data, read_metric_type, read_series
from sluice.indicators.expressions import Answered
from sluice.indicators.failure import Failure
from sluice.indicators.promql import PART, SIDE, Fact, Part, Side
from tests.unit.fuzz.hostile import json_values, numbers, texts

Document = dict[str, Any]
Lie = Callable[[Document], Raw]
"""Makes an answer from what an honest one would be."""

WHERE = "source 'default' (http://prometheus:9090)"
_JSON = "application/json"
_SCRAPED_EVERY = 60
_MOST = 400
_PARTS = tuple(map(str, (*Part, *Answered, *Fact)))


class Liar:
    """A source; `lies` are told in turn.

    Args:
        lies: one of them for each answer.
        dedup_label: see `Source`.
    """

    def __init__(self, lies: Sequence[Lie], dedup_label: str = "") -> None:
        self.dedup_label = dedup_label
        self._lies = cycle(lies)

    async def instant(self, query: str, at: float) -> Answer:
        result = [
            {"metric": labels, "value": [at, _value(labels, at, 60)]} for labels in _members(query)
        ]
        return self._series("vector", result)

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        times = [start + number * step for number in range(int((end - start) // step) + 1)]
        result = [
            {"metric": labels, "values": [[at, _value(labels, at, step)] for at in times]}
            for labels in _members(query)
        ]
        return self._series("matrix", result)

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        count = min(_MOST, seconds // _SCRAPED_EVERY)
        times = [at - number * _SCRAPED_EVERY for number in range(count)][::-1]
        labels = {"job": "shop", "instance": "shop-0"}
        values = [[time, str(time // 3)] for time in times]
        return self._series("matrix", [{"metric": labels, "values": values}] if selector else [])

    async def metric_type(self, metric: str) -> str | Failure | None:
        told = {
            "status": "success",
            "data": {metric: [{"type": "counter", "help": "", "unit": ""}]},
        }
        return read_metric_type(read_data(next(self._lies)(told), WHERE), metric, WHERE)

    def _series(self, kind: str, result: list[Document]) -> Answer:
        told = {"status": "success", "data": {"resultType": kind, "result": result}}
        return read_series(read_data(next(self._lies)(told), WHERE), kind, WHERE)


def _members(query: str) -> list[dict[str, str]]:
    """The labels of what a query asks for; of one without any, those of a counter."""
    parts = [part for part in _PARTS if f'"{PART}","{part}"' in query]
    sides = [str(side) for side in Side if f'"{SIDE}","{side}"' in query]
    if not parts:
        return [{"job": "shop", "instance": "shop-0"}]
    return [{SIDE: side, PART: part} for side in sides or ["total"] for part in parts]


def _value(labels: dict[str, str], at: float, step: float) -> str:
    pace = 3 if labels.get(SIDE) == Side.TOTAL else 900
    before, now = (at - step) // pace, at // pace
    values = {
        None: now,
        Part.VALUE: now,
        Part.START_VALUE: before,
        Part.MOVED: now - before,
        Part.START_OLDEST: at - step - 10,
        Part.STEADY: 12,
        Part.DOUBT: 0,
    }
    return str(values.get(labels.get(PART), 1))


def lies() -> st.SearchStrategy[list[Lie]]:
    """Some lies, of which the truth is one."""
    return st.lists(_lie(), min_size=1, max_size=4)


def _lie() -> st.SearchStrategy[Lie]:
    chance = st.integers(0, 2**32).map(Random)
    return st.one_of(
        st.just(_sent),
        st.builds(_with_a_part_replaced, chance, json_values()),
        st.builds(_with_values, st.lists(numbers() | texts(), min_size=1, max_size=4)),
        st.builds(_with_values, st.lists(_counts(), min_size=1, max_size=4)),
        st.builds(_with_times, st.lists(numbers() | _times(), min_size=1, max_size=4)),
        st.builds(_with_labels, st.dictionaries(_labels(), texts() | _label_values(), max_size=3)),
        st.builds(_repeated, st.integers(0, 3)),
        st.just(_backwards),
        st.builds(_with_histograms, json_values()),
        st.builds(_cut, st.floats(0, 1)),
        st.builds(
            _refused, texts(), st.sampled_from(["bad_data", "timeout", "execution"]) | texts()
        ),
        st.builds(_bytes, st.integers(0, 599), st.sampled_from([_JSON, "text/html"]), st.binary()),
        st.builds(lambda value: lambda _: _raw(value), json_values()),
    )


def _counts() -> st.SearchStrategy[str]:
    """What is a number, but no count that could be."""
    known = ["-1", "0", "1e308", "-1e308", "1.7976931348623157e308", "5e-324", "1e16", "0.5"]
    return st.sampled_from([*known, "NaN", "+Inf", "-Inf", "1e40", "9007199254740993"])


def _times() -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, -1.0, 1e10, 1e12, 253402300800.0, 1e18, -1e18, 1_787_220_000.5])


def _labels() -> st.SearchStrategy[str]:
    return st.sampled_from([SIDE, PART, "le", "job", "__name__", ""]) | texts()


def _label_values() -> st.SearchStrategy[str]:
    return st.sampled_from([*map(str, Side), *_PARTS])


def _raw(value: Any, status: int = 200) -> Raw:
    return Raw(status, _JSON, json.dumps(value).encode("utf-8", "surrogatepass"))


def _sent(told: Document) -> Raw:
    return _raw(told)


def _samples(told: Document) -> list[list[Any]]:
    """The pairs of time and value of an answer, if it is one of series."""
    data = told["data"]
    found = data.get("result", ()) if isinstance(data, dict) else ()
    return [pair for one in found for pair in (one.get("values") or [one["value"]])]


def _with_a_part_replaced(chance: Random, other: Any) -> Lie:
    def lie(told: Document) -> Raw:
        within: Any = told
        while isinstance(within, dict | list) and within:
            key = chance.choice(list(within) if isinstance(within, dict) else range(len(within)))
            if chance.random() < 0.3 or not isinstance(within[key], dict | list):
                within[key] = other
                break
            within = within[key]
        return _raw(told)

    return lie


def _with_values(values: Sequence[Any]) -> Lie:
    def lie(told: Document) -> Raw:
        for pair, value in zip(_samples(told), cycle(values)):
            pair[1] = value
        return _raw(told)

    return lie


def _with_times(times: Sequence[Any]) -> Lie:
    def lie(told: Document) -> Raw:
        for pair, time in zip(_samples(told), cycle(times)):
            pair[0] = time
        return _raw(told)

    return lie


def _with_labels(labels: dict[str, str]) -> Lie:
    def lie(told: Document) -> Raw:
        data = told["data"]
        for one in data.get("result", ()):
            one["metric"] = {**one["metric"], **labels} if len(labels) > 1 else labels
        return _raw(told)

    return lie


def _repeated(times: int) -> Lie:
    def lie(told: Document) -> Raw:
        if "result" in told["data"]:
            found = told["data"]["result"]
            told["data"]["result"] = [copy.copy(one) for one in found for _ in range(times)]
        return _raw(told)

    return lie


def _backwards(told: Document) -> Raw:
    for one in told["data"].get("result", ()):
        one.get("values", []).reverse()
    return _raw(told)


def _with_histograms(histogram: Any) -> Lie:
    def lie(told: Document) -> Raw:
        for one in told["data"].get("result", ()):
            one["histograms"] = [[1_787_220_000, histogram]]
            one["histogram"] = [1_787_220_000, histogram]
        return _raw(told)

    return lie


def _cut(share: float) -> Lie:
    def lie(told: Document) -> Raw:
        whole = _raw(told)
        return Raw(200, _JSON, whole.body[: int(share * len(whole.body))])

    return lie


def _refused(message: str, kind: str) -> Lie:
    return lambda _: _raw({"status": "error", "errorType": kind, "error": message}, 422)


def _bytes(status: int, content_type: str, body: bytes) -> Lie:
    return lambda _: Raw(status, content_type, body)
