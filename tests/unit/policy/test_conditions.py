"""What a decision claims in a policy's conditions."""

import pytest

from sluice.api.conditions import Claim, ConditionType
from sluice.api.reasons import Reason
from sluice.policy.conditions import claims
from sluice.policy.decision import Decision
from tests.unit.policy.examples import HOUR, MINUTE, decided, known, run, spec_of, unknown


def claimed(decision: Decision) -> dict[ConditionType, Claim]:
    return {claim.type: claim for claim in claims(decision)}


@pytest.mark.parametrize(
    ("remaining", "mode", "status", "reason"),
    [
        ("80", "Enforce", "False", Reason.NOT_FROZEN),
        ("40", "Enforce", "False", Reason.NOT_FROZEN),
        ("12", "Enforce", "True", Reason.FROZEN),
        ("12", "Warn", "False", Reason.WARN_ONLY),
        ("12", "Observe", "False", Reason.OBSERVE_ONLY),
        ("40", "Observe", "False", Reason.NOT_FROZEN),
    ],
)
def test_frozen_is_true_only_while_changes_are_really_denied(
    remaining: str, mode: str, status: str, reason: Reason
) -> None:
    claim = claimed(decided(known(remaining), spec=spec_of(mode=mode)))[ConditionType.FROZEN]
    assert (claim.status, claim.reason) == (status, reason)
    assert ("WOULD" in claim.message) == (reason in {Reason.WARN_ONLY, Reason.OBSERVE_ONLY})


@pytest.mark.parametrize("objective", [known("80"), known("12"), unknown()])
def test_a_policy_is_ready_whatever_its_budget_is(objective: object) -> None:
    claim = claimed(decided(objective))[ConditionType.READY]
    assert (claim.status, claim.reason) == ("True", Reason.RECONCILED)


def test_the_budget_is_known_and_unknown_objectives_are_named() -> None:
    claim = claimed(decided(known("80", "a"), unknown("b")))[ConditionType.BUDGET_KNOWN]
    assert claim == Claim(
        ConditionType.BUDGET_KNOWN,
        "True",
        Reason.BUDGET_KNOWN,
        "SLO b is unknown: SourceUnreachable",
    )


def test_a_blind_policy_gives_the_objectives_reason() -> None:
    *_, blind = run([(0 * MINUTE, [known("12")]), (MINUTE, [unknown(reason=Reason.STALE_DATA)])])
    found = claimed(blind)
    assert found[ConditionType.BUDGET_KNOWN].status == "False"
    assert found[ConditionType.BUDGET_KNOWN].reason is Reason.STALE_DATA
    assert found[ConditionType.FROZEN].status == "True"


def test_a_deciding_objective_that_is_gone_is_named_among_the_unknown() -> None:
    steps = [(0 * MINUTE, [known("12", "a"), known("90", "b")]), (MINUTE, [known("90", "b")])]
    claim = claimed(run(steps)[-1])[ConditionType.BUDGET_KNOWN]
    assert (claim.status, claim.reason) == ("False", Reason.OBJECTIVE_NOT_FOUND)
    assert claim.message == (
        "ServiceLevelObjective a was deleted or relabelled, or cannot be read: restore it"
    )


def test_of_many_unknown_objectives_three_are_named() -> None:
    decision = decided(*(unknown(f"slo-{number}") for number in range(5)))
    message = claimed(decision)[ConditionType.BUDGET_KNOWN].message
    assert message.startswith("SLO slo-0 is unknown: SourceUnreachable; SLO slo-1")
    assert message.endswith("; 2 more are unknown")


@pytest.mark.parametrize("hours", [0, 5])
def test_a_policy_that_selects_nothing_says_what_to_do(hours: int) -> None:
    *_, last = run([(0 * HOUR, []), (hours * HOUR, [])])
    claim = claimed(last)[ConditionType.BUDGET_KNOWN]
    assert (claim.status, claim.reason) == ("False", Reason.NO_OBJECTIVES)
    assert "correct the selector" in claim.message
