"""What GitOps tools make of Sluice's objects in each of their states.

The statuses are made by the controller's own code; judged they are by Flux' kstatus and by the
example's script in the Lua of Argo CD, both from their Go modules.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness.gotools import HEALTH, NoGoError, built
from sluice.api import API_VERSION
from sluice.api.correction import BudgetCorrection
from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective
from sluice.budget.account import Evaluation
from sluice.budget.budget import Measured, Objective, measure
from sluice.budget.corrections import Range
from sluice.budget.ledger import Counts
from sluice.budget.windows import DAY, RollingWindow
from sluice.controller import correction_status, objective_status, overrides, source_status
from sluice.controller.correction_status import Known
from sluice.indicators.failure import Failure
from sluice.kube.resources import POLICIES
from tests.unit.controller.world import World

NOW = datetime(2026, 8, 20, 10, 0, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "examples/gitops/argo-cd-health.yaml"
UNREACHABLE = Failure(Reason.SOURCE_UNREACHABLE, "source 'default' cannot be reached")
STAGES = [
    {"name": "Healthy"},
    {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"},
]
POLICY_SPEC: dict[str, Any] = {"objectives": {"selector": {}}, "mode": "Enforce"}


@dataclass(frozen=True)
class Health:
    """The answers about one object."""

    kstatus: str
    argo: str
    message: str


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return built(HEALTH)
    except NoGoError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def script() -> str:
    values = yaml.safe_load(EXAMPLE.read_text())["data"]["resource.customizations"]
    customized = yaml.safe_load(values)
    assert list(customized) == ["sluice.dev/*"]
    found: str = customized["sluice.dev/*"]["health.lua"]
    return found


def judged(program: Path, script: str, found: dict[str, Any]) -> Health:
    question = json.dumps({"object": found, "lua": script})
    done = subprocess.run([program], input=question, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Health(**json.loads(done.stdout))


def seen(kind: str, status: Any, *, generation: int = 3, **metadata: Any) -> dict[str, Any]:
    """An object as the API server shows it; only its status matters for its health."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop", "generation": generation, **metadata},
        "spec": {},
        "status": status if isinstance(status, dict) else status.to_json(),
    }


def objective(**spec: Any) -> ServiceLevelObjective:
    ratio = {"total": {"metric": "x"}, "bad": {"metric": "y"}}
    least = {"objective": "99.9", "window": {"rolling": "30d"}, "indicator": {"ratio": ratio}}
    metadata = {"name": "web", "namespace": "shop", "generation": 3}
    return ServiceLevelObjective.model_validate({"metadata": metadata, "spec": least | spec})


def counted(bad: float) -> Evaluation:
    target = Objective(target=Decimal("99.9"), agreement=None, length=30 * DAY)
    bounds = RollingWindow(30 * DAY).bounds(NOW.timestamp())
    measured = Measured(
        bounds=bounds,
        seen=Counts(1_234_567, bad, bounds.length),
        newborn=0.0,
        newest=NOW.timestamp(),
    )
    return Evaluation(
        measured=measured, budget=measure(target, measured), burn_rates=(), forecast=None
    )


def measured_objective(outcome: Any) -> dict[str, Any]:
    return seen("ServiceLevelObjective", objective_status.status_of(objective(), outcome, NOW))


def after_losing_its_source() -> dict[str, Any]:
    known = objective_status.status_of(objective(), counted(100), NOW)
    before = objective().model_copy(update={"status": known})
    later = NOW + timedelta(minutes=2)
    status = objective_status.status_of(before, UNREACHABLE, later)
    return seen("ServiceLevelObjective", status)


def source(problem: Failure | None) -> dict[str, Any]:
    status = source_status.status_of([], problem, generation=3, now=NOW)
    return seen("MetricSource", status)


def override(*, until: datetime, policy: ErrorBudgetPolicy | None) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "generation": 3}
    created = {"creationTimestamp": NOW - timedelta(hours=1)}
    spec = {"policy": "default", "reason": "fix", "createdBy": "ann", "expiresAt": until}
    found = GateOverride.model_validate({"metadata": metadata | created, "spec": spec})
    return seen("GateOverride", overrides.status_of(found, policy, [], NOW))


def a_policy() -> ErrorBudgetPolicy:
    metadata = {"name": "default", "namespace": "shop", "uid": "p", "generation": 3}
    return ErrorBudgetPolicy.model_validate({"metadata": metadata, "spec": POLICY_SPEC})


def correction() -> dict[str, Any]:
    once = {"start": "2099-01-01T00:00:00Z", "end": "2099-01-02T00:00:00Z"}
    spec = {"objectives": {"selector": {}}, "effect": "Exclude", "once": once}
    whose = {"reason": "planned", "createdBy": "ann"}
    metadata = {"name": "web", "namespace": "shop", "generation": 3}
    found = BudgetCorrection.model_validate({"metadata": metadata, "spec": spec | whose})
    ahead = Range(NOW.timestamp() + 3600, NOW.timestamp() + 7200)
    known = Known(ranges=[ahead], matched=["web"], missing=[], since=0.0, effects=[])
    status = correction_status.status_of(found, known, NOW)
    return seen("BudgetCorrection", status)


async def decided(remaining: float | None, **spec: Any) -> dict[str, Any]:
    """A policy after it was decided: by the controller, in an API server in memory."""
    world = World()
    world.policy(stages=STAGES, **spec)
    if remaining is not None:
        world.budget(a=remaining)
    await world.reconcile()
    stored = world.api.objects[POLICIES.plural, "shop", "default"]
    generation = stored["metadata"]["generation"]
    return seen("ErrorBudgetPolicy", stored["status"], generation=generation)


UNSEEN = {"observedGeneration": -1}
KINDS = (
    "ServiceLevelObjective",
    "ErrorBudgetPolicy",
    "GateOverride",
    "BudgetCorrection",
    "MetricSource",
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_has_looked_at_yet_is_progressing(
    program: Path, script: str, kind: str
) -> None:
    found = judged(program, script, seen(kind, UNSEEN))
    assert (found.kstatus, found.argo) == ("InProgress", "Progressing")


@pytest.mark.parametrize(
    ("remaining", "spec", "said"),
    [
        (90, {}, "budget left"),
        (5, {}, "5.0% of its 30d budget left"),
        (5, {"mode": "Observe"}, "Mode Observe records the decision and enforces nothing."),
        (None, {}, "No SLO has been selected since"),
    ],
    ids=["healthy", "frozen", "observing", "blind"],
)
async def test_a_policy_that_works_is_healthy_whatever_it_decides(
    program: Path, script: str, remaining: float | None, spec: dict[str, Any], said: str
) -> None:
    found = judged(program, script, await decided(remaining, **spec))
    assert (found.kstatus, found.argo) == ("Current", "Healthy")
    assert said in found.message


async def test_a_policy_whose_spec_makes_no_sense_is_degraded(program: Path, script: str) -> None:
    broken = await decided(5, recovery={"above": "90"})
    found = judged(program, script, broken)
    assert (found.kstatus, found.argo) == ("Failed", "Degraded")
    assert "Exhausted can never be left" in found.message


async def test_a_change_that_was_not_looked_at_yet_is_progressing(
    program: Path, script: str
) -> None:
    frozen = await decided(5)
    frozen["metadata"]["generation"] += 1
    found = judged(program, script, frozen)
    assert (found.kstatus, found.argo) == ("InProgress", "Progressing")


async def test_a_policy_that_gives_everything_back_before_it_goes_is_progressing(
    program: Path, script: str
) -> None:
    frozen = await decided(5)
    frozen["metadata"]["deletionTimestamp"] = "2026-08-20T10:00:00Z"
    found = judged(program, script, frozen)
    assert (found.kstatus, found.argo) == ("Terminating", "Progressing")


def other_states() -> Iterator[Any]:
    working, waiting, failed = (
        ("Current", "Healthy"),
        ("InProgress", "Progressing"),
        ("Failed", "Degraded"),
    )
    nonsense = Failure(Reason.INVALID_QUERY, "unexpected end of input")
    unserved = Failure(Reason.RULES_NOT_SERVED, "the cluster has no PrometheusRules")
    until = NOW + timedelta(hours=1)
    for name, found, judgement in [
        ("a budget with something left", measured_objective(counted(100)), working),
        ("a budget that is spent", measured_objective(counted(5_000)), working),
        ("an objective whose source was never reached", measured_objective(UNREACHABLE), waiting),
        ("an objective whose source is away", after_losing_its_source(), waiting),
        ("an objective that makes no sense", measured_objective(nonsense), failed),
        ("a source that answers", source(None), working),
        ("a source that cannot be reached", source(UNREACHABLE), waiting),
        ("a source that needs rules where there are none", source(unserved), failed),
        ("an active override", override(until=until, policy=a_policy()), working),
        ("an override that has ended", override(until=NOW, policy=a_policy()), working),
        ("an override of no policy", override(until=until, policy=None), working),
        ("a correction that is to come", correction(), working),
    ]:
        yield pytest.param(found, judgement, id=name)


@pytest.mark.parametrize(("found", "judgement"), list(other_states()))
def test_what_works_is_healthy_and_what_cannot_work_is_degraded(
    program: Path, script: str, found: dict[str, Any], judgement: tuple[str, str]
) -> None:
    health = judged(program, script, found)
    assert (health.kstatus, health.argo) == judgement, health.message
    assert health.message
