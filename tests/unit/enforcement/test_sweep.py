from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sluice.api.metadata import LabelSelector
from sluice.enforcement.freeze import Freeze, Revision, Workload
from sluice.enforcement.native import render
from sluice.enforcement.sweep import sweep

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"


def freeze(name: str, *, expires: datetime = NOW, workloads: tuple[Workload, ...] = ()) -> Freeze:
    return Freeze(
        namespace="shop",
        policy=name,
        uid=f"uid-{name}",
        action="Deny",
        message_prefix="FROZEN ",
        message_infix=" shop/",
        kinds=("Deployment",),
        message_suffix="",
        selector=LabelSelector(),
        expires=expires,
        workloads=workloads,
    )


def gates(name: str, **fields: Any) -> list[dict[str, Any]]:
    return list(render(freeze(name, **fields)).manifests)


def fleet(count: int) -> tuple[Workload, ...]:
    def template(padding: int) -> dict[str, Any]:
        return {"metadata": {}, "spec": {"containers": [{"name": "web", "args": ["x" * padding]}]}}

    known = tuple(Revision(one, template(one * 30_000), {"web": "1"}) for one in (1, 2))
    return tuple(
        Workload("Deployment", f"w{number:02}", {"web": "1"}, known) for number in range(count)
    )


def kinds(manifests: Any) -> list[str]:
    return [one["kind"] for one in manifests]


def test_a_policy_is_applied_before_its_binding() -> None:
    assert kinds(sweep([], {"uid-a": gates("a")}).apply) == [POLICY, BINDING]


def test_a_binding_is_deleted_before_its_policy() -> None:
    found = sweep(gates("a"), {})
    assert found.delete == ((BINDING, "sluice-shop.a-0"), (POLICY, "sluice-shop.a-0"))


def test_what_is_as_it_should_be_is_left_alone() -> None:
    found = sweep(gates("a"), {"uid-a": gates("a")})
    assert (found.apply, found.delete) == ((), ())


def test_a_renewed_expiry_is_applied() -> None:
    renewed = gates("a", expires=NOW + timedelta(hours=1))
    assert sweep(gates("a"), {"uid-a": renewed}).apply == tuple(renewed)


def test_a_gate_without_a_content_hash_is_applied_again() -> None:
    stripped = gates("a")
    for one in stripped:
        del one["metadata"]["annotations"]
    assert len(sweep(stripped, {"uid-a": gates("a")}).apply) == 2


def test_the_gate_of_a_thawed_policy_goes_and_that_of_another_stays() -> None:
    found = sweep([*gates("a"), *gates("b")], {"uid-a": [], "uid-b": gates("b")})
    assert [name for _, name in found.delete] == ["sluice-shop.a-0"] * 2


def test_the_gate_of_a_policy_that_is_not_decided_on_yet_stays() -> None:
    assert sweep(gates("a"), {"uid-a": None}).delete == ()


def test_the_gate_of_a_policy_that_was_made_again_is_taken_over() -> None:
    successor = list(render(replace(freeze("a"), uid="uid-new")).manifests)
    found = sweep(gates("a"), {"uid-new": successor})
    assert found.apply == tuple(successor)
    assert found.delete == ()


def test_something_labelled_as_ours_without_a_policy_goes() -> None:
    stray = {"kind": POLICY, "metadata": {"name": "stray"}}
    assert sweep([stray], {}).delete == ((POLICY, "stray"),)


def test_a_new_shard_is_in_force_before_the_old_one_shrinks() -> None:
    before, after = gates("a", workloads=fleet(1)), gates("a", workloads=fleet(9))
    assert len(after) == 4
    applied = [
        (one["metadata"]["name"][-2:], one["kind"]) for one in sweep(before, {"uid-a": after}).apply
    ]
    assert applied == [("-1", POLICY), ("-1", BINDING), ("-0", POLICY)]


def test_a_shard_grows_before_the_one_that_it_replaces_goes() -> None:
    before, after = gates("a", workloads=fleet(9)), gates("a", workloads=fleet(1))
    found = sweep(before, {"uid-a": after})
    assert [one["metadata"]["name"] for one in found.apply] == ["sluice-shop.a-0"]
    assert found.delete == ((BINDING, "sluice-shop.a-1"), (POLICY, "sluice-shop.a-1"))


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_a_sweep_leads_to_exactly_what_is_wanted(there: set[str], wanted: set[str]) -> None:
    existing = [one for name in sorted(there) for one in gates(name)]
    target = {f"uid-{name}": gates(name, expires=NOW + timedelta(hours=1)) for name in wanted}
    found = sweep(existing, target)
    after = {(one["kind"], one["metadata"]["name"]): one for one in existing}
    after |= {(one["kind"], one["metadata"]["name"]): one for one in found.apply}
    for key in found.delete:
        del after[key]
    expected = {
        (one["kind"], one["metadata"]["name"]): one for some in target.values() for one in some
    }
    assert after == expected
    assert sweep(after.values(), target).apply == ()
