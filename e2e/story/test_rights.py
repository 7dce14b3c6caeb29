"""What the controller may do is what it does: the API server's audit log against the chart."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e import harness
from e2e.chaos.definitions import defined, trial
from e2e.chart.rights import Right, Rights
from e2e.harness.argo_rollouts import install_crds
from e2e.harness.gotools import NoGoError
from e2e.stack import ACCOUNT, NAMESPACE, Stack, installed
from e2e.story.audit import POLICY as AUDIT_POLICY
from e2e.story.audit import Request, requests
from e2e.story.gitops import (
    APPLICATION,
    HELM_RELEASE,
    KUSTOMIZATION,
    cron_job,
    denied_application,
    helm_release,
    kustomization,
)
from e2e.story.gitops import install_crds as install_gitops
from e2e.story.manifests import daemon_set, rollout, stages, stateful_set
from e2e.story.team import POLICY, Team
from e2e.story.test_sources import Platform
from sluice.kube.held import CHAOS

# A control plane of its own, and everything that a controller does.
pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(600)]

ROLLOUT = "rollouts.argoproj.io"
HOLDS = [
    ("deployment", ".spec.paused", "true"),
    ("statefulset", ".spec.updateStrategy.rollingUpdate.partition", "2147483647"),
    ("daemonset", ".spec.updateStrategy.type", "OnDelete"),
    (ROLLOUT, ".spec.paused", "true"),
    (KUSTOMIZATION, ".spec.suspend", "true"),
    (HELM_RELEASE, ".spec.suspend", "true"),
    ("cronjob", ".spec.suspend", "true"),
]
UNDER_WAY = {"status": {"stableRS": "h1", "currentPodHash": "h2"}}
"""What Argo Rollouts would say of a rollout that has begun."""
SUSPEND = {"kinds": ["Kustomization", "HelmRelease", "CronJob"]}
SWITCHES = (
    "chaos.chaosMesh=true",
    "chaos.litmus=true",
    "suspend.flux=true",
    "suspend.cronJobs=true",
    "resync.flux=true",
    "resync.argoCD=true",
    "resync.argoCDNamespace=default",
    "gate.enabled=true",
    "gate.replicas=0",
)
"""The values that grant rights which a policy may need and few do."""
NOT_THERE_YET = 404
"""The answer to who reads what does not exist, such as a kill switch that is not engaged."""


@pytest.fixture(scope="module")
def audited(
    everything: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, Path]]:
    """The chart in a control plane of its own that keeps an audit log."""
    directory = tmp_path_factory.mktemp("audit")
    policy, log = directory / "policy.yaml", directory / "audit.log"
    policy.write_text(AUDIT_POLICY)
    flags = [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]
    with ExitStack() as resources:
        plane = resources.enter_context(harness.control_plane(api_server_flags=flags))
        if plane.local is None:
            pytest.skip(f"the API server of provider {plane.provider} is not ours to audit")
        try:
            install_crds(plane)
        except NoGoError as reason:
            pytest.skip(str(reason))
        install_gitops(plane)
        kubeconfig = resources.enter_context(installed(plane, *SWITCHES))
        resources.enter_context(defined(plane))
        yield everything.within(plane, kubeconfig), log


@pytest.fixture(scope="module")
def story(audited: tuple[Stack, Path]) -> tuple[Stack, list[Request]]:
    """Everything that a controller does, once: what it asked of the API server for it."""
    stack, log = audited
    gitops = ("--resync=argocd,flux", "--argocd-namespace=default")
    certificate = ("--certificate-secret", "sluice-gate-tls")
    running = stack.run("--chaos-tools=chaos-mesh,litmus", *gitops, *certificate)
    with stack.plane.namespace("audited") as namespace:
        team = Team(stack, namespace, stack.take())
        notes = {"team.example/frozen": "yes"}
        freeze = stages(pauseRollouts=True, pauseChaos=True, annotate=notes, suspend=SUSPEND)
        team.create(*map(trial, CHAOS))
        held = (stateful_set(), daemon_set(), rollout(), kustomization("web"), helm_release("web"))
        team.start(*held, cron_job("web"), stages=freeze)
        patch = ("patch", ROLLOUT, "web", "--subresource=status", "--type=merge")
        team.kubectl(*patch, "-p", json.dumps(UNDER_WAY))
        team.freeze()
        team.until(
            "held", lambda: all(team.field(kind, "web", path) == it for kind, path, it in HOLDS)
        )
        override(team)
        correction(team)
        denied(team)
        kill_switch(team)
        source(stack)
        team.kubectl("delete", POLICY, "default", "--timeout=10s")
        team.kubectl("delete", "slo,gateoverride,budgetcorrection", "--all")
    assert running.stop() == 0
    # A watch is logged when it ends, which these have with the controller.
    team.until("watches", lambda: "watch" in {one.verb for one in requests(log, ACCOUNT)})
    return stack, requests(log, ACCOUNT)


def override(team: Team) -> None:
    stdin = f"""
      apiVersion: sluice.dev/v1alpha1
      kind: GateOverride
      metadata: {{name: fix}}
      spec:
        {{policy: default, reason: hotfix, createdBy: kubernetes-admin,
         expiresAt: "{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}}
    """
    team.kubectl("create", "-f", "-", stdin=stdin)
    team.until_condition("Active", "OverrideActive", of="gateoverride", name="fix")
    team.kubectl("delete", "gateoverride", "fix")
    team.until_denied()


def correction(team: Team) -> None:
    stdin = """
      apiVersion: sluice.dev/v1alpha1
      kind: BudgetCorrection
      metadata: {name: planned}
      spec:
        {objectives: {selector: {}}, effect: Exclude, reason: planned, createdBy: kubernetes-admin,
         once: {start: "2099-01-01T00:00:00Z", end: "2099-01-02T00:00:00Z"}}
    """
    team.kubectl("create", "-f", "-", stdin=stdin)
    team.until_condition("Applied", "CorrectionAhead", of="budgetcorrection", name="planned")


def denied(team: Team) -> None:
    """Three tools deploy the Deployment, and tell that the freeze denied it."""
    message = f"denied request: FROZEN by ErrorBudgetPolicy {team.namespace}/default: SLO a"
    since = {"reason": "ReconciliationFailed", "lastTransitionTime": "2026-08-20T10:00:00Z"}
    condition = {"type": "Ready", "status": "False", "message": message} | since
    status = json.dumps({"status": {"conditions": [condition]}})
    for kind in (KUSTOMIZATION, HELM_RELEASE):
        team.kubectl("patch", kind, "web", "--subresource=status", "--type=merge", "-p", status)
    application = denied_application("default", team.namespace, message)
    team.stack.plane.apply(application)
    status = json.dumps({"status": application["status"]})
    where = ("-n", "default", "patch", APPLICATION, team.namespace)
    team.stack.plane.kubectl(*where, "--subresource=status", "--type=merge", "-p", status)
    flux = [f"{it}.toolkit.fluxcd.io/name=web" for it in ("kustomize", "helm")]
    team.kubectl("label", "deployment/web", *flux)
    tracked = f"{team.namespace}:apps/Deployment:{team.namespace}/web"
    team.kubectl("annotate", "deployment/web", f"argocd.argoproj.io/tracking-id={tracked}")


def asked(team: Team) -> bool:
    """Whether all three were asked to try again."""
    notes = "reconcile.fluxcd.io"
    where = ("-n", "default", "get", APPLICATION, team.namespace)
    operation = team.stack.plane.kubectl.json(*where).get("operation", {})
    if operation.get("sync", {}).get("revision") != "3f2c1":
        return False
    found = [
        team.get(kind, "web")["metadata"].get("annotations", {})
        for kind in (KUSTOMIZATION, HELM_RELEASE)
    ]
    tries = [(it.get(f"{notes}/requestedAt"), it.get(f"{notes}/resetAt")) for it in found]
    return all(at for at, _ in tries) and tries[1][0] == tries[1][1]


def kill_switch(team: Team) -> None:
    switch = ("configmap", "sluice-kill-switch")
    kubectl = team.stack.plane.kubectl
    kubectl("-n", NAMESPACE, "create", *switch, "--from-literal=reason=trial")
    team.until_passes()
    team.until("no gates", lambda: team.gates() == [])
    team.until("another try", lambda: asked(team))
    kubectl("-n", NAMESPACE, "delete", *switch)
    team.until_denied()


def source(stack: Stack) -> None:
    platform = Platform(stack)
    platform.create_secret()
    platform.declare(stack.prometheus.url)
    platform.until_ready("Reconciled")
    platform.clean()


def test_nothing_that_it_asks_for_is_forbidden(story: tuple[Stack, list[Request]]) -> None:
    _, asked = story
    refused = {one for one in asked if one.status >= 400 and one.status != NOT_THERE_YET}
    assert refused == set()


def test_no_right_goes_unused(story: tuple[Stack, list[Request]]) -> None:
    stack, asked = story
    needed = {(one.namespace, right) for one in asked for right in one.needs}
    home = {right for namespace, right in needed if namespace == NAMESPACE}
    everywhere = {right for _, right in needed}
    granted = Rights(stack.plane).of(ACCOUNT, "default")
    at_home = Rights(stack.plane).of(ACCOUNT, NAMESPACE) - granted
    left = unused(granted, everywhere) | unused(at_home, home)
    assert not left, "\n".join(map(str, sorted(left)))


def unused(granted: set[Right], needed: set[Right]) -> set[Right]:
    """The rights that no request needed; one without a name is for all names."""
    any_name = {(verb, resource, "") for verb, resource, _ in needed}
    return granted - needed - any_name
