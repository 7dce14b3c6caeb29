"""The examples ask the gate what it answers."""

from pathlib import Path
from typing import Any

import aiohttp
import yaml
from typer.testing import CliRunner

from sluice.cli.main import app
from sluice.kube.resources import DEPLOYMENTS, POLICIES, REPLICA_SETS, ROLLOUTS
from tests.unit.gate.objects import Known, policy, replica_set, workload
from tests.unit.gate.serving import serving

EXAMPLES = Path(__file__).parents[3] / "examples/gates"
GATE = "http://sluice-gate.sluice-system:8080"


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()))


def frozen() -> Known:
    """Deployment and Rollout `checkout`, on their way to something new."""
    known = Known().see(POLICIES, policy())
    rollout = workload("Rollout", "checkout")
    known.see(ROLLOUTS, rollout).see(DEPLOYMENTS, workload("Deployment", "checkout"))
    return known.see(REPLICA_SETS, replica_set(rollout, "checkout:2", 2))


async def test_the_web_metric_of_argo_rollouts_is_answered_where_it_looks() -> None:
    template, rollout = documents("argo-rollouts")
    [metric] = template["spec"]["metrics"]
    url = metric["provider"]["web"]["url"].replace("{{args.rollout}}", rollout["metadata"]["name"])
    url = url.replace("{{args.pod-template-hash}}", "hash-2")
    assert url.startswith(f"{GATE}/")
    assert metric["provider"]["web"]["jsonPath"] == "{$.allowed}"
    async with (
        serving(frozen()) as (served, _),
        aiohttp.ClientSession() as session,
        session.get(url.replace(GATE, served)) as response,
    ):
        assert response.status == 200
        found = await response.json()
    assert (found["allowed"], found["reason"]) == (False, "StageEntered")


async def test_flaggers_hooks_are_answered_where_they_ask() -> None:
    [canary] = documents("flagger")
    hooks = canary["spec"]["analysis"]["webhooks"]
    assert len(hooks) == 2
    async with serving(frozen()) as (served, _), aiohttp.ClientSession() as session:
        for hook in hooks:
            assert hook["url"] == f"{GATE}/v1/flagger/{hook['type']}"
            body = canary["metadata"] | {"phase": "Waiting", "metadata": hook.get("metadata", {})}
            async with session.post(hook["url"].replace(GATE, served), json=body) as response:
                assert response.status == 403


def test_the_hook_of_argo_cd_calls_the_command_as_it_is() -> None:
    [job] = documents("argo-cd-presync")
    [container] = job["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment == {"SLUICE_GATE_URL": GATE}
    nowhere = {"SLUICE_GATE_URL": "http://127.0.0.1:1"}
    result = CliRunner().invoke(app, container["args"], env=nowhere)
    assert result.exit_code == 4
    assert "http://127.0.0.1:1/v1/verdict/shop/deployment/checkout" in result.output
