"""What a stage suspends, what it spares, and what of it is given back."""

from typing import Any

import pytest

from sluice.controller import enforcer
from sluice.controller.lifting import NotLiftedError
from sluice.enforcement.kinds.suspended import applied, own
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import DEPLOYMENTS, OVERRIDES, POLICIES, SUSPENDABLE
from sluice.policy.own import Installation
from tests.unit.controller.world import World

ALL = ["Kustomization", "HelmRelease", "CronJob"]


def stages(**suspend: Any) -> list[dict[str, Any]]:
    exhausted = {"name": "Exhausted", "when": {"remainingBelow": "20"}, "admission": "Deny"}
    return [{"name": "Healthy"}, exhausted | {"suspend": {"kinds": ALL} | suspend}]


def add(world: World, kind: str, name: str = "web", **body: Any) -> None:
    resource = SUSPENDABLE[kind]
    metadata = {"name": name, "namespace": "shop", "uid": f"{kind}-{name}", **body.pop("meta", {})}
    api_version = {"apiVersion": resource.api_version, "kind": kind}
    world.api.put(resource, {**api_version, "metadata": metadata, "spec": {}, **body})


def suspended(world: World) -> set[str]:
    plurals = {it.plural: it.kind for it in SUSPENDABLE.values()}
    return {
        f"{plurals[plural]} {name}"
        for (plural, _, name), body in world.api.objects.items()
        if plural in plurals and body["spec"].get("suspend")
    }


async def frozen(world: World, **suspend: Any) -> World:
    world.policy(stages=stages(**suspend))
    world.budget(a=5)
    await world.reconcile()
    assert world.gates == 2
    return world


async def thaw(world: World) -> None:
    for _ in range(32):
        world.wait(60, a=90)
        await world.reconcile()
    assert world.status.stage == "Healthy"


def why(world: World, kind: str = "Enforcing") -> str:
    return next(it.message for it in world.status.conditions if it.type == kind)


def override(world: World, effect: str = "Allow") -> None:
    spec: dict[str, Any] = {
        "policy": "default",
        "reason": "fix",
        "createdBy": "ann",
        "effect": effect,
    }
    if effect == "Approve":
        spec["workloads"] = ["web"]
    until = {"expiresAt": "2026-08-20T11:00:00Z"}
    created = {"creationTimestamp": "2026-08-20T09:59:00Z"}
    world.put(OVERRIDES, {"metadata": {"name": "o", "uid": "o"} | created, "spec": spec | until})


async def test_what_a_stage_suspends_goes_on_after_it_and_nothing_is_left() -> None:
    world = World()
    for kind in ALL:
        add(world, kind)
    await frozen(world)
    assert suspended(world) == {f"{kind} web" for kind in ALL}
    assert {(it.kind, it.field) for it in world.status.workloads.changed} == {
        (kind, "spec.suspend") for kind in ALL
    }
    assert world.status.workloads.governed == 1
    await thaw(world)
    assert suspended(world) == set()
    assert world.status.workloads.changed == []
    assert not world.held


@pytest.mark.parametrize(
    ("suspend", "chosen"),
    [
        ({"kinds": ["CronJob"]}, {"CronJob gold", "CronJob iron"}),
        ({"selector": {"matchLabels": {"tier": "gold"}}}, {"CronJob gold", "HelmRelease gold"}),
        ({"selector": {"matchLabels": {"tier": "lead"}}}, set()),
    ],
)
async def test_kinds_and_a_selector_choose(suspend: Any, chosen: set[str]) -> None:
    world = World()
    for kind in ("CronJob", "HelmRelease"):
        for tier in ("gold", "iron"):
            add(world, kind, tier, meta={"labels": {"tier": tier}})
    await frozen(world, **suspend)
    assert suspended(world) == chosen


async def test_without_a_selector_that_of_the_workloads_chooses() -> None:
    world = World()
    add(world, "CronJob", "mine", meta={"labels": {"app": "web"}})
    add(world, "CronJob", "other", meta={"labels": {"app": "else"}})
    world.policy(workloads={"selector": {"matchLabels": {"app": "web"}}})
    await frozen(world)
    assert suspended(world) == {"CronJob mine"}


async def test_a_suspension_of_somebody_elses_stays_after_the_thaw() -> None:
    world = World()
    add(world, "Kustomization", spec={"suspend": True})
    await frozen(world)
    assert world.status.workloads.changed == []
    await thaw(world)
    assert suspended(world) == {"Kustomization web"}


async def test_what_belongs_to_a_controller_is_its_own() -> None:
    world = World()
    owner = {"controller": True, "kind": "Backup", "name": "b", "uid": "b", "apiVersion": "x/v1"}
    add(world, "CronJob", meta={"ownerReferences": [owner]})
    await frozen(world)
    assert suspended(world) == set()


async def test_what_applies_the_policy_itself_is_spared_and_said() -> None:
    world = World()
    entry = {"id": "shop_default_sluice.dev_ErrorBudgetPolicy", "v": "v1alpha1"}
    add(world, "Kustomization", "policies", status={"inventory": {"entries": [entry]}})
    add(world, "Kustomization", "app")
    await frozen(world)
    assert suspended(world) == {"Kustomization app"}
    assert world.condition("Enforcing") == ("True", "Enforced")
    assert why(world) == (
        "Kustomization policies is not suspended: it applies ErrorBudgetPolicy shop/default"
    )


@pytest.mark.parametrize(
    ("stage", "effect"),
    [
        ({}, "Allow"),
        ({"admission": "Limit", "limit": {"interval": "7d"}}, "Allow"),
        ({"admission": "Limit", "limit": {"interval": "7d"}}, "Approve"),
    ],
)
async def test_what_deploys_goes_on_while_an_override_lets_something_pass(
    stage: dict[str, Any], effect: str
) -> None:
    world = World()
    for kind in ALL:
        add(world, kind)
    healthy, exhausted = stages()
    world.policy(stages=[healthy, exhausted | stage])
    world.budget(a=5)
    await world.reconcile()
    assert suspended(world) == {f"{kind} web" for kind in ALL}
    override(world, effect)
    await world.reconcile()
    assert suspended(world) == {"CronJob web"}
    world.wait(3700, a=5)
    await world.reconcile()
    assert suspended(world) == {f"{kind} web" for kind in ALL}


@pytest.mark.parametrize("effect", ["Freeze", "Approve"])
async def test_an_override_that_lets_nothing_pass_a_freeze_lets_nothing_go_on(effect: str) -> None:
    world = World()
    add(world, "Kustomization")
    await frozen(world)
    override(world, effect)
    await world.reconcile()
    assert suspended(world) == {"Kustomization web"}


async def test_what_was_suspended_waits_for_no_wave_of_the_thaw() -> None:
    world = World()
    for number in range(12):
        template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        metadata = {"name": f"web-{number}", "uid": f"web-{number}"}
        world.put(DEPLOYMENTS, {"metadata": metadata, "spec": {"template": template}})
        add(world, "CronJob", f"job-{number}")
    pausing = stages()
    pausing[1]["pauseRollouts"] = True
    world.policy(stages=pausing, recovery={"above": "5", "for": "1s"})
    world.budget(a=5)
    await world.reconcile()
    assert len(suspended(world)) == 12
    world.wait(60, a=90)
    await world.reconcile()
    world.wait(2, a=90)
    await world.reconcile()
    assert world.status.thaw is not None
    assert (world.status.thaw.total, world.status.thaw.held) == (13, 3)
    assert suspended(world) == set()
    assert {it.kind for it in world.status.workloads.changed} == {"Deployment"}


async def test_more_than_a_policy_can_remember_is_not_begun_and_the_gate_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enforcer, "MOST_RECORDS", 2)
    world = World()
    for name in ("a", "b", "c"):
        add(world, "CronJob", name)
    await frozen(world)
    assert suspended(world) == set()
    assert world.condition("Enforcing") == ("False", "WriteFailed")
    assert "suspend and annotate are not carried out: they would be 3 changes" in why(world)


@pytest.mark.parametrize("mode", ["Observe", "Warn"])
async def test_nothing_is_suspended_outside_of_mode_enforce(mode: str) -> None:
    world = World()
    add(world, "CronJob")
    world.policy(stages=stages(), mode=mode)
    world.budget(a=5)
    await world.reconcile()
    assert suspended(world) == set()


async def test_the_kill_switch_ends_a_suspension() -> None:
    world = World()
    add(world, "CronJob")
    await frozen(world)
    world.switch = KillSwitch(reason="INC-1", engaged_by="ann")
    await world.reconcile()
    assert suspended(world) == set()
    world.switch = None
    await world.reconcile()
    assert suspended(world) == {"CronJob web"}


async def test_a_crash_between_the_record_and_the_write_leaves_nothing_suspended() -> None:
    world = World()
    add(world, "Kustomization")
    world.api.refuse("apply", "kustomizations", status=0)
    await frozen(world)
    assert [it.kind for it in world.status.workloads.changed] == ["Kustomization"]
    assert suspended(world) == set()
    world.api.refused.clear()
    world.policies = world.reconciler()
    await world.reconcile()
    assert suspended(world) == {"Kustomization web"}
    await thaw(world)
    assert (suspended(world), world.status.workloads.changed) == (set(), [])


async def test_a_crash_between_the_release_and_its_record_leaves_no_record() -> None:
    world = World()
    add(world, "Kustomization")
    await frozen(world)
    before = world.status.workloads.changed
    await thaw(world)
    stored = world.api.objects["errorbudgetpolicies", "shop", "default"]
    stored["status"]["workloads"] = {"changed": [it.to_json() for it in before]}
    world.put(POLICIES, stored)
    await world.reconcile()
    assert (suspended(world), world.status.workloads.changed) == (set(), [])


async def test_a_kind_that_the_cluster_does_not_have_is_said_and_harms_nothing() -> None:
    world = World()
    add(world, "CronJob")
    for plural in ("kustomizations", "helmreleases"):
        world.api.refuse("list", plural, status=404)
    await frozen(world)
    assert suspended(world) == {"CronJob web"}
    assert world.condition("Enforcing") == ("True", "Enforced")
    assert "no HelmRelease is suspended: the cluster does not have this kind" in why(world)


async def test_a_right_that_is_missing_is_said_and_keeps_neither_gates_nor_others_away() -> None:
    world = World()
    add(world, "CronJob")
    add(world, "HelmRelease")
    world.api.refuse("list", "helmreleases", status=403)
    await frozen(world)
    assert suspended(world) == {"CronJob web"}
    assert world.condition("Enforcing") == ("False", "WriteFailed")
    assert "HelmRelease: list helmreleases refused; the chart grants this right" in why(world)


async def test_records_outlive_a_right_that_was_taken_away() -> None:
    world = World()
    add(world, "HelmRelease")
    await frozen(world)
    world.api.refuse("list", "helmreleases", status=403)
    await thaw(world)
    assert [it.kind for it in world.status.workloads.changed] == ["HelmRelease"]
    assert world.held
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    with pytest.raises(NotLiftedError, match="HelmRelease"):
        await world.reconcile()
    world.api.refused.clear()
    await world.reconcile()
    assert suspended(world) == set()
    assert not world.held


async def test_a_deleted_policy_needs_no_right_that_it_never_used() -> None:
    world = await frozen(World(), kinds=["CronJob"])
    for it in SUSPENDABLE.values():
        world.api.refuse("list", it.plural, status=403)
    world.policy(metadata={"deletionTimestamp": "2026-08-20T10:00:00Z"})
    await world.reconcile()
    assert (world.gates, world.held) == (0, False)


@pytest.mark.parametrize(
    ("entries", "found", "ours"),
    [
        ([], [], None),
        (["shop_web_apps_Deployment"], [("apps", "Deployment", "shop", "web")], None),
        (["_shop__Namespace"], [("", "Namespace", "", "shop")], None),
        (
            ["_system__view_rbac.authorization.k8s.io_ClusterRole"],
            [("rbac.authorization.k8s.io", "ClusterRole", "", "system__view")],
            None,
        ),
        (
            ["shop_web_sluice.dev_ServiceLevelObjective"],
            [("sluice.dev", "ServiceLevelObjective", "shop", "web")],
            "ServiceLevelObjective shop/web",
        ),
        (["nonsense"], [], None),
    ],
)
def test_an_inventory_tells_what_was_applied(
    entries: list[str], found: Any, ours: str | None
) -> None:
    live = {"status": {"inventory": {"entries": [{"id": one, "v": "v1"} for one in entries]}}}
    assert list(applied(live)) == found
    assert own(live, Installation()) == ours


@pytest.mark.parametrize("live", [{}, {"status": None}, {"status": {"inventory": None}}])
def test_without_an_inventory_nothing_is_known_to_be_applied(live: Any) -> None:
    assert list(applied(live)) == []


async def test_what_applies_sluice_itself_is_spared_and_said() -> None:
    world = World()
    world.policies = world.reconciler(namespace="sluice-system", own_workloads="Deployment/sluice")
    for name, applies in {
        "platform": "sluice-system_sluice_apps_Deployment",
        "elsewhere": "shop_sluice_apps_Deployment",
        "beside": "sluice-system_proxy_apps_Deployment",
    }.items():
        inventory = {"entries": [{"id": applies, "v": "v1"}]}
        add(world, "HelmRelease", name, status={"inventory": inventory})
    await frozen(world)
    assert suspended(world) == {"HelmRelease elsewhere", "HelmRelease beside"}
    assert why(world) == (
        "HelmRelease platform is not suspended: it applies Deployment sluice-system/sluice"
    )
