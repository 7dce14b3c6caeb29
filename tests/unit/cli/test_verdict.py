"""`sluice verdict` against a gate."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sluice.cli.main import app
from sluice.kube.resources import POLICIES
from tests.unit.gate.objects import ROBOT, Known, frozen, policy
from tests.unit.gate.serving import serving


@contextmanager
def gate(known: Known, *, unready: str | None = None) -> Iterator[str]:
    """The URL of a gate that runs in a thread, because the command has a loop of its own."""
    loop, urls, up = asyncio.new_event_loop(), [], threading.Event()
    stop = asyncio.Event()

    async def run() -> None:
        async with serving(known, unready=unready) as (url, _):
            urls.append(url)
            up.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert up.wait(10)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def verdict(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["verdict", "-n", "shop", "--url", url, *arguments])


def thawed() -> Known:
    return frozen().see(POLICIES, policy(admission="Allow"))


@pytest.mark.parametrize(
    ("known", "arguments", "status", "says"),
    [
        (thawed, ["web"], 0, "Allow (Stage): SLO checkout has 12.0%"),
        (frozen, ["web"], 3, "Deny (Deploys): FROZEN by ErrorBudgetPolicy shop/default"),
        (frozen, ["deployment/web"], 3, "Deny (Deploys)"),
        (frozen, ["web", "--user", ROBOT], 0, "Allow (ExemptUser)"),
        (frozen, ["wbe"], 4, "Deployment shop/wbe does not exist"),
        (frozen, ["widget/web"], 4, "There is no kind 'widget'"),
        (frozen, ["web", "--wait", "1s"], 3, "Deny (Deploys)"),
    ],
)
def test_the_exit_status_is_the_verdict(
    known: Callable[[], Known], arguments: list[str], status: int, says: str
) -> None:
    with gate(known()) as url:
        result = verdict(url, *arguments)
    assert result.exit_code == status
    assert says in result.output


def test_json_is_what_the_gate_said() -> None:
    with gate(frozen()) as url:
        result = verdict(url, "web", "-o", "json")
    assert json.loads(result.stdout)["stage"] == "Exhausted"


def test_a_gate_that_cannot_tell_is_unknown() -> None:
    with gate(frozen(), unready="deployments have not been listed yet") as url:
        result = verdict(url, "web")
    assert result.exit_code == 4
    assert "have not been listed yet" in result.output


def test_a_gate_that_is_not_there_is_unknown() -> None:
    result = verdict("http://127.0.0.1:1", "web")
    assert result.exit_code == 4
    assert "the gate does not answer" in result.output


def test_a_wrong_command_line_is_neither() -> None:
    assert verdict("http://127.0.0.1:1", "web", "--wait", "long").exit_code == 2
    assert CliRunner().invoke(app, ["verdict", "web"]).exit_code == 2
