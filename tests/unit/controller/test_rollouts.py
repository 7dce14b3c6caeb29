"""Rollouts come and go with the objects of Argo Rollouts, and nobody waits for them in vain."""

import asyncio
from typing import Any

from sluice.controller import rollouts
from sluice.controller.rollouts import Rollouts
from sluice.kube.api_server import ApiError
from sluice.kube.resources import ROLLOUTS, Resource


class Told:
    """What came of what was watched."""

    def __init__(self) -> None:
        self.names: dict[tuple[str | None, str], str | None] = {}
        self.kept: list[tuple[str | None, set[tuple[str, str]]]] = []

    def take(self, resource: Resource, kind: str | None, body: dict[str, Any]) -> None:
        assert resource is ROLLOUTS
        self.names[body["metadata"]["namespace"], body["metadata"]["name"]] = kind

    def keep(self, resource: Resource, namespace: str | None, names: set[tuple[str, str]]) -> None:
        assert resource is ROLLOUTS
        self.kept.append((namespace, names))


class Api:
    """Lists one Rollout a namespace, or refuses to; a watch never ends."""

    def __init__(self, status: int = 200) -> None:
        self.status = status

    async def pages(self, resource: Resource, *, namespace: str | None, **_: Any) -> Any:
        assert resource is ROLLOUTS
        if self.status != 200:
            raise ApiError(status=self.status, reason="", message="no")
        metadata = {"namespace": namespace or "shop", "name": "web"}
        yield {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": metadata}]}

    async def watch(self, *_: Any, connected: Any, **__: Any) -> Any:
        connected()
        await asyncio.Event().wait()
        yield {}


async def started(api: Api, told: Told, *namespaces: str) -> Rollouts:
    """Watched until the first lists are there, or are waited for no more."""
    found = Rollouts(api, told, namespaces=namespaces)  # type: ignore[arg-type]
    task = asyncio.create_task(found.run())
    await found.listed()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


async def test_all_namespaces_that_are_watched_are_listed() -> None:
    told = Told()
    found = await started(Api(), told, "shop", "payments")
    assert found.served
    assert set(told.names) == {("shop", "web"), ("payments", "web")}
    assert sorted(where or "" for where, _ in told.kept) == ["payments", "shop"]


async def test_a_cluster_without_argo_rollouts_has_none_and_nobody_waits() -> None:
    told = Told()
    found = await started(Api(404), told)
    assert not found.served
    assert told.kept == [(None, set())]


async def test_without_the_right_to_them_a_start_does_not_wait_for_ever(monkeypatch: Any) -> None:
    monkeypatch.setattr(rollouts, "_FIRST_LIST", 0.05)
    told = Told()
    found = await started(Api(403), told)
    assert not found.served
    assert told.kept == []
