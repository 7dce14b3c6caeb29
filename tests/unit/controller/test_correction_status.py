"""What a correction's status says, and which objectives it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.api.correction import BudgetCorrection
from sluice.api.slo import ServiceLevelObjective
from sluice.budget.corrections import Range
from sluice.budget.counts import Counts
from sluice.budget.effects import Effect
from sluice.controller.applicable import Applicable, selects
from sluice.controller.correction_status import Known, status_of
from sluice.controller.corrections import Corrections
from sluice.kube.cache import Cache, Key
from sluice.kube.resources import CORRECTIONS, OBJECTIVES
from tests.unit.controller.world import Table

NOW = datetime(2026, 8, 20, 10, 2, tzinfo=UTC)
AT = NOW.timestamp()
HOUR = 3600


def correction(**spec: Any) -> BudgetCorrection:
    once = {"start": "2026-08-20T08:00:00Z", "end": "2026-08-20T09:01:00Z"}
    when = {} if "recurrence" in spec else {"once": once}
    return BudgetCorrection.model_validate(
        {
            "metadata": {"name": "move", "namespace": "shop", "uid": "c-1", "generation": 1},
            "spec": {
                "objectives": {"selector": {"matchLabels": {"app": "checkout"}}},
                "effect": "Exclude",
                "reason": "the data centre moved",
                "createdBy": "alice",
                **when,
                **spec,
            },
        }
    )


def objective(name: str = "checkout", app: str = "checkout") -> ServiceLevelObjective:
    return ServiceLevelObjective.model_validate(
        {
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}},
            "spec": {
                "objective": "99.9",
                "window": {"rolling": "30d"},
                "indicator": {"ratio": {"total": {"metric": "x"}, "bad": {"metric": "y"}}},
            },
        }
    )


def effect(name: str = "move", *, approximate: bool = False) -> Effect:
    return Effect(
        name=name,
        added=False,
        counts=Counts(1000.4, 12.5, HOUR),
        seconds=HOUR,
        points=Decimal("3.250"),
        approximate=approximate,
    )


def known(**changes: Any) -> Known:
    fields: dict[str, Any] = {
        "ranges": [Range(AT - 2 * HOUR, AT - HOUR)],
        "matched": ["checkout"],
        "missing": [],
        "since": AT - 30 * 24 * HOUR,
        "effects": [("checkout", effect())],
    }
    return Known(**(fields | changes))


def applied(known: Known) -> tuple[str, str, str]:
    status = status_of(correction(), known, NOW)
    (found,) = (it for it in status.conditions if it.type == "Applied")
    return found.status, found.reason, found.message


def test_what_it_changes_is_told_by_objective() -> None:
    status = status_of(correction(), known(), NOW)
    assert (status.observed_generation, status.matched, status.occurrences) == (1, 1, 1)
    assert status.to_json()["objectives"] == [
        {
            "name": "checkout",
            "total": "1000",
            "bad": "13",
            "time": "1h",
            "points": "3.250",
            "approximate": False,
        }
    ]
    assert status.last is not None
    assert status.last.end == NOW - timedelta(hours=1)
    assert status.next is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            known(),
            ("True", "CorrectionApplied", "it is in the numbers of checkout"),
        ),
        (
            known(effects=[(name, effect()) for name in "abcde"]),
            ("True", "CorrectionApplied", "it is in the numbers of a, b, c and 2 more"),
        ),
        (
            known(effects=[("a", effect(approximate=True))]),
            ("True", "CorrectionApplied", "it is in the numbers of a; the source no longer has"),
        ),
        (
            known(matched=[], effects=[]),
            ("False", "NoObjectives", "it selects no objective of its namespace"),
        ),
        (
            known(matched=[], effects=[], missing=["chekout"]),
            ("False", "NoObjectives", "ServiceLevelObjective chekout does not exist"),
        ),
        (known(effects=[]), ("False", "Progressing", "have not been measured with it yet")),
        (
            known(effects=[], ranges=[Range(AT + HOUR, AT + 2 * HOUR)]),
            ("False", "CorrectionAhead", "it begins at 2026-08-20T11:02Z"),
        ),
        (
            known(effects=[], since=AT - HOUR),
            ("False", "CorrectionPassed", "it can be deleted"),
        ),
    ],
)
def test_whether_it_applies_is_a_condition(found: Known, expected: tuple[str, str, str]) -> None:
    status, reason, message = applied(found)
    assert (status, reason) == expected[:2]
    assert expected[2] in message


def test_a_correction_is_about_what_it_selects_and_not_about_others() -> None:
    assert selects(correction(), objective())
    assert not selects(correction(), objective(app="search"))
    named = correction(objectives={"names": ["search"]})
    assert selects(named, objective("search", app="x"))
    assert not selects(named, objective())


def test_one_that_is_being_deleted_does_not_count_any_more() -> None:
    applicable, found = Applicable(), correction()
    assert [one.name for one in applicable.of(objective(), [found], AT)] == ["move"]
    gone = found.metadata.model_copy(update={"deletion_timestamp": NOW})
    leaving = found.model_copy(update={"metadata": gone})
    assert applicable.of(objective(), [leaving], AT) == []


def test_its_times_are_rounded_and_those_of_other_windows_left_out() -> None:
    applicable = Applicable()
    (one,) = applicable.of(objective(), [correction()], AT)
    eight = datetime(2026, 8, 20, 8, tzinfo=UTC).timestamp()
    assert one.ranges == (Range(eight, eight + HOUR + 300),)
    assert one.added is None
    assert applicable.of(objective(), [correction()], AT + 40 * 24 * HOUR) == []
    daily = correction(
        effect="Add",
        add={"total": 10, "bad": 2},
        recurrence={"rule": "FREQ=DAILY", "start": "2020-01-01T00:00:00Z", "duration": "1h"},
    )
    (added,) = Applicable().of(objective(), [daily], AT)
    assert added.added == Counts(10, 2)
    assert len(added.ranges) == 31


def test_what_has_begun_or_ceased_to_change_an_objective_is_told() -> None:
    applicable, slo = Applicable(), objective()
    assert applicable.put(slo, [effect("a"), effect("b")]) == {"a", "b"}
    assert applicable.put(slo, [effect("a"), effect("b")]) == set()
    assert applicable.put(slo, [effect("b", approximate=True)]) == {"a", "b"}
    assert applicable.effect("shop", "checkout", "a") is None
    assert applicable.drop("shop", "checkout") == {"b"}
    assert applicable.drop("shop", "checkout") == set()


@pytest.mark.parametrize(
    "when",
    [
        {"once": {"start": "2098-12-31T00:00:00Z", "end": "2099-01-01T00:00:00Z"}},
        {
            "recurrence": {
                "rule": "FREQ=DAILY;COUNT=1",
                "start": "2098-12-31T00:00:00Z",
                "duration": "1d",
            }
        },
    ],
)
def test_a_time_far_ahead_is_known_too(when: dict[str, Any]) -> None:
    far = correction(**when)
    (one,) = Applicable().ranges(far, NOW)
    assert datetime.fromtimestamp(one.end, UTC) == datetime(2099, 1, 1, tzinfo=UTC)
    status = status_of(far, known(effects=[], ranges=[one]), NOW)
    assert status.next is not None
    assert status.conditions[1].reason == "CorrectionAhead"


def test_a_rule_without_a_time_in_the_next_year_is_not_said_to_be_over() -> None:
    rule = {"rule": "FREQ=YEARLY;INTERVAL=5", "start": "2021-01-01T00:00:00Z", "duration": "1d"}
    status = status_of(correction(recurrence=rule), known(effects=[], ranges=[]), NOW)
    assert status.conditions[1].message.endswith("nor in the next year")


async def test_the_status_is_written_once_and_again_only_if_it_changes() -> None:
    table, cache, applicable = Table(), Cache(), Applicable()
    api: Any = table
    reconciler = Corrections(api=api, cache=cache, applicable=applicable, clock=lambda: NOW)
    for resource, made in ((OBJECTIVES, objective()), (CORRECTIONS, correction())):
        body = made.to_json()
        cache.put(resource, table.put(resource, body))
    key = Key(CORRECTIONS.plural, "shop", "move")

    async def written() -> dict[str, Any]:
        assert await reconciler.reconcile(key) == 300
        body = table.objects[CORRECTIONS.plural, "shop", "move"]
        cache.put(CORRECTIONS, body)
        status: dict[str, Any] = body["status"]
        return status

    assert (await written())["conditions"][1]["reason"] == "Progressing"
    applicable.put(objective(), [effect()])
    assert (await written())["conditions"][1]["reason"] == "CorrectionApplied"
    before = len(table.writes)
    await written()
    assert len(table.writes) == before
    cache.drop(key)
    assert await reconciler.reconcile(key) is None


async def test_it_is_due_again_when_its_next_time_begins() -> None:
    table, cache = Table(), Cache()
    api: Any = table
    once = {"start": "2026-08-20T10:05:00Z", "end": "2026-08-20T11:00:00Z"}
    cache.put(CORRECTIONS, table.put(CORRECTIONS, correction(once=once).to_json()))
    reconciler = Corrections(api=api, cache=cache, applicable=Applicable(), clock=lambda: NOW)
    assert await reconciler.reconcile(Key(CORRECTIONS.plural, "shop", "move")) == 181


async def test_one_that_cannot_be_read_says_what_is_wrong() -> None:
    table, cache = Table(), Cache()
    api: Any = table
    body = correction(
        recurrence={"rule": "FREQ=DAILY", "start": "2026-01-01T00:00:00Z", "duration": "1h"}
    ).to_json()
    body["spec"]["recurrence"]["rule"] = "FREQ=SECONDLY"
    cache.put(CORRECTIONS, table.put(CORRECTIONS, body))
    reconciler = Corrections(api=api, cache=cache, applicable=Applicable(), clock=lambda: NOW)
    assert await reconciler.reconcile(Key(CORRECTIONS.plural, "shop", "move")) is None
    status = table.objects[CORRECTIONS.plural, "shop", "move"]["status"]
    assert status["conditions"][0]["reason"] == "InvalidSpec"
    assert "FREQ=SECONDLY is not supported" in status["conditions"][0]["message"]
