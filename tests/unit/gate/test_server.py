"""What pipelines, Argo Rollouts and Flagger are told, over HTTP."""

import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sluice.gate.openapi import document
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import DEPLOYMENTS, OVERRIDES, POLICIES, REPLICA_SETS, ROLLOUTS
from tests.unit.gate.objects import ROBOT, Known, frozen, override, policy, replica_set, workload
from tests.unit.gate.serving import serving

REFERENCE = Path(__file__).parents[3] / "docs/reference/gate-openapi.json"
WEB = "/v1/verdict/shop/Deployment/web"


def own(name: str) -> Known:
    found = policy()
    found["status"]["workloads"] = {"own": [f"Deployment/{name}"]}
    return frozen().see(POLICIES, found)


async def ask(
    known: Known, path: str, *, body: Any = None, method: str = "GET", **options: Any
) -> tuple[int, Any]:
    async with (
        serving(known, **options) as (url, _),
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=body) as response,
    ):
        return response.status, await response.json()


async def test_a_frozen_workload_is_denied_with_everything_that_is_known_of_it() -> None:
    status, found = await ask(frozen(), WEB)
    message = found.pop("message")
    assert status == 200
    assert message.startswith("FROZEN by ErrorBudgetPolicy shop/default: SLO checkout has 12.0%")
    assert found == {
        "namespace": "shop",
        "kind": "Deployment",
        "name": "web",
        "allowed": False,
        "known": True,
        "admission": "Deny",
        "rule": "Deploys",
        "policy": "default",
        "stage": "Exhausted",
        "reason": "StageEntered",
        "objective": "checkout",
        "remaining": "12.000",
        "since": "2026-08-20T10:04:00Z",
        "expires": "2026-08-20T11:00:00Z",
        "recoveredAt": "2026-09-01T10:00:00Z",
        "limit": None,
        "override": {
            "active": [],
            "command": "kubectl sluice override web --namespace shop --policy default "
            "--reason '...'",
        },
    }


def expired() -> Known:
    known = frozen()
    known.clock.pass_(hours=1)
    return known


def killed() -> Known:
    known = frozen()
    known.judge.switch = KillSwitch("wrong", "alice")
    return known


@pytest.mark.parametrize(
    ("known", "path", "allowed", "certain", "rule"),
    [
        (frozen(), WEB, False, True, "Deploys"),
        (frozen(), "/v1/verdict/shop/deployments/web", False, True, "Deploys"),
        (frozen(), f"{WEB}?user={ROBOT}", True, True, "ExemptUser"),
        (frozen().see(OVERRIDES, override()), WEB, True, True, "Override"),
        (frozen().see(POLICIES, policy(admission="Allow")), WEB, True, True, "Stage"),
        (frozen().see(POLICIES, policy(admission="Warn")), WEB, True, True, "Deploys"),
        (killed(), WEB, True, True, "KillSwitch"),
        (frozen().see(DEPLOYMENTS, workload(labels={})), WEB, True, True, "NoPolicy"),
        (own("web"), WEB, True, True, "Own"),
        (own("another"), WEB, False, True, "Deploys"),
        (expired(), WEB, True, False, "Expired"),
        (frozen().see(POLICIES, policy(admission=None)), WEB, True, False, "Undecided"),
        (frozen(), "/v1/verdict/shop/Deployment/wbe", True, False, "WorkloadNotFound"),
        (
            frozen().see(POLICIES, policy(frobnicate=1)),
            WEB,
            True,
            False,
            "UnreadablePolicy",
        ),
    ],
)
async def test_a_verdict_says_whether_it_is_one(
    known: Known, path: str, allowed: bool, certain: bool, rule: str
) -> None:
    status, found = await ask(known, path)
    assert status == 200
    assert (found["allowed"], found["known"], found["rule"]) == (allowed, certain, rule)
    assert found["message"].endswith(".") or found["message"].endswith("?")


@pytest.mark.parametrize(
    ("path", "options", "status", "says"),
    [
        ("/v1/verdict/shop/Widget/web", {}, 404, "There is no kind 'Widget'"),
        (WEB, {"unready": "deployments have not been listed yet"}, 503, "deployments have not"),
    ],
)
async def test_what_cannot_be_answered_says_why(
    path: str, options: dict[str, Any], status: int, says: str
) -> None:
    found, body = await ask(frozen(), path, **options)
    assert found == status
    assert says in body["error"]


async def test_too_many_requests_are_refused_and_counted() -> None:
    async with serving(frozen(), rate=2) as (url, metrics), aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(4):
            async with session.get(url + WEB) as response:
                statuses.append(response.status)
        assert statuses[:2] == [200, 200]
        assert statuses[-1] == 429
        assert (metrics.registry.get_sample_value("sluice_gate_throttled_total") or 0) >= 1


def rolling(**back: str) -> Known:
    """Rollout `web` runs web:1 and is on its way to web:2, which it ran before if `back`."""
    live = workload("Rollout", image="web:2")
    known = Known().see(POLICIES, policy()).see(ROLLOUTS, live)
    first, second = (replica_set(live, f"web:{n}", n) for n in (1, 2))
    if back:
        second = replica_set(live, "web:2", 2, **back)
    return known.see(REPLICA_SETS, first, second)


@pytest.mark.parametrize(
    ("known", "query", "allowed", "reason", "options"),
    [
        (rolling(), "?podTemplateHash=hash-2", False, "StageEntered", {}),
        (rolling(), "", False, "StageEntered", {}),
        (rolling(formerly="1"), "?podTemplateHash=hash-2", True, "Rollback", {}),
        (rolling(formerly="1"), "", True, "Rollback", {}),
        (rolling(formerly="1"), "?podTemplateHash=hash-1", False, "StageEntered", {}),
        # As Argo Rollouts writes it when somebody annotates a Rollout that goes on.
        (rolling(formerly="2"), "?podTemplateHash=hash-2", False, "StageEntered", {}),
        (rolling(formerly="1,2"), "?podTemplateHash=hash-2", True, "Rollback", {}),
        (rolling().see(OVERRIDES, override()), "", True, "Override", {}),
        (rolling(), "", False, "NotReady", {"unready": "rollouts have not been listed yet"}),
        (frozen(), "", False, "WorkloadNotFound", {}),
    ],
)
async def test_argo_rollouts_is_always_answered_200(
    known: Known, query: str, allowed: bool, reason: str, options: dict[str, Any]
) -> None:
    status, found = await ask(known, f"/v1/argo-rollouts/shop/web{query}", **options)
    assert (status, found["allowed"], found["reason"]) == (200, allowed, reason)


async def test_argo_rollouts_waits_where_there_are_too_many_requests() -> None:
    async with serving(rolling(), rate=1) as (url, _), aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(f"{url}/v1/argo-rollouts/shop/web") as response:
                assert response.status == 200
                found = await response.json()
    assert found["reason"] == "TooManyRequests"
    assert found["allowed"] is False


def canary(**fields: Any) -> str:
    """A hook's body as Flagger sends it."""
    return json.dumps(
        {
            "name": "web",
            "namespace": "shop",
            "phase": "Progressing",
            "checksum": "85d557f47b",
            "metadata": {},
        }
        | fields
    )


@pytest.mark.parametrize(
    "hook", ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"]
)
async def test_flagger_waits_in_a_freeze_and_goes_on_after_it(hook: str) -> None:
    asked = {"method": "POST", "body": canary()}
    status, found = await ask(frozen(), f"/v1/flagger/{hook}", **asked)
    assert (status, found["allowed"]) == (403, False)
    thawed = frozen().see(POLICIES, policy(admission="Allow"))
    assert (await ask(thawed, f"/v1/flagger/{hook}", **asked))[0] == 200


async def test_flagger_goes_on_with_a_rollback() -> None:
    known = frozen().see(REPLICA_SETS, replica_set(workload(), "web:1", 3, formerly="1"))
    status, found = await ask(
        known, "/v1/flagger/confirm-rollout", method="POST", body=canary(metadata=None)
    )
    assert (status, found["reason"]) == (200, "Rollback")


@pytest.mark.parametrize(
    ("hook", "body", "status"),
    [
        ("confirm-rollout", canary(name="canary", metadata={"name": "web"}), 403),
        ("confirm-rollout", canary(metadata={"kind": "deployment"}), 403),
        ("confirm-rollout", canary(metadata={"kind": "Widget"}), 400),
        ("confirm-rollout", canary(name="other"), 403),
        ("confirm-rollout", "{", 400),
        ("confirm-rollout", "[]", 400),
        ("confirm-rollout", "{}", 400),
        ("confirm-rollout", canary(metadata=[1]), 400),
        ("confirm-rollout", canary(phase="x" * 70_000), 400),
        ("pre-rollout", canary(), 404),
    ],
)
async def test_a_hook_is_about_the_workload_that_it_names(
    hook: str, body: str, status: int
) -> None:
    assert (await ask(frozen(), f"/v1/flagger/{hook}", method="POST", body=body))[0] == status


async def test_the_document_that_is_served_is_the_one_in_the_reference() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        REFERENCE.write_text(json.dumps(document(), indent=2) + "\n")
    assert (await ask(Known(), "/openapi.json")) == (200, json.loads(REFERENCE.read_text()))


async def test_the_document_describes_every_field_that_is_answered() -> None:
    _, found = await ask(frozen(), WEB)
    schemas = document()["components"]["schemas"]
    assert set(schemas["VerdictAnswer"]["properties"]) == set(found)
    assert set(schemas["VerdictAnswer"]["required"]) == set(found)
    assert set(schemas["OverrideAnswer"]["properties"]) == set(found["override"])
    _, going = await ask(rolling(), "/v1/argo-rollouts/shop/web")
    assert set(schemas["GoAhead"]["properties"]) == set(going)


@pytest.mark.parametrize(
    ("query", "allowed"),
    [("", False), ("?image=web:3", True), ("?image=web:3&image=proxy:1", False)],
)
async def test_who_names_the_images_learns_of_an_override_that_is_pinned_to_them(
    query: str, allowed: bool
) -> None:
    known = frozen().see(OVERRIDES, override(images=["web:3"]))
    status, found = await ask(known, f"/v1/verdict/shop/Deployment/web{query}")
    assert (status, found["allowed"]) == (200, allowed)
    assert found["override"]["active"] == (["fix"] if allowed else [])
