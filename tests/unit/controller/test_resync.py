"""When GitOps tools are asked to try again, and what becomes of it when things go wrong."""

import json
from datetime import timedelta
from typing import Any

import pytest

from sluice.controller.resync import WAIT
from sluice.enforcement.deployers import mark
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import APPLICATIONS, DEPLOYMENTS, HELM_RELEASES
from tests.unit.controller.world import World

STAGES = [
    {"name": "Healthy"},
    {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"},
]
DENIED = "FROZEN by ErrorBudgetPolicy shop/default: SLO a has 5.0% left"
LIMITED = "LIMITED by ErrorBudgetPolicy shop/default: SLO a has 40.0% left"
LIMIT = {
    "name": "Warning",
    "when": {"remainingBelow": "50"},
    "admission": "Limit",
    "limit": {"interval": "7d"},
}
BOTH = ("argocd", "flux")
TRACKED = {
    "labels": {"helm.toolkit.fluxcd.io/name": "shop"},
    "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"},
}


def world_of(tools: tuple[str, ...] = BOTH, said: str = DENIED) -> World:
    """A frozen namespace, an Application and a HelmRelease that were denied."""
    world = World()
    world.policies = world.reconciler(resync=tools, argocd_namespace="gitops")
    web = world.api.objects[DEPLOYMENTS.plural, "shop", "web"]
    world.put(DEPLOYMENTS, {**web, "metadata": {**web["metadata"], **TRACKED}})
    operation = {"sync": {"revision": "3f2c1"}, "initiatedBy": {"automated": True}}
    state = {"phase": "Failed", "message": said, "operation": operation}
    put(world, APPLICATIONS, "gitops", {"operationState": state})
    put(world, HELM_RELEASES, "shop", {"conditions": [{"type": "Ready", "message": said}]})
    return world


def put(world: World, resource: Any, namespace: str, status: Any) -> None:
    metadata = {"name": "shop", "namespace": namespace, "uid": resource.kind}
    world.api.put(resource, {"metadata": metadata, "spec": {}, "status": status})


def asked(world: World) -> set[str]:
    synced = world.api.objects[APPLICATIONS.plural, "gitops", "shop"]
    release = world.api.objects[HELM_RELEASES.plural, "shop", "shop"]
    found = {"Application"} if synced.get("operation") else set()
    notes = release["metadata"].get("annotations", {})
    return found | ({"HelmRelease"} if "reconcile.fluxcd.io/resetAt" in notes else set())


async def freeze(world: World) -> None:
    world.policy(stages=STAGES, recovery={"above": "5", "for": "1s"})
    world.budget(a=5)
    await world.reconcile()
    assert world.gates == 2


async def thaw(world: World) -> float:
    world.wait(60, a=90)
    await world.reconcile()
    world.wait(2, a=90)
    due = await world.reconcile()
    assert (world.gates, world.status.stage) == (0, "Healthy")
    assert due is not None
    return due


async def test_tools_are_asked_soon_after_the_thaw_and_once() -> None:
    world = world_of()
    await freeze(world)
    assert world.status.timers.resync_at is None
    due = await thaw(world)
    assert due <= WAIT.total_seconds()
    assert asked(world) == set()
    assert world.status.timers.resync_at == world.now + WAIT
    world.wait(due, a=90)
    await world.reconcile()
    assert asked(world) == {"Application", "HelmRelease"}
    assert world.status.timers.resync_at is None
    writes = list(world.api.writes)
    world.wait(60, a=90)
    await world.reconcile()
    assert [it for it in world.api.writes[len(writes) :] if "errorbudget" not in it[0]] == []


@pytest.mark.parametrize("stage", [STAGES[1], LIMIT], ids=["freeze", "limit"])
async def test_a_denial_is_known_by_what_a_gate_says(stage: Any) -> None:
    world = world_of()
    world.policy(stages=[STAGES[0], stage])
    world.budget(a=5)
    await world.reconcile()
    kind = "validatingadmissionpolicies"
    gates = [body for (plural, _, _), body in world.api.objects.items() if plural == kind]
    assert mark("shop", "default") in json.dumps(gates)


async def test_a_stage_that_lets_some_pass_after_a_freeze_is_a_thaw_and_they_are_asked_once() -> (
    None
):
    world = world_of()
    world.policy(stages=[STAGES[0], LIMIT, STAGES[1]], recovery={"above": "5", "for": "1s"})
    world.budget(a=5)
    await world.reconcile()
    world.wait(60, a=40)
    await world.reconcile()
    world.wait(2, a=40)
    due = await world.reconcile()
    assert (world.status.stage, asked(world)) == ("Warning", set())
    assert world.status.timers.resync_at == world.now + WAIT
    assert due is not None
    world.wait(due, a=40)
    await world.reconcile()
    assert asked(world) == {"Application", "HelmRelease"}
    assert world.status.timers.resync_at is None
    writes = len(world.api.writes)
    world.wait(60, a=40)
    await world.reconcile()
    assert {plural for plural, _ in world.api.writes[writes:]} <= {"errorbudgetpolicies"}


async def test_what_a_limit_denied_is_asked_for_after_it() -> None:
    world = world_of(said=LIMITED)
    world.policy(stages=[STAGES[0], LIMIT], recovery={"above": "5", "for": "1s"})
    world.budget(a=40)
    await world.reconcile()
    assert (world.status.stage, world.status.timers.resync_at) == ("Warning", None)
    due = await thaw(world)
    world.wait(due, a=90)
    await world.reconcile()
    assert asked(world) == {"Application", "HelmRelease"}


@pytest.mark.parametrize(
    ("tools", "found"),
    [((), set()), (("argocd",), {"Application"}), (("flux",), {"HelmRelease"})],
)
async def test_only_the_tools_that_were_named_are_asked(
    tools: tuple[str, ...], found: set[str]
) -> None:
    world = world_of(tools)
    await freeze(world)
    await thaw(world)
    world.wait(6, a=90)
    await world.reconcile()
    assert asked(world) == found


async def test_another_process_asks_when_this_one_has_died() -> None:
    world = world_of()
    await freeze(world)
    await thaw(world)
    world.policies = world.reconciler(resync=BOTH, argocd_namespace="gitops")
    world.wait(60, a=90)
    await world.reconcile()
    assert asked(world) == {"Application", "HelmRelease"}


async def test_nobody_is_asked_when_the_next_freeze_comes_first() -> None:
    world = world_of()
    await freeze(world)
    await thaw(world)
    world.wait(6, a=5)
    await world.reconcile()
    assert (world.gates, asked(world), world.status.timers.resync_at) == (2, set(), None)


async def test_the_kill_switch_is_a_thaw_as_well() -> None:
    world = world_of()
    await freeze(world)
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    world.wait(6, a=5)
    await world.reconcile()
    assert asked(world) == {"Application", "HelmRelease"}


@pytest.mark.parametrize(("status", "again"), [(403, False), (409, True), (0, True)])
async def test_a_request_that_fails_holds_nothing_up_and_is_made_again_if_that_is_of_use(
    status: int, again: bool
) -> None:
    world = world_of()
    await freeze(world)
    await thaw(world)
    world.api.refuse("merge", APPLICATIONS.plural, status=status)
    world.wait(6, a=90)
    await world.reconcile()
    assert asked(world) == {"HelmRelease"}
    assert (world.status.timers.resync_at is not None) is again
    world.api.refused.clear()
    world.wait(6, a=90)
    await world.reconcile()
    assert ("Application" in asked(world)) is again


async def test_workloads_that_cannot_be_read_are_read_again() -> None:
    world = world_of()
    await freeze(world)
    await thaw(world)
    world.api.refuse("list", DEPLOYMENTS.plural, status=500)
    world.wait(6, a=90)
    await world.reconcile()
    assert world.status.timers.resync_at == world.now + timedelta(seconds=5)
