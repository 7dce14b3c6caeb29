"""What becomes of a freeze when things go wrong around it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.controller.lifting import NotLiftedError
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Key
from sluice.kube.kill_switch import KillSwitch, Unread
from sluice.kube.resources import DAEMON_SETS, DEPLOYMENTS, OVERRIDES, ROLLOUTS, STATEFUL_SETS
from tests.unit.controller.world import KEY, NOW, World

PAUSING = [
    {"name": "Healthy"},
    {
        "name": "Exhausted",
        "when": {"remainingBelow": "20"},
        "admission": "Deny",
        "pauseRollouts": True,
    },
]
SETS = (STATEFUL_SETS, DAEMON_SETS)
POLICY_GATES = "validatingadmissionpolicies"


async def frozen(world: World) -> World:
    world.policy(stages=PAUSING)
    world.budget(a=5)
    await world.reconcile()
    assert (world.gates, world.paused, world.held) == (2, True, True)
    assert world.condition("Enforcing") == ("True", "Enforced")
    return world


async def test_a_freeze_ends_when_the_budget_has_recovered_and_leaves_nothing() -> None:
    world = await frozen(World())
    for _ in range(32):
        world.wait(60, a=90)
        await world.reconcile()
    assert (world.status.stage, world.gates, world.paused, world.held) == (
        "Healthy",
        0,
        False,
        False,
    )
    assert world.status.workloads.changed == []


async def test_a_stage_that_is_entered_with_writes_on_workloads_is_in_the_history_once() -> None:
    world = await frozen(World())
    assert [it.to for it in world.status.history] == ["Exhausted"]


async def test_more_overrides_than_a_status_can_name_keep_no_freeze_from_ending() -> None:
    world = await frozen(World())
    for number in range(70):
        world.put(
            OVERRIDES,
            {
                "metadata": {
                    "name": f"o{number}",
                    "uid": f"o{number}",
                    "creationTimestamp": "2026-08-20T09:00:00Z",
                },
                "spec": {
                    "policy": "default",
                    "reason": "deploy",
                    "createdBy": "ci",
                    "expiresAt": "2026-08-20T20:00:00Z",
                },
            },
        )
    await world.reconcile()
    assert len(world.status.overrides) == 64
    for _ in range(32):
        world.wait(60, a=90)
        await world.reconcile()
    assert (world.status.stage, world.gates) == ("Healthy", 0)


def by_hand(world: World, name: str = "hands-off", *workloads: str, **spec: Any) -> None:
    world.put(
        OVERRIDES,
        {
            "metadata": {
                "name": name,
                "uid": name,
                "creationTimestamp": f"{world.now:%Y-%m-%dT%H:%M:%SZ}",
            },
            "spec": {
                "policy": "default",
                "effect": "Freeze",
                "workloads": list(workloads),
                "reason": "a migration",
                "createdBy": "ada",
                "expiresAt": f"{world.now + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}",
                **spec,
            },
        },
    )


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        ({}, False),
        ({"workloads": ["web"]}, False),
        ({"workloads": ["api"]}, True),
        ({"images": ["i"]}, False),
        ({"images": ["another"]}, True),
        ({"effect": "Approve", "workloads": ["web"]}, True),
        ({"createdBy": "ada", "expiresAt": "2026-08-20T09:30:00Z"}, True),
    ],
    ids=["all", "named", "another", "its images", "other images", "no limit", "over"],
)
async def test_what_an_override_lets_pass_is_not_held_and_is_held_again_after_it(
    spec: dict[str, Any], stays: bool
) -> None:
    world = await frozen(World())
    by_hand(world, "fix", **{"effect": "Allow", **spec})
    await world.reconcile()
    assert (world.gates, world.paused) == (2, stays)
    assert len(world.status.workloads.changed) == stays
    assert world.status.thaw is None
    world.wait(601, a=5)
    await world.reconcile()
    assert (world.gates, world.paused) == (2, True)
    assert [it.to for it in world.status.history if it.override is None] == ["Exhausted"]


async def test_an_approval_under_a_limit_holds_nothing() -> None:
    world = World()
    limited = {"admission": "Limit", "limit": {"interval": "7d"}}
    world.policy(stages=[PAUSING[0], PAUSING[1] | limited])
    world.budget(a=5)
    await world.reconcile()
    assert world.paused
    by_hand(world, "go", "web", effect="Approve")
    await world.reconcile()
    assert not world.paused


async def test_an_override_from_before_a_manual_freeze_does_not_end_a_hold() -> None:
    world = await frozen(World())
    by_hand(world, "fix", effect="Allow")
    world.wait(5, a=5)
    by_hand(world, "stop")
    await world.reconcile()
    assert world.paused
    world.wait(5, a=5)
    by_hand(world, "fix-of-the-fix", effect="Allow")
    await world.reconcile()
    assert not world.paused


@pytest.mark.parametrize("workloads", [(), ("web",)], ids=["all", "one"])
async def test_a_manual_freeze_holds_until_its_end_and_pauses_nothing(
    workloads: tuple[str, ...],
) -> None:
    world = World()
    world.policy(stages=PAUSING)
    world.budget(a=90)
    await world.reconcile()
    by_hand(world, "hands-off", *workloads)
    due = await world.reconcile()
    assert (world.status.stage, world.gates, world.paused, world.held) == (
        "Healthy",
        2,
        False,
        True,
    )
    assert world.condition("Frozen")[0] == str(not workloads)
    assert world.condition("Enforcing") == ("True", "Enforced")
    assert world.condition("Ready")[0] == "True"
    assert due is not None
    world.wait(590, a=90)
    due = await world.reconcile()
    assert due is not None
    assert due <= 10
    world.wait(due, a=90)
    await world.reconcile()
    assert (world.gates, world.held, world.status.overrides) == (0, False, [])
    assert world.status.decision is not None
    assert world.status.decision.reason == "WithinBudget"


async def test_a_budget_that_is_spent_during_a_manual_freeze_freezes_on_after_it() -> None:
    world = World()
    world.policy(stages=PAUSING)
    world.budget(a=90)
    await world.reconcile()
    by_hand(world)
    await world.reconcile()
    world.wait(300, a=5)
    await world.reconcile()
    assert world.status.decision is not None
    assert world.status.by_budget is not None
    assert (world.status.stage, world.paused) == ("Exhausted", True)
    assert world.status.decision.reason == "ManualFreeze"
    assert world.status.by_budget.objective == "a"
    world.wait(301, a=5)
    await world.reconcile()
    assert (world.status.decision.reason, world.gates) == ("StageEntered", 2)
    assert world.status.by_budget is None


def told(world: World) -> list[tuple[str, str | None, str]]:
    """The history, oldest first."""
    return [(it.reason, it.override, it.message) for it in reversed(world.status.history)]


async def test_history_tells_once_when_a_freeze_began_although_it_is_recorded_first() -> None:
    world = await frozen(World())
    assert [it.to for it in world.status.history] == ["Exhausted"]
    assert [reason for reason, _ in world.events] == ["StageEntered"]


async def test_history_tells_when_overrides_began_and_ended_and_what_was_burned() -> None:
    world = await frozen(World())
    world.budget(b=90, unmeasured=90)
    world.burns = {"a": Decimal("7.26"), "b": Decimal("0.05")}
    by_hand(world, "fix", "web", effect="Allow", ticket="INC-7")
    await world.reconcile()
    world.wait(300, a=5)
    by_hand(world, "hands-off")
    await world.reconcile()
    await world.reconcile()
    world.wait(301, a=5)
    await world.reconcile()
    assert told(world)[1:] == [
        (
            "OverrideBegan",
            "fix",
            (
                "Allow of web by GateOverride fix began: "
                "let pass by ada until 2026-08-20T10:10Z (INC-7): a migration."
            ),
        ),
        (
            "OverrideBegan",
            "hands-off",
            (
                "Freeze of all workloads by GateOverride hands-off began: "
                "frozen by hand by ada until 2026-08-20T10:15Z: a migration."
            ),
        ),
        (
            "OverrideEnded",
            "fix",
            "Allow by GateOverride fix ended; burned meanwhile: 1.2 points of a, 0.0 points of b.",
        ),
    ]
    ended = world.status.history[0]
    assert ended.time == NOW + timedelta(minutes=10)
    assert (ended.from_, ended.to) == ("Exhausted", "Exhausted")
    assert [(it.objective, it.points) for it in ended.burned] == [("a", "1.2"), ("b", "0.0")]
    assert [reason for reason, _ in world.events] == [
        *("StageEntered", "OverrideBegan", "OverrideBegan", "OverrideEnded")
    ]


async def test_an_override_that_is_deleted_ends_early_and_nobody_guesses_what_was_burned() -> None:
    world = await frozen(World())
    by_hand(world, "fix", effect="Allow")
    await world.reconcile()
    world.wait(60, a=5)
    world.cache.drop(Key(OVERRIDES.plural, "shop", "fix"))
    await world.reconcile()
    assert told(world)[-1] == (
        "OverrideEnded",
        "fix",
        "Allow by GateOverride fix ended early; what was burned meanwhile is not known.",
    )
    assert world.status.history[0].time == NOW + timedelta(minutes=1)


async def test_nobody_waits_for_objectives_to_be_measured_to_freeze_by_hand() -> None:
    world = World()
    world.policy(stages=PAUSING)
    world.budget(a=90)
    await world.reconcile()
    world.standings.clear()
    world.policies.begin()
    await world.reconcile()
    assert world.status.decision is not None
    assert world.status.decision.reason == "WithinBudget"
    by_hand(world)
    await world.reconcile()
    assert world.status.decision.reason == "ManualFreeze"
    assert world.gates == 2


async def test_a_policy_without_objectives_can_be_frozen_by_hand() -> None:
    world = World()
    world.policy(stages=PAUSING)
    by_hand(world)
    await world.reconcile()
    assert world.status.decision is not None
    assert (world.status.decision.reason, world.gates) == ("ManualFreeze", 2)


async def test_the_kill_switch_lifts_everything_and_keeps_it_lifted() -> None:
    world = await frozen(World())
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    for _ in range(3):
        await world.reconcile()
        assert (world.gates, world.paused, world.held) == (0, False, False)
        assert world.condition("Enforcing") == ("False", "KillSwitch")
        assert world.condition("Frozen")[0] == "False"
        world.wait(60, a=-50)
    world.switch = None
    await world.reconcile()
    assert (world.gates, world.paused) == (2, True)


async def test_a_process_that_leads_again_finds_the_gates_that_another_one_made() -> None:
    world = World()
    world.policy(stages=PAUSING)
    world.budget(a=90)
    await world.reconcile()
    other = World()
    other.api.objects = world.api.objects
    other.policy()
    other.budget(a=5)
    await other.reconcile()
    assert world.gates == 2
    world.policy()
    world.policies.begin()
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    world.budget(a=5)
    await world.reconcile()
    assert world.gates == 0


async def test_nothing_is_enforced_anew_before_the_kill_switch_was_read() -> None:
    world = World()
    world.switch = Unread()
    world.policy(stages=PAUSING)
    world.budget(a=5)
    due = await world.reconcile()
    assert due is not None
    assert 60 <= due <= 65
    assert world.gates == 0
    world.wait(61, a=5)
    await world.reconcile()
    assert world.gates == 2


async def test_a_gate_that_cannot_be_deleted_is_told_and_keeps_the_finalizer() -> None:
    world = await frozen(World())
    world.api.refuse("delete", POLICY_GATES, status=403)
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert world.held
    assert world.condition("Enforcing") == ("False", "GateRejected")
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    with pytest.raises(NotLiftedError, match="refused"):
        await world.reconcile()
    assert world.held


async def test_a_policy_that_was_let_go_is_not_looked_at_again_before_the_watch_tells() -> None:
    world = await frozen(World())
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    await world.reconcile()
    asked = len(world.api.writes)
    await world.reconcile()
    assert [it for it in world.api.writes[asked:] if it[0] == "errorbudgetpolicies"] == []
    assert world.cache.get(KEY) is None


async def test_a_deleted_policy_is_thawed_and_let_go() -> None:
    world = await frozen(World())
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    assert await world.reconcile() is None
    assert (world.gates, world.paused, world.held) == (0, False, False)


@pytest.mark.parametrize(
    "broken",
    [
        {"recovery": {"above": "90"}},  # decided nonsense: Exhausted can never be left
        {"newField": 1},  # not readable at all
    ],
)
async def test_a_policy_that_makes_no_sense_any_more_holds_its_freeze_only_to_its_end(
    broken: dict[str, object],
) -> None:
    world = await frozen(World())
    world.policy(**broken)
    world.wait(60, a=90)
    await world.reconcile()
    assert (world.gates, world.paused) == (2, True)
    world.wait(3600, a=90)
    await world.reconcile()
    assert (world.gates, world.paused) == (0, False)


async def test_other_policies_do_not_keep_up_what_was_lifted_for_one_that_makes_no_sense() -> None:
    world = await frozen(World())
    world.policy(recovery={"above": "90"})
    world.wait(3700, a=90)
    await world.reconcile()
    assert world.status.workloads.changed == []


async def test_workloads_are_given_back_even_if_a_gate_cannot_be_deleted() -> None:
    world = await frozen(World())
    world.api.refuse("delete", POLICY_GATES, status=403)
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    with pytest.raises(NotLiftedError, match="refused"):
        await world.reconcile()
    assert (world.paused, world.held) == (False, True)


@pytest.mark.parametrize("broken", [{"recovery": {"above": "90"}}, {"newField": 1}])
async def test_the_kill_switch_and_deletion_reach_a_policy_that_makes_no_sense(
    broken: dict[str, object],
) -> None:
    world = await frozen(World())
    world.policy(**broken)
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert (world.gates, world.paused) == (0, False)
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    assert await world.reconcile() is None
    assert not world.held


async def test_a_cluster_without_native_admission_still_gets_decisions() -> None:
    world = World()
    for plural in (POLICY_GATES, "validatingadmissionpolicybindings"):
        world.api.refuse("list", plural, status=404)
    world.policy(mode="Observe")
    world.budget(a=5)
    await world.reconcile()
    assert world.status.stage == "Exhausted"
    world.policy(mode="Enforce")
    await world.reconcile()
    assert world.condition("Enforcing") == ("False", "GateRejected")
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    assert await world.reconcile() is None
    assert not world.held


async def test_a_freeze_is_renewed_before_it_ends_whatever_the_interval() -> None:
    world = World()
    world.policy(stages=PAUSING, whenBlind={"holdFor": "1m"})
    world.budget(a=5)
    for _ in range(20):
        wait = await world.reconcile()
        assert wait is not None
        assert world.status.decision is not None
        assert world.status.decision.expires is not None
        world.wait(wait, a=5)
        assert world.status.decision.expires > world.now


@pytest.mark.parametrize("then", ["Open", "Closed"])
async def test_a_policy_that_stays_blind_is_evaluated_no_more_often_than_others(then: str) -> None:
    world = World()
    world.policy(stages=PAUSING, whenBlind={"holdFor": "10m", "then": then})
    world.budget(a=5)
    await world.reconcile()
    began, count = world.now, 0
    while world.now - began < timedelta(hours=1):  # and the objective is not measured any more
        wait = await world.reconcile()
        assert wait is not None
        world.wait(wait)
        count += 1
    # Sixty times by the interval, and each time before a renewal is due.
    assert count < 100


async def test_an_evaluation_that_changes_nothing_writes_nothing() -> None:
    world = await frozen(World())
    world.api.writes.clear()
    world.wait(60, a=5)
    await world.reconcile()
    assert world.api.writes == []


async def test_with_the_webhook_no_admission_policy_is_written_and_those_there_go() -> None:
    world = await frozen(World())
    world.policies = world.reconciler(gate="webhook")
    world.policies.begin()
    await world.reconcile()
    assert (world.status.stage, world.gates, world.paused) == ("Exhausted", 0, True)
    assert world.status.decision is not None
    assert world.status.decision.admission == "Deny"
    assert world.condition("Enforcing") == ("True", "Enforced")
    [enforcing] = [one for one in world.status.conditions if one.type == "Enforcing"]
    assert "Left to the webhook" in enforcing.message


async def test_with_the_webhook_a_freeze_is_renewed_and_holds_no_policy_back() -> None:
    world = World()
    world.policies = world.reconciler(gate="webhook")
    world.policy()
    world.budget(a=5)
    await world.reconcile()
    before = world.status.decision
    world.wait(45 * 60, a=5)
    await world.reconcile()
    after = world.status.decision
    assert before is not None
    assert after is not None
    assert before.expires is not None
    assert after.expires is not None
    assert after.expires > before.expires
    assert (world.gates, world.held) == (0, False)


async def test_without_rights_in_the_cluster_it_says_that_nothing_denies_and_does_the_rest() -> (
    None
):
    world = World(sees_gates=False)
    for verb in ("list", "apply", "delete"):
        world.api.refuse(verb, POLICY_GATES, status=403)
    world.policies = world.reconciler(scope="namespace", watch_namespaces="shop")
    world.policy(stages=PAUSING)
    world.budget(a=5)
    await world.reconcile()
    assert world.status.decision is not None
    assert (world.status.decision.admission, world.paused) == ("Deny", True)
    assert world.condition("Enforcing") == ("False", "NoClusterRights")
    [enforcing] = [one for one in world.status.conditions if one.type == "Enforcing"]
    assert enforcing.message.startswith("Nothing denies or warns at admission: ")
    await world.writer.sweep()
    world.wait(60, a=100)
    await world.reconcile()
    world.wait(2000, a=100)
    await world.reconcile()
    assert (world.paused, world.held) == (False, False)
    assert world.condition("Enforcing") == ("True", "NothingToEnforce")


async def test_a_cluster_that_has_no_native_admission_has_nothing_to_sweep() -> None:
    world = World()
    world.api.refuse("list", POLICY_GATES, status=404)
    await world.writer.sweep()
    world.policies = world.reconciler(gate="webhook")
    world.policy()
    world.budget(a=5)
    await world.reconcile()
    assert world.condition("Enforcing") == ("True", "Enforced")


def sets(world: World) -> dict[str, Any]:
    """What holds the StatefulSet and the DaemonSet called `web`; None where nothing does."""
    specs = [world.api.objects[it.plural, "shop", "web"]["spec"] for it in SETS]
    return {it.kind: spec.get("updateStrategy") for it, spec in zip(SETS, specs, strict=True)}


def with_sets(world: World) -> World:
    template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    for resource in SETS:
        metadata = {"name": "web", "uid": resource.plural}
        world.put(resource, {"metadata": metadata, "spec": {"template": template}})
    return world


async def test_every_kind_of_workload_is_counted_held_and_given_back() -> None:
    world = await frozen(with_sets(World()))
    assert world.status.workloads.governed == 3
    assert sets(world) == {
        "StatefulSet": {"rollingUpdate": {"partition": 2**31 - 1}},
        "DaemonSet": {"type": "OnDelete"},
    }
    recorded = [(it.kind, it.name, it.field) for it in world.status.workloads.changed]
    assert recorded == [
        ("DaemonSet", "web", "spec.updateStrategy.type"),
        ("Deployment", "web", "spec.paused"),
        ("StatefulSet", "web", "spec.updateStrategy.rollingUpdate.partition"),
    ]
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert sets(world) == {"StatefulSet": None, "DaemonSet": None}
    assert world.status.workloads.changed == []


async def test_a_kind_that_the_policy_governs_no_more_is_given_back() -> None:
    world = await frozen(with_sets(World()))
    world.policy(workloads={"kinds": ["Deployment", "DaemonSet"]})
    await world.reconcile()
    assert world.status.workloads.governed == 2
    assert sets(world) == {"StatefulSet": None, "DaemonSet": {"type": "OnDelete"}}
    assert world.paused


async def test_a_workload_that_its_owner_left_to_a_controller_is_given_back() -> None:
    world = await frozen(with_sets(World()))
    stored = world.api.objects[STATEFUL_SETS.plural, "shop", "web"]
    owner = {"kind": "Database", "name": "db", "uid": "db", "controller": True}
    stored["metadata"]["ownerReferences"] = [owner]
    world.put(STATEFUL_SETS, stored)
    await world.reconcile()
    assert world.status.workloads.governed == 2
    assert sets(world)["StatefulSet"] is None


def rollout(**status: Any) -> dict[str, Any]:
    template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "metadata": {"name": "web", "uid": "r"},
        "spec": {"template": template},
        "status": status,
    }


def paused_rollout(world: World) -> bool:
    return bool(world.api.objects[ROLLOUTS.plural, "shop", "web"]["spec"].get("paused"))


async def test_a_rollout_that_is_under_way_is_held_and_given_back() -> None:
    world = World()
    world.put(ROLLOUTS, rollout(stableRS="h1", currentPodHash="h2"))
    await frozen(world)
    assert world.status.workloads.governed == 2
    assert paused_rollout(world)
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert not paused_rollout(world)


def enforcing(world: World) -> str:
    return next(it.message for it in world.status.conditions if it.type == "Enforcing")


async def test_it_is_told_of_a_held_canary_that_it_does_not_scale() -> None:
    world = World()
    canary = rollout(stableRS="h1", currentPodHash="h2")
    canary["spec"]["strategy"] = {"canary": {"steps": [{"pause": {}}]}}
    world.put(ROLLOUTS, canary)
    await frozen(world)
    assert enforcing(world).startswith("Rollout web is held and does not scale")
    blue_green = {**canary, "spec": {**canary["spec"], "strategy": {"blueGreen": {}}}}
    world.put(ROLLOUTS, blue_green)
    await world.reconcile()
    assert enforcing(world) == ""


async def test_it_is_told_of_a_rollout_whose_template_is_not_governed() -> None:
    world = World()
    referring = rollout()
    referring["metadata"]["labels"] = {"app": "web"}
    referring["spec"] = {"workloadRef": {"kind": "Deployment", "name": "web"}}
    world.put(ROLLOUTS, referring)
    world.policy(workloads={"selector": {"matchLabels": {"app": "web"}}}, stages=PAUSING)
    world.budget(a=5)
    await world.reconcile()
    assert "takes its template from Deployment web" in enforcing(world)
    world.policy(workloads={})
    await world.reconcile()
    assert enforcing(world) == ""


async def test_a_rollout_that_is_idle_is_not_paused_and_scales_on() -> None:
    world = World()
    world.put(ROLLOUTS, rollout(stableRS="h1", currentPodHash="h1"))
    await frozen(world)
    assert world.paused
    assert not paused_rollout(world)


def gate_groups(world: World) -> set[str]:
    return {
        group
        for (plural, _, _), one in world.api.objects.items()
        if plural == POLICY_GATES
        for rule in one["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
    }


async def test_rollouts_are_in_the_gate_from_when_the_cluster_has_such_objects() -> None:
    world = World()
    world.served = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
    await frozen(world)
    assert gate_groups(world) == {"apps"}
    world.served |= {"Rollout"}
    await world.reconcile()
    assert gate_groups(world) == {"apps", "argoproj.io"}


async def test_a_policy_over_a_kind_that_the_cluster_does_not_have_denies_nothing() -> None:
    world = World()
    world.served = frozenset({"Deployment"})
    world.policy(stages=PAUSING, workloads={"kinds": ["Rollout"]})
    world.budget(a=5)
    await world.reconcile()
    assert (world.status.stage, world.gates) == ("Exhausted", 0)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_cluster_without_rollouts_or_the_right_to_them_thaws_all_the_same(
    status: int,
) -> None:
    world = await frozen(World())
    world.api.refuse("list", ROLLOUTS.plural, status=status)
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    await world.reconcile()
    assert not world.paused
    assert not world.held


async def test_a_rollout_that_was_paused_and_may_not_be_looked_at_is_not_forgotten() -> None:
    world = World()
    world.put(ROLLOUTS, rollout(stableRS="h1", currentPodHash="h2"))
    await frozen(world)
    world.api.refuse("list", ROLLOUTS.plural, status=403)
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    with pytest.raises(ApiError):
        await world.reconcile()
    assert world.held


def own_and_beside() -> World:
    """The policy is in Sluice's namespace: `web` is its controller, `api` looks like it."""
    world = World()
    world.policies = world.reconciler(namespace="shop", own_workloads="Deployment/web,Job/web-crds")
    template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    world.put(
        DEPLOYMENTS, {"metadata": {"name": "api", "uid": "a"}, "spec": {"template": template}}
    )
    return world


def gate_of(world: World) -> list[dict[str, Any]]:
    return [
        body["spec"] for (plural, *_), body in world.api.objects.items() if plural == POLICY_GATES
    ]


@pytest.mark.parametrize("by", ["budget", "hand", "hand, named"])
async def test_sluice_itself_is_neither_counted_denied_nor_held(by: str) -> None:
    world = own_and_beside()
    world.policy(stages=PAUSING)
    world.budget(a=5 if by == "budget" else 90)
    if by != "budget":
        by_hand(world, "freeze", *(["web", "api"] if by == "hand, named" else []))
    await world.reconcile()
    assert world.status.workloads.governed == 1
    assert world.status.workloads.own == ["Deployment/web", "Job/web-crds"]
    assert not world.paused
    [spec] = gate_of(world)
    spared = next(it for it in spec["matchConditions"] if it["name"] == "not-own")
    assert spared["expression"].endswith("in ['Deployment/web'])")
    assert {it.name for it in world.status.workloads.changed} == (
        {"api"} if by == "budget" else set()
    )


async def test_what_an_earlier_version_held_of_sluice_is_given_back_while_frozen() -> None:
    world = await frozen(World())
    world.policies = world.reconciler(namespace="shop", own_workloads="Deployment/web")
    world.wait(60, a=5)
    await world.reconcile()
    assert world.status.stage == "Exhausted"
    assert not world.paused
    assert world.status.workloads.changed == []


async def test_the_same_names_in_another_namespace_are_governed() -> None:
    world = World()
    world.policies = world.reconciler(namespace="sluice-system", own_workloads="Deployment/web")
    await frozen(world)
    assert world.status.workloads.own is None
    [spec] = gate_of(world)
    assert "not-own" not in {it["name"] for it in spec["matchConditions"]}
