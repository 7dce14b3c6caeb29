"""`kubectl sluice freeze`: who is frozen, for how long, and what is said of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sluice.api.override import GateOverride
from sluice.api.reading import read
from sluice.cli import freeze, override
from sluice.cli.main import app
from sluice.kube.resources import OVERRIDES, POLICIES
from tests.unit.cli.cluster import ApiInMemory
from tests.unit.gate.objects import Object, policy


def cluster() -> ApiInMemory:
    """Two policies in one namespace, one in another."""
    api = ApiInMemory().put(POLICIES, policy(), policy("batch", mode="Observe"))
    elsewhere = policy("cellar", mode="Warn")
    elsewhere["metadata"]["namespace"] = "cellar"
    return api.put(POLICIES, elsewhere)


def run(monkeypatch: pytest.MonkeyPatch, api: ApiInMemory, *arguments: str) -> Result:
    api.serve(monkeypatch, freeze, override)
    return CliRunner().invoke(app, [*arguments, "-n", "shop"])


def made(api: ApiInMemory) -> list[Object]:
    assert all(resource is OVERRIDES for resource, _, _ in api.created)
    return [body for _, body, dry_run in api.created if not dry_run]


WHY = ("--reason", "the database is moved", "--ticket", "CHG-7")


def test_a_policy_is_frozen_in_the_name_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    api = cluster()
    result = run(monkeypatch, api, "freeze", "default", "--for", "2h", *WHY)
    assert result.exit_code == 0, result.output
    [body] = made(api)
    whole = read(GateOverride, {**body, "metadata": {"name": "a", "namespace": "shop"}})
    assert isinstance(whole, GateOverride)
    spec = whole.spec
    assert (spec.policy, spec.effect, spec.workloads) == ("default", "Freeze", [])
    assert (spec.created_by, spec.ticket) == ("ann", "CHG-7")
    left = (spec.expires_at - datetime.now(UTC)).total_seconds()
    assert 7100 < left <= 7200
    assert (
        "gateoverride.sluice.dev/default-x7f2k created: changes of all workloads of "
        "ErrorBudgetPolicy shop/default are denied for 2h, until "
    ) in result.output
    assert "End it early: kubectl -n shop delete gateoverride default-x7f2k" in result.output


@pytest.mark.parametrize(
    ("arguments", "frozen"),
    [
        (["default"], {("shop", "default")}),
        (["default", "batch", "default"], {("shop", "default"), ("shop", "batch")}),
        (["--all"], {("shop", "default"), ("shop", "batch")}),
        (["--all", "-A"], {("shop", "default"), ("shop", "batch"), ("cellar", "cellar")}),
    ],
)
def test_those_that_are_meant_are_frozen(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], frozen: set[tuple[str, str]]
) -> None:
    api = cluster()
    assert run(monkeypatch, api, "freeze", *arguments, *WHY).exit_code == 0
    found = [(it["metadata"]["namespace"], it["spec"]["policy"]) for it in made(api)]
    assert set(found) == frozen
    assert len(found) == len(frozen)


def test_some_workloads_only_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    api = cluster()
    arguments = ("-w", "deployment/web", "-w", "db")
    result = run(monkeypatch, api, "freeze", "default", *arguments, *WHY)
    assert made(api)[0]["spec"]["workloads"] == ["web", "db"]
    assert "changes of web, db of ErrorBudgetPolicy shop/default" in result.output


def test_a_policy_that_does_not_enforce_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, cluster(), "freeze", "--all", "-A", *WHY)
    assert "shop/batch go on to pass (its mode is Observe: it is only recorded)" in result.output
    assert "cellar/cellar pass with a warning (its mode is Warn)" in result.output


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["defalt", *WHY], 1, "no ErrorBudgetPolicy defalt in namespace shop: there is batch, def"),
        (["default", "defalt", *WHY], 1, "no ErrorBudgetPolicy defalt"),
        (["default", "--for", "25h", *WHY], 1, "shop/default allows 24h at most"),
        (["default", "--for", "soon", *WHY], 2, "'soon' is no duration"),
        (["default"], 2, "say why"),
        (["default", "--reason", "  x "], 2, "say why"),
        ([*WHY], 2, "name policies, or say --all"),
        (["default", "--all", *WHY], 2, "name policies, or say --all"),
        (["default", "-A", *WHY], 2, "-A goes with --all"),
    ],
)
def test_what_cannot_be_frozen_is_told_and_nothing_is(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, says: str
) -> None:
    api = cluster()
    result = run(monkeypatch, api, "freeze", *arguments)
    assert result.exit_code == status
    assert says in " ".join(result.output.replace("│", " ").split())
    assert api.created == []


def test_a_namespace_without_policies_has_nothing_to_freeze(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = run(monkeypatch, ApiInMemory(), "freeze", "--all", *WHY)
    assert result.exit_code == 1
    assert "nothing to freeze in namespace shop: there is none" in result.output


def test_the_right_to_read_policies_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = cluster()
    api.forbidden = {"errorbudgetpolicies"}
    result = run(monkeypatch, api, "freeze", "default", *WHY)
    assert result.exit_code == 1
    assert result.output.startswith("sluice freeze: missing right: list errorbudgetpolicies")


@pytest.mark.parametrize("command", [("freeze", "default"), ("override", "web")])
def test_a_dry_run_creates_nothing(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    api: Any = cluster()
    result = run(monkeypatch, api, *command, "--dry-run=server", *WHY)
    assert result.exit_code == 0, result.output
    assert made(api) == []
    assert len(api.created) == 1
    assert "created (server dry run): changes of" in result.output
    assert "End it early" not in result.output
