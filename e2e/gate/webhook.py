"""`sluice gate` beside the cluster, registered with the API server as the chart registers it."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import trustme
import yaml

from e2e.gate.shop import GOVERNED, Object, Shop, later
from e2e.harness import ControlPlane, Daemon, Scope, helm, scope, wait_until
from e2e.harness.argo_rollouts import install_crds
from e2e.harness.command import sluice
from e2e.harness.ports import free_port

CHART = Path(__file__).parents[2] / "deploy/helm/sluice"
RELEASE = "webhook"
NAME = f"{RELEASE}-sluice-gate"
OPTED_IN = {"e2e.sluice.dev/gate": "webhook"}
_RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@dataclass(frozen=True)
class Gate:
    """A running `sluice gate` and where it is registered."""

    plane: ControlPlane
    processes: Scope
    daemon: Daemon
    url: str
    pair: tuple[Path, Path]
    system: str
    port: int
    """Of the webhook."""
    numbers: Iterator[int] = field(default_factory=count)

    def page(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages; status 0 while it does not listen."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def judged(self, **labels: str) -> float:
        """How many reviews with these labels it has answered."""
        _, text = self.page("/metrics")
        wanted = [f'{name}="{value}"' for name, value in labels.items()]
        lines = [
            line for line in text.splitlines() if line.startswith("sluice_gate_requests_total")
        ]
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if all(one in line for one in wanted)
        )

    def another(self, kubeconfig: Path, *flags: str) -> "Gate":
        """One that nobody asks but the test, acting as somebody else."""
        return start(
            self.plane,
            self.processes,
            kubeconfig,
            self.pair,
            *flags,
            system=self.system,
            number=next(self.numbers),
        )

    def ask(self, namespace: str, workload: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run `sluice verdict`."""
        return sluice("verdict", workload, "-n", namespace, *flags, SLUICE_GATE_URL=self.url)


def start(
    plane: ControlPlane,
    processes: Scope,
    kubeconfig: Path,
    pair: tuple[Path, Path],
    *flags: str,
    system: str,
    number: int = 0,
    port: int | None = None,
) -> Gate:
    """Start a gate that reviews changes at `port`."""
    http, https = free_port(), port or free_port()
    daemon = processes.start(
        f"gate-{number}-{http}",
        [
            *(sys.executable, "-m", "sluice", "gate", "--log-format=console", "--drain=0"),
            *("--listen", f"127.0.0.1:{http}", "--webhook-listen", f"127.0.0.1:{https}"),
            *("--tls-cert", str(pair[0]), "--tls-key", str(pair[1])),
            *("--namespace", system, "--kubeconfig", str(kubeconfig), *flags),
        ],
    )
    return Gate(plane, processes, daemon, f"http://127.0.0.1:{http}", pair, system, https)


@dataclass(frozen=True, slots=True)
class Registered:
    """The webhook, registered for as long as a test needs it."""

    plane: ControlPlane
    processes: Scope
    kubeconfig: Path
    pair: tuple[Path, Path]
    system: str
    port: int
    rendered: list[Object]
    authority: trustme.CA

    def issue(
        self, authority: trustme.CA | None = None, *, expires: datetime | None = None
    ) -> None:
        """Put a certificate where the gate reads it, of the first authority if none is named."""
        _issue(authority or self.authority, self.pair, expires)

    def trust(self, *authorities: trustme.CA) -> None:
        """Have the API server trust certificates of these authorities, and no others."""
        bundle = b"".join(one.cert_pem.bytes() for one in authorities)
        self.plane.apply(calling(self.rendered, self.port, bundle))

    @contextmanager
    def running(self) -> Iterator[Gate]:
        """A gate that has seen the cluster; it must stay up and never fail."""
        found = start(
            self.plane,
            self.processes,
            self.kubeconfig,
            self.pair,
            system=self.system,
            port=self.port,
        )
        try:
            wait_until(
                lambda: found.page("/readyz")[0] == 200,
                timeout=60,
                what=f"the gate: {found.page('/readyz')[1]}",
            )
            yield found
            assert found.daemon.exit_code in {None, -9}, found.daemon.tail()
            assert "Traceback" not in found.daemon.log.read_text(), found.daemon.tail(60)
        finally:
            found.daemon.stop(grace=10)


@contextmanager
def registered(plane: ControlPlane, *, system: str) -> Iterator[Registered]:
    """The chart's rights and its webhook configuration, which calls a port of this machine.

    `system` is the namespace of the release; it must not have been used before.
    """
    rendered = rendered_chart(RELEASE, system)
    port = free_port()
    with ExitStack() as resources:
        processes = resources.enter_context(scope("sluice-gate-"))
        resources.enter_context(plane.namespace(system))
        install_crds(plane)
        plane.apply(
            *(path.read_text() for path in sorted(CHART.glob("crds/*.yaml"))), _promotions()
        )
        plane.apply(*rights(rendered))
        authority = trustme.CA()
        pair = processes.directory / "tls.crt", processes.directory / "tls.key"
        kubeconfig = plane.service_account_kubeconfig(system, NAME)
        found = Registered(plane, processes, kubeconfig, pair, system, port, rendered, authority)
        try:
            found.issue()
            found.trust(authority)
            yield found
        finally:
            for kind in ("validatingwebhookconfiguration", "clusterrolebinding", "clusterrole"):
                plane.kubectl("delete", kind, NAME, "--ignore-not-found")


def rights(rendered: list[Object]) -> list[Object]:
    """The gate's ServiceAccount and what it may do."""
    return [
        one
        for one in rendered
        if one["kind"] in _RIGHTS and "-sluice-gate" in one["metadata"]["name"]
    ]


def rendered_chart(release: str, system: str, **more: Any) -> list[Object]:
    """What the chart renders for a gate that denies by the webhook; `more` are values."""
    values = {
        "prometheusUrl": "http://prometheus.invalid:9090",
        "enforcement": {"gate": "webhook"},
        "gate": {"enabled": True, "namespaceSelector": {"matchLabels": OPTED_IN}},
        **more,
    }
    answer = subprocess.run(
        [str(helm()), "template", release, str(CHART), "--namespace", system, "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
    )
    return [one for one in yaml.safe_load_all(answer.stdout) if one]


def calling(rendered: list[Object], port: int, authority: bytes) -> Object:
    """The chart's configuration, but for where the webhook is."""
    [found] = [one for one in rendered if one["kind"] == "ValidatingWebhookConfiguration"]
    client = {
        "url": f"https://127.0.0.1:{port}/validate",
        "caBundle": base64.b64encode(authority).decode(),
    }
    return found | {"webhooks": [{**one, "clientConfig": client} for one in found["webhooks"]]}


def _issue(authority: trustme.CA, pair: tuple[Path, Path], expires: datetime | None) -> None:
    issued = authority.issue_cert("127.0.0.1", not_after=expires)
    pair[0].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(pair[1])


def _promotions() -> Object:
    """The definition of Kargo's promotions, as far as the API server cares."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": "promotions", "kind": "Promotion", "singular": "promotion"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "promotions.kargo.akuity.io"},
        "spec": {
            "group": "kargo.akuity.io",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }


@contextmanager
def opted_in(plane: ControlPlane, name: str) -> Iterator[Shop]:
    """A namespace that the webhook is asked about."""
    with plane.namespace(name) as namespace:
        labels = [f"{key}={value}" for key, value in OPTED_IN.items()]
        plane.kubectl("label", "namespace", namespace, *labels)
        yield Shop(plane, namespace)


def policy(shop: Shop, name: str = "default", **spec: Any) -> Object:
    """A policy over what is labelled as governed."""
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": name, "namespace": shop.namespace},
        "spec": {
            "objectives": {"selector": {}},
            "workloads": {"selector": {"matchLabels": GOVERNED.match_labels}},
            "mode": "Enforce",
        }
        | spec,
    }


def decide(
    shop: Shop,
    admission: str,
    *,
    name: str = "default",
    minutes: float = 60.0,
    limit: Object | None = None,
    own: Sequence[str] = (),
) -> None:
    """Write a decision into a policy's status, as the controller would; a denial has an end."""
    ends = admission in {"Limit", "Deny"}
    decision = {
        "admission": admission,
        "since": "2026-08-20T10:04:00Z",
        "reason": "StageEntered",
        "message": "SLO checkout has 12.0% of its 30d budget left (freeze below 20%).",
        "objective": "checkout",
        "remaining": "12.000",
        "expires": f"{later(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}" if ends else None,
        "limit": limit,
    }
    stages = {"Deny": "Exhausted", "Limit": "Warning", "Warn": "Warning", "Allow": "Healthy"}
    status = {"stage": stages[admission], "decision": decision, "workloads": {"own": list(own)}}
    patch = json.dumps({"status": status})
    shop("patch", "errorbudgetpolicy", name, "--subresource=status", "--type=merge", "-p", patch)


def _approval(*workloads: str) -> Object:
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "GateOverride",
        "metadata": {"name": "approval"},
        "spec": {
            "policy": "default",
            "workloads": list(workloads),
            "effect": "Approve",
            "reason": "reviewed",
            "createdBy": "kubernetes-admin",
            "expiresAt": f"{later(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        },
    }


@contextmanager
def limited(shop: Shop, limit: Object, *approved: str) -> Iterator[None]:
    """A stage that limits deployments, in force by the webhook; `approved` are workloads' names."""
    shop("apply", "-f", "-", stdin=json.dumps(policy(shop)))
    if approved:
        shop("apply", "-f", "-", stdin=json.dumps(_approval(*approved)))
    decide(shop, "Limit", limit=limit)
    try:
        shop.await_limit()
        yield
    finally:
        shop("delete", "errorbudgetpolicy", "default", "--ignore-not-found")


@contextmanager
def frozen(shop: Shop, *own: str, **spec: Any) -> Iterator[None]:
    """A freeze as `Shop.frozen`, in force by the webhook; `own` is what is Sluice's own there."""
    shop("apply", "-f", "-", stdin=json.dumps(policy(shop, **spec)))
    decide(shop, "Deny", own=own)
    try:
        shop.await_verdict(denied=True)
        yield
    finally:
        shop("delete", "errorbudgetpolicy", "default", "--ignore-not-found")
