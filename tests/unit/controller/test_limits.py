"""What a controller writes in a stage that lets one deployment pass in an interval."""

from datetime import timedelta
from typing import Any

import pytest

from sluice.kube.resources import ADMISSION_POLICIES, OVERRIDES, REPLICA_SETS, ROLLOUTS
from tests.unit.controller.world import World

STAGES = [
    {"name": "Healthy"},
    {
        "name": "Warning",
        "when": {"remainingBelow": "50"},
        "admission": "Limit",
        "limit": {"interval": "7d"},
    },
    {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"},
]


def deploy(
    world: World, image: str, *, ago: float = 0.0, of: tuple[str, str] = ("Deployment", "w")
) -> None:
    """What a workload's (kind and uid) controller makes of a deployment, some days ago."""
    kind, uid = of
    created = world.now - timedelta(days=ago)
    world.api.put(
        REPLICA_SETS,
        {
            "metadata": {
                "name": f"{kind}-{image}",
                "namespace": "shop",
                "uid": image,
                "creationTimestamp": f"{created:%Y-%m-%dT%H:%M:%SZ}",
                "ownerReferences": [{"kind": kind, "uid": uid, "controller": True}],
            },
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
        },
    )


async def limited(**spec: Any) -> World:
    """The Deployment was deployed yesterday."""
    world = World()
    world.policy(stages=STAGES, **spec)
    world.budget(a=35)
    deploy(world, "old", ago=30)
    deploy(world, "new", ago=1)
    return world


def rules(world: World) -> str:
    return str([body for (plural, _, _), body in world.api.objects.items() if _is_gate(plural)])


def _is_gate(plural: str) -> bool:
    return plural == ADMISSION_POLICIES.plural


async def test_the_status_says_who_waits_and_until_when() -> None:
    world = await limited()
    await world.reconcile()
    decision = world.status.decision
    assert decision is not None
    assert (decision.admission, decision.expires is not None) == ("Limit", True)
    assert decision.limit is not None
    assert (decision.limit.interval, decision.limit.waiting_count) == ("7d", 1)
    (waits,) = decision.limit.waiting
    assert (waits.kind, waits.name) == ("Deployment", "web")
    assert waits.next - waits.last == timedelta(days=7)
    assert waits.next == (world.now + timedelta(days=6)).replace(microsecond=0)
    assert world.condition("Enforcing") == ("True", "Enforced")
    assert world.condition("Frozen") == ("False", "NotFrozen")


async def test_a_rollout_is_counted_by_its_own_revisions() -> None:
    world = await limited()
    template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "new"}]}}
    body = {"metadata": {"name": "canary", "uid": "r"}, "spec": {"template": template}}
    world.put(ROLLOUTS, body)
    deploy(world, "old", ago=40, of=("Rollout", "r"))
    await world.reconcile()
    assert world.status.decision is not None
    assert world.status.decision.limit is not None
    assert [one.kind for one in world.status.decision.limit.waiting] == ["Deployment"]
    deploy(world, "new", ago=2, of=("Rollout", "r"))
    await world.reconcile()
    waiting = world.status.decision.limit.waiting
    assert [(one.kind, one.name) for one in waiting] == [
        ("Rollout", "canary"),
        ("Deployment", "web"),
    ]
    assert "'Rollout/canary':dyn([" in rules(world)


async def test_the_gate_is_rendered_anew_when_a_workload_was_deployed_and_when_it_is_due() -> None:
    world = await limited()
    await world.reconcile()
    assert "one deploy in 7d" in rules(world)
    world.wait(6 * 86400, a=35)
    await world.reconcile()
    assert "one deploy in 7d" not in rules(world)
    assert world.gates == 2
    deploy(world, "newer")
    await world.reconcile()
    assert "one deploy in 7d" in rules(world)


async def test_the_policy_is_due_again_when_the_first_workload_is() -> None:
    world = await limited()
    world.wait(6 * 86400 - 20, a=35)
    due = await world.reconcile()
    assert due == pytest.approx(20, abs=1)


def approve(world: World, *, ago: float = 0.0) -> None:
    created = world.now - timedelta(seconds=ago)
    world.put(
        OVERRIDES,
        {
            "metadata": {
                "name": "chg-1",
                "uid": "o",
                "creationTimestamp": f"{created:%Y-%m-%dT%H:%M:%SZ}",
            },
            "spec": {
                "policy": "default",
                "workloads": ["web"],
                "effect": "Approve",
                "reason": "reviewed",
                "createdBy": "ada",
                "expiresAt": f"{created + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            },
        },
    )


async def test_an_approval_is_rendered_until_a_deployment_has_used_it_up() -> None:
    world = await limited()
    approve(world)
    await world.reconcile()
    assert "approvals0" in rules(world)
    assert world.status.decision is not None
    assert world.status.decision.limit is not None
    assert [one.name for one in world.status.decision.limit.approved] == ["web"]
    world.wait(5, a=35)
    deploy(world, "newer")
    await world.reconcile()
    assert "approvals0" not in rules(world)
    assert world.status.decision.limit.approved == []


async def test_a_limit_without_an_interval_makes_nobody_wait_and_still_needs_approvals() -> None:
    limit = {"approval": "Required"}
    stages = [STAGES[0], {**STAGES[1], "limit": limit}, STAGES[2]]
    world = World()
    world.policy(stages=stages)
    world.budget(a=35)
    deploy(world, "new", ago=1)
    await world.reconcile()
    assert world.status.decision is not None
    assert world.status.decision.limit is not None
    assert (world.status.decision.limit.approval, world.status.decision.limit.waiting) == (
        "Required",
        [],
    )
    assert "denied: a deploy needs an approval" in rules(world)


async def test_no_limit_outlives_its_stage() -> None:
    world = await limited()
    await world.reconcile()
    for _ in range(32):
        world.wait(60, a=90)
        await world.reconcile()
    assert (world.status.stage, world.gates, world.held) == ("Healthy", 0, False)
    assert world.status.decision is not None
    assert world.status.decision.limit is None


async def test_a_limit_that_becomes_a_freeze_lets_no_deployment_pass() -> None:
    world = await limited()
    await world.reconcile()
    world.wait(60, a=10)
    await world.reconcile()
    assert world.status.decision is not None
    assert (world.status.decision.admission, world.status.decision.limit) == ("Deny", None)
    assert "variables.due" not in rules(world)


async def test_a_policy_that_observes_tells_the_limit_and_renders_nothing() -> None:
    world = await limited(mode="Observe")
    await world.reconcile()
    assert world.status.decision is not None
    assert world.status.decision.limit is not None
    assert (world.status.decision.admission, world.gates) == ("Allow", 0)


async def test_a_policy_that_warns_says_that_it_would_deny() -> None:
    world = await limited(mode="Warn")
    await world.reconcile()
    assert "passes; in mode Enforce it WOULD be denied: one deploy in 7d" in rules(world)


async def test_with_the_webhook_the_status_still_says_who_waits() -> None:
    world = await limited()
    world.policies = world.reconciler(gate="webhook")
    await world.reconcile()
    assert world.status.decision is not None
    assert world.status.decision.limit is not None
    assert (world.status.decision.limit.waiting_count, world.gates) == (1, 0)
