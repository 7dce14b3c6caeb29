import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.api.policy import UndoRecord
from sluice.enforcement import mirror
from sluice.enforcement.names import UNDO
from sluice.enforcement.plan import CONTESTED_AFTER, GRACE, Changes, Records, Want, plan
from sluice.enforcement.target import Target, annotation, annotation_key

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
PAUSED = "spec.paused"
PARTITION = "spec.updateStrategy.rollingUpdate.partition"
STRATEGY = "spec.updateStrategy.type"
LATER = NOW + GRACE + timedelta(seconds=1)
NOTE = annotation("example.com/frozen")
MIRROR = annotation("sluice.dev/undo")
PAUSE = Want("policy-1", pause=True)


def note(value: str, *, policy: str = "policy-1") -> Want:
    return Want(policy, annotations={"example.com/frozen": value})


def target(
    values: dict[str, str] | None = None,
    *,
    kind: str = "Deployment",
    ours: Any = (),
    others: Any = (),
    shared: Any = (),
    holdable: bool = True,
) -> Target:
    return Target(
        api_version="apps/v1",
        kind=kind,
        namespace="shop",
        name="web",
        uid="uid-1",
        resource_version="7",
        values=values or {},
        ours=frozenset(ours),
        others=dict.fromkeys(others, "kubectl-edit"),
        shared=frozenset(shared),
        holdable=holdable,
    )


def record(
    field: str,
    value: str,
    *,
    reverts: int = 0,
    uid: str = "uid-1",
    confirmed: bool = False,
    kind: str = "Deployment",
    previous: str = "null",
) -> UndoRecord:
    return UndoRecord(
        kind=kind,
        name="web",
        uid=uid,
        field=field,
        previous=previous,
        value=value,
        time=NOW,
        reverts=reverts,
        confirmed=confirmed,
    )


def written(changes: Changes) -> dict[str, Any]:
    """What the apply holds, without the mirror: its content is the records' tests' matter."""
    assert changes.apply is not None
    notes = dict(changes.apply["metadata"].get("annotations", {}))
    notes.pop("sluice.dev/undo", None)
    return {**notes, **changes.apply.get("spec", {})}


def test_a_record_is_to_be_written_before_the_field() -> None:
    changes = plan(target(), [PAUSE], {}, NOW)
    assert changes.records == {"policy-1": (record(PAUSED, "true"),)}
    assert changes.remaining == {"policy-1": (record(PAUSED, "true", confirmed=True),)}
    assert written(changes) == {"paused": True}


def test_the_apply_names_the_very_object() -> None:
    changes = plan(target(), [PAUSE], {}, NOW)
    assert changes.apply is not None
    assert changes.apply["metadata"]["uid"] == "uid-1"


def test_the_mirror_tells_what_was_there_and_when() -> None:
    changes = plan(target(), [PAUSE], {}, NOW)
    assert changes.apply is not None
    assert json.loads(changes.apply["metadata"]["annotations"]["sluice.dev/undo"]) == {
        "uid": "uid-1",
        "changes": [
            {
                "policy": "policy-1",
                "field": "spec.paused",
                "previous": "null",
                "value": "true",
                "time": "2026-08-20T10:04:00Z",
            }
        ],
    }


def test_nothing_is_written_where_nothing_is_wanted() -> None:
    changes = plan(target({NOTE: '"mine"'}, others=[NOTE]), [], {}, NOW)
    assert changes == Changes({}, None, None, {})


def test_what_is_not_wanted_any_more_is_released_and_its_record_dropped_afterwards() -> None:
    live = target({PAUSED: "true"}, ours=[PAUSED])
    changes = plan(live, [], {"policy-1": [record(PAUSED, "true")]}, NOW)
    assert written(changes) == {}
    assert changes.records == {"policy-1": (record(PAUSED, "true"),)}
    assert changes.remaining == {"policy-1": ()}


def test_a_field_of_ours_without_any_record_is_released_too() -> None:
    changes = plan(target({NOTE: '"x"'}, ours=[NOTE]), [], {}, NOW)
    assert written(changes) == {}


@pytest.mark.parametrize(
    ("values", "others", "problems"),
    [
        ({PAUSED: "true"}, [], 0),
        ({PAUSED: "true"}, [PAUSED], 0),
        ({}, [PAUSED], 1),
    ],
    ids=["paused by nobody in particular", "paused by a user", "declared as not paused"],
)
def test_a_pause_of_somebody_elses_is_neither_written_nor_recorded(
    values: dict[str, str], others: list[str], problems: int
) -> None:
    changes = plan(target(values, others=others), [PAUSE], {}, NOW)
    assert (changes.apply, changes.remaining) == (None, {})
    assert len(changes.problems) == problems


def test_an_annotation_of_somebody_elses_is_reported_with_its_owner() -> None:
    changes = plan(target({NOTE: '"mine"'}, others=[NOTE]), [note("x")], {}, NOW)
    (problem,) = changes.problems
    assert "kubectl-edit set it to" in problem.message
    assert not problem.contested
    assert changes.apply is None


def test_the_annotation_that_holds_the_mirror_cannot_be_asked_for() -> None:
    want = Want("policy-1", annotations={"sluice.dev/undo": "x"})
    changes = plan(target(), [want], {}, NOW)
    assert "is Sluice's own" in changes.problems[0].message
    assert changes.apply is None


def test_one_body_holds_what_all_policies_want() -> None:
    wants = [Want("b", pause=True), note("x", policy="a")]
    changes = plan(target(), wants, {}, NOW)
    assert written(changes) == {"example.com/frozen": "x", "paused": True}
    assert {policy: [one.field for one in some] for policy, some in changes.remaining.items()} == {
        "a": [NOTE],
        "b": [PAUSED],
    }


def test_policies_that_disagree_are_told_and_the_first_by_uid_is_obeyed() -> None:
    wants = [note("second", policy="b"), note("first", policy="a")]
    changes = plan(target(), wants, {}, NOW)
    assert written(changes) == {"example.com/frozen": "first"}
    assert [(one.policy, one.contested) for one in changes.problems] == [("b", False)]


def test_policies_that_want_the_same_each_remember_it() -> None:
    """Whichever of them goes first, the other must know what to keep, and what to undo."""
    both = [PAUSE, Want("policy-0", pause=True)]
    changes = plan(target(), both, {}, NOW)
    assert set(changes.records) == {"policy-0", "policy-1"}
    assert set(changes.remaining) == {"policy-0", "policy-1"}
    late = plan(
        target({PAUSED: "true"}, ours=[PAUSED]),
        both,
        {"policy-0": (record(PAUSED, "true", confirmed=True),)},
        NOW,
    )
    assert [it.field for it in late.remaining["policy-1"]] == [PAUSED]


def test_a_field_is_kept_when_another_policy_takes_it_over() -> None:
    live = target({PAUSED: "true"}, ours=[PAUSED])
    records = {"a": [record(PAUSED, "true")]}
    changes = plan(live, [Want("b", pause=True)], records, LATER)
    assert written(changes) == {"paused": True}
    assert changes.remaining == {"a": (), "b": (record(PAUSED, "true", confirmed=True),)}


def test_a_changed_value_gets_a_new_record() -> None:
    live = target({NOTE: '"old"'}, ours=[NOTE])
    changes = plan(live, [note("new")], {"policy-1": [record(NOTE, '"old"')]}, LATER)
    (found,) = changes.remaining["policy-1"]
    assert (found.value, found.time, found.reverts) == ('"new"', LATER, 0)
    assert written(changes) == {"example.com/frozen": "new"}


def test_a_value_taken_back_is_written_again_once() -> None:
    records = {"policy-1": [record(PAUSED, "true", confirmed=True)]}
    changes = plan(target(), [PAUSE], records, LATER)
    assert written(changes) == {"paused": True}
    (found,) = changes.remaining["policy-1"]
    assert (found.reverts, found.confirmed, found.time) == (1, True, LATER)
    assert not changes.records["policy-1"][0].confirmed
    assert changes.problems == ()


@pytest.mark.parametrize("wanted", [PAUSE, note("x")])
def test_a_write_that_never_landed_is_made_again_however_often_it_failed(wanted: Want) -> None:
    records, now = plan(target(), [wanted], {}, NOW).records, NOW
    for _ in range(9):
        now += GRACE * 9
        changes = plan(target(), [wanted], records, now)
        assert changes.apply is not None
        assert changes.problems == ()
        assert changes.records == records
        records = changes.records


def test_a_rewrite_that_never_landed_is_no_second_revert() -> None:
    records: Records = {"policy-1": [record(PAUSED, "true", confirmed=True)]}
    for number in range(1, 5):
        changes = plan(target(), [PAUSE], records, NOW + number * GRACE * 2)
        assert written(changes) == {"paused": True}
        records = changes.records
    assert records["policy-1"][0].reverts == 1


def test_a_write_that_landed_is_confirmed_where_it_is_seen() -> None:
    live = target({PAUSED: "true"}, ours=[PAUSED])
    changes = plan(live, [PAUSE], {"policy-1": [record(PAUSED, "true")]}, NOW)
    assert changes.records == {"policy-1": (record(PAUSED, "true", confirmed=True),)}


def test_a_value_of_ours_from_before_a_change_confirms_nothing() -> None:
    live = target({NOTE: '"old"'}, ours=[NOTE])
    changes = plan(live, [note("new")], {"policy-1": [record(NOTE, '"new"')]}, LATER)
    assert changes.records == {"policy-1": (record(NOTE, '"new"'),)}


def test_a_value_taken_back_twice_is_contested_and_remembered() -> None:
    reverted = record(PAUSED, "true", reverts=CONTESTED_AFTER - 1, confirmed=True)
    records = {"policy-1": [reverted]}
    first = plan(target(), [PAUSE], records, LATER)
    assert first.apply is None
    assert first.problems[0].contested
    assert first.remaining["policy-1"][0].reverts == CONTESTED_AFTER
    again = plan(target(), [PAUSE], first.remaining, LATER + GRACE * 9)
    assert again.apply is None
    assert again.remaining == first.remaining


def test_a_contest_is_over_with_the_freeze() -> None:
    records = {"policy-1": [record(PAUSED, "true", reverts=CONTESTED_AFTER)]}
    assert plan(target(), [], records, LATER).remaining == {"policy-1": ()}


def test_a_cache_that_lags_behind_our_own_write_is_no_revert() -> None:
    landed = record(PAUSED, "true", confirmed=True)
    changes = plan(target(), [PAUSE], {"policy-1": [landed]}, NOW + GRACE)
    assert changes.remaining["policy-1"] == (landed,)
    assert written(changes) == {"paused": True}


def test_a_value_that_somebody_else_owns_now_is_not_fought_over() -> None:
    live = target({NOTE: '"mine"'}, others=[NOTE])
    records: Records = {"policy-1": [record(NOTE, '"x"', confirmed=True)]}
    for _ in range(3):
        changes = plan(live, [note("x")], records, LATER)
        assert changes.apply is None
        assert [one.contested for one in changes.problems] == [True]
        assert "kubectl-edit set it to" in changes.problems[0].message
        records = changes.records
    assert records["policy-1"][0].reverts == 1


def test_a_value_that_somebody_else_set_before_ours_landed_is_theirs_and_not_contested() -> None:
    live = target({NOTE: '"mine"'}, others=[NOTE])
    records = {"policy-1": [record(NOTE, '"x"')]}
    changes = plan(live, [note("x")], records, LATER)
    assert (changes.apply, changes.records) == (None, {"policy-1": (record(NOTE, '"x"'),)})
    assert [one.contested for one in changes.problems] == [False]


def test_records_of_another_object_of_the_name_do_not_count() -> None:
    records = {"policy-1": [record(PAUSED, "true", uid="uid-0", reverts=CONTESTED_AFTER)]}
    changes = plan(target(), [PAUSE], records, LATER)
    assert changes.remaining["policy-1"] == (
        record(PAUSED, "true", confirmed=True).model_copy(update={"time": LATER}),
    )


@pytest.mark.parametrize("text", ["", "{", "null", '{"uid": 3}', '{"uid": "x", "changes": [1]}'])
def test_a_mirror_that_makes_no_sense_is_removed_and_not_believed(text: str) -> None:
    live = target({MIRROR: json.dumps(text), NOTE: '"x"'}, others=[MIRROR, NOTE])
    changes = plan(live, [], {}, NOW)
    assert changes.clear == {
        "metadata": {
            "uid": "uid-1",
            "resourceVersion": "7",
            "annotations": {"sluice.dev/undo": None},
        }
    }
    assert changes.apply is None


def mirrored(uid: str, field: str, value: str, *, previous: str = "null") -> str:
    change = {"policy": "p", "previous": previous, "value": value, "time": "2026-08-20T10:04:00Z"}
    return json.dumps({"uid": uid, "changes": [{**change, "field": field}]})


@pytest.mark.parametrize("field", ["spec.replicas", "metadata.annotations[]", "metadata", ""])
def test_a_mirror_speaks_of_no_field_that_sluice_does_not_write(field: str) -> None:
    found = mirror.read({UNDO: mirrored("uid-0", field, "null")}, UNDO)
    assert found == mirror.Mirror(uid="uid-0", changes=[])


@pytest.mark.parametrize(("uid", "unpaused"), [("uid-0", True), ("uid-1", False)])
def test_only_a_copy_of_the_object_is_unpaused_by_what_its_mirror_says(
    uid: str, *, unpaused: bool
) -> None:
    text = json.dumps(mirrored(uid, PAUSED, "true"))
    live = target({MIRROR: text, PAUSED: "true"}, others=[MIRROR, PAUSED])
    changes = plan(live, [], {}, NOW)
    assert changes.clear is not None
    assert ("spec" in changes.clear) is unpaused


KINDS = [("StatefulSet", PARTITION, "2147483647"), ("DaemonSet", STRATEGY, '"OnDelete"')]
of_each_set = pytest.mark.parametrize(
    ("kind", "field", "value"), KINDS, ids=[it[0] for it in KINDS]
)


def nested(field: str, value: str) -> dict[str, Any]:
    found: Any = json.loads(value)
    for key in reversed(field.split(".")):
        found = {key: found}
    return {"spec": found["spec"]}


@of_each_set
def test_a_set_is_held_by_the_field_of_its_kind(kind: str, field: str, value: str) -> None:
    changes = plan(target(kind=kind), [PAUSE], {}, NOW)
    assert changes.records == {"policy-1": (record(field, value, kind=kind),)}
    assert changes.apply is not None
    assert {"spec": changes.apply["spec"]} == nested(field, value)
    assert changes.force


def test_a_partition_that_was_there_is_recorded_and_taken_over_as_it_was_read() -> None:
    changes = plan(target({PARTITION: "2"}, kind="StatefulSet"), [PAUSE], {}, NOW)
    (found,) = changes.records["policy-1"]
    assert (found.previous, found.value) == ("2", "2147483647")
    assert changes.apply is not None
    assert changes.apply["metadata"]["resourceVersion"] == "7"
    assert changes.force


@of_each_set
def test_a_strategy_that_git_declares_is_not_taken_over(kind: str, field: str, value: str) -> None:
    del value
    changes = plan(target(kind=kind, others=[field]), [PAUSE], {}, NOW)
    assert (changes.apply, changes.records) == (None, {})
    assert [(it.field, it.contested) for it in changes.problems] == [(field, False)]


@of_each_set
def test_a_set_that_its_owner_holds_already_is_left_and_not_recorded(
    kind: str, field: str, value: str
) -> None:
    changes = plan(target({field: value}, kind=kind), [PAUSE], {}, NOW)
    assert (changes.apply, changes.clear, changes.records) == (None, None, {})


def test_a_set_without_rollouts_is_not_held() -> None:
    changes = plan(target(kind="StatefulSet", holdable=False), [PAUSE], {}, NOW)
    assert changes == Changes({}, None, None, {})


def test_the_partition_that_was_there_is_set_again_before_ours_is_released() -> None:
    held = record(PARTITION, "2147483647", kind="StatefulSet", previous="2", confirmed=True)
    live = target({PARTITION: "2147483647"}, kind="StatefulSet", ours=[PARTITION])
    changes = plan(live, [], {"policy-1": [held]}, NOW)
    assert changes.clear == {
        "metadata": {"uid": "uid-1", "resourceVersion": "7"},
        **nested(PARTITION, "2"),
    }
    assert changes.records == {"policy-1": (held,)}
    assert changes.remaining == {"policy-1": ()}
    assert not changes.force


@of_each_set
def test_a_default_comes_back_by_itself_when_ours_is_released(
    kind: str, field: str, value: str
) -> None:
    held = record(field, value, kind=kind, confirmed=True)
    changes = plan(target({field: value}, kind=kind, ours=[field]), [], {"p": [held]}, NOW)
    assert changes.clear is None
    assert changes.apply is not None
    assert "spec" not in changes.apply


@pytest.mark.parametrize("others", [[], [PARTITION]], ids=["by an update", "declared"])
def test_what_was_set_during_the_freeze_is_not_undone(others: list[str]) -> None:
    held = record(PARTITION, "2147483647", kind="StatefulSet", previous="2", confirmed=True)
    live = target({PARTITION: "5"}, kind="StatefulSet", others=others)
    changes = plan(live, [], {"p": [held]}, LATER)
    assert (changes.clear, changes.apply, changes.remaining) == (None, None, {"p": ()})


def test_a_hold_taken_back_is_made_again_once_and_gives_the_newer_value_back() -> None:
    held = record(PARTITION, "2147483647", kind="StatefulSet", previous="2", confirmed=True)
    live = target({PARTITION: "5"}, kind="StatefulSet")
    changes = plan(live, [PAUSE], {"policy-1": [held]}, LATER)
    (found,) = changes.records["policy-1"]
    assert (found.previous, found.reverts, found.confirmed) == ("5", 1, False)
    assert changes.force
    again = plan(live, [PAUSE], changes.remaining, LATER + GRACE * 2)
    assert again.apply is None
    assert [it.contested for it in again.problems] == [True]
    thawed = plan(live, [], again.remaining, LATER + GRACE * 3)
    assert (thawed.clear, thawed.apply) == (None, None)


def test_a_write_that_never_landed_remembers_what_is_there_when_it_is_made() -> None:
    held = record(PARTITION, "2147483647", kind="StatefulSet", previous="2")
    changes = plan(target({PARTITION: "5"}, kind="StatefulSet"), [PAUSE], {"p": [held]}, LATER)
    (found,) = changes.records["policy-1"]
    assert (found.previous, found.reverts) == ("5", 0)


def test_policies_that_share_a_hold_remember_what_was_there_before_the_latest_write() -> None:
    late = record(PARTITION, "2147483647", kind="StatefulSet", previous="5", confirmed=True)
    late = late.model_copy(update={"time": LATER})
    early = record(PARTITION, "2147483647", kind="StatefulSet", previous="2", confirmed=True)
    live = target({PARTITION: "2147483647"}, kind="StatefulSet", ours=[PARTITION])
    wants = [Want("a", pause=True), Want("b", pause=True)]
    changes = plan(live, wants, {"a": [early], "b": [late]}, LATER)
    assert [it.previous for some in changes.remaining.values() for it in some] == ["5", "5"]
    assert changes.clear is None


@pytest.mark.parametrize(
    ("told", "restored"), [("2", 2), ("null", None), ("-1", None), ('"x"', None), ("{", None)]
)
def test_a_hold_without_its_record_is_undone_as_the_workload_itself_tells(
    told: str, restored: int | None
) -> None:
    text = json.dumps(mirrored("uid-1", PARTITION, "2147483647", previous=told))
    values = {MIRROR: text, PARTITION: "2147483647"}
    live = target(values, kind="StatefulSet", ours=[MIRROR, PARTITION])
    changes = plan(live, [], {}, NOW)
    if restored is None:
        assert changes.clear is None
    else:
        assert changes.clear is not None
        assert {"spec": changes.clear["spec"]} == nested(PARTITION, told)
    kept = plan(live, [PAUSE], {}, NOW)
    assert kept.remaining["policy-1"][0].previous == (told if restored is not None else "null")


@pytest.mark.parametrize(("previous", "restored"), [("2", 2), ("null", None)])
def test_a_copy_of_a_held_set_gets_what_was_there_before(
    previous: str, restored: int | None
) -> None:
    text = json.dumps(mirrored("uid-0", PARTITION, "2147483647", previous=previous))
    live = target({MIRROR: text, PARTITION: "2147483647"}, kind="StatefulSet", others=[MIRROR])
    changes = plan(live, [], {}, NOW)
    assert changes.clear is not None
    assert changes.clear["spec"]["updateStrategy"]["rollingUpdate"] == {"partition": restored}


@of_each_set
def test_a_hold_that_somebody_elses_update_would_keep_is_taken_away(
    kind: str, field: str, value: str
) -> None:
    held = record(field, value, kind=kind, confirmed=True)
    live = target({field: value}, kind=kind, ours=[field], shared=[field])
    changes = plan(live, [], {"p": [held]}, NOW)
    assert changes.clear is not None
    assert {"spec": changes.clear["spec"]} == nested(field, "null")


def test_a_copy_of_a_held_set_that_is_frozen_too_is_taken_over() -> None:
    text = json.dumps(mirrored("uid-0", PARTITION, "2147483647", previous="2"))
    live = target({MIRROR: text, PARTITION: "2147483647"}, kind="StatefulSet", others=[MIRROR])
    changes = plan(live, [PAUSE], {}, NOW)
    assert changes.clear is not None
    assert "spec" not in changes.clear
    assert changes.force
    assert changes.apply is not None
    assert "resourceVersion" not in changes.apply["metadata"]
    assert changes.remaining["policy-1"][0].previous == "2"


KEYS = st.sampled_from(["a.io/x", "a.io/y"])
WANTS = st.lists(
    st.builds(
        Want,
        st.sampled_from(["p", "q"]),
        st.booleans(),
        st.dictionaries(KEYS, st.sampled_from(["1", "2"])),
    ),
    max_size=2,
    unique_by=lambda want: want.policy,
)


def after(live: Target, changes: Changes) -> Target:
    """The object when nobody else interferes."""
    field = live.hold.field
    rest = {} if field in live.ours or field not in live.values else {field: live.values[field]}
    if changes.clear is not None and "spec" in changes.clear:
        rest = {field: live.hold.read(changes.clear)}
    if changes.apply is None:
        return replace(live, values={**live.values, **rest})
    notes = changes.apply["metadata"].get("annotations", {})
    values = {annotation(key): json.dumps(value) for key, value in notes.items()}
    values |= {field: live.hold.text} if "spec" in changes.apply else {}
    return replace(live, values={**rest, **values}, ours=frozenset(values))


BEFORE = [
    target(),
    target({PARTITION: "0"}, kind="StatefulSet"),
    target({PARTITION: "2"}, kind="StatefulSet"),
    target(kind="DaemonSet"),
]


@given(st.sampled_from(BEFORE), st.lists(WANTS, max_size=4))
def test_an_undisturbed_workload_settles_in_one_step_and_is_as_before_in_the_end(
    before: Target,
    history: list[list[Want]],
) -> None:
    live, records, now = before, {}, NOW
    for wants in [*history, []]:
        now += timedelta(minutes=5)
        changes = plan(live, wants, records, now)
        live, records = after(live, changes), changes.remaining
        again = plan(live, wants, records, now)
        assert (again.apply, again.clear) == (None, None)
        assert again.records == again.remaining == records
        assert all(one.confirmed for some in records.values() for one in some)
        assert not any(one.contested for one in changes.problems)
    assert live.values == before.values
    assert not any(records.values())


@pytest.mark.parametrize("key", ["a", "example.com/frozen", "x]y", "metadata.annotations[z]"])
def test_an_annotations_field_tells_its_key(key: str) -> None:
    assert annotation_key(annotation(key)) == key
    assert annotation_key(PAUSED) is None


@pytest.mark.parametrize("operation", ["Apply", "Update"])
def test_what_an_update_left_in_a_field_that_is_filled_in_is_nobodys_wish(operation: str) -> None:
    fields = {"f:spec": {"f:updateStrategy": {"f:rollingUpdate": {".": {}, "f:partition": {}}}}}
    served = {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "7"}
    managed = [{"manager": "helm", "operation": operation, "fieldsV1": fields}]
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    found = Target.of(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {**served, "managedFields": managed},
            "spec": {"updateStrategy": strategy},
        }
    )
    assert found.values == {PARTITION: "0"}
    assert found.others == ({PARTITION: "helm"} if operation == "Apply" else {})
    assert found.shared == (set() if operation == "Apply" else {PARTITION})


@pytest.mark.parametrize(("strategy", "holdable"), [("RollingUpdate", True), ("OnDelete", False)])
def test_a_stateful_set_is_holdable_unless_pods_wait_for_their_deletion(
    strategy: str, *, holdable: bool
) -> None:
    served = {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "7"}
    live = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": served,
        "spec": {"updateStrategy": {"type": strategy}},
    }
    assert Target.of(live).holdable is holdable


def test_managed_fields_tell_what_is_ours() -> None:
    def entry(manager: str, operation: str, **fields: Any) -> dict[str, Any]:
        return {"manager": manager, "operation": operation, "fieldsV1": fields}

    notes = {"f:annotations": {".": {}, "f:a": {}}}
    live = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "uid-1",
            "resourceVersion": "7",
            "annotations": {"a": "1", "b": "2"},
            "managedFields": [
                entry("sluice", "Apply", **{"f:metadata": notes}),
                entry("sluice", "Update", **{"f:spec": {"f:paused": {}}}),
                entry("helm", "Update", **{"f:metadata": {"f:annotations": {"f:b": {}}}}),
            ],
        },
        "spec": {"paused": False},
    }
    found = Target.of(live)
    assert found.values == {annotation("a"): '"1"', annotation("b"): '"2"'}
    assert found.ours == {annotation("a")}
    assert found.others == {annotation("b"): "helm", PAUSED: "sluice"}
