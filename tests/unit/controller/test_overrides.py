"""What an override's status tells: whether it is active, and what was burned meanwhile."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sluice.api.override import GateOverride
from sluice.controller.burning import Burning
from sluice.controller.overrides import Overrides
from sluice.kube.cache import Key
from sluice.kube.resources import OVERRIDES
from tests.unit.controller.world import NOW, World

ALL, MODE = "all governed workloads", "the policy's mode is"
HALF_AN_HOUR = timedelta(minutes=30)
KEY = Key(OVERRIDES.plural, "shop", "fix")


class Overridden(World):
    """The world with a reconciler of overrides and one override of half an hour."""

    def __init__(self, **spec: Any) -> None:
        super().__init__()
        api: Any = self.api
        self.overrides = Overrides(
            api=api,
            cache=self.cache,
            burning=Burning(cache=self.cache, spent=self.spent),
            clock=lambda: self.now,
        )
        self.policy()
        self.budget(a=5, b=90)
        self.put(
            OVERRIDES,
            {
                "metadata": {
                    "name": "fix",
                    "uid": "o",
                    "generation": 1,
                    "creationTimestamp": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
                },
                "spec": {
                    "policy": "default",
                    "reason": "the fix",
                    "createdBy": "ada",
                    "expiresAt": f"{NOW + HALF_AN_HOUR:%Y-%m-%dT%H:%M:%SZ}",
                    **spec,
                },
            },
        )

    async def after(self, **length: float) -> GateOverride:
        """The override when it was reconciled so long after its creation."""
        self.now = NOW + timedelta(**length)
        await self.overrides.reconcile(KEY)
        stored = self.api.objects[OVERRIDES.plural, "shop", "fix"]
        self.cache.put(OVERRIDES, stored)
        found = self.cache.get(KEY)
        assert isinstance(found, GateOverride)
        return found


def burned(of: GateOverride) -> list[tuple[str, str]]:
    return [(it.objective, it.points) for it in of.status.burned]


@pytest.mark.parametrize(
    ("spec", "mode", "message"),
    [
        ({}, "Enforce", "Changes of all governed workloads pass until 2026-08-20T10:30:00Z."),
        (
            {"workloads": ["web"], "images": ["web:2"]},
            "Enforce",
            "Changes of web that run web:2 and nothing else pass until 2026-08-20T10:30:00Z.",
        ),
        (
            {"effect": "Freeze", "workloads": ["web", "api"]},
            "Enforce",
            "Changes of web, api are denied until 2026-08-20T10:30:00Z.",
        ),
        (
            {"effect": "Freeze"},
            "Warn",
            f"Changes of {ALL} pass with a warning ({MODE} Warn) until 2026-08-20T10:30:00Z.",
        ),
        (
            {"effect": "Freeze"},
            "Observe",
            f"Changes of {ALL} pass ({MODE} Observe) until 2026-08-20T10:30:00Z.",
        ),
    ],
)
async def test_its_condition_says_what_it_does_and_until_when(
    spec: dict[str, Any], mode: str, message: str
) -> None:
    world = Overridden(**spec)
    world.policy(mode=mode)
    [active] = (await world.after(minutes=1)).status.conditions
    assert (active.type, active.status, active.reason) == ("Active", "True", "OverrideActive")
    assert active.message == message


async def test_what_is_burned_is_told_while_it_is_active_and_kept_afterwards() -> None:
    world = Overridden()
    world.burns = {"a": Decimal(10), "b": Decimal(2), "elsewhere": Decimal(50)}
    assert burned(await world.after(minutes=6)) == [("a", "1.0"), ("b", "0.2")]
    assert burned(await world.after(minutes=29)) == [("a", "4.8"), ("b", "1.0")]
    # What was counted late still changes what it comes to, and then nothing does.
    world.burns = {"a": Decimal(12)}
    assert burned(await world.after(minutes=40)) == [("a", "6.0")]
    world.burns = {"a": Decimal(99)}
    assert burned(await world.after(minutes=46)) == [("a", "6.0")]


async def test_a_process_that_has_counted_nothing_keeps_what_was_told() -> None:
    world = Overridden()
    world.burns = {"a": Decimal(10)}
    await world.after(minutes=6)
    world.burns = {}
    assert burned(await world.after(minutes=12)) == [("a", "1.0")]


async def test_one_that_ended_while_nobody_looked_is_told_of_afterwards() -> None:
    world = Overridden()
    world.burns = {"a": Decimal(10)}
    assert burned(await world.after(hours=9)) == [("a", "5.0")]


async def test_one_that_was_never_active_burned_nothing() -> None:
    world = Overridden()
    world.policy(overrides={"maxDuration": "10m"})
    world.burns = {"a": Decimal(10)}
    assert burned(await world.after(minutes=6)) == []
    lost = Overridden(policy="lost")
    lost.burns = {"a": Decimal(10)}
    assert burned(await lost.after(minutes=6)) == []


async def test_nothing_is_written_while_nothing_has_moved_by_a_tenth_of_a_point() -> None:
    world = Overridden()
    world.burns = {"a": Decimal(1)}
    await world.after(minutes=6)
    written = len(world.api.writes)
    await world.after(minutes=7)
    assert len(world.api.writes) == written
    await world.after(minutes=12)
    assert len(world.api.writes) == written + 1


async def test_it_is_looked_at_until_what_was_counted_has_settled() -> None:
    world = Overridden()
    for minutes, due in ((1, 60.0), (29.9, 7.0), (31, 60.0), (44.9, 7.0), (46, None)):
        world.now = NOW + timedelta(minutes=minutes)
        found = await world.overrides.reconcile(KEY)
        assert found == (due if due is None else pytest.approx(due))
