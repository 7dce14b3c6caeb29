"""Overrides of every effect, by either gate: one table, from the same objects.

The overrides are real ones, so that the API server says when they were created. What the controller
makes of them, admission policies or the policy's status, is made here by the same functions.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from e2e.gate.shop import OF_KIND, Object, Shop, apply_gate, deployment, later
from e2e.gate.webhook import opted_in, policy
from e2e.harness import ControlPlane, wait_until
from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.controller.policy_plan import Live, Outcome, gates, status_of
from sluice.policy.decision import decide
from sluice.policy.manual import Ruled, rule
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
from sluice.policy.override import Active, in_force
from sluice.policy.selection import WorkloadName

pytestmark = pytest.mark.controlplane

HEALTHY, SPENT = "90", "5"
DENIED, PASSES, WARNED = "denied", "passes", "warned"
FREEZE: Object = {"effect": "Freeze"}


@dataclass(frozen=True)
class Case:
    """Overrides in the order of their creation, and what becomes of new images of workloads."""

    name: str
    budget: str
    overrides: Sequence[Object]
    expected: dict[tuple[str, str], str]
    mode: str = "Enforce"


CASES = [
    Case(
        "an Allow passes what it names",
        SPENT,
        [{"workloads": ["web"]}],
        {("web", "web:3"): PASSES, ("api", "web:3"): DENIED},
    ),
    Case(
        "a pinned Allow passes its images and no others",
        SPENT,
        [{"workloads": ["web"], "images": ["web:3"]}],
        {("web", "web:3"): PASSES, ("web", "web:4"): DENIED, ("api", "web:3"): DENIED},
    ),
    Case(
        "a Freeze denies whatever the budget is",
        HEALTHY,
        [FREEZE],
        {("web", "web:3"): DENIED, ("api", "web:3"): DENIED, ("web", "web:1"): PASSES},
    ),
    Case(
        "a Freeze denies what it names",
        HEALTHY,
        [{**FREEZE, "workloads": ["web"]}],
        {("web", "web:3"): DENIED, ("api", "web:3"): PASSES, ("web", "web:1"): PASSES},
    ),
    Case(
        "a newer Allow passes a Freeze",
        HEALTHY,
        [FREEZE, {"workloads": ["web"]}],
        {("web", "web:3"): PASSES, ("api", "web:3"): DENIED},
    ),
    Case(
        "an older Allow does not",
        HEALTHY,
        [{}, FREEZE],
        {("web", "web:3"): DENIED, ("api", "web:3"): DENIED},
    ),
    Case(
        "an older Allow passes the freeze by budget beside a Freeze of something else",
        SPENT,
        [{}, {**FREEZE, "workloads": ["web"]}],
        {("web", "web:3"): DENIED, ("api", "web:3"): PASSES},
    ),
    Case(
        "a Freeze of a policy that only warns",
        HEALTHY,
        [{**FREEZE, "workloads": ["web"]}],
        {("web", "web:3"): WARNED, ("api", "web:3"): PASSES},
        mode="Warn",
    ),
]


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """`web` and `api` run web:2 and have run web:1."""
    request.getfixturevalue("gate")  # with it our kinds are there, for native admission too
    with opted_in(control_plane, "gate-overrides") as found:
        for image in ("web:1", "web:2"):
            found.deploy(deployment("web", image=image), deployment("api", image=image))
        yield found


def decided(found: ErrorBudgetPolicy, overrides: list[tuple[GateOverride, Active]]) -> Ruled:
    remaining = found.metadata.annotations["budget"]
    state = ObjectiveState(
        name="checkout",
        known=True,
        level=Level.OK,
        remaining=Decimal(remaining),
        burn_rates={},
        window="30d",
        recovered_at=None,
        reason=Reason.BUDGET_KNOWN,
        message="",
    )
    by_budget = decide(
        spec=found.spec,
        policy_name=found.metadata.name,
        namespace=found.metadata.namespace,
        objectives=[state],
        before=Memory(),
        now=datetime.now(UTC),
    )
    return rule(by_budget, overrides, mode=found.spec.mode)


def natively(shop: Shop, found: ErrorBudgetPolicy, active: Any) -> Callable[[], None]:
    """Write the admission policies; how to undo it."""
    live = shop.get("deployments")["items"]
    rendered = gates(
        found,
        decided(found, active),
        governed=[WorkloadName("Deployment", one["metadata"]["name"]) for one in live],
        kinds=tuple(OF_KIND),
        live=Live(workloads=live, retained=shop.retained()),
        overrides=active,
        there=(),
        now=datetime.now(UTC),
    )
    apply_gate(shop.plane, rendered.manifests)

    def undo() -> None:
        for one in reversed(rendered.manifests):
            shop.plane.kubectl("delete", f"{one['kind']}/{one['metadata']['name']}")

    return undo


def by_webhook(shop: Shop, found: ErrorBudgetPolicy, active: Any) -> Callable[[], None]:
    """Write the policy and its status; how to undo it."""
    shop("apply", "-f", "-", stdin=json.dumps(policy(shop, mode=found.spec.mode)))
    status = status_of(
        found,
        decided(found, active),
        Outcome(),
        governed=2,
        records=[],
        overrides=active,
        history=[],
        switch=None,
        now=datetime.now(UTC),
    )
    patch = json.dumps({"status": status.to_json()})
    shop(
        "patch", "errorbudgetpolicy", "default", "--subresource=status", "--type=merge", "-p", patch
    )

    def undo() -> None:
        shop("delete", "errorbudgetpolicy", "default")

    return undo


GATES = {"native": natively, "webhook": by_webhook}


@pytest.mark.parametrize("by", GATES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_overrides_have_their_effect(shop: Shop, case: Case, by: str) -> None:
    body = policy(shop, mode=case.mode)
    body["metadata"] |= {"uid": "22222222-2222-4333-8444-555555555555"}
    body["metadata"]["annotations"] = {"budget": case.budget}
    found = ErrorBudgetPolicy.model_validate(body)
    made = [create(shop, number, spec) for number, spec in enumerate(case.overrides)]
    active = in_force(found, made, datetime.now(UTC))
    assert len(active) == len(made)
    undo = GATES[by](shop, found, active)
    try:
        # All at once: what is in force is known by what is denied or warned about.
        wait_until(
            lambda: {it: said(shop, *it) for it in case.expected} == case.expected,
            timeout=20,
            what=f"{case.expected}",
        )
    finally:
        undo()
        shop("delete", "gateoverrides", "--all")


def create(shop: Shop, number: int, spec: Object) -> GateOverride:
    """Create an override, in a second of its own: that tells which is older."""
    if number:
        time.sleep(1.1)
    manifest = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "GateOverride",
        "metadata": {"name": f"override-{number}"},
        "spec": {
            "policy": "default",
            "reason": "a test",
            "createdBy": "ada",
            "expiresAt": f"{later(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            **spec,
        },
    }
    made = shop("create", "-o", "json", "-f", "-", stdin=json.dumps(manifest))
    return GateOverride.model_validate_json(made.result.stdout)


def said(shop: Shop, name: str, image: str) -> str:
    tried = shop.set_image(name, image, "--dry-run=server")
    if tried.denied:
        return DENIED
    assert tried.passed, tried.said
    return WARNED if "WOULD be denied" in tried.said else PASSES
