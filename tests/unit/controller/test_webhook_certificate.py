"""The webhook's certificate, kept against an API server that forgets, refuses and is edited."""

import base64
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.certificates.rotation import Stored
from sluice.certificates.store import bundle, stored
from sluice.controller.webhook_certificate import (
    CONFIGURATION,
    HOSTS,
    NotKeptError,
    WebhookCertificate,
)
from sluice.kube.api_server import ApiError
from sluice.kube.resources import SECRETS, WEBHOOK_CONFIGURATIONS, Resource
from sluice.telemetry.metrics import Metrics

HOME, SECRET, NAME = "sluice-system", "sluice-gate-tls", "sluice-gate"
DAY = timedelta(days=1)

Object = dict[str, Any]


class Api:
    """Stands for an API server with two objects, which it gives another version at each write."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.versions = 0
        self.written: list[str] = []
        self.ends_after: int | None = None
        """Writes after which there is nobody left to write."""

    def put(self, resource: Resource, body: Object) -> Object:
        self.versions += 1
        body["metadata"]["resourceVersion"] = str(self.versions)
        self.objects[resource.plural, body["metadata"]["name"]] = body
        return copy.deepcopy(body)

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        assert namespace == (HOME if resource is SECRETS else None)
        return copy.deepcopy(self.objects.get((resource.plural, name)))

    async def merge(
        self, resource: Resource, name: str, body: Object, *, namespace: str | None = None
    ) -> Object:
        assert namespace == (HOME if resource is SECRETS else None)
        if self.ends_after is not None:
            if self.ends_after == 0:
                raise ApiError(status=0, reason="", message="the process has ended")
            self.ends_after -= 1
        found = self.objects[resource.plural, name]
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise ApiError(status=409, reason="Conflict", message="somebody was faster")
        merged = copy.deepcopy(found)
        if "data" in body:
            data = (merged.get("data") or {}) | body["data"]
            merged["data"] = {key: value for key, value in data.items() if value is not None}
        if "webhooks" in body:
            merged["webhooks"] = body["webhooks"]
        self.written.append(resource.plural)
        return self.put(resource, merged)


class World:
    """A controller that keeps a certificate."""

    def __init__(self) -> None:
        self.api = Api()
        self.now = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
        self.seconds = 0.0
        self.metrics = Metrics()
        self.certificate = self.another()
        self.secret()
        self.configuration()

    def another(self) -> WebhookCertificate:
        return WebhookCertificate(
            api=self.api,  # type: ignore[arg-type]
            metrics=self.metrics,
            secret=SECRET,
            namespace=HOME,
            lifetime=90 * DAY,
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
        )

    def secret(self, **notes: str) -> None:
        """As the chart makes it, without contents."""
        annotations = notes or {HOSTS: "sluice-gate.sluice-system.svc", CONFIGURATION: NAME}
        self.api.put(SECRETS, {"metadata": {"name": SECRET, "annotations": annotations}})

    def configuration(self, webhooks: int = 2, bundle_: str = "") -> None:
        """As the chart makes it, trusting nobody."""
        client: Object = {"service": {"name": NAME, "namespace": HOME}}
        if bundle_:
            client["caBundle"] = base64.b64encode(bundle_.encode()).decode()
        hooks = [
            {"name": f"{one}.gate", "rules": [one], "clientConfig": client}
            for one in range(webhooks)
        ]
        self.api.put(WEBHOOK_CONFIGURATIONS, {"metadata": {"name": NAME}, "webhooks": hooks})

    def passes(self, *, days: float = 0.0, seconds: float = 0.0) -> None:
        length = timedelta(days=days, seconds=seconds)
        self.now += length
        self.seconds += length.total_seconds()

    async def looks(self, times: int) -> None:
        """Look at it once a minute."""
        for _ in range(times):
            await self.certificate.keep()
            self.passes(seconds=61)

    @property
    def kept(self) -> Stored:
        data = self.api.objects[SECRETS.plural, SECRET].get("data") or {}
        return stored({name: base64.b64decode(text) for name, text in data.items()})

    @property
    def trusted(self) -> list[str]:
        hooks = self.api.objects[WEBHOOK_CONFIGURATIONS.plural, NAME]["webhooks"]
        return [base64.b64decode(it["clientConfig"].get("caBundle", "")).decode() for it in hooks]

    def sound(self) -> bool:
        """Whether every webhook trusts what is served, and exactly what the Secret says."""
        kept = self.kept
        assert kept.served is not None
        assert kept.served.authority.pem in bundle(kept)
        return self.trusted == [bundle(kept)] * len(self.trusted)


async def test_the_first_certificate_is_stored_trusted_and_served_at_once() -> None:
    world = World()
    await world.certificate.keep()
    assert world.api.written == [SECRETS.plural, WEBHOOK_CONFIGURATIONS.plural, SECRETS.plural]
    assert world.sound()
    assert world.kept.coming is None
    [first, second] = world.api.objects[WEBHOOK_CONFIGURATIONS.plural, NAME]["webhooks"]
    assert (first["rules"], second["rules"]) == ([0], [1])


async def test_while_all_is_well_nothing_is_written() -> None:
    world = World()
    await world.certificate.keep()
    world.api.written.clear()
    for _ in range(3):
        world.passes(days=19)
        await world.certificate.keep()
    assert world.api.written == []


async def test_a_renewed_one_is_trusted_beside_the_old_one_before_it_is_served() -> None:
    world = World()
    await world.certificate.keep()
    old = world.kept.served
    assert old is not None
    world.passes(days=61)
    await world.certificate.keep()
    assert world.sound()
    assert (world.kept.served, len(world.kept.trusted)) == (old, 2)
    world.passes(seconds=59)
    await world.certificate.keep()
    assert world.kept.served == old
    world.passes(seconds=2)
    await world.certificate.keep()
    assert world.kept.served != old
    assert old.authority in world.kept.trusted
    assert world.sound()
    world.passes(days=30)
    await world.certificate.keep()
    assert old.authority not in world.kept.trusted
    assert world.sound()


async def test_another_leader_waits_anew_before_it_serves_the_new_one() -> None:
    world = World()
    await world.certificate.keep()
    old = world.kept.served
    world.passes(days=61)
    await world.certificate.keep()
    world.passes(seconds=50)
    another = world.another()
    await another.keep()
    world.passes(seconds=50)
    await another.keep()
    assert world.kept.served == old
    world.passes(seconds=15)
    await another.keep()
    assert world.kept.served != old


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_who_ends_before_any_write_leaves_what_is_served_trusted(writes: int) -> None:
    world = World()
    await world.certificate.keep()
    world.passes(days=61)
    world.api.ends_after = writes
    with pytest.raises(ApiError, match="the process has ended"):
        await world.looks(3)
    served = world.kept.served
    assert served is not None
    assert all(served.authority.pem in one for one in world.trusted)
    world.api.ends_after = None
    world.certificate = world.another()
    await world.looks(3)
    assert world.sound()
    assert world.kept.coming is None
    assert world.kept.served != served


async def test_a_bundle_that_a_rollback_has_taken_away_is_put_back() -> None:
    world = World()
    await world.certificate.keep()
    served = world.kept.served
    world.configuration(webhooks=3)
    await world.certificate.keep()
    assert world.sound()
    assert len(world.trusted) == 3
    assert world.kept.served == served


async def test_a_secret_that_was_emptied_is_filled_and_what_gates_still_serve_stays_trusted() -> (
    None
):
    world = World()
    await world.certificate.keep()
    old = world.kept.served
    assert old is not None
    world.secret()
    await world.certificate.keep()
    assert world.sound()
    assert world.kept.served != old
    assert old.authority in world.kept.trusted


async def test_after_a_leak_nothing_trusts_the_old_authority_as_the_guide_says() -> None:
    world = World()
    await world.certificate.keep()
    leaked = world.kept.served
    assert leaked is not None
    del world.api.objects[WEBHOOK_CONFIGURATIONS.plural, NAME]
    world.secret()
    await world.certificate.keep()
    world.configuration()
    await world.certificate.keep()
    assert world.sound()
    assert leaked.authority not in world.kept.trusted


async def test_without_a_configuration_the_certificate_is_kept_for_when_it_is_back() -> None:
    world = World()
    del world.api.objects[WEBHOOK_CONFIGURATIONS.plural, NAME]
    await world.certificate.keep()
    assert world.kept.served is not None
    world.configuration()
    await world.certificate.keep()
    assert world.sound()


async def test_a_configuration_without_webhooks_is_left_alone() -> None:
    world = World()
    world.configuration(webhooks=0)
    await world.certificate.keep()
    assert WEBHOOK_CONFIGURATIONS.plural not in world.api.written
    assert world.kept.served is not None


async def test_a_secret_of_somebody_elses_is_never_written() -> None:
    world = World()
    world.secret(**{"example.com/mine": "yes"})
    with pytest.raises(NotKeptError, match=r"is somebody else's: name it in gate\.certificate\."):
        await world.certificate.keep()
    assert world.api.written == []


async def test_a_secret_that_is_not_there_is_asked_for_and_not_created() -> None:
    world = World()
    del world.api.objects[SECRETS.plural, SECRET]
    with pytest.raises(NotKeptError, match="Secret sluice-system/sluice-gate-tls is not there"):
        await world.certificate.keep()


async def test_of_two_that_write_at_once_one_gives_way() -> None:
    world = World()
    await world.certificate.keep()
    world.passes(days=61)
    reads = world.api.get

    async def read_and_be_overtaken(*given: Any, **more: Any) -> Object | None:
        found = await reads(*given, **more)
        for resource, name in ((SECRETS, SECRET), (WEBHOOK_CONFIGURATIONS, NAME)):
            world.api.put(resource, world.api.objects[resource.plural, name])
        return found

    world.api.get = read_and_be_overtaken  # type: ignore[method-assign]
    before = world.kept
    with pytest.raises(ApiError, match="somebody was faster"):
        await world.certificate.keep()
    assert world.kept == before
