"""A gate that is asked in a stage that lets one deployment pass in an interval."""

from typing import Any

import pytest

from sluice.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    OVERRIDES,
    POLICIES,
    REPLICA_SETS,
    ROLLOUTS,
    STATEFUL_SETS,
)
from tests.unit.gate.objects import (
    Known,
    Object,
    controller_revision,
    override,
    policy,
    replica_set,
    review,
    workload,
)
from tests.unit.gate.test_server import WEB, ask
from tests.unit.gate.test_webhook import Gate

OLD, RECENT = "2026-08-01T10:00:00Z", "2026-08-19T10:00:00Z"


def made(revision: Object, created: str, **annotations: str) -> Object:
    metadata = revision["metadata"]
    notes = {**metadata.get("annotations", {}), **annotations}
    return {
        **revision,
        "metadata": {**metadata, "creationTimestamp": created, "annotations": notes},
    }


def limiting(interval: str = "7d", **spec: Any) -> Object:
    found = policy(admission="Deny", **spec)
    decision = found["status"]["decision"]
    decision |= {"admission": "Limit", "limit": {"interval": interval}}
    found["status"]["stage"] = "Warning"
    return found


def limited(kind: str = "Deployment", *, newest: str = OLD, **spec: Any) -> Known:
    """`web` ran web:1 and runs web:2 since `newest`; one deployment in 7d passes."""
    live = workload(kind, image="web:2")
    resource = {"Deployment": DEPLOYMENTS, "Rollout": ROLLOUTS}[kind]
    known = Known().see(POLICIES, limiting(**spec)).see(resource, live)
    first = made(replica_set(live, "web:1", 1), OLD)
    return known.see(REPLICA_SETS, first, made(replica_set(live, "web:2", 2), newest))


def deploy(image: str, *, before: str = "web:2", **request: Any) -> Object:
    return review(workload(image=before), workload(image=image), **request)


def test_a_deployment_within_the_interval_is_denied_with_403() -> None:
    response = Gate(limited(newest=RECENT))(deploy("web:3"))
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (403, "Forbidden")
    assert "the next may pass after 2026-08-26T10:00:00Z" in response["status"]["message"]
    assert response["auditAnnotations"]["rule"] == "Limited"


def test_revisions_of_other_kinds_tell_the_time_as_well() -> None:
    live = workload("StatefulSet", image="db:2")
    known = Known().see(POLICIES, limiting()).see(STATEFUL_SETS, live)
    known.see(CONTROLLER_REVISIONS, made(controller_revision(live, "db:2", 2), RECENT))
    sent = review(live, workload("StatefulSet", image="db:3"))
    assert "2026-08-26T10:00:00Z" in Gate(known)(sent)["status"]["message"]


def test_of_two_deployments_in_a_row_one_passes_before_its_revision_is_seen() -> None:
    gate = Gate(limited())
    first = gate(deploy("web:3"))
    assert first["allowed"] is True
    assert "after this one the next may pass after" in first["warnings"][0]
    second = gate(deploy("web:4", before="web:3"))
    assert (second["allowed"], second["auditAnnotations"]["rule"]) == (False, "Limited")


def test_a_deployment_that_is_sent_again_passes_again() -> None:
    gate = Gate(limited())
    assert gate(deploy("web:3"))["allowed"] is True
    assert gate(deploy("web:3"))["allowed"] is True


def test_a_dry_run_and_a_question_do_not_count() -> None:
    known = limited()
    gate = Gate(known)
    assert gate(deploy("web:3", dryRun=True))["allowed"] is True
    assert gate(deploy("web:4"))["allowed"] is True


def test_a_deployment_that_never_came_to_be_is_forgotten() -> None:
    known = limited()
    gate = Gate(known)
    assert gate(deploy("web:3"))["allowed"] is True
    known.clock.pass_(seconds=31)
    assert gate(deploy("web:4"))["allowed"] is True


def test_what_has_just_passed_is_of_its_own_workload_only() -> None:
    known = limited()
    api = workload(name="api", image="api:1")
    known.see(DEPLOYMENTS, api).see(REPLICA_SETS, made(replica_set(api, "api:1", 1), OLD))
    gate = Gate(known)
    assert gate(deploy("web:3"))["allowed"] is True
    assert gate(review(api, workload(name="api", image="api:2")))["allowed"] is True


def approval(**spec: Any) -> Object:
    return override("chg-1", effect="Approve", workloads=["web"], **spec)


def test_an_approval_lets_one_deployment_pass_and_not_a_second_in_the_same_second() -> None:
    gate = Gate(limited(newest=RECENT).see(OVERRIDES, approval()))
    first = gate(deploy("web:3"))
    assert (first["allowed"], first["auditAnnotations"]["rule"]) == (True, "Approved")
    assert first["auditAnnotations"]["override"] == "chg-1"
    assert gate(deploy("web:4", before="web:3"))["allowed"] is False


async def test_the_verdict_tells_of_approvals() -> None:
    _, denied = await ask(limited(newest=RECENT), WEB)
    assert denied["override"]["command"].startswith("kubectl sluice approve web --namespace shop")
    assert denied["override"]["active"] == []
    _, found = await ask(limited(newest=RECENT).see(OVERRIDES, approval()), WEB)
    assert (found["allowed"], found["rule"]) == (True, "Approved")
    assert found["override"]["active"] == ["chg-1"]


async def test_the_verdict_tells_the_the_interval_and_when_the_next_may_pass() -> None:
    _, found = await ask(limited(newest=RECENT), WEB)
    assert (found["allowed"], found["known"], found["admission"]) == (False, True, "Limit")
    assert found["limit"] == {
        "interval": "7d",
        "approval": None,
        "last": RECENT,
        "next": "2026-08-26T10:00:00Z",
    }
    _, free = await ask(limited(), WEB)
    assert (free["allowed"], free["admission"], free["rule"]) == (True, "Allow", "WithinLimit")
    assert free["limit"] == {"interval": "7d", "approval": None, "last": OLD, "next": None}
    assert free["message"].startswith("ErrorBudgetPolicy shop/default: one deploy passes in 7d")


ARGO = "/v1/argo-rollouts/shop/web?podTemplateHash=hash-2"


async def test_a_rollout_that_was_approved_goes_on_after_the_approval_has_ended() -> None:
    live, found = workload("Rollout", image="web:2"), limiting()
    found["status"]["decision"]["since"] = "2026-08-10T00:00:00Z"
    known = Known().see(POLICIES, found).see(ROLLOUTS, live)
    known.see(REPLICA_SETS, made(replica_set(live, "web:1", 1), RECENT))
    known.see(REPLICA_SETS, made(replica_set(live, "web:2", 2), "2026-08-20T10:20:00Z"))
    assert (await ask(known, ARGO))[1]["allowed"] is False
    known.see(OVERRIDES, approval(expiresAt="2026-08-20T10:25:00Z"))
    assert (await ask(known, ARGO))[1]["allowed"] is True


@pytest.mark.parametrize(
    ("first", "newest", "since", "allowed"),
    [
        (OLD, RECENT, "2026-08-10T00:00:00Z", True),
        (RECENT, "2026-08-20T10:00:00Z", "2026-08-10T00:00:00Z", False),
        (RECENT, "2026-08-20T10:00:00Z", "2026-08-20T10:04:00Z", True),
        ("", RECENT, "2026-08-10T00:00:00Z", True),
    ],
    ids=["the one of its interval", "a second one", "begun before the limit", "the creation"],
)
async def test_a_rollout_under_way_goes_on_if_the_limit_lets_it_begin(
    first: str, newest: str, since: str, *, allowed: bool
) -> None:
    live, found = workload("Rollout", image="web:2"), limiting()
    found["status"]["decision"]["since"] = since
    known = Known().see(POLICIES, found).see(ROLLOUTS, live)
    if first:
        known.see(REPLICA_SETS, made(replica_set(live, "web:1", 1), first))
    known.see(REPLICA_SETS, made(replica_set(live, "web:2", 2), newest))
    _, told = await ask(known, ARGO)
    assert told["allowed"] is allowed
    assert told["reason"] == ("WithinLimit" if allowed else "StageEntered")
