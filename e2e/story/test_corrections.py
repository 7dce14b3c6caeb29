"""An incident that was none: a correction with a reason thaws, without it the freeze is back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.stack import Controller, Stack
from e2e.story.manifests import Object
from e2e.story.team import OBJECTIVE, POLICY, Team
from e2e.story.test_overrides import person

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

CORRECTION = "budgetcorrection"
SLO = "availability"


def at(**away: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**away):%Y-%m-%dT%H:%M:%SZ}"


def correction(name: str = "load-test", **spec: Any) -> Object:
    """Leaves out everything from twenty minutes ago to twenty minutes ahead."""
    body = {
        "objectives": {"names": [SLO]},
        "effect": "Exclude",
        "once": {"start": at(minutes=-20), "end": at(minutes=20)},
        "reason": "the load test was announced",
        "createdBy": "kubernetes-admin",
    }
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "BudgetCorrection",
        "metadata": {"name": name},
        "spec": body | spec,
    }


@pytest.fixture(scope="module")
def frozen(everything: Stack, controller: Controller) -> Iterator[Team]:
    del controller
    with everything.plane.namespace("corrections") as namespace:
        team = Team(everything, namespace, everything.take())
        team.start()
        team.freeze()
        yield team


def remaining(team: Team) -> float:
    return float(team.get(OBJECTIVE, SLO)["status"]["errorBudget"]["remaining"])


def corrections(team: Team) -> Object:
    found: Object = team.get(OBJECTIVE, SLO)["status"].get("corrections", {})
    return found


def test_a_correction_thaws_and_says_everywhere_that_it_did(
    frozen: Team, controller: Controller
) -> None:
    assert remaining(frozen) < 20
    frozen.apply(correction())
    frozen.until("corrected", lambda: remaining(frozen) > 95, timeout=5)
    frozen.until_stage("Healthy", timeout=10)
    frozen.until_passes()

    told = corrections(frozen)
    assert (told["applied"], told["names"]) == (1, ["load-test"])
    assert float(told["remainingWithout"]) < 20
    assert int(told["excluded"]["bad"]) > 700
    assert "added" not in told
    available = frozen.condition("BudgetAvailable", OBJECTIVE, SLO)
    assert "; 1 correction applies, " in available["message"]
    assert "% would be left without it" in available["message"]
    assert "% of its 1d budget left with 1 correction (" in frozen.status()["decision"]["message"]
    assert "with 1 correction" in frozen.status()["history"][0]["message"]
    frozen.until(
        "an Event", lambda: ("Normal", "CorrectionsChanged") in frozen.events(OBJECTIVE, SLO)
    )
    frozen.until_condition("Applied", "CorrectionApplied", of=CORRECTION, name="load-test")
    status = frozen.get(CORRECTION, "load-test")["status"]
    (effect,) = status["objectives"]
    assert (status["matched"], effect["name"]) == (1, SLO)
    assert float(effect["points"]) > 75
    assert effect["approximate"] is False
    labels = f'namespace="{frozen.namespace}",objective="{SLO}"'
    assert controller.metric(f"sluice_objective_corrections{{{labels}}}") == 1


def test_without_it_the_freeze_is_back(frozen: Team) -> None:
    frozen.kubectl("delete", CORRECTION, "load-test")
    frozen.until("as measured", lambda: remaining(frozen) < 20, timeout=5)
    frozen.until_stage("Exhausted", timeout=10)
    frozen.until_denied()
    assert corrections(frozen) == {}
    assert frozen.events(POLICY, "default") >= {("Warning", "StageEntered")}


def test_failures_that_are_added_count(frozen: Team) -> None:
    before = remaining(frozen)
    frozen.apply(
        correction(
            "lost",
            effect="Add",
            add={"total": 2000, "bad": 2000},
            once={"start": at(hours=-3), "end": at(hours=-2)},
        )
    )
    frozen.until("more spent", lambda: remaining(frozen) < before - 100, timeout=5)
    assert corrections(frozen)["added"] == {"total": "2000", "bad": "2000"}
    frozen.kubectl("delete", CORRECTION, "lost")
    frozen.until("as measured", lambda: remaining(frozen) > before - 10, timeout=5)


def test_a_correction_of_what_is_to_come_waits(frozen: Team) -> None:
    ahead = {"start": at(hours=1), "end": at(hours=2)}
    frozen.apply(correction("ahead", once=ahead))
    waiting = frozen.until_condition("Applied", "CorrectionAhead", of=CORRECTION, name="ahead")
    assert waiting["status"] == "False"
    assert corrections(frozen) == {}
    frozen.kubectl("delete", CORRECTION, "ahead")


def test_a_rule_that_is_not_supported_is_told_and_nothing_is_corrected(frozen: Team) -> None:
    hourly = {"rule": "FREQ=HOURLY", "start": at(hours=-2), "duration": "2h"}
    wrong = correction("wrong", recurrence=hourly)
    del wrong["spec"]["once"]
    frozen.apply(wrong)
    told = frozen.until_condition("Ready", "InvalidSpec", of=CORRECTION, name="wrong")
    assert "FREQ=HOURLY is not supported: write DAILY, WEEKLY, MONTHLY, YEARLY" in told["message"]
    assert corrections(frozen) == {}
    frozen.kubectl("delete", CORRECTION, "wrong")


def test_nobody_corrects_a_budget_without_the_role(frozen: Team) -> None:
    admin = person(frozen, "admin", "admin")
    who = {"as_who": admin.kubeconfig}
    for verb in ("create", "delete"):
        assert not frozen.attempt("auth", "can-i", verb, "budgetcorrections", **who).passed
    assert frozen.attempt("auth", "can-i", "list", "budgetcorrections", **who).passed
