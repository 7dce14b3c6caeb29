"""`sluice check` as it is run, where it gets no numbers: wrong files, and sources that fail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness.ports import free_port
from e2e.harness.serving import served
from tests.integration.cli.conftest import Check, policy, slo


@contextmanager
def answering(status: int, content_type: str, body: str) -> Iterator[str]:
    """The URL of a server that gives the same answer to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST  # noqa: N815 - the base class's name

        def log_message(self, *_: Any) -> None:
            pass

    with served(Handler) as address:
        yield f"http://{address}"


def failed(check: Check, url: str) -> tuple[str, list[str]]:
    """The one line that is said of two objectives, and their reasons."""
    objects = (slo("one"), slo("two"))
    ran = check(*objects, flags=("--prometheus", url, "-o", "json"))
    assert ran.status == 1
    assert [it["known"] for it in ran.json["objectives"]] == [False, False]
    (line,) = ran.err.splitlines()
    assert line.startswith(
        "sluice check: slo.yaml, document 1 (ServiceLevelObjective shop/one) and 1 more: "
        f"source 'default' ({url}) "
    )
    return line, [it["reason"] for it in ran.json["objectives"]]


def test_a_source_that_does_not_run_is_told_once(check: Check) -> None:
    port = free_port()
    line, reasons = failed(check, f"http://127.0.0.1:{port}")
    assert reasons == ["SourceUnreachable"] * 2
    refused = f"cannot be reached: connection refused at 127.0.0.1:{port}; "
    assert line.endswith(refused + "check its URL, and that it runs")


def test_a_host_that_does_not_exist_is_told_by_its_name(check: Check) -> None:
    line, reasons = failed(check, "http://prometheus.invalid:9090")
    assert reasons == ["SourceUnreachable"] * 2
    assert "cannot be reached: cannot resolve host 'prometheus.invalid' (" in line


def test_a_source_that_refuses_access_is_told_with_what_to_check(check: Check) -> None:
    with answering(401, "text/plain", "no") as url:
        line, reasons = failed(check, url)
    assert reasons == ["SourceUnauthorized"] * 2
    assert line.endswith("refused access (HTTP 401): check its credentials")


def test_a_login_page_is_told_for_what_it_is(check: Check) -> None:
    with answering(200, "text/html", "<html><title>Sign in</title></html>") as url:
        line, reasons = failed(check, url)
    assert reasons == ["InvalidResponse"] * 2
    assert "text/html in place of JSON, beginning '<html><title>Sign in" in line


def test_objectives_need_a_source(check: Check) -> None:
    ran = check(slo("one"), slo("two"))
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "sluice check: --prometheus: objectives cannot be measured: give Prometheus' URL by it or "
        "by SLUICE_PROMETHEUS_URL\n"
    )


def test_a_policy_alone_needs_no_source_and_has_nothing_to_decide_on(check: Check) -> None:
    ran = check(policy({"selector": {}}, "Enforce"), flags=("-o", "json"))
    assert ran.status == 4
    assert ran.json == {
        "objectives": [],
        "policies": [
            {
                "namespace": "shop",
                "name": "default",
                "stage": "Healthy",
                "admission": "Allow",
                "limit": None,
                "reason": "NoObjectives",
            }
        ],
    }
    assert "ErrorBudgetPolicy shop/default: No SLO has been selected" in ran.err


def test_syntax_errors_are_told_offline_too(check: Check) -> None:
    wrong = slo("one")
    wrong["spec"]["indicator"]["ratio"]["total"]["metric"] = "sum("
    ran = check(wrong)
    assert ran.status == 1
    assert "spec.indicator.ratio.total.metric: 'sum(': unclosed left parenthesis" in ran.err
    assert "--prometheus: objectives cannot be measured" in ran.err


def test_files_directories_and_standard_input_are_read_together(check: Check) -> None:
    below = check.directory / "shop" / "slos"
    below.mkdir(parents=True)
    (below / "one.json").write_text(json.dumps(slo("one")))
    items = {"apiVersion": "v1", "kind": "List", "items": [slo("two"), slo("three")]}
    (check.directory / "list.yml").write_text(yaml.safe_dump(items))
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    url = f"http://127.0.0.1:{free_port()}"
    ran = check.run(
        *("-f", "shop", "-f", "list.yml", "-f", "-", "--prometheus", url, "-o", "json"),
        stdin=yaml.safe_dump_all([slo("four"), config, config]),
    )
    assert [it["name"] for it in ran.json["objectives"]] == ["one", "two", "three", "four"]
    assert ran.err.splitlines()[0] == "sluice check: ignored 2 objects of other kinds: ConfigMap"


def test_files_in_which_there_is_nothing_to_check_are_not_well(check: Check) -> None:
    ran = check({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[1] == (
        "sluice check: --filename: there is no object of sluice.dev in these files: "
        "nothing was checked"
    )


def test_a_file_that_is_not_there_is_told(check: Check, tmp_path: Path) -> None:
    ran = check.run("-f", str(tmp_path / "absent.yaml"))
    assert (ran.status, ran.out) == (1, "")
    assert "absent.yaml: No such file or directory" in ran.err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--at", "yesterday"), "'yesterday' is no time"),
        (("--at", "2026-08-20T10:04:00"), "add a zone"),
        (("--at", "2999-08-20T10:04:00Z"), "this is in the future"),
        (("--at", "1970-08-20T10:04:00Z"), "nothing is known of before 1971"),
        (("--prometheus", "prometheus:9090"), "write it as http://prometheus.monitoring:9090"),
        (("-o", "yaml"), "'yaml' is not one of"),
    ],
)
def test_a_wrong_command_line_has_the_usual_exit_status(
    check: Check, flags: tuple[str, ...], says: str
) -> None:
    ran = check(slo("one"), flags=flags)
    assert ran.status == 2
    assert says in " ".join(ran.err.replace("│", " ").split())


def test_what_only_a_database_can_tell_is_said_not_to_be_measured_here(check: Check) -> None:
    def by_sql(name: str, query: str) -> dict[str, Any]:
        indicator = {"sql": {"counts": {"query": query}}}
        return slo(name, indicator=indicator, source={"name": "orders-db"})

    good = "select 1 as total, 0 as bad where $start < $end"
    ran = check(by_sql("good", good), by_sql("twice", f"{good}; {good}"))
    assert (ran.status, ran.out) == (1, "")
    where = (
        "sluice check: slo.yaml, document {} (ServiceLevelObjective shop/{}): spec.indicator.sql"
    )
    unmeasured = (
        ": there is no database here to measure it in; the controller does, in the MetricSource "
        "that spec.source.name names"
    )
    assert ran.err.splitlines() == [
        where.format(1, "good") + unmeasured,
        where.format(2, "twice")
        + ".counts.query: there is more than one statement: only one can be sent",
        where.format(2, "twice") + unmeasured,
    ]
