"""Which experiments are held, how, and which are not given back."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.policy import UndoRecord
from sluice.enforcement.kinds import CHAOS
from sluice.enforcement.plan import CONTESTED_AFTER, GRACE, Changes, Records, Want, plan
from sluice.enforcement.target import Target

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
LATER = NOW + GRACE + timedelta(seconds=1)
PAUSE = Want("policy-1", pause=True)
KEY = "experiment.chaos-mesh.org/pause"
ANNOTATION = f"metadata.annotations[{KEY}]"


def live(kind: str, *, manager: str = "kubectl-create", **parts: Any) -> dict[str, Any]:
    """An object as its author created it."""
    spec = parts.pop("spec", {})
    owned = {"f:spec": {f"f:{key}": {} for key in spec}}
    metadata = {
        "name": "trial",
        "namespace": "shop",
        "uid": "uid-1",
        "resourceVersion": "7",
        "managedFields": [{"manager": manager, "operation": "Update", "fieldsV1": owned}],
    }
    metadata |= parts.pop("metadata", {})
    return {"apiVersion": "x/v1", "kind": kind, "metadata": metadata, "spec": spec, **parts}


def ours(found: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """The object once the API server has taken our writes, and nobody else has written."""
    result = json.loads(json.dumps(found))
    managed = [it for it in result["metadata"]["managedFields"] if it["manager"] != "sluice"]
    for patch in (changes.clear, changes.apply):
        if patch is None:
            continue
        notes = result["metadata"].setdefault("annotations", {})
        if patch is changes.apply:
            for key in [*notes]:
                if key == KEY or key.startswith("sluice.dev"):
                    del notes[key]
        notes.update(patch["metadata"].get("annotations", {}))
        result["spec"].update(patch.get("spec", {}))
    if changes.apply is not None:
        spec = changes.apply.get("spec", {})
        for entry in managed:
            for key in spec:
                entry["fieldsV1"].get("f:spec", {}).pop(f"f:{key}", None)
        kept = changes.apply["metadata"].get("annotations", {})
        fields = {
            "f:metadata": {"f:annotations": {f"f:{key}": {} for key in kept}},
            "f:spec": {f"f:{key}": {} for key in spec},
        }
        managed.append({"manager": "sluice", "operation": "Apply", "fieldsV1": fields})
    result["metadata"]["managedFields"] = managed
    return result


def run(
    found: dict[str, Any], *wants: Want, records: Records | None = None, now: datetime = NOW
) -> Changes:
    return plan(Target.of(found), wants, records or {}, now)


def holds(found: dict[str, Any]) -> bool:
    return bool(run(found, PAUSE).remaining.get("policy-1"))


def test_every_kind_is_known_once() -> None:
    assert len(CHAOS) == 18
    assert {it.plural for it in CHAOS.values()} >= {"podchaos", "schedules", "chaosengines"}


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("NetworkChaos", {}, True),
        ("NetworkChaos", {"status": {"experiment": {"desiredPhase": "Run"}}}, True),
        ("NetworkChaos", {"status": {"experiment": {"desiredPhase": "Stop"}}}, False),
        ("NetworkChaos", {"status": None, "spec": {}}, True),
        ("PodChaos", {"spec": {"action": "pod-failure"}}, True),
        ("PodChaos", {"spec": {"action": "pod-kill"}}, False),
        ("PodChaos", {"spec": {"action": "container-kill"}}, False),
        ("AWSChaos", {"spec": {"action": "ec2-restart"}}, False),
        ("AWSChaos", {"spec": {"action": "ec2-stop"}}, True),
        ("AzureChaos", {"spec": {"action": "vm-restart"}}, False),
        ("GCPChaos", {"spec": {"action": "node-reset"}}, False),
        ("Schedule", {"spec": {"type": "PodChaos"}}, True),
        ("Schedule", {"spec": {"type": "Workflow"}}, False),
        ("ChaosEngine", {"spec": {"engineState": "active"}}, True),
        (
            "ChaosEngine",
            {"spec": {"engineState": "active"}, "status": {"engineStatus": "initialized"}},
            True,
        ),
        ("ChaosEngine", {"spec": {}}, True),
        ("ChaosEngine", {"spec": {"engineState": "stop"}}, False),
        (
            "ChaosEngine",
            {"spec": {"engineState": "stop"}, "status": {"engineStatus": "completed"}},
            False,
        ),
        (
            "ChaosEngine",
            {"spec": {"engineState": "active"}, "status": {"engineStatus": "completed"}},
            False,
        ),
        ("ChaosSchedule", {"spec": {"scheduleState": "active"}}, True),
        ("ChaosSchedule", {"spec": {}}, True),
        ("ChaosSchedule", {"spec": {"scheduleState": "halt"}}, False),
        ("ChaosSchedule", {"spec": {"scheduleState": "stop"}}, False),
        ("ChaosSchedule", {"spec": {"scheduleState": "complete"}}, False),
        ("CronWorkflow", {"metadata": {"labels": {"infra_id": "a"}}}, True),
        ("CronWorkflow", {"metadata": {"labels": {"pipeline": "a"}}}, False),
        ("CronWorkflow", {}, False),
    ],
)
def test_what_injects_faults_or_will_is_held_and_nothing_else(
    kind: str, parts: dict[str, Any], expected: bool
) -> None:
    assert holds(live(kind, **parts)) is expected


@pytest.mark.parametrize(("owner", "expected"), [("Schedule", False), ("WorkflowNode", True)])
def test_what_a_paused_schedule_pauses_itself_is_left_to_it(owner: str, expected: bool) -> None:
    owners = [{"kind": owner, "name": "nightly", "uid": "s", "controller": True}]
    assert holds(live("NetworkChaos", metadata={"ownerReferences": owners})) is expected


@pytest.mark.parametrize("kind", sorted(CHAOS))
def test_it_is_held_once_and_given_back_to_the_last_field(kind: str) -> None:
    found = live(kind, metadata={"labels": {"infra_id": "a"}})
    state = {"ChaosEngine": "engineState", "ChaosSchedule": "scheduleState"}.get(kind)
    if state:
        found = live(kind, spec={state: "active"})
    hold = CHAOS[kind].hold
    frozen = run(found, PAUSE)
    held = ours(found, frozen)
    assert hold.read(held) == hold.text
    again = run(held, PAUSE, records=frozen.remaining)
    assert (again.clear, again.apply) == (None, None)
    assert again.remaining == frozen.remaining
    thaw = run(held, records=frozen.remaining)
    back = ours(held, thaw)
    if state:
        assert thaw.clear is not None
        assert back["spec"] == {state: "active"}
    else:
        assert KEY not in back["metadata"].get("annotations", {})
        assert thaw.apply is not None
        assert "spec" not in thaw.apply
    assert thaw.remaining == {"policy-1": ()}


def test_an_engine_that_has_completed_while_it_was_stopped_is_not_run_again() -> None:
    found = live("ChaosEngine", spec={"engineState": "active"})
    frozen = run(found, PAUSE)
    held = ours(found, frozen) | {"status": {"engineStatus": "completed"}}
    thaw = run(held, records=frozen.remaining)
    # Without the field the operator would fill `active` in.
    assert thaw.clear is None
    assert thaw.apply is not None
    assert thaw.apply["spec"] == {"engineState": "stop"}
    assert thaw.apply["metadata"].get("annotations") is None
    assert thaw.remaining == {"policy-1": ()}
    after = ours(held, thaw)
    assert after["spec"] == {"engineState": "stop"}
    settled = run(after)
    assert (settled.clear, settled.apply) == (None, None)
    still_frozen = run(after, PAUSE)
    assert (still_frozen.clear, still_frozen.apply) == (None, None)
    assert not still_frozen.remaining.get("policy-1")


def test_an_engine_that_was_aborted_begins_again() -> None:
    found = live("ChaosEngine", spec={"engineState": "active"})
    frozen = run(found, PAUSE)
    held = ours(found, frozen) | {"status": {"engineStatus": "stopped"}}
    thaw = run(held, records=frozen.remaining)
    assert thaw.clear is not None
    assert thaw.clear["spec"] == {"engineState": "active"}


def test_who_starts_a_completed_engine_anew_has_their_way_after_the_freeze() -> None:
    found = live("ChaosEngine", spec={"engineState": "active"})
    frozen = run(found, PAUSE)
    done = ours(found, frozen) | {"status": {"engineStatus": "completed"}}
    left = ours(done, run(done, records=frozen.remaining))
    theirs = json.loads(json.dumps(left))
    theirs["spec"]["engineState"] = "active"
    for entry in theirs["metadata"]["managedFields"]:
        entry["fieldsV1"].get("f:spec", {}).pop("f:engineState", None)
    changes = run(theirs)
    assert changes.clear is None
    assert changes.apply is None or "spec" not in changes.apply


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ChaosEngine", {"engineState": "active"}),
        ("ChaosSchedule", {"scheduleState": "active"}),
    ],
)
def test_a_state_that_git_declares_by_server_side_apply_is_left_and_reported(
    kind: str, spec: dict[str, str]
) -> None:
    found = live(kind, spec=spec, manager="flux")
    found["metadata"]["managedFields"][0]["operation"] = "Apply"
    changes = run(found, PAUSE)
    assert changes.apply is None
    (problem,) = changes.problems
    assert "flux set it to" in problem.message


def test_a_pause_that_is_somebody_elses_is_not_taken_off() -> None:
    theirs = {"f:metadata": {"f:annotations": {f"f:{KEY}": {}}}}
    managed = [{"manager": "kubectl-annotate", "operation": "Update", "fieldsV1": theirs}]
    metadata = {"annotations": {KEY: "true"}, "managedFields": managed}
    found = live("NetworkChaos", metadata=metadata)
    changes = run(found, PAUSE)
    assert (changes.apply, changes.problems) == (None, ())
    assert not changes.remaining.get("policy-1")
    assert run(found).clear is None


def test_who_resumes_an_experiment_twice_is_let() -> None:
    found = live("NetworkChaos")
    frozen = run(found, PAUSE)
    (record,) = frozen.remaining["policy-1"]
    assert record.field == ANNOTATION
    records: Records = {"policy-1": (record,)}
    now, problems = NOW, ()
    for _ in range(CONTESTED_AFTER):
        now += GRACE + timedelta(seconds=1)
        changes = run(found, PAUSE, records=records, now=now)
        records, problems = changes.remaining, changes.problems  # type: ignore[assignment]
    assert changes.apply is None
    assert [it.contested for it in problems] == [True]


def test_a_copy_of_a_paused_experiment_is_not_kept_paused() -> None:
    frozen = run(live("NetworkChaos"), PAUSE)
    copy = ours(live("NetworkChaos"), frozen)
    copy["metadata"]["uid"] = "uid-2"
    copy["metadata"]["managedFields"] = []
    changes = run(copy)
    assert changes.clear is not None
    assert changes.clear["metadata"]["annotations"] == {KEY: None, "sluice.dev/undo": None}


def test_a_forged_record_makes_an_engine_nothing_but_active() -> None:
    found = live("ChaosEngine", spec={"engineState": "active"})
    held = ours(found, run(found, PAUSE))
    forged = UndoRecord(
        kind="ChaosEngine",
        name="trial",
        uid="uid-1",
        field="spec.engineState",
        previous='"rm -rf"',
        value='"stop"',
        time=NOW,
    )
    changes = run(held, records={"policy-1": (forged,)}, now=LATER)
    assert changes.clear is None or "rm -rf" not in json.dumps(changes.clear)


@given(
    st.sampled_from(sorted(CHAOS)),
    st.dictionaries(
        st.sampled_from(["spec", "status"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["action", "type", "engineState", "suspend", "experiment"]),
                    inner,
                )
            ),
        ),
    ),
)
def test_whatever_a_lenient_schema_lets_in_is_planned_without_an_exception(
    kind: str, parts: dict[str, Any]
) -> None:
    found = {**live(kind), **parts}
    run(found, PAUSE)
    run(found)
