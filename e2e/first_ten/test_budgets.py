"""The first six things that go wrong, as docs/operations.md tells and mends them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from e2e.first_ten.conftest import running
from e2e.first_ten.handbook import Terminal, advice
from e2e.harness.ports import dropping, free_port
from e2e.harness.serving import served
from e2e.stack import Stack
from e2e.story.manifests import Object, objective
from e2e.story.team import OBJECTIVE, Team
from sluice.api.crds import RESOURCES

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

SLO = "availability"
SLICES = {"timeslices": {"length": "5m", "objective": "95"}}
EXAMPLE = "'default' (http://prometheus.monitoring:9090)"
GRAFANA = {
    "redirect": (302, "text/html", "<a href='/login'>Found</a>"),
    "page": (200, "text/html", "<html><title>Log in</title></html>"),
    "json": (404, "application/json", '{"message": "Not found"}'),
}
"""Answers of what is no Prometheus, by path."""


def until_measured(team: Team, name: str = SLO) -> None:
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name=name)


def test_1_without_definitions_it_says_so_and_is_ready_once_they_are_applied(
    stage: Stack, team: Team, terminal: Terminal
) -> None:
    kubectl, ours = stage.plane.kubectl, [resource.name for resource in RESOURCES]
    # The API server opens the storage of a kind when it is first read. If its own deletion is the
    # first reader, it may find "storage is (re)initializing" and come back only minutes later.
    for kind in ours:
        kubectl("get", kind, "--all-namespaces")
    kubectl("delete", "crd", *ours, "--wait=false")
    left = ("get", "crd", *ours, "--ignore-not-found", "-o", "name")
    stage.until("no definitions", lambda: kubectl(*left).stdout == "")
    with running(stage) as found:
        stage.until("a hint", lambda: "hint=" in found.log)
        for quote in advice(1).quotes:
            assert quote in found.log
        assert found.page("/readyz")[0] == 503
        terminal(advice(1).command("sluice crds"))
        stage.until("ready", lambda: found.page("/readyz")[0] == 200)
        team.apply(objective(team.service.job))
        until_measured(team)


def test_2_a_source_in_the_wrong_namespace_cannot_be_resolved(stage: Stack, team: Team) -> None:
    with running(stage, url="http://prometheus.monitoring:9090"):
        team.apply(objective(team.service.job))
        ready = team.until_condition("Ready", "SourceUnreachable", of=OBJECTIVE, name=SLO)
        advice(2).assert_quotes(ready["message"], "source 'default'", "cannot resolve host")
    with running(stage):
        until_measured(team)


def declare(team: Team, name: str, url: str) -> None:
    """A MetricSource and an objective that is measured by it."""
    source = {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "MetricSource",
        "metadata": {"name": name},
        "spec": {"prometheus": {"url": url}},
    }
    team.apply(source, objective(team.service.job, source={"name": name}))


@contextmanager
def refusing() -> Iterator[str]:
    """The address of nobody."""
    yield f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("name", "port", "part"),
    [("refused", refusing, "refused at"), ("dropped", dropping, "has not taken the connection")],
)
@pytest.mark.usefixtures("controller")
def test_2_a_port_that_is_wrong_or_shut_off_is_told_apart(
    team: Team, name: str, port: Callable[[], AbstractContextManager[str]], part: str
) -> None:
    with port() as address:
        declare(team, name, f"http://{address}")
        ready = team.until_condition("Ready", "SourceUnreachable", of=OBJECTIVE, name=SLO)
    as_default = ready["message"].replace(f"'{name}' (http://{address})", EXAMPLE)
    advice(2).assert_quotes(as_default, "source 'default'", part)
    declare(team, name, team.stack.prometheus.url)
    until_measured(team)


class Grafana(BaseHTTPRequestHandler):
    """Answers queries as what is no Prometheus does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, kind, body = GRAFANA[self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST  # noqa: N815 - as overridden

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as overridden
        """Queries are not worth a line each."""


@pytest.mark.parametrize(
    ("path", "part"),
    [("redirect", "in place of JSON"), ("page", "in place of JSON"), ("json", "HTTP 404 without")],
)
@pytest.mark.usefixtures("controller")
def test_3_a_login_page_or_another_program_is_no_prometheus(
    team: Team, path: str, part: str
) -> None:
    with served(Grafana) as address:
        declare(team, path, f"http://{address}/{path}")
        ready = team.until_condition("Ready", "InvalidResponse", of=OBJECTIVE, name=SLO)
    advice(3).assert_quotes(ready["message"], part)
    declare(team, path, team.stack.prometheus.url)
    until_measured(team)


@pytest.mark.usefixtures("controller")
def test_4_a_selector_that_selects_nothing_selects_nothing_in_that_very_prometheus(
    team: Team,
) -> None:
    wrong, right = objective("web"), objective(team.service.job)
    team.apply(wrong)
    known = team.until_condition("BudgetKnown", "NoData", of=OBJECTIVE, name=SLO)
    assert "`NoData`" in advice(4).text
    advice(4).assert_quotes(known["message"], "gives nothing in the whole window")
    assert [shown(team, one) for one in (wrong, right)] == [False, True]
    team.apply(right)
    until_measured(team)


def shown(team: Team, slo: Object) -> bool:
    """Whether Prometheus has the series of an objective's total."""
    selector = slo["spec"]["indicator"]["ratio"]["total"]["metric"]
    return bool(team.stack.prometheus.api("query", query=f"{selector}[1d]")["result"])


@pytest.mark.parametrize(
    "mended",
    [{"objective": "99.999", "minEvents": 1000}, {"objective": "99", "budgeting": SLICES}],
)
@pytest.mark.usefixtures("controller")
def test_5_too_few_events_are_enough_if_one_says_so_and_slices_need_none(
    team: Team, mended: Object
) -> None:
    team.apply(objective(team.service.job, objective="99.999"))
    known = team.until_condition("BudgetKnown", "TooFewEvents", of=OBJECTIVE, name=SLO)
    assert "`TooFewEvents`" in advice(5).text
    advice(5).assert_quotes(known["message"], "events in the window")
    team.apply(objective(team.service.job, **mended))
    until_measured(team)


@pytest.mark.usefixtures("controller")
def test_6_a_gauge_is_no_counter_and_has_a_limit(team: Team) -> None:
    """tests/integration/prometheus/test_problems.py has one that only moves like a gauge."""
    gauge = f'process_start_time_seconds{{job="{team.service.job}"}}'
    counted = {"ratio": {"total": {"metric": gauge}, "bad": {"metric": gauge}}}
    team.apply(objective(team.service.job, indicator=counted))
    ready = team.until_condition("Ready", "NotACounter", of=OBJECTIVE, name=SLO)
    assert "`NotACounter`" in advice(6).text
    advice(6).assert_quotes(ready["message"], "is a gauge, and")
    limit = {"threshold": {"query": gauge, "operator": "GreaterThan", "value": "0"}}
    team.apply(objective(team.service.job, indicator=limit, budgeting=SLICES))
    until_measured(team)
