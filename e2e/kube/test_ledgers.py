"""Ledgers in a real API server."""

import base64
import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from e2e.harness import ControlPlane
from sluice.api.metadata import ObjectMeta
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import configuration
from sluice.kube.ledgers import LedgerStore, name_of
from sluice.kube.resources import CONFIG_MAPS

pytestmark = pytest.mark.controlplane

UID = "11111111-2222-3333-4444-555555555555"
META = ObjectMeta(name="checkout", namespace="shop", uid=UID)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    with control_plane.namespace(f"ledgers-{uuid4().hex[:8]}") as name:
        yield name


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[ApiServer]:
    opened = ApiServer(await configuration(kubeconfig=control_plane.kubeconfig))
    yield opened
    await opened.close()


@pytest.fixture
def store(api: ApiServer, namespace: str) -> LedgerStore:
    return LedgerStore(api, namespace=namespace)


@pytest.mark.parametrize("size", [0, 1, 13_000, 700_000])
async def test_a_ledger_is_read_as_it_was_written_last(store: LedgerStore, size: int) -> None:
    assert await store.read(UID) is None
    await store.write(META, os.urandom(100))
    data = os.urandom(size)
    await store.write(META, data)
    found = await store.read(UID)
    assert found is not None
    assert found.data == data


async def test_ledgers_are_listed_without_their_content_and_deleted_by_name(
    store: LedgerStore, api: ApiServer, namespace: str
) -> None:
    await api.create(CONFIG_MAPS, {"metadata": {"name": "other"}}, namespace=namespace)
    await store.write(META, os.urandom(1000))
    found = api.list(
        CONFIG_MAPS, namespace=namespace, labels="sluice.dev/ledger", metadata_only=True
    )
    [body] = [one async for one in found]
    assert "binaryData" not in body
    [listed] = [one async for one in store.list()]
    assert (listed.name, listed.uid, listed.namespace) == (name_of(UID), UID, "shop")
    await store.delete(listed.name)
    await store.delete(listed.name)
    assert [one async for one in store.list()] == []
    assert await api.get(CONFIG_MAPS, "other", namespace=namespace) is not None


async def test_what_is_set_aside_is_kept_as_it_was_and_only_the_last_time(
    store: LedgerStore, api: ApiServer, namespace: str
) -> None:
    first = {"ledger": base64.b64encode(os.urandom(500)).decode()}
    body = {"metadata": {"name": name_of(UID)}, "binaryData": first, "data": {"note": "mine"}}
    await api.create(CONFIG_MAPS, body, namespace=namespace)
    found = await store.read(UID)
    assert found is not None
    name = await store.set_aside(META, found, "damaged")
    kept = await api.get(CONFIG_MAPS, name, namespace=namespace)
    assert kept is not None
    assert (kept["binaryData"], kept["data"]) == (first, {"note": "mine"})
    await store.write(META, b"new")
    again = await store.read(UID)
    assert again is not None
    await store.set_aside(META, again, "damaged too")
    kept = await api.get(CONFIG_MAPS, name, namespace=namespace)
    assert kept is not None
    assert base64.b64decode(kept["binaryData"]["ledger"]) == b"new"
    assert {one.name async for one in store.list()} == {name, name_of(UID)}
