"""Counts that a ruler records: PrometheusRules of the Prometheus Operator's own kind."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from e2e import harness
from e2e.chart.rights import Rights
from e2e.harness.gotools import NoGoError, prometheus_rule_crd
from e2e.stack import ACCOUNT, NAMESPACE, Controller, Stack, condition, installed
from e2e.story.audit import POLICY as AUDIT_POLICY
from e2e.story.audit import requests
from e2e.story.manifests import Object, objective
from e2e.story.team import OBJECTIVE, Team

# A control plane of its own, and waiting seven times until rules are looked at again.
pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(600)]

SOURCE = "recorded"
FORBIDDEN = 403
RULES = "prometheusrules.monitoring.coreos.com"
# Rules are looked at every 15 seconds.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def crd() -> str:
    try:
        return prometheus_rule_crd().read_text()
    except NoGoError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The API server's audit log; the policy is beside it."""
    directory = tmp_path_factory.mktemp("audit")
    (directory / "policy.yaml").write_text(AUDIT_POLICY)
    return directory / "audit.log"


@pytest.fixture(scope="module")
def recording(everything: Stack, log: Path) -> Iterator[Stack]:
    """A control plane of its own, as it does not know PrometheusRules at first."""
    policy = log.with_name("policy.yaml")
    flags = [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]
    with ExitStack() as resources:
        plane = resources.enter_context(harness.control_plane(api_server_flags=flags))
        if plane.local is None:
            pytest.skip(f"provider {plane.provider}: PrometheusRules may be there and in use")
        kubeconfig = resources.enter_context(installed(plane, "recordedEngine.enabled=true"))
        yield everything.within(plane, kubeconfig)


@pytest.fixture
def controller(recording: Stack) -> Iterator[Controller]:
    running = recording.run("--prometheus-rules")
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def declare(stack: Stack, engine: str = "Recorded", **prometheus: object) -> None:
    spec = {"prometheus": {"url": stack.prometheus.url, "engine": engine, **prometheus}}
    source = {"apiVersion": "sluice.dev/v1alpha1", "kind": "MetricSource", "spec": spec}
    source["metadata"] = {"name": SOURCE}
    stack.plane.kubectl("apply", "-f", "-", input=json.dumps(source))


def until_source(stack: Stack, kind: str, reason: str) -> Object:
    def found() -> Object:
        return condition(stack.plane.kubectl.json("get", "metricsource", SOURCE), kind)

    stack.until(f"{kind}: {reason}", lambda: found().get("reason") == reason, timeout=PATIENCE)
    return found()


def rules(stack: Stack) -> dict[str, Object]:
    found = stack.plane.kubectl.json("-n", NAMESPACE, "get", RULES)["items"]
    return {one["metadata"]["name"]: one for one in found}


def test_a_rule_is_there_as_long_as_its_objective_wants_it(
    recording: Stack, controller: Controller, crd: str, log: Path, tmp_path: Path
) -> None:
    with recording.plane.namespace("shop") as namespace:
        team = Team(recording, namespace, recording.take())
        name = f"sluice-{namespace}.availability"
        declare(recording, ruleLabels={"release": "prometheus"})
        team.apply(objective(team.service.job, source={"name": SOURCE}))

        # Without the Operator's CRDs the budget is measured all the same.
        stalled = until_source(recording, "Stalled", "RulesNotServed")
        assert "install the CRDs of the Prometheus Operator" in stalled["message"]
        team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name="availability")

        recording.plane.apply(crd)
        recording.until("a rule", lambda: name in _rules_if_served(recording), timeout=PATIENCE)
        until_source(recording, "Ready", "Reconciled")
        made = rules(recording)[name]
        assert made["metadata"]["labels"]["release"] == "prometheus"
        assert (
            made["metadata"]["annotations"]["sluice.dev/objective"] == f"{namespace}/availability"
        )
        file = tmp_path / "rules.yaml"
        file.write_text(yaml.safe_dump(made["spec"]))
        check = [str(harness.prometheus_programs().promtool), "check", "rules", str(file)]
        said = subprocess.run(check, check=True, capture_output=True, text=True).stdout
        assert "6 rules found" in said

        # What somebody has changed is set right, and what they have deleted comes back.
        edit = [{"op": "replace", "path": "/spec/groups/0/rules/0/expr", "value": "vector(0)"}]
        edited = ("patch", RULES, name, "--type=json", "-p", json.dumps(edit))
        recording.plane.kubectl("-n", NAMESPACE, *edited)
        _until_spec(recording, name, made)
        recording.plane.kubectl("-n", NAMESPACE, "delete", RULES, name)
        _until_spec(recording, name, made)

        # Another indicator is another rule, of the same name.
        team.apply(objective("another-job", source={"name": SOURCE}))
        recording.until(
            "other rules", lambda: "another-job" in json.dumps(rules(recording)), timeout=PATIENCE
        )

        declare(recording, engine="Incremental", ruleLabels={})
        recording.until("no rules", lambda: rules(recording) == {}, timeout=PATIENCE)
        declare(recording)
        recording.until("rules", lambda: name in rules(recording), timeout=PATIENCE)
        team.kubectl("delete", OBJECTIVE, "availability")
        recording.until("no rules", lambda: rules(recording) == {}, timeout=PATIENCE)
    assert controller.daemon.exit_code is None

    # What the chart grants for it is what is used, and nothing that is asked for is forbidden.
    asked = requests(log, ACCOUNT)
    assert {one for one in asked if one.status == FORBIDDEN} == set()
    used = {
        right[:2] for one in asked for right in one.needs if one.resource == RULES and one.namespace
    }
    granted = Rights(recording.plane).of(ACCOUNT, NAMESPACE)
    assert used == {right[:2] for right in granted if right[1] == RULES}


def _rules_if_served(stack: Stack) -> dict[str, Object]:
    served = stack.plane.kubectl("-n", NAMESPACE, "get", RULES, check=False).returncode == 0
    return rules(stack) if served else {}


def _until_spec(stack: Stack, name: str, wanted: Object) -> None:
    def right() -> bool:
        found = rules(stack).get(name)
        return found is not None and found["spec"] == wanted["spec"]

    stack.until("the rules as they were", right, timeout=PATIENCE)
