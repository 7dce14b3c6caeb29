"""The gate's part of the chart in a cluster: its certificate outlives upgrades."""

from typing import Any

import pytest

from e2e.chart.conftest import CHART, Helm
from e2e.harness import ControlPlane

pytestmark = pytest.mark.controlplane

NAME = "kept-sluice-gate"


def test_an_upgrade_keeps_the_certificate_and_a_deleted_one_is_made_anew(
    control_plane: ControlPlane, helm: Helm
) -> None:
    kubectl = control_plane.kubectl

    def certificate(namespace: str) -> dict[str, Any]:
        found = kubectl.json("-n", namespace, "get", "secret", f"{NAME}-certificate")["data"]
        configured = kubectl.json("get", "validatingwebhookconfiguration", NAME)["webhooks"]
        assert {one["clientConfig"]["caBundle"] for one in configured} == {found["ca.crt"]}
        data: dict[str, Any] = found
        return data

    with control_plane.namespace("kept") as namespace:
        values = ("--set", "gate.enabled=true", "--set", "gate.replicas=0", "--set", "replicas=0")
        source = ("--set", "prometheusUrl=http://prometheus.invalid:9090")
        # A second one beside that of other tests would have a say in every GateOverride.
        alone = ("--set", "overrideAuthor.enabled=false", "--set", "rbac.aggregate=false")
        install = ("upgrade", "--install", "kept", str(CHART), "--namespace", namespace)
        upgrade = (*install, "--no-hooks")
        try:
            helm(*upgrade, *values, *source, *alone)
            first = certificate(namespace)
            helm(*upgrade, *values, *source, *alone, "--set", "gate.timeoutSeconds=3")
            assert certificate(namespace) == first
            kubectl("-n", namespace, "delete", "secret", f"{NAME}-certificate")
            helm(*upgrade, *values, *source, *alone)
            assert certificate(namespace)["ca.crt"] != first["ca.crt"]
        finally:
            helm("uninstall", "kept", "--namespace", namespace, "--wait", "--no-hooks")
