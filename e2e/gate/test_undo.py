"""Record and undo on real workloads: what Sluice writes, what others write, and what is left."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from kubernetes import client

from e2e.gate.shop import Shop, deployment, later
from e2e.gate.undoing import Controller
from e2e.harness import ControlPlane
from sluice.enforcement.plan import Want

pytestmark = pytest.mark.controlplane

NOTE = {"example.com/frozen": "by default"}
WANT = Want("policy-1", pause=True, annotations=NOTE)
LONG = timedelta(minutes=5)


@pytest.fixture
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    digest = f"{abs(hash(request.node.name)):x}"[:12]
    with control_plane.namespace(f"undo-{digest}") as namespace:
        shop = Shop(control_plane, namespace)
        shop.deploy(deployment("web", image="web:1"))
        yield shop


@dataclass(frozen=True)
class Seen:
    paused: bool
    notes: dict[str, str]


def seen(shop: Shop, name: str = "web") -> Seen:
    live = shop.get("deployment", name)
    notes = live["metadata"].get("annotations", {})
    ours = {key: value for key, value in notes.items() if "example.com" in key or "sluice" in key}
    return Seen(paused=live["spec"].get("paused", False), notes=ours)


def managers(shop: Shop, name: str = "web") -> set[str]:
    entries = shop.get("deployment", name)["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries}


def test_what_was_written_is_gone_after_the_thaw(shop: Shop) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    assert seen(shop).paused
    assert seen(shop).notes.keys() == {"example.com/frozen", "sluice.dev/undo"}
    assert len(controller.open) == 2
    assert controller.planned(WANT).apply is None
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={})
    assert "sluice" not in managers(shop)
    assert controller.open == []
    assert controller.planned().apply is None


def test_a_pause_of_the_users_own_outlives_the_thaw(shop: Shop) -> None:
    shop("rollout", "pause", "deployment/web")
    controller = Controller(shop)
    controller.run(WANT)
    assert [one.field for one in controller.open] == ["metadata.annotations[example.com/frozen]"]
    controller.run()
    assert seen(shop) == Seen(paused=True, notes={})


def test_a_pause_that_the_user_applies_during_the_freeze_is_theirs(shop: Shop) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    mine = deployment("web")
    mine["spec"]["paused"] = True
    shop("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(mine))
    controller.run()
    assert seen(shop) == Seen(paused=True, notes={})


def test_an_annotation_of_the_users_own_is_not_overwritten(shop: Shop) -> None:
    shop("annotate", "deployment/web", "example.com/frozen=mine")
    controller = Controller(shop)
    problems = controller.run(WANT).problems
    assert ["set it to" in one.message for one in problems] == [True]
    assert seen(shop).notes["example.com/frozen"] == "mine"
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={"example.com/frozen": "mine"})


def test_what_somebody_changed_during_the_freeze_is_left_alone(shop: Shop) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    shop("annotate", "--overwrite", "deployment/web", "example.com/frozen=mine")
    shop("rollout", "resume", "deployment/web")
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={"example.com/frozen": "mine"})


def test_a_field_that_is_taken_back_twice_is_contested(shop: Shop) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    for _ in range(2):
        shop("rollout", "resume", "deployment/web")
        controller.now += LONG
        problems = controller.run(WANT).problems
    assert [(one.field, one.contested) for one in problems] == [("spec.paused", True)]
    assert seen(shop).notes["example.com/frozen"] == "by default"
    assert not seen(shop).paused
    controller.now += LONG
    controller.run(WANT)
    assert not seen(shop).paused
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={})


def test_a_value_that_git_declares_is_not_fought_over(shop: Shop) -> None:
    declared = deployment("web")
    declared["spec"]["paused"] = False
    shop("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(declared))
    changes = Controller(shop).run(WANT)
    assert [one.field for one in changes.problems] == ["spec.paused"]
    assert not seen(shop).paused


def test_two_policies_share_a_workload_and_the_last_one_releases_it(shop: Shop) -> None:
    controller = Controller(shop)
    other = Want("policy-2", pause=True, annotations={"example.com/other": "x"})
    controller.run(WANT, other)
    controller.run(other)
    assert seen(shop).paused
    assert seen(shop).notes.keys() == {"example.com/other", "sluice.dev/undo"}
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={})


def test_a_successor_of_the_same_name_is_never_touched_or_made(shop: Shop) -> None:
    controller = Controller(shop)
    body = controller.planned(WANT).apply
    assert body is not None
    shop("delete", "deployment", "web")
    with pytest.raises(client.ApiException, match="uid mismatch") as gone:
        controller.apply(body)
    shop.deploy(deployment("web"))
    with pytest.raises(client.ApiException, match="field is immutable") as another:
        controller.apply(body)
    assert (gone.value.status, another.value.status) == (409, 422)
    assert seen(shop) == Seen(paused=False, notes={})


def test_records_of_an_object_that_is_gone_are_forgotten(shop: Shop) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    shop("delete", "deployment", "web")
    shop.deploy(deployment("web"))
    controller.run()
    assert controller.open == []


def annotated_then_thawed(shop: Shop) -> Controller:
    """Two revisions, the first of whose ReplicaSets carries copies of our annotations."""
    controller = Controller(shop)
    controller.run(Want("policy-1", annotations=NOTE))
    shop.settle("web")
    copied = shop.get("replicasets")["items"][0]["metadata"]["annotations"]
    assert copied["example.com/frozen"] == "by default"
    controller.run()
    shop.deploy(deployment("web", image="web:2"))
    return controller


def test_annotations_that_a_rollback_brings_back_after_the_thaw_are_removed(shop: Shop) -> None:
    controller = annotated_then_thawed(shop)
    shop("rollout", "undo", "deployment/web")
    assert "example.com/frozen" in seen(shop).notes
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={})
    assert controller.planned().clear is None


def test_annotations_that_a_rollback_brings_back_in_a_later_freeze_give_way(shop: Shop) -> None:
    controller = annotated_then_thawed(shop)
    want = Want("policy-1", annotations={"example.com/frozen": "again"})
    controller.run(want)
    shop("rollout", "undo", "deployment/web")
    assert seen(shop).notes["example.com/frozen"] == "by default"
    assert controller.run(want).problems == ()
    assert seen(shop).notes["example.com/frozen"] == "again"
    controller.run()
    assert seen(shop) == Seen(paused=False, notes={})


def test_a_pause_by_hand_survives_annotations_that_a_rollback_brought_back(shop: Shop) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    mirror = seen(shop).notes["sluice.dev/undo"]
    controller.run()
    shop("annotate", "deployment/web", f"sluice.dev/undo={mirror}")
    shop("rollout", "pause", "deployment/web")
    controller.run()
    assert seen(shop) == Seen(paused=True, notes={})


@pytest.mark.parametrize("wants", [(), (WANT,)], ids=["thawed", "still frozen"])
def test_an_object_restored_from_a_backup_is_cleaned_up(
    shop: Shop, wants: tuple[Want, ...]
) -> None:
    controller = Controller(shop)
    controller.run(WANT)
    backup = shop.get("deployment", "web")
    shop("delete", "deployment", "web")
    for key in ("uid", "resourceVersion", "managedFields", "creationTimestamp"):
        del backup["metadata"][key]
    shop("create", "-f", "-", stdin=json.dumps(backup))
    controller.run(*wants)
    if wants:
        assert seen(shop).paused
        controller.run()
    assert seen(shop) == Seen(paused=False, notes={})
    assert controller.open == []


@pytest.mark.parametrize("steps", [0, 1, 2, 3], ids="after {} steps".format)
def test_a_crash_between_any_two_steps_is_made_good(shop: Shop, steps: int) -> None:
    controller = Controller(shop)
    changes = controller.planned(WANT)
    controller.records = changes.records if steps > 0 else {}
    if steps > 1 and changes.apply:
        controller.apply(changes.apply)
    controller.records = changes.remaining if steps > 2 else controller.records
    again = Controller(shop, records=controller.records, now=later(minutes=1))
    again.run(WANT)
    assert seen(shop).paused
    again.run()
    assert seen(shop) == Seen(paused=False, notes={})
    assert again.open == []


def test_nothing_of_ours_changes_the_pods(shop: Shop) -> None:
    before = shop.get("deployment", "web")["spec"]["template"]
    Controller(shop).run(Want("policy-1", annotations=NOTE))
    assert shop.get("deployment", "web")["spec"]["template"] == before
    assert len(shop.get("replicasets")["items"]) == 1
