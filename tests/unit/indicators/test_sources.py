"""Sources by name, and what those see who hold one while it changes."""

from collections.abc import Sequence

import pytest

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer, Series
from sluice.indicators.database import Range, Row
from sluice.indicators.failure import Failure
from sluice.indicators.sources import NamedSource, Sources
from sluice.indicators.statement import Shape, Statement, parse_statement


class Constant:
    """Answers everything with one value."""

    def __init__(self, value: float, dedup_label: str = "") -> None:
        self.dedup_label = dedup_label
        self._answer = [Series({}, [0.0], [value])]

    async def instant(self, query: str, at: float) -> Answer:
        del query, at
        return self._answer

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        del selector, seconds, at
        return self._answer

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        del query, start, end, step
        return self._answer

    async def metric_type(self, metric: str) -> str | Failure | None:
        return metric


async def value(source: NamedSource) -> float | Reason:
    answers = [
        await source.instant("x", 0),
        await source.samples("x", 1, 0),
        await source.range("x", 0, 1, 1),
    ]
    found = {it.reason if isinstance(it, Failure) else it[0].values[0] for it in answers}
    [only] = found
    return only


def known(sources: Sources, name: str) -> NamedSource:
    found = sources.get(name)
    assert isinstance(found, NamedSource)
    return found


async def test_a_source_is_found_by_its_name() -> None:
    sources = Sources()
    sources.put("a", Constant(1))
    sources.put("b", Constant(2))
    assert await value(known(sources, "a")) == 1
    assert await known(sources, "b").metric_type("up") == "up"


@pytest.mark.parametrize(("names", "listed"), [(("b", "a"), "there are: a, b"), ((), "are: none")])
def test_an_unknown_name_fails_with_those_there_are(names: tuple[str, ...], listed: str) -> None:
    sources = Sources()
    for name in names:
        sources.put(name, Constant(0))
    failure = sources.get("other")
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_NOT_FOUND
    assert "no source 'other'" in failure.message
    assert listed in failure.message


def test_whose_objective_names_none_is_told_how_there_can_be_a_default() -> None:
    sources = Sources()
    sources.put("mimir", Constant(0))
    failure = sources.get("default")
    assert isinstance(failure, Failure)
    assert failure.message == (
        "spec.source.name: no source 'default'; there are: mimir; name one of these, or let the "
        "platform create a MetricSource called 'default' or start the controller with "
        "--prometheus-url"
    )
    sources.drop("mimir")
    failure = sources.get("default")
    assert isinstance(failure, Failure)
    assert "there are: none; let the platform create a MetricSource called" in failure.message


async def test_who_holds_a_source_sees_it_change_fail_vanish_and_come_back() -> None:
    sources = Sources()
    sources.put("a", Constant(1))
    held = known(sources, "a")
    sources.put("a", Constant(2))
    assert await value(held) == 2
    sources.put("a", Failure(Reason.SECRET_NOT_FOUND, "gone"))
    assert await value(held) is Reason.SECRET_NOT_FOUND
    sources.drop("a")
    assert await value(held) is Reason.SOURCE_NOT_FOUND
    assert isinstance(sources.get("a"), Failure)
    sources.put("a", Constant(3))
    assert await value(held) == 3
    assert known(sources, "a") is held


def test_the_replicas_label_is_remembered_while_nobody_answers() -> None:
    sources = Sources()
    sources.put("a", Constant(1, "replica"))
    held = known(sources, "a")
    sources.put("a", Failure(Reason.SECRET_NOT_FOUND, "gone"))
    assert held.dedup_label == "replica"
    sources.put("a", Constant(1))
    assert held.dedup_label == ""


class Tables:
    """A database that gives the same row for every time."""

    async def rows(
        self, statement: Statement, ranges: Sequence[Range]
    ) -> list[Row | None] | Failure:
        assert statement.parameters
        return [{"total": 1.0, "bad": 0.0} for _ in ranges]


async def test_a_source_of_one_kind_tells_what_is_measured_in_it_and_what_is_not() -> None:
    counts = parse_statement("select $start, $end", "spec.indicator.sql", Shape.COUNTS)
    assert isinstance(counts, Statement)
    sources = Sources()
    sources.put("a", Constant(1, "replica"))
    held = known(sources, "a")
    refused = await held.rows(counts, [(0, 300)])
    assert isinstance(refused, Failure)
    assert refused.stalled
    assert "ratio, latency and threshold are measured" in refused.message
    assert "spec.indicator.sql needs a MetricSource that is a PostgreSQL" in refused.message
    sources.put("a", Tables())
    assert await held.rows(counts, [(0, 300)]) == [{"total": 1, "bad": 0}]
    assert await value(held) is Reason.SOURCE_MISMATCH
    assert held.dedup_label == "replica"
    sources.put("a", Failure(Reason.SECRET_NOT_FOUND, "gone"))
    assert await held.rows(counts, [(0, 300)]) == Failure(Reason.SECRET_NOT_FOUND, "gone")
