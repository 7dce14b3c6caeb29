"""Record and undo on real StatefulSets and DaemonSets, whose fields the API server fills in."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from e2e.gate.shop import OF_KIND, Shop, daemon_set, later, stateful_set
from e2e.gate.undoing import Controller
from e2e.harness import ControlPlane, wait_until
from sluice.enforcement.plan import Want

pytestmark = pytest.mark.controlplane

WANT = Want("policy-1", pause=True, annotations={"example.com/frozen": "by default"})
LONG = timedelta(minutes=5)
HELD = {
    "StatefulSet": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2147483647}},
    "DaemonSet": {"type": "OnDelete", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}},
}
CANARY = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
GENTLE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}


@pytest.fixture
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    digest = f"{abs(hash(request.node.name)):x}"[:12]
    with control_plane.namespace(f"sets-{digest}") as namespace:
        shop = Shop(control_plane, namespace)
        shop.deploy(stateful_set("web", replicas=2), daemon_set("web", updateStrategy=GENTLE))
        yield shop


def strategy(shop: Shop, kind: str) -> Any:
    found = dict(shop.get(kind, "web")["spec"]["updateStrategy"])
    if "rollingUpdate" in found:
        # What a newer Kubernetes fills in beside it is nothing of ours.
        known = {"partition", "maxUnavailable", "maxSurge"}
        rolling = found["rollingUpdate"]
        found["rollingUpdate"] = {key: rolling[key] for key in rolling if key in known}
    return found


def notes(shop: Shop, kind: str) -> set[str]:
    found = shop.get(kind, "web")["metadata"].get("annotations", {})
    return {key for key in found if "example.com" in key or "sluice" in key}


def running(shop: Shop) -> list[str]:
    """The images of the StatefulSet's pods, by name."""
    pods = shop.get("pods")["items"]
    mine = [it for it in pods if it["metadata"]["name"] in {"web-0", "web-1", "web-2"}]
    ordered = sorted(mine, key=lambda it: str(it["metadata"]["name"]))
    return [it["spec"]["containers"][0]["image"] for it in ordered]


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_what_was_written_is_gone_after_the_thaw(shop: Shop, kind: str) -> None:
    before = strategy(shop, kind)
    controller = Controller(shop, kind)
    controller.run(WANT)
    assert strategy(shop, kind) == HELD[kind]
    assert notes(shop, kind) == {"example.com/frozen", "sluice.dev/undo"}
    assert [it.kind for it in controller.open] == [kind, kind]
    assert controller.planned(WANT).apply is None
    controller.run()
    assert strategy(shop, kind) == before
    assert notes(shop, kind) == set()
    managed = shop.get(kind, "web")["metadata"]["managedFields"]
    # What an update set is given back by an update.
    left = {it["operation"] for it in managed if it["manager"] == "sluice"}
    assert left == ({"Update"} if kind == "StatefulSet" else set())
    assert controller.open == []
    assert controller.planned().apply is None


def test_a_canarys_partition_is_given_back(shop: Shop) -> None:
    shop.patch("web", {"spec": {"updateStrategy": CANARY}}, kind="StatefulSet")
    controller = Controller(shop, "StatefulSet")
    controller.run(WANT)
    assert strategy(shop, "StatefulSet") == HELD["StatefulSet"]
    controller.run()
    assert strategy(shop, "StatefulSet") == CANARY
    assert controller.planned().apply is None
    controller.run(WANT)
    assert strategy(shop, "StatefulSet") == HELD["StatefulSet"]
    controller.run()
    assert strategy(shop, "StatefulSet") == CANARY


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_what_the_owner_leaves_to_deletion_stays_so(shop: Shop, kind: str) -> None:
    manual = {"type": "OnDelete", "rollingUpdate": None}
    shop.patch("web", {"spec": {"updateStrategy": manual}}, kind=kind)
    before = strategy(shop, kind)
    controller = Controller(shop, kind)
    assert controller.run(WANT).problems == ()
    assert [it.field for it in controller.open] == ["metadata.annotations[example.com/frozen]"]
    controller.run()
    assert strategy(shop, kind) == before


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_strategy_that_git_declares_is_not_fought_over(shop: Shop, kind: str) -> None:
    declared = OF_KIND[kind](
        "web", updateStrategy={"StatefulSet": CANARY, "DaemonSet": GENTLE}[kind]
    )
    arguments = ("apply", "--server-side", "--force-conflicts", "--field-manager=git", "-f", "-")
    shop(*arguments, stdin=json.dumps(declared))
    before = strategy(shop, kind)
    changes = Controller(shop, kind).run(WANT)
    assert ["git set it to" in it.message for it in changes.problems] == [True]
    assert strategy(shop, kind) == before


def test_a_hold_that_is_taken_back_twice_is_contested_and_the_owners_value_stays(
    shop: Shop,
) -> None:
    controller = Controller(shop, "StatefulSet")
    controller.run(WANT)
    for _ in range(2):
        shop.patch("web", {"spec": {"updateStrategy": CANARY}}, kind="StatefulSet")
        controller.now += LONG
        problems = controller.run(WANT).problems
    assert [(it.field.rpartition(".")[2], it.contested) for it in problems] == [("partition", True)]
    controller.run()
    assert strategy(shop, "StatefulSet") == CANARY


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("wants", [(), (WANT,)], ids=["thawed", "still frozen"])
def test_an_object_restored_from_a_backup_is_cleaned_up(
    shop: Shop, wants: tuple[Want, ...], kind: str
) -> None:
    if kind == "StatefulSet":
        shop.patch("web", {"spec": {"updateStrategy": CANARY}}, kind=kind)
    before = strategy(shop, kind)
    controller = Controller(shop, kind)
    controller.run(WANT)
    backup = shop.get(kind, "web")
    shop("delete", kind, "web")
    for key in ("uid", "resourceVersion", "managedFields", "creationTimestamp"):
        del backup["metadata"][key]
    shop("create", "-f", "-", stdin=json.dumps(backup))
    controller.run(*wants)
    if wants:
        assert strategy(shop, kind) == HELD[kind]
        controller.run()
    assert strategy(shop, kind) == before
    assert notes(shop, kind) == set()
    assert controller.open == []


@pytest.mark.parametrize("steps", [0, 1, 2, 3], ids="after {} steps".format)
def test_a_crash_between_any_two_steps_is_made_good(shop: Shop, steps: int) -> None:
    shop.patch("web", {"spec": {"updateStrategy": CANARY}}, kind="StatefulSet")
    controller = Controller(shop, "StatefulSet")
    changes = controller.planned(WANT)
    controller.records = changes.records if steps > 0 else {}
    if steps > 1 and changes.apply:
        controller.apply(changes.apply, force=changes.force)
    controller.records = changes.remaining if steps > 2 else controller.records
    again = Controller(shop, "StatefulSet", controller.records, later(minutes=1))
    again.run(WANT)
    assert strategy(shop, "StatefulSet") == HELD["StatefulSet"]
    thaw = again.planned()
    if steps > 1 and thaw.clear:
        # It gives the partition back and dies before it releases the rest.
        shop.patch("web", thaw.clear, "--field-manager=sluice", kind="StatefulSet")
    again.run()
    assert strategy(shop, "StatefulSet") == CANARY
    assert notes(shop, "StatefulSet") == set()
    assert again.open == []


def test_a_held_stateful_set_scales_and_replaces_pods_with_what_they_had(shop: Shop) -> None:
    wait_until(lambda: running(shop) == ["web:1"] * 2, timeout=60, what="two pods")
    controller = Controller(shop, "StatefulSet")
    controller.run(WANT)
    shop.set_image("web", "web:2", kind="StatefulSet")
    shop("scale", "StatefulSet/web", "--replicas=3")
    wait_until(lambda: running(shop) == ["web:1"] * 3, timeout=60, what="three pods")
    shop("delete", "pod", "web-1")
    wait_until(lambda: running(shop) == ["web:1"] * 3, timeout=60, what="a pod in its place")
    controller.run()
    wait_until(lambda: running(shop) == ["web:2"] * 3, timeout=90, what="the rollout")
