"""What the chart has Prometheus and Grafana do: every query is about series that there are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from tests.unit.chart.conftest import Helm
from tests.unit.chart.metrics import exported
from tests.unit.chart.test_chart import CHART, ROOT, found, render

GUIDE = ROOT / "docs/guides/monitoring.md"
SWITCHES = ("serviceMonitor", "prometheusRule", "dashboard", "networkPolicy")
KINDS = {"ServiceMonitor", "PrometheusRule", "ConfigMap", "NetworkPolicy"}


def alerts(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = found(documents, "PrometheusRule", "sluice-health")["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((CHART / "dashboards/sluice.json").read_text())
    return read


def queries_of_the_dashboard() -> list[str]:
    return [
        # Grafana fills its variables in before Prometheus sees them.
        target["expr"].replace("$__rate_interval", "5m").replace("$namespace", ".*")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    ]


def selectors(expression: Any) -> Iterator[Any]:
    """The vector selectors in an expression, wherever they are."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (below := getattr(expression, name, None)) is not None:
            yield from selectors(below)
    for argument in getattr(expression, "args", None) or ():
        yield from selectors(argument)


def unknown(query: str) -> set[str]:
    """What the query names that Sluice does not export; the metrics it names are all looked at."""
    series = exported()
    read = list(selectors(promql_parser.parse(query)))
    assert len(read) == len(re.findall(r"\bsluice_\w+", query)), query
    wrong = {one.name for one in read} - set(series)
    for one in read:
        labels = {matcher.name for matcher in one.matchers.matchers}
        wrong |= {f"{one.name}{{{label}}}" for label in labels - series.get(one.name, labels)}
    return wrong


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("rate(sluice_writes_total[5m])", set()),
        ("rate(sluice_writes[5m])", {"sluice_writes"}),
        ('sum(sluice_leader{pod="a"}) > 1', {"sluice_leader{pod}"}),
        ("(sluice_leader unless sluice_lead offset 1h) or vector(0)", {"sluice_lead"}),
        ("histogram_quantile(0.9, sum by (le) (rate(sluice_x_bucket[1m])))", {"sluice_x_bucket"}),
    ],
)
def test_a_query_about_what_is_not_exported_is_found(query: str, wrong: set[str]) -> None:
    assert unknown(query) == wrong


@pytest.mark.parametrize("value_set", ["full", "webhook"])
def test_every_alert_is_about_series_that_there_are(helm: Helm, value_set: str) -> None:
    documents = render(helm, value_set, "--set", "prometheusRule.enabled=true")
    rules = alerts(documents)
    assert len(rules) == 19
    for rule in rules:
        assert unknown(rule["expr"]) == set(), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_alert_is_explained_and_no_other_one_is(helm: Helm) -> None:
    explained = re.findall(r"^\| `(Sluice\w+)` \|", GUIDE.read_text(), re.MULTILINE)
    assert explained == [rule["alert"] for rule in alerts(render(helm, "full"))]


def test_without_a_gate_there_are_no_alerts_about_one(helm: Helm) -> None:
    rules = alerts(render(helm, "default", "--set", "prometheusRule.enabled=true"))
    assert not [rule["alert"] for rule in rules if "Gate" in rule["alert"]]
    assert len(rules) == 12


def test_every_query_of_the_dashboard_is_about_series_that_there_are() -> None:
    queries = queries_of_the_dashboard()
    assert len(queries) > 20
    for query in queries:
        assert unknown(query) == set(), query


def test_the_dashboard_is_one_that_grafana_can_load() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"


def test_the_config_map_holds_the_dashboard_as_it_is(helm: Helm) -> None:
    config_map = found(render(helm, "full"), "ConfigMap", "sluice-dashboard")
    assert config_map["metadata"]["namespace"] == "grafana"
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config_map["data"]["sluice.json"]) == dashboard()


def test_all_of_it_is_off_unless_it_is_asked_for(helm: Helm) -> None:
    assert not KINDS & {one["kind"] for one in render(helm, "default")}
    switched_on = render(helm, "default", *(f"--set={one}.enabled=true" for one in SWITCHES))
    assert {one["kind"] for one in switched_on} >= KINDS


@pytest.mark.parametrize("name", ["sluice", "sluice-gate"])
def test_a_service_monitor_selects_the_service_and_a_port_that_it_has(
    helm: Helm, name: str
) -> None:
    documents = render(helm, "full")
    spec = found(documents, "ServiceMonitor", name)["spec"]
    service = found(documents, "Service", name)
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    other = found(documents, "Service", {"sluice": "sluice-gate"}.get(name, "sluice"))
    assert not spec["selector"]["matchLabels"].items() <= other["metadata"]["labels"].items()
    [endpoint] = spec["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    # An objective's namespace is not that of the pod that tells of it.
    assert endpoint["honorLabels"] is True
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("1m", "10s")


def test_a_service_monitor_needs_the_service(helm: Helm) -> None:
    arguments = ("--set", "service.enabled=false", "--set", "serviceMonitor.enabled=true")
    answer = helm("template", "sluice", CHART, *arguments)
    assert answer.returncode != 0
    assert "--set service.enabled=true" in answer.stderr


@pytest.mark.parametrize("name", ["sluice", "sluice-gate"])
def test_a_network_policy_selects_its_pods_and_leaves_what_they_need(helm: Helm, name: str) -> None:
    documents = render(helm, "full")
    spec = found(documents, "NetworkPolicy", name)["spec"]
    pods = found(documents, "Deployment", name)["spec"]["template"]
    assert spec["podSelector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    [container] = pods["spec"]["containers"]
    let_in = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    assert let_in == {port["name"] for port in container["ports"]}
    let_out = {port["port"] for rule in spec["egress"] for port in rule["ports"]}
    assert let_out == {53, 6443} | ({9090} if name == "sluice" else set())


def test_a_network_policy_lets_the_controller_reach_sources_that_it_was_not_told_of(
    helm: Helm,
) -> None:
    arguments = ("--set", "networkPolicy.enabled=true", "--set", "gate.enabled=true")
    documents = render(helm, "default", *arguments)
    assert found(documents, "NetworkPolicy")["spec"]["egress"] == [{}]
    gate = found(documents, "NetworkPolicy", "sluice-gate")["spec"]
    assert {port["port"] for rule in gate["egress"] for port in rule["ports"]} == {53, 443, 6443}
    for document in ("sluice", "sluice-gate"):
        for rule in found(documents, "NetworkPolicy", document)["spec"]["ingress"]:
            assert "from" not in rule


def test_the_webhook_is_open_to_everybody_and_the_rest_to_those_that_are_named(helm: Helm) -> None:
    documents = render(helm, "full")
    webhook, verdicts = found(documents, "NetworkPolicy", "sluice-gate")["spec"]["ingress"]
    assert "from" not in webhook

    def named(rule: dict[str, Any]) -> set[str]:
        labels = (peer["namespaceSelector"]["matchLabels"] for peer in rule["from"])
        return {one["kubernetes.io/metadata.name"] for one in labels}

    assert named(verdicts) == {"ci", "monitoring"}
    [metrics] = found(documents, "NetworkPolicy")["spec"]["ingress"]
    assert named(metrics) == {"monitoring"}
