"""The client, the Lease and the Events against a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from e2e.harness import ControlPlane
from sluice.api.metadata import ObjectMeta
from sluice.kube import events, kill_switch
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.connection import configuration
from sluice.kube.event_recorder import EventRecorder
from sluice.kube.lease import Lease, Timing
from sluice.kube.resources import CONFIG_MAPS, LEASES
from sluice.kube.server_time import ServerTime

pytestmark = pytest.mark.controlplane

QUICK = Timing(duration=1.0, renew_deadline=0.6, retry=0.1)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    with control_plane.namespace(f"kube-{uuid4().hex[:8]}") as name:
        yield name


@pytest.fixture
async def connect(control_plane: ControlPlane) -> AsyncIterator[Callable[..., ApiServer]]:
    found = await configuration(kubeconfig=control_plane.kubeconfig)
    opened = []

    def open_one(**options: Any) -> ApiServer:
        opened.append(ApiServer(found, **options))
        return opened[-1]

    yield open_one
    for api in opened:
        await api.close()


def config_map(name: str, namespace: str, **data: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_an_object_is_created_read_applied_and_deleted(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    api = connect()
    await api.create(CONFIG_MAPS, config_map("a", namespace, x="1"), namespace=namespace)
    await api.apply(CONFIG_MAPS, config_map("a", namespace, y="2"))
    found = await api.get(CONFIG_MAPS, "a", namespace=namespace)
    assert found is not None
    assert found["data"] == {"x": "1", "y": "2"}
    await api.apply(CONFIG_MAPS, config_map("a", namespace))
    found = await api.get(CONFIG_MAPS, "a", namespace=namespace)
    assert found is not None
    assert found["data"] == {"x": "1"}
    await api.delete(CONFIG_MAPS, "a", namespace=namespace)
    await api.delete(CONFIG_MAPS, "a", namespace=namespace)
    assert await api.get(CONFIG_MAPS, "a", namespace=namespace) is None


async def test_an_apply_that_names_the_uid_of_a_deleted_object_creates_none(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    api = connect()
    body = config_map("ghost", namespace)
    body["metadata"] |= {"uid": "11111111-2222-3333-4444-555555555555"}  # type: ignore[operator]
    with pytest.raises(ApiError) as refused:
        await api.apply(CONFIG_MAPS, body)
    assert refused.value.conflict
    assert await api.get(CONFIG_MAPS, "ghost", namespace=namespace) is None


async def test_a_long_list_comes_whole(connect: Callable[..., ApiServer], namespace: str) -> None:
    api = connect()
    for number in range(0, 600, 50):
        await asyncio.gather(
            *(
                api.create(CONFIG_MAPS, config_map(f"m{n}", namespace), namespace=namespace)
                for n in range(number, number + 50)
            )
        )
    names = [item["metadata"]["name"] async for item in api.list(CONFIG_MAPS, namespace=namespace)]
    assert {f"m{n}" for n in range(600)} <= set(names)


async def test_a_refusal_says_what_was_asked_and_why_it_was_refused(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    api = connect()
    with pytest.raises(ApiError) as refused:
        await api.create(CONFIG_MAPS, config_map("Not A Name", namespace), namespace=namespace)
    assert refused.value.status == 422
    assert refused.value.reason == "Invalid"
    assert f"POST /api/v1/namespaces/{namespace}/configmaps: ConfigMap" in refused.value.message


async def test_a_process_that_does_not_lead_reads_but_does_not_write(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    api = connect(fence=lambda: False)
    assert await api.get(CONFIG_MAPS, "nothing", namespace=namespace) is None
    with pytest.raises(ApiError) as refused:
        await api.create(CONFIG_MAPS, config_map("a", namespace), namespace=namespace)
    assert refused.value.reason == "NotLeading"


async def test_an_unreachable_api_server_is_an_error_of_ours(
    control_plane: ControlPlane,
) -> None:
    found = await configuration(kubeconfig=control_plane.kubeconfig)
    found.host = "https://127.0.0.1:1"
    api = ApiServer(found)
    with pytest.raises(ApiError, match="the API server did not answer"):
        await api.get(CONFIG_MAPS, "a", namespace="default")
    await api.close()


async def test_an_event_is_shown_by_kubectl_describe(
    control_plane: ControlPlane, connect: Callable[..., ApiServer], namespace: str
) -> None:
    event = events.Event(
        kind="ErrorBudgetPolicy",
        metadata=ObjectMeta(name="default", namespace=namespace, uid="1-2-3"),
        type="Warning",
        reason="StageEntered",
        action="Freeze",
        note="Healthy -> Exhausted",
    )
    recorder = EventRecorder(
        connect(),
        identity="host",
        clock=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        dropped=pytest.fail,
    )
    recorder.post(event)
    await recorder.flush(seconds=10)
    (found,) = control_plane.kubectl.json("-n", namespace, "get", "events")["items"]
    assert found["message"] == "Healthy -> Exhausted"
    assert found["involvedObject"]["name"] == "default"


async def test_the_kill_switch_is_read_while_it_is_there(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    api = connect()
    assert await kill_switch.read(api, namespace=namespace) is None
    body = kill_switch.manifest(
        namespace=namespace, reason="INC-1", engaged_by="ann", now=datetime.now(UTC)
    )
    await api.create(CONFIG_MAPS, body, namespace=namespace)
    found = await kill_switch.read(api, namespace=namespace)
    assert found == kill_switch.KillSwitch(reason="INC-1", engaged_by="ann")


class Candidate:
    """A process that competes for the Lease, with a clock of its own."""

    def __init__(self, api: ApiServer, namespace: str, identity: str) -> None:
        self.fit = True
        loop = asyncio.get_running_loop()
        self.lease = Lease(
            api,
            namespace=namespace,
            name="sluice",
            identity=identity,
            monotonic=loop.time,
            timing=QUICK,
            fit=lambda: self.fit,
        )
        self.task = asyncio.create_task(self.lease.run())

    async def until(self, *, held: bool) -> float:
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(10):
            while self.lease.held != held:
                await asyncio.sleep(0.02)
        return asyncio.get_running_loop().time() - started

    async def die(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_candidate_leads_and_a_standby_takes_over_after_a_death(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    first = Candidate(connect(), namespace, "first")
    await first.until(held=True)
    second = Candidate(connect(), namespace, "second")
    await asyncio.sleep(QUICK.duration * 1.5)
    assert first.lease.held
    assert not second.lease.held
    await first.die()
    waited = await second.until(held=True)
    assert waited > QUICK.duration - QUICK.renew_deadline
    assert not first.lease.held
    await second.die()


async def test_a_released_lease_is_taken_at_once(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    first, second = (Candidate(connect(), namespace, name) for name in ("first", "second"))
    async with asyncio.timeout(10):
        while not (first.lease.held or second.lease.held):
            await asyncio.sleep(0.02)
    leader, standby = (first, second) if first.lease.held else (second, first)
    await leader.die()
    await leader.lease.release()
    waited = await standby.until(held=True)
    assert waited < QUICK.duration
    await standby.die()


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    api = connect()
    first = Candidate(api, namespace, "first")
    await first.until(held=True)
    body = await api.get(LEASES, "sluice", namespace=namespace)
    assert body is not None
    body["spec"]["holderIdentity"] = "thief"
    await api.replace(LEASES, body, namespace=namespace)
    await first.until(held=False)
    await first.die()


async def test_a_leader_that_is_not_fit_to_lead_gives_the_lease_up_until_it_is(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    first = Candidate(connect(), namespace, "first")
    await first.until(held=True)
    second = Candidate(connect(), namespace, "second")
    first.fit = False
    assert not first.lease.held
    assert await second.until(held=True) < QUICK.duration
    await second.die()
    await second.lease.release()
    await asyncio.sleep(QUICK.duration)
    assert not first.lease.held
    first.fit = True
    await first.until(held=True)
    await first.die()


async def test_the_answers_of_an_api_server_tell_its_time(
    connect: Callable[..., ApiServer], namespace: str
) -> None:
    ahead = ServerTime(wall=lambda: time.time() + 3600)
    api = connect(server_time=ahead)
    await api.get(LEASES, "none", namespace=namespace)
    assert ahead.offset == pytest.approx(3600, abs=5)
