"""Between a decision and the status where it is remembered."""

import pytest

from sluice.api.policy import DecisionStatus, ErrorBudgetPolicyStatus, Timers, Transition
from sluice.policy.decision import Decision
from sluice.policy.memory import Memory
from sluice.policy.status import history, memory_from_status, status_fields
from tests.unit.policy.examples import HOUR, MINUTE, T0, decided, known, run, unknown


def stored(decision: Decision) -> ErrorBudgetPolicyStatus:
    """The status as it comes back from the API server."""
    stage, decided_, timers = status_fields(decision)
    status = ErrorBudgetPolicyStatus(stage=stage, decision=decided_, timers=timers)
    return ErrorBudgetPolicyStatus.model_validate(status.to_json())


def test_a_status_holds_the_effective_decision_in_kubernetes_notation() -> None:
    *_, decision = run(
        [
            (0 * MINUTE, [known("12", recovered_at=T0 + 24 * HOUR)]),
            (MINUTE, [known("26", recovered_at=T0 + 24 * HOUR)]),
        ]
    )
    assert stored(decision).to_json() == {
        "observedGeneration": -1,
        "stage": "Exhausted",
        "decision": {
            "admission": "Deny",
            "since": "2026-08-20T10:04:00Z",
            "expires": "2026-08-20T11:04:00Z",
            "reason": "Recovering",
            "message": decision.message,
            "objective": "checkout-availability",
            "remaining": "26.000",
            "recoveredAt": "2026-08-21T10:04:00Z",
        },
        "timers": {"recoveringSince": "2026-08-20T10:05:00Z"},
        "workloads": {"governed": 0, "changed": []},
        "overrides": [],
        "history": [],
        "conditions": [],
    }


@pytest.mark.parametrize(
    "decision",
    [
        decided(known("12.3456")),
        decided(known("-12345678901.5", recovered_at=T0 + HOUR)),
        decided(unknown()),
        run([(0 * MINUTE, [known("12")]), (MINUTE, [known("40")])])[-1],
        run([(0 * MINUTE, [known("12")]), (MINUTE, [unknown()])])[-1],
        decided(),
    ],
)
def test_what_a_decision_remembers_survives_the_status(decision: Decision) -> None:
    assert memory_from_status(stored(decision)) == decision.memory


def test_an_empty_status_is_the_memory_of_a_new_policy() -> None:
    assert memory_from_status(ErrorBudgetPolicyStatus()) == Memory()


def test_timers_are_remembered_without_a_decision() -> None:
    status = ErrorBudgetPolicyStatus(stage="Healthy", timers=Timers(blind_since=T0))
    assert memory_from_status(status) == Memory(stage="Healthy", blind_since=T0)


def test_a_reason_of_a_newer_version_is_forgotten() -> None:
    newer = DecisionStatus(admission="Deny", since=T0, reason="FromTheFuture", message="")
    memory = memory_from_status(ErrorBudgetPolicyStatus(stage="Exhausted", decision=newer))
    assert memory.reason is None
    assert memory.stage == "Exhausted"


def test_history_is_newest_first_and_keeps_twenty() -> None:
    transitions = [
        Transition(time=T0 + number * MINUTE, to=f"S{number}", reason="StageEntered")
        for number in range(25)
    ]
    kept: list[Transition] = []
    for transition in transitions:
        kept = history(kept, [transition])
    assert [it.to for it in kept] == [f"S{number}" for number in range(24, 4, -1)]
    assert history(kept, []) == kept
