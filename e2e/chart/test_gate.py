"""The gate's part of the chart in a cluster: what the controller keeps in it is not Helm's."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.chart.conftest import CHART, Helm
from e2e.chart.rights import Rights
from e2e.harness import ControlPlane, scope, wait_until
from e2e.harness.ports import free_port

pytestmark = pytest.mark.controlplane

NAME, SECRET = "kept-sluice-gate", "kept-sluice-gate-tls"
CONFIGURATION = "validatingwebhookconfiguration"


@contextmanager
def controller(plane: ControlPlane, namespace: str) -> Iterator[None]:
    """`sluice run` with the rights that the chart gives it."""
    account = plane.service_account_kubeconfig(namespace, "kept-sluice")
    with scope("sluice-kept-") as processes:
        daemon = processes.start(
            "sluice",
            [
                *(sys.executable, "-m", "sluice", "run", "--log-format=console"),
                *("--listen", f"127.0.0.1:{free_port()}", "--kubeconfig", str(account)),
                *("--namespace", namespace, "--certificate-secret", SECRET),
            ],
        )
        yield
        assert daemon.stop(grace=15) == 0, daemon.tail()
        assert "not kept" not in daemon.log.read_text(), daemon.tail()


@pytest.fixture(scope="module")
def release(control_plane: ControlPlane, helm: Helm) -> Iterator[Callable[..., str]]:
    """Installs or upgrades the release with more values; returns its namespace."""
    # A second one beside that of other tests would have a say in every GateOverride.
    values = ("gate.enabled=true", "gate.replicas=0", "replicas=0", "rbac.aggregate=false")
    alone = ("overrideAuthor.enabled=false", "prometheusUrl=http://prometheus.invalid")
    with control_plane.namespace("kept") as namespace:

        def upgrade(*more: str) -> str:
            chosen = [text for value in (*values, *alone, *more) for text in ("--set", value)]
            where = ("--namespace", namespace, "--no-hooks")
            helm("upgrade", "--install", "kept", str(CHART), *where, *chosen)
            return namespace

        upgrade()
        try:
            yield upgrade
        finally:
            helm("uninstall", "kept", "--namespace", namespace, "--wait", "--no-hooks")


def test_the_controller_may_change_this_secret_and_this_configuration_and_no_others(
    control_plane: ControlPlane, release: Callable[..., str]
) -> None:
    namespace = release()
    account = f"system:serviceaccount:{namespace}:kept-sluice"
    about = {"secrets", f"{CONFIGURATION}s.admissionregistration.k8s.io"}
    found = {right for right in Rights(control_plane).of(account, namespace) if right[1] in about}
    assert found == {
        ("get", "secrets", ""),
        ("get", "secrets", SECRET),
        ("patch", "secrets", SECRET),
        ("get", f"{CONFIGURATION}s.admissionregistration.k8s.io", NAME),
        ("patch", f"{CONFIGURATION}s.admissionregistration.k8s.io", NAME),
    }


def test_upgrades_and_rollbacks_leave_the_certificate_and_its_trust_as_they_are(
    control_plane: ControlPlane, helm: Helm, release: Callable[..., str]
) -> None:
    kubectl, namespace = control_plane.kubectl, release()

    def kept() -> tuple[Any, set[str]]:
        """The Secret's contents, and what the webhooks trust."""
        found = kubectl.json("-n", namespace, "get", "secret", SECRET).get("data")
        configured = kubectl.json("get", CONFIGURATION, NAME)["webhooks"]
        return found, {one["clientConfig"].get("caBundle", "") for one in configured}

    assert kept() == (None, {""})
    with controller(control_plane, namespace):
        wait_until(lambda: "tls.crt" in (kept()[0] or {}), timeout=60, what="a certificate")
    first = data, trusted = kept()
    assert trusted == {data["ca.crt"]}
    release("gate.timeoutSeconds=3")
    assert kept() == first
    helm("rollback", "kept", "1", "--namespace", namespace, "--no-hooks")
    assert kept() == first


def test_a_webhook_that_is_switched_off_goes_though_the_controller_has_written_on_it(
    control_plane: ControlPlane, release: Callable[..., str]
) -> None:
    """By Helm's patches, and by server-side apply, as Argo CD and newer Helm do it."""
    kubectl, namespace = control_plane.kubectl, release()

    def webhooks() -> list[Any]:
        found: list[Any] = kubectl.json("get", CONFIGURATION, NAME)["webhooks"]
        return found

    def trusted() -> bool:
        return all("caBundle" in one["clientConfig"] for one in webhooks())

    def applied(wanted: list[Any]) -> None:
        manifest = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": NAME},
            "webhooks": [
                {**one, "clientConfig": {"service": one["clientConfig"]["service"]}}
                for one in wanted
            ],
        }
        command = ("apply", "--server-side", "--field-manager=argocd", "-f", "-")
        kubectl(*command, input=json.dumps(manifest))

    with controller(control_plane, namespace):
        wait_until(trusted, timeout=60, what="webhooks that trust the gate")
        both = webhooks()
        release("gate.promotions=false")
        assert [one["name"] for one in webhooks()] == ["hooks.gate.sluice.dev"]
        kubectl("delete", CONFIGURATION, NAME)
        applied(both)
        wait_until(trusted, timeout=60, what="webhooks that trust the gate")
        applied(both[:1])
        assert [one["name"] for one in webhooks()] == ["hooks.gate.sluice.dev"]
        assert trusted()
