"""What the audit log of a real API server says of the webhook's verdicts."""

import json
from pathlib import Path

import pytest

from e2e import harness
from e2e.gate.shop import deployment
from e2e.gate.webhook import frozen, opted_in, registered
from e2e.harness import wait_until
from e2e.story.audit import POLICY as AUDIT_POLICY

pytestmark = pytest.mark.controlplane


def test_a_denial_and_a_rollback_are_marked_with_rule_and_policy(tmp_path: Path) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text(AUDIT_POLICY)
    flags = [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]
    try:
        with harness.control_plane(api_server_flags=flags) as plane:
            if plane.local is None:
                pytest.skip(f"the API server of provider {plane.provider} is not ours to audit")
            with (
                registered(plane, system="webhook-system") as webhook,
                webhook.running(),
                opted_in(plane, "shop") as shop,
            ):
                shop.deploy(deployment("web", image="web:1"))
                shop.deploy(deployment("web", image="web:2"))
                with frozen(shop):
                    assert shop.set_image("web", "web:3").denied
                    shop("rollout", "undo", "deployment/web")
                    wait_until(lambda: len(marks(log)) >= 2, timeout=10, what="the audit log")
            found = marks(log)
    except harness.NoControlPlane as reasons:
        pytest.skip(str(reasons))
    shared = {"policy": "shop/default"}
    assert {"verdict": "Denied", "rule": "Deploys", **shared} in found
    assert {"verdict": "Allowed", "rule": "Rollback", **shared} in found


def marks(log: Path) -> list[dict[str, str]]:
    """The webhook's annotations of changes of Deployment `web`."""
    prefix = "workloads.gate.sluice.dev/"
    found = []
    for line in log.read_text().splitlines():
        event = json.loads(line) if line.endswith("}") else {}
        notes = event.get("annotations") or {}
        mine = {key.removeprefix(prefix): notes[key] for key in notes if key.startswith(prefix)}
        if mine and event["objectRef"].get("name") == "web":
            found.append(mine)
    return found
