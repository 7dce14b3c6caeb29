"""The one-line texts that people meet at a gate."""

from dataclasses import replace

import pytest

from sluice.api.policy import Admission
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.policy.message import denial, denial_parts, warning
from sluice.policy.objective import ObjectiveState
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, run, spec_of, unknown

FREEZE = (
    "FROZEN by ErrorBudgetPolicy shop/default: SLO checkout-availability has 12.0% of its 30d "
    "budget left (freeze below 20%), since 2026-08-20T10:04Z. Change of Deployment shop/web "
    "denied; scaling, restart and rollback are allowed. Override: kubectl sluice override."
)
BURNING = [
    {"name": "Healthy"},
    {
        "name": "Burning",
        "when": {"burnRateAbove": {"window": "1h", "value": "14.4"}, "level": "Critical"},
        "admission": "Deny",
    },
]
GENTLE = [
    {"name": "Healthy"},
    {"name": "Warning", "when": {"remainingBelow": "50"}, "admission": "Warn"},
]


def test_a_denial_says_who_why_since_when_what_passes_and_how_to_override() -> None:
    spec = spec_of()
    text = denial(decided(known("12")), spec, workload_kind="Deployment", workload_name="web")
    assert text == FREEZE


def test_a_restart_is_only_promised_if_the_policy_exempts_it() -> None:
    spec = spec_of(exemptions={"templateKeys": ["example.com/build"]})
    text = denial(decided(known("12")), spec, workload_kind="Deployment", workload_name="web")
    assert text == FREEZE.replace("scaling, restart and rollback", "scaling and rollback")


def test_declared_changes_are_only_promised_if_the_policy_exempts_some() -> None:
    spec = spec_of(exemptions={"changeTypes": ["security"]})
    text = denial(decided(known("12")), spec, workload_kind="Deployment", workload_name="web")
    promised = "scaling, restart, declared changes and rollback"
    assert text == FREEZE.replace("scaling, restart and rollback", promised)


def test_a_denial_ends_with_the_recovery_if_that_is_known() -> None:
    decision = decided(known("12", recovered_at=T0 + 288 * HOUR))
    text = denial(decision, spec_of(), workload_kind="Deployment", workload_name="web")
    assert text == f"{FREEZE} Recovers 2026-09-01T10:04Z if nothing more fails."


def test_the_recovery_is_left_out_before_a_name_is_cut() -> None:
    workload, objective = "w" * 253, "o" * 90
    without, with_recovery = (
        denial(
            decided(known("12", objective, recovered_at=recovered_at)),
            spec_of(),
            workload_kind="Deployment",
            workload_name=workload,
        )
        for recovered_at in (None, T0 + HOUR)
    )
    assert workload in without
    assert objective in without
    assert with_recovery == without


def test_the_parts_of_a_denial_make_the_denial_with_any_workload() -> None:
    spec, decision = spec_of(), decided(known("12", recovered_at=T0 + 288 * HOUR))
    parts = denial_parts(decision, spec)
    assert f"{parts.prefix}Deployment{parts.infix}web{parts.suffix}" == denial(
        decision, spec, workload_kind="Deployment", workload_name="web"
    )


@pytest.mark.parametrize(
    ("remaining", "shown"),
    [("19.96", "19.9%"), ("0", "0.0%"), ("-3.25", "-3.3%"), ("-150000", "-150000.0%")],
)
def test_a_budget_is_rounded_down_so_that_it_looks_below_its_limit(
    remaining: str, shown: str
) -> None:
    assert f"has {shown} of its 30d budget left" in decided(known(remaining)).message


def test_a_period_of_the_calendar_is_called_by_its_name() -> None:
    message = decided(known("12", window="2026-Q4")).message
    assert "has 12.0% of its 2026-Q4 budget left" in message


@pytest.mark.parametrize("remaining", ["20.0", "22.0", "24.9"])
def test_within_the_margin_a_denial_says_where_the_freeze_ends(remaining: str) -> None:
    *_, held = run([(0 * MINUTE, [known("12")]), (MINUTE, [known(remaining)])])
    assert held.message == (
        f"SLO checkout-availability has {remaining}% of its 30d budget left "
        "(freeze below 20%, thaw from 25%)."
    )


def test_while_recovering_the_message_says_when_the_stage_ends() -> None:
    *_, held = run([(0 * MINUTE, [known("12")]), (MINUTE, [known("26")])])
    assert held.message == (
        "SLO checkout-availability has 26.0% of its 30d budget left "
        "(freeze below 20%, thaw at 2026-08-20T10:35Z if it holds)."
    )


def test_a_milder_stage_that_recovers_is_named() -> None:
    *_, held = run([(0 * MINUTE, [known("40")]), (MINUTE, [known("60")])])
    assert "(freeze below 20%, stage Warning ends at 2026-08-20T10:35Z if it holds)" in held.message


def test_all_conditions_of_a_freeze_are_named() -> None:
    decision = decided(known("80"), spec=spec_of(stages=BURNING))
    assert "(freeze at a 1h burn rate above 14.4 and at level Critical or worse)" in (
        decision.message
    )


@pytest.mark.parametrize("remaining", ["80", "40"])
def test_a_policy_that_never_freezes_names_its_next_stage(remaining: str) -> None:
    decision = decided(known(remaining), spec=spec_of(stages=GENTLE))
    assert "(stage Warning below 50%)" in decision.message


def test_a_warning_says_how_much_is_left_and_where_the_freeze_begins() -> None:
    assert warning(decided(known("34", "x"))) == (
        "ErrorBudgetPolicy shop/default: SLO x has 34.0% of its 30d budget left (freeze below 20%)."
    )


def test_a_policy_that_only_warns_says_that_it_would_deny() -> None:
    decision = decided(known("12", "x"), spec=spec_of(mode="Warn"))
    assert warning(decision) == (
        "ErrorBudgetPolicy shop/default: SLO x has 12.0% of its 30d budget left (freeze below 20%)."
        " In mode Enforce this change WOULD be denied."
    )


@pytest.mark.parametrize("rest", [[], [known("90", "rest")]], ids=["none is left", "one is left"])
def test_a_freeze_whose_objective_is_gone_says_so(rest: list[ObjectiveState]) -> None:
    *_, blind = run([(0 * MINUTE, [known("12", "checkout"), *rest]), (MINUTE, rest)])
    assert blind.message == (
        "SLO checkout has been gone since 2026-08-20T10:05Z (ObjectiveNotFound) and had 12.0% of "
        "its budget left; stage Exhausted is held until 2026-08-20T11:05Z unless it is restored."
    )


def test_a_blind_freeze_says_what_is_unknown_what_was_known_and_for_how_long_it_is_held() -> None:
    *_, blind = run([(0 * MINUTE, [known("12")]), (MINUTE, [unknown()])])
    text = denial(blind, spec_of(), workload_kind="Deployment", workload_name="web")
    assert text.startswith(
        "FROZEN by ErrorBudgetPolicy shop/default: SLO checkout-availability has been unknown "
        "since 2026-08-20T10:05Z (SourceUnreachable) and had 12.0% of its 30d budget left; stage "
        "Exhausted is held until 2026-08-20T11:05Z, since 2026-08-20T10:04Z. Change of"
    )


@pytest.mark.parametrize(("then", "stage"), [("Open", "Healthy"), ("Closed", "Exhausted")])
def test_after_the_hold_the_message_says_what_the_policy_chose(then: str, stage: str) -> None:
    spec = spec_of(whenBlind={"then": then})
    *_, last = run([(0 * MINUTE, [unknown("x")]), (HOUR, [unknown("x")])], spec=spec)
    assert last.message == (
        "No SLO's budget has been known since 2026-08-20T10:04Z (SourceUnreachable); "
        f"stage {stage} applies, because whenBlind.then is {then}."
    )


def test_a_blind_warning_keeps_to_the_essential() -> None:
    *_, blind = run([(0 * MINUTE, [known("40", "x")]), (MINUTE, [unknown("x")])])
    assert warning(blind) == (
        "ErrorBudgetPolicy shop/default: SLO x has been unknown since 2026-08-20T10:05Z "
        "(SourceUnreachable)."
    )


LONGEST = "n" * 253


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("remaining", ["12", "-999999999"])
def test_names_are_cut_where_a_text_would_grow_too_long(reason: Reason, remaining: str) -> None:
    stages = [
        {"name": "Healthy"},
        {
            "name": "S" * 63,
            "when": {
                "remainingBelow": "-100.125",
                "burnRateAbove": {"window": "30m", "value": "999999.999"},
                "level": "Critical",
            },
            "admission": "Deny",
        },
    ]
    spec = spec_of(stages=stages)
    worst = known(remaining, LONGEST, level=Level.PAGE, burn={"30m": "1000000"}, window="w" * 99)
    for decision in run(
        [(0 * MINUTE, [worst]), (1 * MINUTE, [unknown(LONGEST, reason=reason)])], spec=spec
    ):
        named = replace(decision, policy=LONGEST, namespace="m" * 63)
        parts = denial_parts(named, spec)
        text = denial(named, spec, workload_kind="Deployment", workload_name=LONGEST)
        assert len(text) <= 600
        assert len(f"{parts.prefix}StatefulSet{parts.infix}{parts.suffix}") + 253 <= 600
        assert len(warning(replace(named, effective=Admission.DENY))) <= 120
        for cut in (text, parts.prefix, warning(named)):
            assert "ErrorBudgetPolicy mmmmmm" in cut
            assert "nnn.." in cut


@pytest.mark.parametrize(("count", "text"), [(1, "1 correction"), (2, "2 corrections")])
def test_a_budget_that_was_corrected_is_called_so(count: int, text: str) -> None:
    decision = decided(replace(known("12"), corrections=count))
    said = denial(decision, spec_of(), workload_kind="Deployment", workload_name="web")
    assert said == FREEZE.replace("budget left (", f"budget left with {text} (")
    assert f"budget left with {text} (freeze below 20%)" in decision.message
