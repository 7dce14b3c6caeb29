"""How often policies are looked at while a process that begins to lead has measured nothing yet."""

import asyncio
from typing import Any

from kubernetes.aio import client

from sluice.controller.assembly import Assembly
from sluice.controller.settings import Settings
from sluice.kube.resources import CONFIG_MAPS, OBJECTIVES, POLICIES, Resource
from tests.unit.controller.world import Table

MANY = 100
NOBODY = "http://127.0.0.1:1"


class Slow(Table):
    """An API server that says what is stored of ledgers, nothing, when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.goes = asyncio.Event()

    async def get(self, resource: Resource, name: str, *, namespace: str) -> None:
        assert (resource, name[:14], namespace) == (CONFIG_MAPS, "sluice-ledger-", "sluice-system")
        await self.goes.wait()


def declare(parts: Assembly, api: Slow, number: int) -> None:
    """A policy and its objective, in a namespace of their own."""
    where = {"name": "it", "namespace": f"shop-{number}", "generation": 1}
    indicator = {"latency": {"metric": "seconds", "threshold": "500ms"}}
    window = {"rolling": "30d"}
    objective = {"objective": "99.9", "window": window, "indicator": indicator}
    policy = {"objectives": {"selector": {}}, "mode": "Observe"}
    for resource, spec in ((OBJECTIVES, objective), (POLICIES, policy)):
        metadata = {**where, "uid": f"{resource.plural}-{number}"}
        parts.cache.put(resource, api.put(resource, {"metadata": metadata, "spec": spec}))


def assembled(api: Any) -> Assembly:
    return Assembly(
        Settings(prometheus_url=NOBODY, namespace="sluice-system"),
        api,
        client.Configuration(),
        leading=lambda: True,
    )


async def test_policies_wait_for_their_objectives_without_being_looked_at_again_and_again() -> None:
    api: Any = Slow()
    parts = assembled(api)
    for number in range(MANY):
        declare(parts, api, number)

    def looked_at() -> float:
        return parts.metrics.evaluations.labels(POLICIES.plural, "ok")._value.get()

    async def until(count: int) -> None:
        async with asyncio.timeout(20):
            while looked_at() < count:
                await asyncio.sleep(0.02)

    await parts.begin()
    running = asyncio.create_task(parts.dispatcher.run())
    await until(MANY)
    await asyncio.sleep(1.5)
    assert looked_at() == MANY
    # The kill switch was read: those would be decided at once that wait for nothing else.
    parts.switch(None)
    await until(2 * MANY)
    await asyncio.sleep(1.5)
    assert looked_at() == 2 * MANY
    assert ("errorbudgetpolicies", "status") not in api.writes
    # Objectives are measured, or cannot be: that is told to the policies at once.
    api.goes.set()
    await until(3 * MANY)
    await asyncio.sleep(1.5)
    assert looked_at() == 3 * MANY
    assert api.writes.count(("errorbudgetpolicies", "status")) == MANY
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await parts.close()


async def test_a_policy_whose_objectives_are_known_is_decided_at_once() -> None:
    api: Any = Slow()
    api.goes.set()
    parts = assembled(api)
    declare(parts, api, 0)
    parts.switch(None)
    await parts.begin()
    running = asyncio.create_task(parts.dispatcher.run())
    async with asyncio.timeout(5):
        while ("errorbudgetpolicies", "status") not in api.writes:
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await parts.close()


async def test_what_went_while_a_watch_was_away_is_found_by_its_name() -> None:
    api: Any = Slow()
    parts = assembled(api)
    for number in range(3):
        declare(parts, api, number)
    await parts.take_list(POLICIES)
    assert not parts.listed_anew.is_set()
    del api.objects[POLICIES.plural, "shop-1", "it"]
    left = next(body for (plural, *_), body in api.objects.items() if plural == POLICIES.plural)
    # kopf tells of what it has listed, and of nothing that is gone.
    await parts.observe(POLICIES, None, left)
    assert parts.listed_anew.is_set()
    assert len(parts.cache.keys(POLICIES)) == 3
    await parts.take_list(POLICIES, names_only=True)
    assert {key.namespace for key in parts.cache.keys(POLICIES)} == {"shop-0", "shop-2"}
    await parts.close()
