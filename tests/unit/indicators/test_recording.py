from sluice.indicators.counted import Counted
from sluice.indicators.expressions import Expression, parse_expression
from sluice.indicators.promql import Matcher, Selector, Side, is_expression
from sluice.indicators.query_reader import Queried
from sluice.indicators.recording import Subject, ended, render

SUBJECT = Subject("u-1", "shop", "checkout")
TOTAL = Selector("a", (Matcher("job", "=", "shop"),))
COUNTED = Counted(TOTAL, Selector("b"), Side.BAD)


def test_rules_are_a_group_for_slices_and_one_for_minutes() -> None:
    rules = render(COUNTED, SUBJECT, settle=30)
    slices, minutes = rules.spec()["groups"]
    assert (slices["interval"], minutes["interval"]) == ("5m", "1m")
    assert slices["name"] == "sluice:slice_events:shop/checkout"
    first = slices["rules"][0]
    assert first == {
        "record": "sluice:slice_events",
        "expr": (
            'last_over_time((sum(((a{job="shop"}-a{job="shop"} offset 300s)>=0)<Inf))'
            "[300s:300s] offset 30s)"
        ),
        "labels": {
            "sluice_id": rules.id,
            "sluice_namespace": "shop",
            "sluice_objective": "checkout",
            "sluice_side": "total",
            "sluice_part": "moved",
        },
    }
    assert [
        (rule["labels"]["sluice_side"], rule["labels"]["sluice_part"]) for rule in slices["rules"]
    ] == [("total", "moved"), ("total", "doubt"), ("bad", "moved"), ("bad", "doubt")]
    assert all(is_expression(rule.expression) for rule in rules.rules)


def test_what_was_recorded_of_another_definition_is_never_read() -> None:
    ids = {
        render(counted, subject, settle=settle).id
        for counted in (
            COUNTED,
            Counted(TOTAL, Selector("b"), Side.GOOD),
            Counted(Selector("a", TOTAL.matchers, "replica"), Selector("b"), Side.BAD),
        )
        for subject in (SUBJECT, Subject("u-2", "shop", "checkout"))
        for settle in (30, 31)
    }
    assert len(ids) == 12
    assert render(COUNTED, Subject("u-1", "shop", "checkout"), settle=30).id in ids


def test_a_query_cannot_reach_beyond_its_brackets() -> None:
    hostile = "sum(a[$window])) or vector(1) or ((sum(b[$window])"
    assert not isinstance(parse_expression(hostile, "x"), Expression)
    commented = parse_expression("sum(rate(a[$window])) # ((((", "x")
    assert isinstance(commented, Expression)
    rules = render(Queried(commented, commented, Side.BAD), SUBJECT, settle=0)
    assert all(is_expression(rule.expression) for rule in rules.rules)


def test_a_sample_is_of_the_slice_that_has_settled_last() -> None:
    assert ended(1229.999, 300, 30) == 900
    assert ended(1230.0, 300, 30) == 1200
    assert ended(1529.9, 300, 30) == 1200
    assert ended(1290.0, 60, 30) == 1260
