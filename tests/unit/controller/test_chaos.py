"""When chaos is paused, which of it, and what becomes of that when something goes wrong."""

from typing import Any

import pytest

from sluice.controller.lifting import NotLiftedError, lift
from sluice.kube.held import CHAOS, CHAOS_MESH, LITMUS
from sluice.kube.kill_switch import KillSwitch
from sluice.policy.selection import WorkloadName
from tests.unit.controller.world import KEY, World

NETWORK = CHAOS["NetworkChaos"]
SCHEDULE = CHAOS["Schedule"]
PAUSE = "experiment.chaos-mesh.org/pause"
STAGES = [
    {"name": "Healthy"},
    {"name": "Warning", "when": {"remainingBelow": "50"}, "pauseChaos": True},
    {
        "name": "Exhausted",
        "when": {"remainingBelow": "20"},
        "admission": "Deny",
        "pauseChaos": True,
        "pauseRollouts": True,
    },
]
QUICK = {"above": "5", "for": "1s"}


class ChaosWorld(World):
    """A world with Chaos Mesh, an experiment in the policy's namespace and one elsewhere."""

    def __init__(self, *tools: str) -> None:
        super().__init__()
        self.policies = self.reconciler(chaos_tools=tools)
        self.api.groups = {"chaos-mesh.org": frozenset(it.plural for it in CHAOS_MESH.values())}
        self.experiment("net")
        self.experiment("elsewhere", namespace="other")

    def experiment(self, name: str, *, namespace: str = "shop", **labels: str) -> None:
        body: dict[str, Any] = {
            "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": labels},
            "spec": {"selector": {"namespaces": ["shop"]}},
        }
        self.api.put(NETWORK, body)

    def is_paused(self, name: str, *, namespace: str = "shop") -> bool:
        found = self.api.objects[NETWORK.plural, namespace, name]
        return bool(found["metadata"].get("annotations", {}).get(PAUSE) == "true")

    async def at(self, remaining: float, **spec: Any) -> "ChaosWorld":
        self.policy(**({"stages": STAGES, "recovery": QUICK} | spec))
        self.wait(60, a=remaining)
        await self.reconcile()
        self.wait(2, a=remaining)
        await self.reconcile()
        return self


async def test_it_is_paused_in_the_stages_that_say_so_and_runs_in_the_others() -> None:
    world = await ChaosWorld("chaos-mesh").at(90)
    assert not world.is_paused("net")
    assert not world.held
    await world.at(40)
    assert (world.is_paused("net"), world.paused, world.gates) == (True, False, 0)
    assert world.held
    assert world.condition("Enforcing")[0] == "True"
    await world.at(5)
    assert (world.is_paused("net"), world.paused) == (True, True)
    await world.at(40)
    assert (world.is_paused("net"), world.paused) == (True, False)
    await world.at(90)
    assert not world.is_paused("net")
    assert world.status.workloads.changed == []
    assert not world.held


async def test_only_the_policys_namespace_is_touched() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    assert world.is_paused("net")
    assert not world.is_paused("elsewhere", namespace="other")


async def test_only_what_the_selector_selects_is_paused() -> None:
    world = ChaosWorld("chaos-mesh")
    world.experiment("gameday", owner="platform")
    await world.at(5, chaos={"selector": {"matchLabels": {"owner": "platform"}}})
    assert (world.is_paused("gameday"), world.is_paused("net")) == (True, False)


@pytest.mark.parametrize("mode", ["Observe", "Warn"])
async def test_only_mode_enforce_pauses(mode: str) -> None:
    world = await ChaosWorld("chaos-mesh").at(5, mode=mode)
    assert not world.is_paused("net")


async def test_what_is_created_during_a_freeze_is_paused_at_the_next_evaluation() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    world.experiment("late")
    await world.reconcile()
    assert world.is_paused("late")


async def test_without_a_tool_set_up_the_policy_says_what_to_set_and_freezes_all_the_same() -> None:
    world = await ChaosWorld().at(5)
    assert not world.is_paused("net")
    assert world.condition("Enforcing") == ("False", "WriteFailed")
    (message,) = (it.message for it in world.status.conditions if it.type == "Enforcing")
    assert "set the chart's value chaos.chaosMesh or chaos.litmus" in message
    assert (world.gates, world.paused) == (2, True)


async def test_a_tool_that_is_not_installed_is_nothing_to_complain_about() -> None:
    world = ChaosWorld("chaos-mesh", "litmus")
    world.api.groups = {}
    await world.at(5)
    assert world.condition("Enforcing") == ("True", "Enforced")


async def test_no_request_is_made_for_who_pauses_no_chaos() -> None:
    world = ChaosWorld("chaos-mesh", "litmus")
    for resource in (*CHAOS_MESH.values(), *LITMUS.values()):
        world.api.refuse("list", resource.plural, status=500)
    await world.at(5, stages=[STAGES[0], {**STAGES[2], "pauseChaos": False}])
    assert world.condition("Enforcing") == ("True", "Enforced")


async def test_rights_that_are_missing_keep_no_freeze_and_nothing_else_from_being_paused() -> None:
    world = ChaosWorld("chaos-mesh")
    world.api.refuse("list", SCHEDULE.plural, status=403)
    await world.at(5)
    assert (world.is_paused("net"), world.gates, world.paused) == (True, 2, True)
    (message,) = (it.message for it in world.status.conditions if it.type == "Enforcing")
    assert "list schedules refused" in message
    assert "chaos.chaosMesh and chaos.litmus grant the rights" in message


async def test_what_cannot_be_read_any_more_is_remembered_until_it_can() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    world.api.refuse("list", NETWORK.plural, status=403)
    await world.at(90)
    assert world.is_paused("net")
    assert [it.kind for it in world.status.workloads.changed] == ["NetworkChaos"]
    assert world.held
    world.api.refused.clear()
    await world.reconcile()
    assert not world.is_paused("net")
    assert not world.held


async def test_a_tool_that_is_turned_off_gives_back_what_was_paused_for_it() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    world.policies = world.reconciler()
    world.policies.begin()
    await world.at(90)
    assert not world.is_paused("net")


async def test_experiments_of_a_tool_that_was_uninstalled_are_forgotten() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    world.api.groups = {}
    await world.at(90)
    assert world.status.workloads.changed == []
    assert not world.held


async def test_the_kill_switch_gives_chaos_back() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert not world.is_paused("net")


async def test_deleting_the_policy_gives_chaos_back_and_waits_until_it_can() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    world.api.refuse("list", NETWORK.plural, status=403)
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    with pytest.raises(NotLiftedError, match="chaos experiments cannot be read"):
        await world.reconcile()
    assert (world.held, world.gates, world.paused) == (True, 0, False)
    world.api.refused.clear()
    await world.reconcile()
    assert (world.held, world.is_paused("net")) == (False, False)


async def test_thaw_all_gives_chaos_back_without_the_controllers_settings() -> None:
    world = await ChaosWorld("chaos-mesh").at(5)
    found: Any = world.cache.get(KEY)
    api: Any = world.api
    await lift(found, api=api, cache=world.cache, writer=world.writer, now=world.now)
    assert (world.is_paused("net"), world.paused) == (False, False)


async def test_chaos_comes_back_after_the_last_workload() -> None:
    world = ChaosWorld("chaos-mesh")
    for number in range(4):
        world.experiment(f"net-{number}")
    stagger = {"perMinute": 1, "within": "30m"}
    await world.at(40, recovery=QUICK | {"stagger": stagger})
    paused_first = {it.time for it in world.status.workloads.changed}
    await world.at(5, recovery=QUICK | {"stagger": stagger})
    assert world.paused
    await world.at(90, recovery=QUICK | {"stagger": stagger})
    assert not world.paused
    names = ["net", *(f"net-{number}" for number in range(4))]
    assert [world.is_paused(name) for name in names] == [True] * 5
    world.wait(60, a=90)
    await world.reconcile()
    assert [world.is_paused(name) for name in names] == [False, True, True, True, True]
    assert len(paused_first) == 1


def test_names_of_chaos_cannot_be_mistaken_for_those_of_workloads() -> None:
    assert WorkloadName("Deployment", "web") not in {WorkloadName(kind, "web") for kind in CHAOS}
