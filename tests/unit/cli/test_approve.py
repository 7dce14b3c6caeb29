"""`kubectl sluice approve`: what is approved, and what is said of it."""

import pytest
from typer.testing import CliRunner, Result

from sluice.api.override import GateOverride
from sluice.api.reading import read
from sluice.cli import approve, override
from sluice.cli.main import app
from sluice.kube.resources import POLICIES
from tests.unit.cli.cluster import ApiInMemory
from tests.unit.gate.objects import policy

WHY = ("--reason", "reviewed in CHG-8", "--ticket", "CHG-8")


def run(monkeypatch: pytest.MonkeyPatch, api: ApiInMemory, *arguments: str) -> Result:
    api.serve(monkeypatch, approve)
    return CliRunner().invoke(app, ["approve", *arguments, "-n", "shop"])


def test_a_deployment_is_approved_in_the_name_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    api = ApiInMemory().put(POLICIES, policy())
    result = run(monkeypatch, api, "deployment/web", "web", "sts/db", "--for", "2h", *WHY)
    assert result.exit_code == 0, result.output
    [(_, body, dry_run)] = api.created
    assert not dry_run
    whole = read(GateOverride, {**body, "metadata": {"name": "a", "namespace": "shop"}})
    assert isinstance(whole, GateOverride)
    spec = whole.spec
    assert (spec.policy, spec.effect, spec.workloads) == ("default", "Approve", ["web", "db"])
    assert (spec.created_by, spec.reason, spec.ticket) == ("ann", "reviewed in CHG-8", "CHG-8")
    assert (
        "gateoverride.sluice.dev/default-x7f2k created: one deployment of each of web, db in shop "
        "passes a stage that limits them, within 2h, until "
    ) in result.output
    assert "Take it back: kubectl -n shop delete gateoverride default-x7f2k" in result.output


def test_a_dry_run_approves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    api = ApiInMemory().put(POLICIES, policy())
    result = run(monkeypatch, api, "web", "--dry-run=server", *WHY)
    assert result.exit_code == 0, result.output
    assert [dry_run for _, _, dry_run in api.created] == [True]
    assert "created (server dry run)" in result.output
    assert "Take it back" not in result.output


@pytest.mark.parametrize("command", ["approve", "override"])
def test_nothing_is_approved_or_overridden_of_a_policy_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    api = ApiInMemory().put(POLICIES, policy(), policy("batch"))
    api.serve(monkeypatch, approve, override)
    refused = CliRunner().invoke(app, [command, "web", "-p", "defalt", "-n", "shop", *WHY])
    assert refused.exit_code == 1
    assert refused.stderr == (
        "sluice: no ErrorBudgetPolicy defalt in namespace shop: there is batch, default; name it "
        "by --policy, its namespace by --namespace\n"
    )
    assert api.created == []


def test_who_may_not_see_policies_may_approve_and_override(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = ApiInMemory()
    api.forbidden = {POLICIES.plural}
    api.serve(monkeypatch, approve, override)
    for command in ("approve", "override"):
        done = CliRunner().invoke(app, [command, "web", "-n", "shop", *WHY])
        assert done.exit_code == 0, done.output
    assert len(api.created) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["web"], "say why, for the audit"),
        (["web", "--for", "soon", *WHY], "--for"),
        ([*WHY], "Missing argument"),
    ],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    api = ApiInMemory()
    result = run(monkeypatch, api, *arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert api.created == []
