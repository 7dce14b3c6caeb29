"""What the chart renders of the gate."""

from typing import Any

import pytest
import yaml

from sluice.controller.webhook_certificate import CONFIGURATION as TRUSTING
from sluice.controller.webhook_certificate import HOSTS
from sluice.gate.settings import GateSettings
from tests.unit.chart.conftest import Helm
from tests.unit.chart.test_chart import CHART, HERE, environment, found, is_hook, render

CONFIGURATION = "ValidatingWebhookConfiguration"


def webhooks(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    configured = found(documents, CONFIGURATION, "sluice-gate")["webhooks"]
    return {one["name"].partition(".")[0]: one for one in configured}


def test_without_it_nothing_of_it_is_there(helm: Helm) -> None:
    assert not [one for one in render(helm, "default") if "gate" in one["metadata"]["name"]]


@pytest.mark.parametrize(
    ("value_set", "expected"),
    [
        ("full", {"requests_per_second": 50, "watch_namespaces": ("shop",), "drain": 12.5}),
        ("webhook", {"requests_per_second": 200, "namespace": "sluice-system", "drain": 5}),
    ],
)
def test_the_gate_reads_the_settings_that_the_values_name(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, value_set: str, expected: dict[str, Any]
) -> None:
    given = environment(render(helm, value_set), "sluice-gate")
    assert {name.removeprefix("SLUICE_").lower() for name in given} <= set(
        GateSettings.model_fields
    )
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = GateSettings()
    assert {name: getattr(settings, name) for name in expected} == expected
    assert (str(settings.tls_cert), str(settings.tls_key)) == (
        "/certificate/tls.crt",
        "/certificate/tls.key",
    )


@pytest.mark.parametrize(
    ("value_set", "arguments", "names"),
    [
        ("webhook", (), {"workloads", "rollouts", "hooks", "promotions"}),
        ("webhook", ("--set", "gate.hookJobs=false"), {"workloads", "rollouts", "promotions"}),
        ("webhook", ("--set", "argoRollouts.enabled=false"), {"workloads", "hooks", "promotions"}),
        ("default", ("--set", "gate.enabled=true"), {"hooks", "promotions"}),
        ("full", (), {"hooks"}),
        ("full", ("--set", "gate.hookJobs=false"), set()),
    ],
)
def test_what_the_native_gate_denies_is_not_denied_twice(
    helm: Helm, value_set: str, arguments: tuple[str, ...], names: set[str]
) -> None:
    assert set(webhooks(render(helm, value_set, *arguments))) == names


def test_a_gate_that_is_down_or_slow_lets_changes_pass_unless_it_is_told_not_to(
    helm: Helm,
) -> None:
    for webhook in webhooks(render(helm, "webhook")).values():
        assert (webhook["failurePolicy"], webhook["timeoutSeconds"]) == ("Ignore", 2)
        assert webhook["matchPolicy"] == "Equivalent"
    [webhook] = webhooks(render(helm, "full")).values()
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"]) == ("Fail", 5)


def test_no_subresource_is_asked_about_and_never_the_releases_own_namespace(helm: Helm) -> None:
    for webhook in webhooks(render(helm, "webhook")).values():
        for rule in webhook["rules"]:
            assert not [name for name in rule["resources"] if "/" in name or "*" in name]
        [excluded, watched, own] = webhook["namespaceSelector"]["matchExpressions"]
        assert excluded["operator"] == "NotIn"
        assert set(excluded["values"]) == {"kube-system", "sluice-system"}
        assert (watched["operator"], watched["values"]) == ("In", ["shop"])
        assert own["key"] == "env"


@pytest.mark.parametrize("value_set", ["full", "webhook"])
def test_it_may_read_and_nothing_else(helm: Helm, value_set: str) -> None:
    roles = [
        one
        for one in render(helm, value_set)
        if one["kind"] in {"Role", "ClusterRole"}
        and one["metadata"]["name"].startswith("sluice-gate")
    ]
    assert roles
    verbs = {verb for role in roles for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}
    about = {resource for role in roles for rule in role["rules"] for resource in rule["resources"]}
    assert "secrets" not in about


def test_no_selector_of_the_controller_selects_a_pod_of_the_gate(helm: Helm) -> None:
    documents = render(helm, "full")
    pods = found(documents, "Deployment", "sluice-gate")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found(documents, "Service")["spec"]["selector"],
        found(documents, "Deployment")["spec"]["selector"]["matchLabels"],
    ):
        assert not selector.items() <= pods.items()
    assert found(documents, "Service", "sluice-gate")["spec"]["selector"].items() <= pods.items()


def test_the_controller_keeps_the_certificate_and_helm_has_nothing_of_it(helm: Helm) -> None:
    documents = render(helm, "full")
    secret = found(documents, "Secret", "sluice-gate-tls")
    assert (secret["type"], "data" in secret, "stringData" in secret) == ("Opaque", False, False)
    assert secret["metadata"]["annotations"] == {
        HOSTS: "sluice-gate.sluice-system.svc,sluice-gate.sluice-system",
        TRUSTING: "sluice-gate",
    }
    for webhook in webhooks(documents).values():
        assert webhook["clientConfig"]["service"]["name"] == "sluice-gate"
        assert "caBundle" not in webhook["clientConfig"]
    [volume, *_] = found(documents, "Deployment", "sluice-gate")["spec"]["template"]["spec"][
        "volumes"
    ]
    assert volume["secret"]["secretName"] == "sluice-gate-tls"
    assert [one["key"] for one in volume["secret"]["items"]] == ["tls.crt", "tls.key"]
    given = environment(documents)
    assert given["SLUICE_CERTIFICATE_SECRET"] == "sluice-gate-tls"
    assert given["SLUICE_CERTIFICATE_DAYS"] == "30"


def test_the_controller_may_write_the_one_secret_and_the_one_configuration(helm: Helm) -> None:
    documents = render(helm, "full")
    rules = {
        (one["kind"], rule["resources"][0]): (rule["verbs"], rule.get("resourceNames"))
        for one in documents
        for rule in one.get("rules") or []
        if "patch" in rule["verbs"] and not is_hook(one["metadata"])
    }
    assert rules["Role", "secrets"] == (["get", "patch"], ["sluice-gate-tls"])
    about = "validatingwebhookconfigurations"
    assert rules["ClusterRole", about] == (["get", "patch"], ["sluice-gate"])


THEIRS = "gate.certificate.existingSecret=gate-tls,gate.certificate.caBundle=Q0E="


@pytest.mark.parametrize(
    ("value_set", "arguments", "secret"),
    [
        ("full", ("--set", THEIRS), "gate-tls"),
        ("webhook", (), "sluice-gate-certificate"),
        ("default", (), None),
    ],
)
def test_where_somebody_else_keeps_the_certificate_the_controller_has_nothing_to_do_with_it(
    helm: Helm, value_set: str, arguments: tuple[str, ...], secret: str | None
) -> None:
    documents = render(helm, value_set, *arguments)
    assert not [one for one in documents if one["kind"] == "Secret"]
    assert "SLUICE_CERTIFICATE_SECRET" not in environment(documents)
    rules = [rule for one in documents for rule in one.get("rules") or []]
    assert not [one for one in rules if "validatingwebhookconfigurations" in one["resources"]]
    assert not [one for one in rules if one["resources"] == ["secrets"] and "patch" in one["verbs"]]
    if secret is not None:
        pods = found(documents, "Deployment", "sluice-gate")["spec"]["template"]["spec"]
        assert pods["volumes"][0]["secret"]["secretName"] == secret


def test_the_authority_of_somebody_elses_certificate_is_trusted(helm: Helm) -> None:
    documents = render(helm, "full", "--set", THEIRS)
    assert webhooks(documents)["hooks"]["clientConfig"]["caBundle"] == "Q0E="


def test_cert_manager_makes_and_injects_it_if_it_is_asked_to(helm: Helm) -> None:
    documents = render(helm, "webhook")
    certificate = found(documents, "Certificate", "sluice-gate")["spec"]
    assert certificate["secretName"] == "sluice-gate-certificate"
    assert "sluice-gate.sluice-system.svc" in certificate["dnsNames"]
    assert certificate["issuerRef"] == {"kind": "Issuer", "name": "sluice-gate"}
    notes = found(documents, CONFIGURATION, "sluice-gate")["metadata"]["annotations"]
    assert notes == {"cert-manager.io/inject-ca-from": "sluice-system/sluice-gate"}
    assert "caBundle" not in webhooks(documents)["workloads"]["clientConfig"]


def test_with_the_webhook_the_controller_deletes_native_gates_and_makes_none(helm: Helm) -> None:
    def verbs(value_set: str) -> set[str]:
        for rule in found(render(helm, value_set), "ClusterRole")["rules"]:
            if "validatingadmissionpolicies" in rule["resources"]:
                return set(rule["verbs"])
        return set()

    assert verbs("default") == {"list", "create", "patch", "delete"}
    assert verbs("webhook") == {"list", "delete"}


@pytest.mark.parametrize(
    ("version", "value_set", "renders"),
    [("1.30", "default", True), ("1.29", "default", False), ("1.29", "webhook", True)],
)
def test_an_old_cluster_needs_the_webhook(
    helm: Helm, version: str, value_set: str, renders: bool
) -> None:
    answer = helm(
        *("template", "sluice", CHART, "--kube-version", version, "--namespace", "sluice-system"),
        *("--values", HERE / f"values/{value_set}.yaml"),
    )
    assert (answer.returncode == 0) is renders
    if renders:
        assert list(yaml.safe_load_all(answer.stdout))
    else:
        assert "--set enforcement.gate=webhook" in answer.stderr
