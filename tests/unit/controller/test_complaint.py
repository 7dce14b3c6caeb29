from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluice.controller.complaint import Complaints
from sluice.kube.cache import Key, Malformed
from sluice.kube.resources import POLICIES

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
BROKEN = Malformed(
    key=Key("errorbudgetpolicies", "shop", "default"),
    uid="p-1",
    generation=2,
    problem="spec.surprise: there is no such field",
    status={"workloads": {"governed": 1, "changed": [{"name": "web"}]}},
)


class Accepting:
    """Stands for an API server that takes everything and remembers it."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def apply(self, _: Any, body: dict[str, Any], **__: Any) -> None:
        self.bodies.append(body)


async def test_the_owner_is_told_once_and_again_when_something_changed() -> None:
    api: Any = Accepting()
    complaints = Complaints(api)
    await complaints.tell(POLICIES, BROKEN, now=NOW)
    await complaints.tell(POLICIES, BROKEN, now=NOW)
    assert len(api.bodies) == 1
    await complaints.tell(POLICIES, replace(BROKEN, generation=3), now=NOW)
    assert len(api.bodies) == 2


async def test_the_conditions_say_what_is_wrong_and_undo_records_are_not_lost() -> None:
    api: Any = Accepting()
    await Complaints(api).tell(POLICIES, BROKEN, now=NOW)
    (body,) = api.bodies
    assert body["metadata"]["uid"] == "p-1"
    assert body["status"]["workloads"] == BROKEN.status["workloads"]
    assert {(it["type"], it["status"], it["message"]) for it in body["status"]["conditions"]} == {
        ("Ready", "False", BROKEN.problem),
        ("Stalled", "True", BROKEN.problem),
    }
