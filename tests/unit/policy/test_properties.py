"""What holds for every policy, every budget and every order of events."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sluice.api.policy import DENIALS, Admission, ErrorBudgetPolicySpec, ErrorBudgetPolicyStatus
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.policy.decision import Decision
from sluice.policy.message import DENIAL_LIMIT, ESSENTIAL_LIMIT, denial, denial_parts, warning
from sluice.policy.objective import ObjectiveState
from sluice.policy.status import memory_from_status, status_fields
from sluice.policy.validation import validate
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, run, spec_of, unknown

SEVERITY = {Admission.ALLOW: 0, Admission.WARN: 1, Admission.LIMIT: 2, Admission.DENY: 3}
REACH = {"Observe": 0, "Warn": 1, "Enforce": 3}

percentages = st.decimals(-500, 100, places=3)
levels = st.sampled_from([Level.OK, Level.WARNING, Level.CRITICAL, Level.PAGE])
rates = st.one_of(st.none(), st.decimals(0, 100, places=2))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, object]:
    fields: dict[str, object] = {
        "remainingBelow": str(draw(st.integers(-20, 90))),
        "burnRateAbove": {"window": "1h", "value": str(draw(st.integers(1, 20)))},
        "level": draw(st.sampled_from(["Warning", "Critical", "Page"])),
    }
    kept = draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
    return {key: fields[key] for key in sorted(kept)}


@st.composite
def specs(draw: st.DrawFn) -> ErrorBudgetPolicySpec:
    """Specs that pass the schema and `validate`."""
    stages: list[dict[str, object]] = [{"name": "S0"}]
    for number in range(1, draw(st.integers(2, 4))):
        admission = draw(st.sampled_from([it.value for it in Admission]))
        limit = {"limit": {"interval": "7d"}} if admission == "Limit" else {}
        stage = {"name": f"S{number}", "when": draw(conditions()), "admission": admission}
        stages.append(stage | limit)
        if validate(spec_of(stages=stages)):
            stages.pop()
            break
    if len(stages) == 1:
        stages.append({"name": "S1", "when": {"level": "Page"}, "admission": "Deny"})
    return spec_of(
        stages=stages,
        mode=draw(st.sampled_from(sorted(REACH))),
        whenBlind={
            "holdFor": draw(st.sampled_from(["5m", "1h"])),
            "then": draw(st.sampled_from(["Open", "Closed"])),
        },
        recovery={"above": "5", "for": draw(st.sampled_from(["1m", "30m"]))},
    )


@st.composite
def objectives(draw: st.DrawFn, *, seen: bool = True) -> list[ObjectiveState]:
    names = draw(st.sets(st.sampled_from("abc"), max_size=3))
    return [
        known(
            draw(percentages),
            name,
            level=draw(levels),
            burn={} if (rate := draw(rates)) is None else {"1h": str(rate)},
            recovered_at=draw(st.sampled_from([None, T0 + HOUR, T0 + 100 * HOUR])),
        )
        if seen and draw(st.booleans())
        else unknown(name)
        for name in sorted(names)
    ]


def timelines(
    found: st.SearchStrategy[list[ObjectiveState]],
) -> st.SearchStrategy[list[tuple[timedelta, list[ObjectiveState]]]]:
    """Evaluations, each up to an hour after the one before."""
    gaps = st.lists(st.tuples(st.integers(1, 3600), found), min_size=1, max_size=12)

    def accumulate(
        steps: list[tuple[int, list[ObjectiveState]]],
    ) -> list[tuple[timedelta, list[ObjectiveState]]]:
        passed, timeline = 0, []
        for gap, states in steps:
            passed += gap
            timeline.append((timedelta(seconds=passed), states))
        return timeline

    return gaps.map(accumulate)


@given(timelines(objectives(seen=False)))
def test_an_open_policy_that_never_knew_its_budget_never_freezes(
    timeline: list[tuple[timedelta, list[ObjectiveState]]],
) -> None:
    decisions = run(timeline)
    assert {it.stage for it in decisions} == {"Healthy"}
    assert not any(it.frozen for it in decisions)


@given(timelines(objectives(seen=False)))
def test_a_closed_policy_that_never_knew_its_budget_waits_for_the_hold(
    timeline: list[tuple[timedelta, list[ObjectiveState]]],
) -> None:
    spec = spec_of(whenBlind={"holdFor": "1h", "then": "Closed"})
    begun = timeline[0][0]
    for (at, _), decision in zip(timeline, run(timeline, spec=spec), strict=True):
        assert decision.frozen == (at - begun >= HOUR)


@given(specs(), timelines(objectives()), objectives(), st.integers(1, 3600))
def test_a_worse_stage_is_entered_at_once(
    spec: ErrorBudgetPolicySpec,
    timeline: list[tuple[timedelta, list[ObjectiveState]]],
    states: list[ObjectiveState],
    seconds: int,
) -> None:
    before = run(timeline, spec=spec)[-1]
    now = timeline[-1][0] + timedelta(seconds=seconds)
    raw = decided(*states, at=now, spec=spec)
    names = [stage.name for stage in spec.stages]
    decision = decided(*states, before=before, at=now, spec=spec)
    if not raw.blind and names.index(raw.stage) > names.index(before.stage):
        assert decision.stage == raw.stage
        assert not decision.blind


@given(specs(), timelines(objectives()))
def test_a_milder_stage_follows_only_recovery_or_blindness(
    spec: ErrorBudgetPolicySpec, timeline: list[tuple[timedelta, list[ObjectiveState]]]
) -> None:
    names = [stage.name for stage in spec.stages]
    decisions = run(timeline, spec=spec)
    for before, after in pairwise(decisions):
        if names.index(after.stage) >= names.index(before.stage):
            continue
        recovered = before.recovering_since is not None and not after.blind
        opened = after.reason is Reason.BLIND_OPEN
        assert recovered or opened or before.reason is Reason.BLIND_CLOSED


@given(
    start=st.decimals(-50, 80, places=2),
    moves=st.lists(st.tuples(st.integers(1, 3600), st.decimals(0, "4.99", places=2))),
)
def test_a_budget_that_swings_within_the_margin_changes_the_stage_once_at_most(
    start: Decimal, moves: list[tuple[int, Decimal]]
) -> None:
    passed, timeline = 0, [(timedelta(0), [known(start + 5)])]
    for gap, swing in moves:
        passed += gap
        timeline.append((timedelta(seconds=passed), [known(start + swing)]))
    stages = [it.stage for it in run(timeline)]
    assert sum(one != other for one, other in pairwise(stages)) <= 1


@given(specs(), timelines(objectives()))
def test_a_restart_changes_no_decision(
    spec: ErrorBudgetPolicySpec, timeline: list[tuple[timedelta, list[ObjectiveState]]]
) -> None:
    status = ErrorBudgetPolicyStatus()
    for (at, states), expected in zip(timeline, run(timeline, spec=spec), strict=True):
        decision = decided(*states, before=memory_from_status(status), at=at, spec=spec)
        assert decision == expected
        stage, fields, timers = status_fields(decision)
        written = ErrorBudgetPolicyStatus(stage=stage, decision=fields, timers=timers)
        status = ErrorBudgetPolicyStatus.model_validate(written.to_json())


@given(specs(), timelines(objectives()), st.randoms(use_true_random=False))
def test_the_order_of_the_objectives_does_not_matter(
    spec: ErrorBudgetPolicySpec,
    timeline: list[tuple[timedelta, list[ObjectiveState]]],
    random: Random,
) -> None:
    shuffled = [(at, random.sample(states, len(states))) for at, states in timeline]
    assert run(shuffled, spec=spec) == run(timeline, spec=spec)


@given(specs(), timelines(objectives()))
def test_the_effective_admission_exceeds_neither_the_mode_nor_the_stage(
    spec: ErrorBudgetPolicySpec, timeline: list[tuple[timedelta, list[ObjectiveState]]]
) -> None:
    for decision in run(timeline, spec=spec):
        effective = SEVERITY[decision.effective]
        assert effective == min(SEVERITY[decision.admission], REACH[spec.mode])


@given(specs(), timelines(objectives()))
def test_exactly_what_denies_expires_and_always_in_time(
    spec: ErrorBudgetPolicySpec, timeline: list[tuple[timedelta, list[ObjectiveState]]]
) -> None:
    hold = {"5m": 5 * MINUTE, "1h": HOUR}[spec.when_blind.hold_for]
    for (at, _), decision in zip(timeline, run(timeline, spec=spec), strict=True):
        assert (decision.expires is not None) == (decision.effective in DENIALS)
        if decision.expires is not None:
            assert T0 + at < decision.expires <= T0 + at + hold


@given(specs(), timelines(objectives()))
def test_evaluating_again_at_the_same_time_changes_nothing(
    spec: ErrorBudgetPolicySpec, timeline: list[tuple[timedelta, list[ObjectiveState]]]
) -> None:
    decision = run(timeline, spec=spec)[-1]
    at, states = timeline[-1]
    again = decided(*states, before=decision, at=at, spec=spec)
    assert again.transition is None
    if decision.reason is not Reason.BLIND_OPEN:
        assert again.memory == decision.memory
        assert again.message == decision.message


names = st.one_of(
    st.text(min_size=1, max_size=400),
    st.integers(1, 400).map(lambda length: "n" * length),
)


@st.composite
def worded(draw: st.DrawFn) -> Decision:
    """A decision with names of any length and any characters."""
    name = draw(names)
    budget = st.decimals(-(10**9), 100, places=3)
    recovered_at = draw(st.sampled_from([None, T0 + 1000 * HOUR]))
    seen = known(draw(budget), name, recovered_at=recovered_at, window=draw(names))
    then = draw(st.sampled_from([[seen], [unknown(name)], [], [known("100", f"{name}-2")]]))
    steps = [(0 * MINUTE, [seen]), (MINUTE, then)]
    stages = [
        {"name": "Healthy"},
        {"name": "S" * 63, "when": draw(conditions()), "admission": "Deny"},
    ]
    decision = run(steps, spec=draw(st.sampled_from([spec_of(stages=stages), spec_of()])))[-1]
    return replace(decision, policy=draw(names), namespace=draw(names))


@given(worded(), names)
def test_texts_are_one_printable_line_within_their_bounds(
    decision: Decision, workload: str
) -> None:
    spec = spec_of(exemptions={"changeTypes": ["security"]})
    text = denial(decision, spec, workload_kind="StatefulSet", workload_name=workload)
    parts = denial_parts(decision, spec)
    essential = warning(replace(decision, effective=Admission.DENY))
    assert len(text) <= DENIAL_LIMIT
    assert len(f"{parts.prefix}StatefulSet{parts.infix}{parts.suffix}") + 253 <= DENIAL_LIMIT
    assert len(essential) <= ESSENTIAL_LIMIT
    for part in (text, parts.prefix, parts.infix, parts.suffix, essential, decision.message):
        assert part.isprintable()
    assert text.startswith("FROZEN by ErrorBudgetPolicy ")
    assert "Override: kubectl sluice override." in text
    assert "Override: kubectl sluice override." in parts.suffix
