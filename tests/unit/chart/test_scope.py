"""What the chart renders for whoever has no right in the cluster."""

from typing import Any

import pytest

from tests.unit.chart.conftest import Helm
from tests.unit.chart.test_chart import environment, found, render

NAMESPACED = {
    *("Deployment", "NetworkPolicy", "PodDisruptionBudget", "Role", "RoleBinding"),
    *("Service", "ServiceAccount", "Job"),
}


def documents(helm: Helm, *values: str) -> list[dict[str, Any]]:
    return render(helm, "unprivileged", *(text for one in values for text in ("--set", one)))


@pytest.mark.parametrize(
    ("values", "namespaces"),
    [
        ((), {"sluice-system"}),
        (("watchNamespaces={shop,payments}",), {"sluice-system", "shop", "payments"}),
        (("argoRollouts.enabled=false", "suspend.flux=true"), {"sluice-system"}),
    ],
)
def test_nothing_is_the_clusters_and_nothing_is_in_other_namespaces(
    helm: Helm, values: tuple[str, ...], namespaces: set[str]
) -> None:
    rendered = documents(helm, *values)
    assert {one["kind"] for one in rendered} == NAMESPACED
    assert {one["metadata"]["namespace"] for one in rendered} == namespaces
    about = {
        name for one in rendered for rule in one.get("rules") or [] for name in rule["resources"]
    }
    assert not [
        name for name in about if name.startswith(("validating", "metricsources", "custom"))
    ]


def test_the_controller_may_do_the_same_there_as_with_a_small_cluster_role(helm: Helm) -> None:
    def rules(value_set: str, namespace: str) -> Any:
        [one] = [
            one
            for one in render(helm, value_set)
            if (one["kind"], one["metadata"]["name"]) == ("Role", "sluice-controller")
            and one["metadata"]["namespace"] == namespace
        ]
        return one["rules"]

    assert rules("unprivileged", "sluice-system") == rules("namespaced", "shop")


def test_the_gate_is_a_verdict_api_without_a_webhook_and_its_certificate(helm: Helm) -> None:
    rendered = documents(helm)
    assert not {name for name in environment(rendered, "sluice-gate") if "TLS" in name}
    assert "SLUICE_CERTIFICATE_SECRET" not in environment(rendered)
    pods = found(rendered, "Deployment", "sluice-gate")["spec"]["template"]["spec"]
    assert "volumes" not in pods
    assert [port["name"] for port in pods["containers"][0]["ports"]] == ["http"]
    ports = found(rendered, "Service", "sluice-gate")["spec"]["ports"]
    assert [port["name"] for port in ports] == ["http"]


def test_people_are_given_roles_of_the_namespace_as_wide_as_those_of_a_cluster(helm: Helm) -> None:
    for name in ("sluice-policy-editor", "sluice-overrider", "sluice-corrector"):
        here = found(documents(helm), "Role", name)
        assert here["rules"] == found(render(helm, "default"), "ClusterRole", name)["rules"]


def test_an_uninstall_thaws_what_a_controller_of_that_scope_can_have_changed(helm: Helm) -> None:
    job = found(documents(helm), "Job", "sluice-thaw")
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--scope=namespace", "--watch-namespaces=sluice-system"} <= set(args)
