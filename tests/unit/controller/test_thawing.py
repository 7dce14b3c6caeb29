"""How a thaw lets workloads go in waves, and who is let go out of turn."""

from datetime import timedelta
from typing import Any

import pytest

from sluice.controller.lifting import lift
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import DEPLOYMENTS, POLICIES, REPLICA_SETS, ROLLOUTS
from tests.unit.controller.test_policies import PAUSING
from tests.unit.controller.world import KEY, World

QUICK = {"above": "5", "for": "1s", "stagger": {"perMinute": 10, "within": "30m"}}


def fleet(world: World, count: int) -> None:
    template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    for number in range(count):
        name = f"web-{number:03}"
        body: dict[str, Any] = {
            "metadata": {"name": name, "uid": name},
            "spec": {"template": template},
        }
        world.put(DEPLOYMENTS, body)


def held(world: World) -> list[str]:
    objects = world.api.objects.items()
    return sorted(
        name
        for (plural, _, name), body in objects
        if plural == DEPLOYMENTS.plural and body["spec"].get("paused")
    )


async def thawing(world: World, count: int = 33, **recovery: Any) -> World:
    """A fleet of `count` and the world's own Deployment, in the first moment of their thaw."""
    fleet(world, count)
    world.policy(stages=PAUSING, recovery=QUICK | recovery)
    world.budget(a=5)
    await world.reconcile()
    assert len(held(world)) == count + 1
    world.wait(60, a=90)
    await world.reconcile()
    world.wait(2, a=90)
    await world.reconcile()
    assert (world.status.stage, world.gates) == ("Healthy", 0)
    return world


async def test_a_fleet_is_released_in_waves_of_a_minute_by_name() -> None:
    world = await thawing(World())
    assert held(world) == [f"web-{number:03}" for number in range(9, 33)]
    assert world.condition("Thawing") == ("True", "ThawStaggered")
    assert world.status.thaw is not None
    assert (world.status.thaw.total, world.status.thaw.held) == (34, 24)
    counts = []
    for _ in range(16):
        world.wait(12, a=90)
        await world.reconcile()
        counts.append(len(held(world)))
    assert counts == [24] * 4 + [14] * 5 + [4] * 5 + [0] * 2
    assert world.status.thaw is None
    assert world.status.workloads.changed == []
    assert "Thawing" not in {it.type for it in world.status.conditions}
    assert not world.held


async def test_the_policy_is_due_when_the_next_wave_is() -> None:
    world = await thawing(World())
    world.wait(20, a=90)
    due = await world.reconcile()
    assert due is not None
    assert 39 <= due <= 40


async def test_a_few_are_released_at_once_without_a_word() -> None:
    world = await thawing(World(), count=9)
    assert held(world) == []
    assert world.status.thaw is None


async def test_events_tell_that_it_has_begun_and_that_it_is_over() -> None:
    world = World()
    await thawing(world, count=13)
    for _ in range(3):
        world.wait(60, a=90)
        await world.reconcile()
    begun, over = [it for it in world.events if it[0].startswith("Thaw")]
    assert begun[0] == "ThawStaggered"
    assert begun[1].startswith(
        "4 of the 14 that were held still are; 4 are released at 2026-08-20T10:0"
    )
    assert "kubectl rollout resume deployment/NAME" in begun[1]
    assert over == ("ThawCompleted", "The last of the 14 that were held are released.")


async def test_a_controller_that_was_away_goes_on_wave_by_wave() -> None:
    world = await thawing(World())
    world.policies = world.reconciler()
    world.wait(3600, a=90)
    await world.reconcile()
    assert len(held(world)) == 14
    world.wait(30, a=90)
    await world.reconcile()
    assert len(held(world)) == 14


async def test_a_write_that_fails_keeps_nobody_elses_place() -> None:
    world = await thawing(World())
    world.api.refuse("apply", "deployments", status=500)
    world.wait(60, a=90)
    assert await world.reconcile() == 5
    assert len(held(world)) == 24
    assert world.condition("Enforcing") == ("False", "WriteFailed")
    world.api.refused.clear()
    world.wait(5, a=90)
    await world.reconcile()
    assert len(held(world)) == 14
    world.wait(55, a=90)
    await world.reconcile()
    assert len(held(world)) == 4


async def test_who_was_resumed_by_hand_stays_so_and_is_no_contest() -> None:
    world = await thawing(World())
    mine = world.api.objects[DEPLOYMENTS.plural, "shop", "web-030"]
    del mine["spec"]["paused"]
    del mine["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    world.put(DEPLOYMENTS, mine)
    world.wait(31, a=90)
    await world.reconcile()
    assert "web-030" not in held(world)
    assert world.status.thaw is not None
    assert world.status.thaw.held == 23
    assert "Contested" not in {it.type for it in world.status.conditions}
    assert "web-030" not in {it.name for it in world.status.workloads.changed}


async def test_a_new_freeze_takes_the_rest_along_and_holds_the_others_again() -> None:
    world = await thawing(World())
    before = {it.name: it for it in world.status.workloads.changed}
    world.wait(30, a=5)
    await world.reconcile()
    assert world.status.stage == "Exhausted"
    assert len(held(world)) == 34
    after = {it.name: it for it in world.status.workloads.changed}
    assert len(after) == 34
    assert all(after[name] == record for name, record in before.items())
    assert not any(it.released for it in after.values())
    assert world.status.thaw is None
    world.wait(60, a=90)
    await world.reconcile()
    world.wait(2, a=90)
    await world.reconcile()
    assert len(held(world)) == 24


async def test_a_new_freeze_while_a_release_fails_holds_that_one_as_well() -> None:
    world = await thawing(World())
    world.api.refuse("apply", "deployments", status=500)
    world.wait(60, a=90)
    await world.reconcile()
    assert sum(it.released for it in world.status.workloads.changed) == 10
    world.api.refused.clear()
    world.wait(5, a=5)
    await world.reconcile()
    assert len(held(world)) == 34
    assert not any(it.released for it in world.status.workloads.changed)


@pytest.mark.parametrize("mode", ["Observe", "Warn"])
async def test_a_mode_that_enforces_nothing_releases_all_at_once(mode: str) -> None:
    world = await thawing(World())
    world.wait(5, a=90)
    world.policy(mode=mode)
    await world.reconcile()
    assert held(world) == []
    assert world.status.thaw is None


async def test_the_kill_switch_releases_all_at_once() -> None:
    world = await thawing(World())
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert (held(world), world.status.thaw, world.status.workloads.changed) == ([], None, [])


async def test_deleting_the_policy_releases_all_at_once() -> None:
    world = await thawing(World())
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    await world.reconcile()
    assert held(world) == []


async def test_thaw_all_releases_all_at_once() -> None:
    world = await thawing(World())
    found: Any = world.cache.get(KEY)
    api: Any = world.api
    undone = await lift(found, api=api, cache=world.cache, writer=world.writer, now=world.now)
    assert (undone, held(world)) == (24, [])


async def test_a_policy_that_makes_no_sense_any_more_lets_all_go() -> None:
    world = await thawing(World())
    assert world.status.thaw is not None
    world.policy(recovery={"above": "5", "for": "0s"})
    await world.reconcile()
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert (held(world), world.status.thaw) == ([], None)


async def test_a_workload_that_is_governed_no_more_waits_for_no_wave() -> None:
    world = await thawing(World())
    world.policy(workloads={"selector": {"matchLabels": {"no": "such"}}})
    await world.reconcile()
    assert held(world) == []


def pods(image: str) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"containers": [{"name": "c", "image": image}]}}


def canary(image: str) -> dict[str, Any]:
    """A Rollout that is half way to `image`."""
    return {
        "metadata": {"name": "canary", "uid": "r"},
        "spec": {"template": pods(image)},
        "status": {"stableRS": "h1", "currentPodHash": "h2"},
    }


def retained(world: World, number: int, image: str) -> None:
    metadata = {
        "name": f"canary-{number}",
        "namespace": "shop",
        "annotations": {"rollout.argoproj.io/revision": str(number)},
        "ownerReferences": [{"kind": "Rollout", "uid": "r", "controller": True}],
    }
    world.api.put(REPLICA_SETS, {"metadata": metadata, "spec": {"template": pods(image)}})


def canary_held(world: World) -> bool:
    return bool(world.api.objects[ROLLOUTS.plural, "shop", "canary"]["spec"].get("paused"))


async def test_a_rollout_that_goes_back_waits_for_no_wave_and_takes_nobody_elses_place() -> None:
    world = World()
    world.put(ROLLOUTS, canary("web:2"))
    retained(world, 1, "web:1")
    retained(world, 2, "web:2")
    await thawing(world)
    assert canary_held(world)
    before = held(world)
    live = world.api.objects[ROLLOUTS.plural, "shop", "canary"]
    world.put(ROLLOUTS, {**live, "spec": {**live["spec"], "template": pods("web:1")}})
    world.wait(2, a=90)
    await world.reconcile()
    assert not canary_held(world)
    assert held(world) == before
    assert world.status.thaw is not None
    assert world.status.thaw.held == len(before)


async def test_annotations_of_the_freeze_go_at_once_with_the_gate() -> None:
    world = World()
    fleet(world, 20)
    notes = {"team.example/frozen": "yes"}
    world.policy(stages=[PAUSING[0], PAUSING[1] | {"annotate": notes}], recovery=QUICK)
    world.budget(a=5)
    await world.reconcile()
    for seconds in (60, 2):
        world.wait(seconds, a=90)
        await world.reconcile()
    assert len(held(world)) == 11
    frozen = [
        body
        for (plural, *_), body in world.api.objects.items()
        if plural == DEPLOYMENTS.plural
        and "team.example/frozen" in body["metadata"].get("annotations", {})
    ]
    assert frozen == []


async def test_every_wave_is_written_down_before_it_is_let_go() -> None:
    world = await thawing(World())
    world.api.refuse("apply", "errorbudgetpolicies", status=500)
    world.wait(60, a=90)
    with pytest.raises(Exception, match="refused"):
        await world.reconcile()
    assert len(held(world)) == 24
    world.api.refused.clear()
    world.wait(1, a=90)
    await world.reconcile()
    assert len(held(world)) == 14
    stored = world.api.objects[POLICIES.plural, "shop", "default"]["status"]
    assert stored["thaw"]["nextAt"] == (world.now + timedelta(minutes=1)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
