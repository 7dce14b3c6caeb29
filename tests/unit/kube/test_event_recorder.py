"""Events that the API server does not take at once: tried for a while, and not by hundreds."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.api.metadata import ObjectMeta
from sluice.kube import event_recorder
from sluice.kube.api_server import ApiError
from sluice.kube.event_recorder import LASTS, MOST, RETRY, EventRecorder
from sluice.kube.events import Event
from sluice.kube.resources import EVENTS, Resource

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)


class Api:
    """Takes Events, by their names once, or answers `status`; 0 is no answer at all."""

    def __init__(self) -> None:
        self.status = 201
        self.hangs = False
        self.unanswered = False
        self.tried = 0
        self.most_at_once = self._at_once = 0
        self.stored: dict[str, dict[str, Any]] = {}

    async def create(self, resource: Resource, body: dict[str, Any], *, namespace: str) -> None:
        assert resource is EVENTS
        assert body["metadata"]["namespace"] == namespace
        self.tried += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0))
        self._at_once -= 1
        if self.status >= 400 or self.status == 0:
            raise ApiError(status=self.status, reason="", message=f"answers {self.status}")
        name = body["metadata"]["name"]
        if name in self.stored:
            raise ApiError(status=409, reason="AlreadyExists", message="already exists")
        self.stored[name] = body
        if self.unanswered:
            raise ApiError(status=0, reason="Unreachable", message="did not answer")

    @property
    def notes(self) -> list[str]:
        return [body["note"] for body in self.stored.values()]


class Controller:
    """A recorder, and a clock that is turned by hand."""

    def __init__(self, api: Api) -> None:
        self.now = 0.0
        self.dropped: Counter[str] = Counter()
        self.recorder = EventRecorder(
            api,  # type: ignore[arg-type]
            identity="sluice-0",
            clock=lambda: NOW + timedelta(seconds=self.now),
            monotonic=lambda: self.now,
            dropped=lambda why: self.dropped.update([why]),
        )

    def tell(self, note: str, *, uid: str = "p", reason: str = "StageEntered") -> None:
        self.recorder.post(
            Event(
                kind="ErrorBudgetPolicy",
                metadata=ObjectMeta(name="default", namespace="shop", uid=uid),
                type="Warning",
                reason=reason,
                action="Freeze",
                note=note,
            )
        )

    async def try_again(self, *, after: float = 0.0) -> None:
        self.now += after
        await self.recorder.flush(seconds=0.05)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def controller(api: Api) -> Controller:
    return Controller(api)


async def test_events_are_posted_as_they_were_told_and_alike_ones_stay_apart(
    api: Api, controller: Controller
) -> None:
    for note in ("frozen", "frozen", "thawed"):
        controller.tell(note)
    await controller.try_again()
    assert api.notes == ["frozen", "frozen", "thawed"]
    assert not any("series" in body for body in api.stored.values())
    assert not controller.dropped


async def tell_in_vain(api: Api, controller: Controller, status: int) -> None:
    """Tell of a freeze while the API server answers `status`, at once and the second time."""
    api.status = status
    controller.tell("frozen")
    await controller.try_again()
    await controller.try_again(after=RETRY)


@pytest.mark.parametrize("status", [0, 408, 429, 500, 503, 504])
async def test_what_is_not_taken_for_now_is_posted_later_with_the_time_that_it_is_of(
    api: Api, controller: Controller, status: int
) -> None:
    await tell_in_vain(api, controller, status)
    assert not api.stored
    api.status = 201
    await controller.try_again(after=RETRY)
    [body] = api.stored.values()
    assert body["note"] == "frozen"
    assert body["eventTime"] == "2026-08-20T10:04:00.000000Z"
    assert not controller.dropped


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_what_is_refused_is_not_sent_again_and_counted(
    api: Api, controller: Controller, status: int
) -> None:
    await tell_in_vain(api, controller, status)
    assert api.tried == 1
    assert controller.dropped == {"refused": 1}


async def test_an_answer_that_is_lost_makes_no_second_event(
    api: Api, controller: Controller
) -> None:
    api.unanswered = True
    controller.tell("frozen")
    await controller.try_again()
    api.unanswered = False
    await controller.try_again(after=RETRY)
    assert (api.tried, api.notes) == (2, ["frozen"])
    assert not controller.dropped


async def test_a_try_that_is_cut_off_is_made_again(api: Api, controller: Controller) -> None:
    api.hangs = True
    controller.tell("frozen")
    await controller.try_again()
    api.hangs = False
    await controller.try_again()
    assert api.notes == ["frozen"]


async def test_an_event_is_given_up_after_two_minutes_and_counted(
    api: Api, controller: Controller
) -> None:
    api.status = 503
    controller.tell("frozen")
    for _ in range(round(LASTS / RETRY)):
        await controller.try_again()
        controller.now += RETRY
    assert not controller.dropped
    await controller.try_again()
    assert controller.dropped == {"late": 1}
    tried = api.tried
    api.status = 201
    await controller.try_again(after=RETRY)
    assert (api.tried, api.notes) == (tried, [])


async def test_an_outage_replays_one_event_an_object_and_reason_with_the_last_note_and_a_count(
    api: Api, controller: Controller
) -> None:
    api.status = 503
    controller.tell("stage 0")
    await controller.try_again()
    for number in range(1, 100):
        controller.now += 1
        controller.tell(f"stage {number}")
        controller.tell("another", uid="q")
        if number % 10 == 0:
            await controller.try_again()
    controller.tell("an override", reason="OverrideActive")
    api.status = 201
    await controller.try_again()
    assert sorted(api.notes) == ["an override", "another", "stage 99"]
    stages = next(body for body in api.stored.values() if body["note"] == "stage 99")
    assert stages["eventTime"] == "2026-08-20T10:04:00.000000Z"
    assert stages["series"] == {"count": 100, "lastObservedTime": "2026-08-20T10:05:39.000000Z"}
    assert not controller.dropped


async def test_after_an_outage_alike_events_stay_apart_again(
    api: Api, controller: Controller
) -> None:
    api.status = 503
    controller.tell("frozen")
    await controller.try_again()
    api.status = 201
    await controller.try_again()
    for note in ("thawed", "frozen again"):
        controller.tell(note)
    await controller.try_again()
    assert api.notes == ["frozen", "thawed", "frozen again"]


async def test_one_that_is_broken_does_not_keep_the_others_back(
    controller: Controller, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = api.create

    async def broken(resource: Resource, body: dict[str, Any], *, namespace: str) -> None:
        if body["note"] == "broken":
            raise ApiError(status=500, reason="", message="a webhook fails for this one")
        await create(resource, body, namespace=namespace)

    monkeypatch.setattr(api, "create", broken)
    controller.tell("broken", uid="b")
    for number in range(30):
        controller.tell(f"{number}", uid=f"{number}")
    await controller.try_again()
    await controller.try_again(after=RETRY)
    assert sorted(api.notes, key=int) == [f"{number}" for number in range(30)]


async def test_no_more_than_so_many_wait_and_the_newest_are_kept(
    api: Api, controller: Controller
) -> None:
    for number in range(MOST + 5):
        controller.tell(f"{number}", uid=f"{number}")
    assert controller.dropped == {"full": 5}
    await controller.recorder.flush(seconds=30)
    assert api.notes[0] == "5"
    assert api.notes[-1] == f"{MOST + 4}"
    assert api.most_at_once == 8


async def test_telling_waits_for_nothing_and_the_background_tries_until_it_is_taken(
    api: Api, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_recorder, "RETRY", 0.01)
    api.status = 429
    running = asyncio.create_task(controller.recorder.run())
    controller.tell("frozen")
    assert api.tried == 0
    async with asyncio.timeout(5):
        while api.tried < 3:
            await asyncio.sleep(0.001)
        api.status = 201
        while not api.stored:
            await asyncio.sleep(0.001)
    controller.tell("thawed")
    async with asyncio.timeout(5):
        while len(api.stored) < 2:
            await asyncio.sleep(0.001)
    running.cancel()
    assert api.notes == ["frozen", "thawed"]
