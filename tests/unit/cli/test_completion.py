"""What shells offer behind `kubectl sluice`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from sluice.cli import completion
from sluice.cli.completion import kubectl_complete
from sluice.cli.main import COMMANDS, command
from sluice.kube.api_server import ApiServer
from sluice.kube.resources import DEPLOYMENTS, POLICIES
from tests.unit.cli.cluster import ApiInMemory
from tests.unit.gate.objects import policy, workload


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> ApiInMemory:
    """What is in the cluster that the kubeconfig names."""
    found = ApiInMemory().put(DEPLOYMENTS, workload(), workload(name="api"))
    found.put(POLICIES, policy())

    async def connected(
        read: Callable[[Any], Awaitable[list[str]]], kubeconfig: Path | None, context: str | None
    ) -> list[str]:
        del kubeconfig, context
        return await read(found)

    monkeypatch.setattr(completion, "_connected", connected)
    return found


def offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> list[str]:
    """What is offered in place of the last word, without the help."""
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-sluice", *words])
    for name in ("_SLUICE_COMPLETE", "_TYPER_COMPLETE_FISH_ACTION", "_TYPER_COMPLETE_ARGS"):
        monkeypatch.setenv(name, "")
    kubectl_complete()
    return [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["expl"], ["explain", ":4"]),
        (["explain", "-n", "shop", "dep"], ["deployment/", ":4"]),
        (["explain", "-n", "shop", "deploy"], ["deployment/", ":4"]),
        (["explain", "-n", "shop", "deployment/w"], ["deployment/web", ":4"]),
        (["explain", "-n", "shop", "deployment/"], ["deployment/api", "deployment/web", ":4"]),
        (["explain", "-n", "cellar", "deployment/"], [":4"]),
        (["explain", "pod/"], [":4"]),
        (["override", "-n", "shop", "web", "--policy", "d"], ["default", ":4"]),
        (["status", "-o", "j"], ["json", ":4"]),
        (["status", "--all"], ["--all-namespaces", ":4"]),
        (["explain", "deployment/web", "-f", ""], [":0"]),
        (["status", "--kubeconfig", "/tmp/k"], [":0"]),
    ],
)
def test_kubectl_is_told_what_fits(
    api: ApiInMemory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: list[str],
) -> None:
    del api
    assert offered(monkeypatch, capsys, *words) == expected


def test_without_a_word_the_commands_are_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert offered(monkeypatch, capsys, "") == [*COMMANDS, ":4"]


def test_what_may_not_be_read_is_not_offered_and_no_error_either(
    api: ApiInMemory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api.forbidden = {"deployments"}
    assert offered(monkeypatch, capsys, "explain", "-n", "shop", "deployment/") == [":4"]


def test_a_cluster_that_cannot_be_reached_offers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert offered(monkeypatch, capsys, "explain", "deployment/") == [":4"]


def test_a_cluster_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}], "
        "contexts: [{name: a, context: {cluster: a, user: a}}], "
        "users: [{name: a, user: {}}], current-context: a}"
    )
    monkeypatch.setattr(completion, "_SECONDS", 0.05)

    async def hanging(api: ApiServer) -> list[str]:
        del api
        await asyncio.sleep(60)
        return ["never"]

    with pytest.raises(TimeoutError):
        asyncio.run(completion._connected(hanging, kubeconfig, None))
    ctx = typer.Context(command("status", program="sluice"))
    ctx.params = {"kubeconfig": str(kubeconfig)}
    assert completion.policies(ctx, "") == []
