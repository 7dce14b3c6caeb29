"""What the chart renders, and which values it refuses.

`UPDATE_GOLDEN=1 pytest tests/unit/chart` writes the golden renders again; read their diff.
"""

import json
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.controller.settings import Settings
from sluice.gate.settings import GateSettings
from sluice.kube.held import HELD
from sluice.kube.resources import WORKLOADS
from sluice.settings import ProcessSettings
from tests.unit.chart.conftest import Helm
from tests.unit.chart.reference import WHOLE, commented, reference

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CHART = ROOT / "deploy/helm/sluice"
REFERENCE = ROOT / "docs/reference/chart.md"
OUTSIDE_OF_PODS = {"kubeconfig", "context"}
"""Settings that a pod has no use for."""
VALUE_SETS = ("default", "namespaced", "full", "sources", "unprivileged", "webhook")


def render(helm: Helm, value_set: str, *arguments: str) -> list[dict[str, Any]]:
    text = rendered(helm, value_set, *arguments)
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


@cache
def rendered(helm: Helm, value_set: str, *arguments: str) -> str:
    answer = helm(
        *("template", "sluice", CHART, "--namespace", "sluice-system"),
        *("--values", HERE / f"values/{value_set}.yaml", *arguments),
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def values() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return read


def found(documents: list[dict[str, Any]], kind: str, name: str = "sluice") -> dict[str, Any]:
    [one] = [
        document
        for document in documents
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    ]
    return one


def is_hook(metadata: dict[str, Any]) -> bool:
    return "helm.sh/hook" in metadata.get("annotations", {})


def environment(documents: list[dict[str, Any]], name: str = "sluice") -> dict[str, str]:
    [container] = found(documents, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    from_the_pod = {"metadata.namespace": "sluice-system", "metadata.name": "sluice-0"}
    return {
        each["name"]: each["value"]
        if "value" in each
        else from_the_pod[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container["env"]
        if each["name"].startswith("SLUICE_")
    }


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_the_render_is_the_golden_one(helm: Helm, value_set: str) -> None:
    documents = render(helm, value_set)
    golden = HERE / f"golden/{value_set}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump_all(documents, sort_keys=False, width=100))
    assert documents == list(yaml.safe_load_all(golden.read_text()))


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_helm_finds_nothing_to_complain_about(helm: Helm, value_set: str) -> None:
    answer = helm("lint", "--strict", CHART, "--values", HERE / f"values/{value_set}.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("value_set", "expected"),
    [
        (
            "default",
            {
                "prometheus_url": "http://prometheus.monitoring:9090",
                "watch_namespaces": (),
                "namespace": "sluice-system",
                "identity": "sluice-0",
            }
            | {
                name: Settings.model_fields[name].default
                for name in (
                    *("interval", "settle", "query_timeout", "concurrency", "listen"),
                    *("lease_name", "leader_elect", "log_format", "log_level", "gate"),
                    "chaos_tools",
                )
            },
        ),
        (
            "full",
            {
                "prometheus_url": "https://prometheus.example.com/tenant-a",
                "watch_namespaces": ("shop",),
                "interval": 15,
                "settle": 45.5,
                "query_timeout": 5,
                "concurrency": 32,
                "lease_name": "sluice-blue",
                "log_format": "console",
                "log_level": "debug",
                "chaos_tools": ("chaos-mesh", "litmus"),
            },
        ),
        ("webhook", {"gate": "webhook", "chaos_tools": ("litmus",)}),
        (
            "namespaced",
            {"watch_namespaces": ("shop", "payments"), "leader_elect": False, "scope": "cluster"},
        ),
        ("unprivileged", {"watch_namespaces": ("sluice-system",), "scope": "namespace"}),
    ],
)
def test_the_controller_reads_the_settings_that_the_values_name(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, value_set: str, expected: dict[str, Any]
) -> None:
    given = environment(render(helm, value_set))
    assert {name.removeprefix("SLUICE_").lower() for name in given} <= set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "settings"), [("sluice", Settings), ("sluice-gate", GateSettings)]
)
def test_every_setting_of_a_process_is_set_by_a_value_or_by_the_chart(
    helm: Helm, name: str, settings: type[ProcessSettings]
) -> None:
    given = environment(render(helm, "full"), name)
    assert {variable.removeprefix("SLUICE_").lower() for variable in given} == (
        set(settings.model_fields) - OUTSIDE_OF_PODS
    )


def leaves(tree: dict[str, Any], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths to what a user sets as a whole: no section with comments of its own inside."""
    found: set[tuple[str, ...]] = set()
    for name, value in tree.items():
        path = (*above, name)
        section = isinstance(value, dict) and bool(value) and name not in WHOLE
        found |= leaves(value, path) if section else {path}
    return found


def test_rights_on_chaos_and_what_is_suspended_are_those_on_the_kinds_that_are_held(
    helm: Helm,
) -> None:
    rules = found(render(helm, "full"), "Role", "sluice-controller")["rules"]
    granted = {
        (group, resource)
        for rule in rules
        if rule["verbs"] == ["list", "patch"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {(it.group, it.plural) for kind, it in HELD.items() if kind not in WORKLOADS}


def test_every_value_has_a_comment() -> None:
    text = (CHART / "values.yaml").read_text()
    assert leaves(values()) == {path for path, _ in commented(text)} - sections(values())


def sections(tree: dict[str, Any]) -> set[tuple[str, ...]]:
    return {path[:length] for path in leaves(tree) for length in range(1, len(path))}


def test_the_reference_of_the_values_is_made_from_their_comments() -> None:
    wanted = reference((CHART / "values.yaml").read_text())
    if os.environ.get("UPDATE_GOLDEN"):
        REFERENCE.write_text(wanted)
    assert REFERENCE.read_text() == wanted


def test_every_value_is_in_the_schema_and_the_schema_knows_no_others() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def described(part: dict[str, Any], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for name, below in part["properties"].items():
            if "$ref" in below:
                resolved = schema["definitions"][below["$ref"].rpartition("/")[2]]
            else:
                resolved = below
            path = (*above, name)
            fixed = "properties" in resolved and (
                path in sections(values()) or path not in leaves(values())
            )
            found |= described(resolved, path) if fixed else {path}
            if fixed:
                assert resolved["additionalProperties"] is False, path
        return found

    assert described(schema) == leaves(values()) | {("global",)}


def test_the_value_set_called_full_sets_every_value() -> None:
    given = yaml.safe_load((HERE / "values/full.yaml").read_text())

    def is_set(path: tuple[str, ...]) -> bool:
        found: Any = given
        for name in path:
            if not isinstance(found, dict) or name not in found:
                return False
            found = found[name]
        return True

    assert [path for path in sorted(leaves(values())) if not is_set(path)] == []


def test_what_users_add_to_pods_is_there_in_all_of_them_and_beside_what_is_ours(
    helm: Helm,
) -> None:
    documents = render(helm, "full")
    for name, command in (("sluice", "run"), ("sluice-gate", "gate")):
        template = found(documents, "Deployment", name)["spec"]["template"]
        [container] = template["spec"]["containers"]
        assert container["args"] == [command, "--log-level=debug"]
        assert {"name": "SSL_CERT_FILE", "value": "/authorities/ca.crt"} in container["env"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}
        assert "authorities" in mounted
        [spread] = template["spec"]["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        assert "affinity" in template["spec"]


def test_every_object_has_the_common_labels_and_no_selector_has(helm: Helm) -> None:
    for document in render(helm, "full"):
        name = f"{document['kind']} {document['metadata']['name']}"
        assert document["metadata"]["labels"].get("example.com/team") == "platform", name
        selector = json.dumps(document.get("spec", {}).get("selector", {}))
        assert "example.com/team" not in selector, name


def test_replicas_are_spread_over_nodes_and_evicted_one_at_a_time(helm: Helm) -> None:
    documents = render(helm, "default", "--set", "gate.enabled=true")
    for name in ("sluice", "sluice-gate"):
        pods = found(documents, "Deployment", name)["spec"]["template"]
        [spread] = pods["spec"]["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"
        budget = found(documents, "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        for selector in (spread["labelSelector"], budget["selector"]):
            assert selector["matchLabels"].items() <= pods["metadata"]["labels"].items()
    full = render(helm, "full")
    assert found(full, "PodDisruptionBudget")["spec"]["maxUnavailable"] == "50%"
    assert [one for one in full if one["kind"] == "PodDisruptionBudget"] == [
        found(full, "PodDisruptionBudget")
    ]


def test_a_service_account_of_somebody_elses_is_used_and_bound_and_not_made(helm: Helm) -> None:
    documents = render(helm, "full")
    made = [one["metadata"] for one in documents if one["kind"] == "ServiceAccount"]
    assert [(one["name"], one["annotations"]) for one in made if not is_hook(one)] == [
        ("gatekeeper", {"example.com/d": "4"})
    ]
    for name, account in (("sluice", "sluice-existing"), ("sluice-gate", "gatekeeper")):
        pods = found(documents, "Deployment", name)["spec"]["template"]["spec"]
        assert pods["serviceAccountName"] == account
    bound = [
        one
        for one in documents
        if one["kind"].endswith("RoleBinding") and not is_hook(one["metadata"])
    ]
    assert {subject["name"] for one in bound for subject in one["subjects"]} == {
        "sluice-existing",
        "gatekeeper",
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "sluice"),
        ("Deployment", "sluice-gate"),
        ("Job", "sluice-crds"),
        ("Job", "sluice-thaw"),
    ],
)
def test_the_pod_meets_the_restricted_pod_security_standard(
    helm: Helm, kind: str, name: str
) -> None:
    pod = found(render(helm, "full"), kind, name)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_without_a_cluster_role_the_rights_are_in_the_watched_namespaces_only(helm: Helm) -> None:
    documents = render(helm, "namespaced")
    everywhere = found(documents, "ClusterRole")["rules"]
    of_the_cluster = {resource for rule in everywhere for resource in rule["resources"]}
    assert of_the_cluster == {
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "metricsources",
        "metricsources/status",
    }
    roles = {
        document["metadata"]["namespace"]: document["rules"]
        for document in documents
        if document["kind"] == "Role" and document["metadata"]["name"] == "sluice-controller"
    }
    assert set(roles) == {"shop", "payments"}
    wide = found(render(helm, "default"), "ClusterRole")["rules"]
    assert roles["shop"] == roles["payments"] == wide[len(everywhere) :]


@pytest.mark.parametrize(
    ("value_set", "names"), [("default", None), ("full", ["mimir", "thanos-client"])]
)
def test_secrets_are_read_at_home_only_by_name_and_if_wanted_only_these(
    helm: Helm, value_set: str, names: list[str] | None
) -> None:
    about_secrets = [
        (document["kind"], document["metadata"]["namespace"], rule)
        for document in render(helm, value_set)
        for rule in document.get("rules") or []
        if "secrets" in rule["resources"]
    ]
    assert {(kind, where) for kind, where, _ in about_secrets} == {("Role", "sluice-system")}
    # What comes after it is the gate's certificate, see test_gate.
    (_, _, rule), *_ = about_secrets
    assert rule["verbs"] == ["get"]
    assert rule.get("resourceNames") == names


def test_no_right_is_a_wildcard(helm: Helm) -> None:
    for document in render(helm, "default"):
        for rule in document.get("rules") or []:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def test_a_release_of_another_name_keeps_apart_from_the_first(helm: Helm) -> None:
    answer = helm(
        *("template", "blue", CHART, "--namespace", "sluice-system"),
        *("--values", HERE / "values/default.yaml"),
    )
    documents = [document for document in yaml.safe_load_all(answer.stdout) if document]
    names = {document["metadata"]["name"] for document in documents}
    assert names
    assert not [name for name in names if not name.startswith("blue-sluice")]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("prometheusUrl=prometheus:9090", "/prometheusUrl"),
        ("replica=2", "'replica' not allowed"),
        ("replicas=two", "/replicas"),
        ("interval=0", "/interval"),
        ("interval=60s", "/interval"),
        ("log.level=verbose", "/log/level"),
        ("log.colour=true", "'colour' not allowed"),
        ("watchNamespaces={Shop}", "/watchNamespaces/0"),
        ("sourceSecrets={not a name}", "/sourceSecrets/0"),
        ("image.digest=sha256:12", "/image/digest"),
        ("leaderElection.enabled=false,replicas=2", "/replicas"),
        ("enforcement.gate=both", "/enforcement/gate"),
        ("enforcement.gate=webhook", "needs the gate: --set gate.enabled=true"),
        ("scope=namespace", "/scope"),
        ("scope=Namespace,enforcement.gate=webhook", "scope=Namespace has no webhook"),
        ("scope=Namespace,prometheusUrl=", "scope=Namespace needs prometheusUrl"),
        ("scope=Namespace,recordedEngine.enabled=true", "scope=Namespace has no recordedEngine"),
        ("fullnameOverride=Sluice", "/fullnameOverride"),
        ("extraArgs={interval=5}", "/extraArgs/0"),
        ("extraEnv={HTTPS_PROXY}", "/extraEnv/0"),
        ("podDisruptionBudget.maxUnavailable=half", "/podDisruptionBudget/maxUnavailable"),
        ("serviceMonitor.interval=often", "/serviceMonitor/interval"),
        ("networkPolicy.apiServerPorts={https}", "/networkPolicy/apiServerPorts/0"),
        ("gate.drain=61", "/gate/drain"),
        ("gate.failurePolicy=Open", "/gate/failurePolicy"),
        ("gate.certificate.caBundle=-----BEGIN", "/gate/certificate/caBundle"),
        ("gate.enabled=true,gate.certificate.caBundle=Q0E=", "set both, or none"),
        ("gate.certificate.days=0", "/gate/certificate/days"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, setting: str, message: str) -> None:
    answer = helm(
        *("template", "sluice", CHART, "--values", HERE / "values/default.yaml"),
        *("--set", setting),
    )
    assert answer.returncode != 0
    assert message in answer.stderr


@pytest.mark.parametrize(
    ("typo", "where", "what"),
    [
        ("prometheusURL=http://prometheus:9090", "/", "'prometheusURL' not allowed"),
        ("watchNamespace={shop}", "/", "'watchNamespace' not allowed"),
        ("watchNamespaces=shop", "/watchNamespaces", "want array"),
        ("replicas='2'", "/replicas", "want integer"),
        ("leaderElection=false", "/leaderElection", "want object"),
        ("leaderelection.enabled=false", "/", "'leaderelection' not allowed"),
        ("enforcement=webhook", "/enforcement", "want object"),
        ("enforcement.gate=Native", "/enforcement/gate", "must be one of 'native', 'webhook'"),
        ("scope=Namespaced", "/scope", "must be one of 'Cluster', 'Namespace'"),
        ("gate.enable=true", "/gate", "'enable' not allowed"),
        ("gate.enabled=yes", "/gate/enabled", "want boolean"),
        ("gate.failurePolicy=fail", "/gate/failurePolicy", "must be one of 'Ignore', 'Fail'"),
        ("gate.timeoutSeconds=2s", "/gate/timeoutSeconds", "want integer"),
        ("gate.namespaceSelector.sluice=on", "/gate/namespaceSelector", "'sluice' not allowed"),
        ("certificate.days=30", "/", "'certificate' not allowed"),
        ("gate.certificate.certmanager.enabled=true", "/gate/certificate", "'certmanager' not"),
        ("gate.certificate.secret=mine", "/gate/certificate", "'secret' not allowed"),
        ("image=sluice:1", "/image", "want object"),
        ("image.pullPolicy=always", "/image/pullPolicy", "must be one of 'Always'"),
        ("imagePullSecrets={registry}", "/imagePullSecrets/0", "want object"),
        ("serviceAccount.enabled=false", "/serviceAccount", "'enabled' not allowed"),
        ("log.level=DEBUG", "/log/level", "must be one of 'debug'"),
        ("resources.limit.memory=1Gi", "/resources", "'limit' not allowed"),
        ("gate.resources.memory=1Gi", "/gate/resources", "'memory' not allowed"),
        ("hooks.thaw=false", "/hooks", "'thaw' not allowed"),
        ("commonLabels.tier=1", "/commonLabels/tier", "want string"),
        ("tolerations.key=dedicated", "/tolerations", "want array"),
        ("suspend.cronjobs=true", "/suspend", "'cronjobs' not allowed"),
        ("argoRollouts=false", "/argoRollouts", "want object"),
        ("overrideAuthor.deniedGroups=ci", "/overrideAuthor/deniedGroups", "want array"),
    ],
)
def test_a_typical_typo_is_refused_with_its_place_and_what_is_wrong(
    helm: Helm, typo: str, where: str, what: str
) -> None:
    answer = helm(
        *("template", "sluice", CHART, "--values", HERE / "values/default.yaml"),
        *("--set", typo),
    )
    assert answer.returncode != 0
    [line] = [line for line in answer.stderr.splitlines() if f"at '{where.rstrip('/')}'" in line]
    assert what in line


def test_chart_and_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == chart["version"] == project["version"]


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_the_controller_is_told_what_is_sluices_own_and_no_name_that_is_free(
    helm: Helm, value_set: str
) -> None:
    documents = render(helm, value_set)
    told = environment(documents)["SLUICE_OWN_WORKLOADS"].split(",")
    rendered_here = {
        f"{one['kind']}/{one['metadata']['name']}"
        for one in documents
        if one["kind"] in {*WORKLOADS, "Job", "CronJob"}
    }
    assert set(told) == rendered_here
    assert len(told) == len(rendered_here)


def test_it_is_told_by_the_name_that_everything_has(helm: Helm) -> None:
    documents = render(helm, "full", "--set=fullnameOverride=brake")
    told = environment(documents, "brake")["SLUICE_OWN_WORKLOADS"]
    assert told == "Deployment/brake,Deployment/brake-gate,Job/brake-crds,Job/brake-thaw"
