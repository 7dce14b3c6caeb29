"""`kubectl sluice status`: what it tells of a cluster, for people and for programs."""

import io
import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from typer.testing import CliRunner

from sluice.cli import status
from sluice.cli.main import app
from sluice.cli.reader import Reader
from sluice.cli.status_facts import Facts, NothingToTellError, System, gather
from sluice.cli.status_model import StatusAnswer
from sluice.cli.status_summary import summary
from sluice.cli.status_text import print_status
from sluice.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    LEASES,
    OBJECTIVES,
    OVERRIDES,
    POLICIES,
    ROLLOUTS,
    STATEFUL_SETS,
)
from tests.unit.cli.cluster import ApiInMemory
from tests.unit.cli.golden import is_golden
from tests.unit.gate.objects import NOW, Object, override, policy, workload

SYSTEM = System("sluice-system", "sluice")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def objective(name: str = "checkout", *, known: bool = True, **status: Any) -> Object:
    reason = "BudgetKnown" if known else "NoData"
    condition = {
        "type": "BudgetKnown",
        "status": "True" if known else "False",
        "reason": reason,
        "message": "" if known else "its counters have no data",
        "lastTransitionTime": "2026-08-20T10:04:00Z",
    }
    measured = {
        "level": "Critical",
        "sli": "99.912",
        "window": {
            "name": "30d",
            "start": "2026-07-21T10:00:00Z",
            "end": "2026-08-20T10:29:00Z",
            "covered": "100",
        },
        "errorBudget": {
            "consumed": "88.000",
            "remaining": "12.000",
            "toDate": "12.000",
            "events": {"total": "1000000", "bad": "880", "allowed": "1000"},
            "time": {"total": "43m12s", "remaining": "5m11s", "perDay": "1m26s"},
        },
        "burnRates": [
            {"window": "5m", "value": "2.10"},
            {"window": "1h", "value": "3.20"},
            {"window": "6h", "value": "1.90"},
        ],
        "forecast": {"exhaustedAt": "2026-08-21T06:00:00Z"},
    }
    found = {**(measured if known else {}), "conditions": [condition], **status}
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "objective": "99.9",
            "window": {"rolling": "30d"},
            "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
        },
        "status": found,
    }


def lease(**length: float) -> Object:
    renewed = NOW - timedelta(**length)
    return {
        "metadata": {"name": "sluice", "namespace": "sluice-system"},
        "spec": {
            "holderIdentity": "sluice-7d9f",
            "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}",
            "leaseDurationSeconds": 15,
        },
    }


def record(name: str, *, reverts: int = 0) -> Object:
    return {
        "kind": "Deployment",
        "name": name,
        "uid": f"uid-of-{name}",
        "field": "spec.paused",
        "previous": "null",
        "value": "true",
        "time": "2026-08-20T10:04:00Z",
        "reverts": reverts,
    }


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    at = {"lastTransitionTime": "2026-08-20T10:04:00Z"}
    return {"type": kind, "status": status, "reason": reason, "message": message, **at}


def frozen_policy() -> Object:
    """One that holds a Deployment, and contests with somebody about another."""
    found = policy(exemptions={})
    why = "Deployment api: spec.paused: somebody else took it back 2 times"
    found["status"] |= {
        "workloads": {"governed": 4, "changed": [record("web"), record("api", reverts=2)]},
        "conditions": [
            condition("Ready", "True", "Reconciled", ""),
            condition("Enforcing", "True", "Enforced", ""),
            condition("Contested", "True", "RevertedByOthers", why),
        ],
    }
    return found


def shop() -> ApiInMemory:
    """A frozen namespace, with an override of one workload and a workload of nobody's concern."""
    api = ApiInMemory()
    api.put(OBJECTIVES, objective(), objective("latency", known=False))
    api.put(POLICIES, frozen_policy())
    api.put(DEPLOYMENTS, workload(), workload(name="api"), workload(name="fixed"))
    api.put(DEPLOYMENTS, workload(name="tool", labels={}))
    api.put(STATEFUL_SETS, workload("StatefulSet", "db"))
    api.put(OVERRIDES, override(workloads=["fixed"], ticket="INC-4711"))
    api.put(OVERRIDES, override("late", expiresAt="2026-08-20T10:10:00Z"))
    api.unknown = {ROLLOUTS.plural}
    return api.put(LEASES, lease(seconds=2))


async def seen(api: ApiInMemory, namespace: str | None = "shop") -> Facts:
    """What is read, as if it were `NOW`."""
    return replace(await gather(Reader(api), namespace, SYSTEM), now=NOW)  # type: ignore[arg-type]


async def told(api: ApiInMemory, namespace: str | None = "shop") -> StatusAnswer:
    return summary(await seen(api, namespace))


def printed(found: StatusAnswer, out: io.StringIO | None = None, *, wide: bool = False) -> str:
    out = out or io.StringIO()
    print_status(found, out, wide=wide)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize(("name", "wide"), [("status.txt", False), ("status-wide.txt", True)])
async def test_a_frozen_namespace_is_told_in_tables(name: str, wide: bool) -> None:
    is_golden(name, printed(await told(shop()), wide=wide))


async def test_a_frozen_namespace_is_told_in_json() -> None:
    found = (await told(shop())).model_dump(mode="json", by_alias=True)
    is_golden("status.json", f"{json.dumps(found, indent=2)}\n")


async def test_json_says_who_is_affected_and_how() -> None:
    [found] = (await told(shop())).policies
    assert found.frozen
    workloads = {one.name: one for one in found.workloads or []}
    assert workloads.keys() == {"web", "api", "fixed", "db"}
    meets = {name: (it.admission.value, it.rule) for name, it in workloads.items()}
    assert meets == {
        "web": ("Deny", "Deploys"),
        "api": ("Deny", "Deploys"),
        "db": ("Deny", "Deploys"),
        "fixed": ("Allow", "Override"),
    }
    assert (workloads["web"].held, workloads["web"].contested) == (["spec.paused"], [])
    assert (workloads["api"].held, workloads["api"].contested) == ([], ["spec.paused"])
    assert workloads["fixed"].override == "fix"
    active = {one.name: one.active for one in (await told(shop())).overrides}
    assert active == {"fix": True, "late": False}


async def test_all_namespaces_have_their_names_before_the_objects() -> None:
    api = shop()
    other = policy("other", admission="Allow")
    other["metadata"] |= {"namespace": "cellar"}
    text = printed(await told(api.put(POLICIES, other), None))
    assert "cellar/other" in text
    assert "shop/checkout" in text


async def test_where_there_is_nothing_that_is_said() -> None:
    api = ApiInMemory().put(LEASES, lease(seconds=1))
    assert "There are no objectives and no policies in namespace shop." in printed(await told(api))


@pytest.mark.parametrize(
    ("leading", "state", "says"),
    [
        (lease(seconds=2), "Alive", "Controller: alive (sluice-7d9f)"),
        (lease(seconds=59), "Alive", "Controller: alive (sluice-7d9f)"),
        (lease(minutes=-1), "Alive", "Controller: alive (sluice-7d9f)"),
        (lease(minutes=12), "Silent", "SILENT: sluice-7d9f last renewed its Lease 12m ago"),
        (None, "Absent", "ABSENT: nobody holds the Lease"),
        ({"metadata": lease()["metadata"], "spec": {}}, "Absent", "ABSENT"),
        ({**lease(), "spec": {"holderIdentity": "", "renewTime": "now"}}, "Absent", "ABSENT"),
    ],
)
async def test_the_lease_tells_whether_the_controller_is_alive(
    leading: Object | None, state: str, says: str
) -> None:
    api = shop()
    api.objects.pop(("leases", "sluice"))
    found = await told(api if leading is None else api.put(LEASES, leading))
    assert found.controller.state == state
    assert says in printed(found)


async def test_a_status_that_is_old_is_told_whatever_the_lease_says() -> None:
    old = {"name": "30d", "start": "2026-07-21T10:00:00Z", "end": "2026-08-20T10:02:00Z"}
    api = shop().put(OBJECTIVES, objective(window={**old, "covered": "100"}))
    found = await told(api)
    assert found.controller.stale
    assert "the newest budget is of 2026-08-20T10:02Z (28m ago)" in printed(found)


async def test_a_freeze_that_nobody_renewed_has_ended_and_that_is_told() -> None:
    found = await told(shop().put(POLICIES, policy(expires="2026-08-20T10:20:00Z")))
    [one] = found.policies
    assert (one.frozen, one.expired, one.admission.value) == (False, True, "Allow")
    text = printed(found)
    assert "EXPIRED FREEZE shop/default" in text
    assert "the freeze has ended because no controller renewed it" in text


async def test_a_freeze_of_no_workload_is_told_to_deny_nothing() -> None:
    selector = {"selector": {"matchLabels": {"app": "wbe"}}}
    frozen, too = policy(), policy(name="other", workloads=selector)
    text = printed(await told(shop().put(POLICIES, frozen).put(POLICIES, too)))
    assert "! shop/other: it governs no workload, so nothing is denied: see its spec.wo" in text
    assert "! shop/default: it governs" not in text


async def test_an_engaged_kill_switch_is_told_with_who_and_why() -> None:
    switch = {
        "metadata": {"name": "sluice-kill-switch", "namespace": "sluice-system"},
        "data": {"reason": "the freeze is wrong", "engagedBy": "bob"},
    }
    found = await told(shop().put(CONFIG_MAPS, switch))
    assert "ENGAGED, nothing is enforced: the freeze is wrong (by bob)" in printed(found)
    assert not found.policies[0].frozen
    assert {one.rule for one in found.policies[0].workloads or []} == {"KillSwitch"}


async def test_who_may_not_read_the_switch_is_told_of_it_by_the_policies() -> None:
    api, killed = shop(), frozen_policy()
    api.forbidden = {"configmaps", "leases"}
    unknown = await told(api)
    assert unknown.kill_switch.engaged is None
    assert unknown.controller.state == "Unknown"
    assert "Controller: not to be seen with your rights" in printed(unknown)
    assert unknown.problems == []
    says = "The kill switch lifts all enforcement: outage (bob)."
    killed["status"]["conditions"] = [condition("Enforcing", "False", "KillSwitch", says)]
    found = await told(api.put(POLICIES, killed))
    assert found.kill_switch.engaged
    assert not found.policies[0].frozen
    assert says in printed(found)


@pytest.mark.parametrize(
    ("plural", "problem"),
    [
        ("servicelevelobjectives", "list servicelevelobjectives.sluice.dev in namespace shop"),
        ("gateoverrides", "list gateoverrides.sluice.dev in namespace shop"),
        ("daemonsets", "list daemonsets.apps in namespace shop"),
    ],
)
async def test_a_right_that_is_missing_is_named_and_the_rest_is_told(
    plural: str, problem: str
) -> None:
    api = shop()
    api.forbidden = {plural}
    found = await told(api)
    assert found.problems == [f"missing right: {problem}: ask for it"]
    assert found.policies[0].frozen
    assert problem in printed(found)
    assert (found.policies[0].workloads is None) is (plural == "daemonsets")


@pytest.mark.parametrize(
    ("namespace", "says"),
    [
        ("shop", "list errorbudgetpolicies.sluice.dev in namespace shop: ask for it"),
        (None, "in all namespaces: ask for it; or name one by --namespace"),
    ],
)
async def test_without_the_right_to_read_policies_there_is_nothing_to_tell(
    namespace: str | None, says: str
) -> None:
    api = shop()
    api.forbidden = {"errorbudgetpolicies"}
    with pytest.raises(NothingToTellError, match="missing right: list") as error:
        await told(api, namespace)
    assert says in str(error.value)


async def test_a_cluster_without_sluice_is_told() -> None:
    api = ApiInMemory()
    api.unknown = {"errorbudgetpolicies"}
    with pytest.raises(NothingToTellError, match="is Sluice installed in it"):
        await told(api)


async def test_what_this_version_cannot_read_is_told_and_the_rest_too() -> None:
    api, odd = shop(), objective("odd")
    odd["spec"]["objective"] = "all of it"
    strange = policy("strange")
    strange["spec"]["mode"] = "Sometimes"
    api.put(OBJECTIVES, odd).put(POLICIES, strange)
    found = await told(api)
    assert [one.name for one in found.objectives] == ["checkout", "latency"]
    [first, second] = found.problems
    assert first.startswith("ServiceLevelObjective shop/odd cannot be read by this version: spec.")
    assert second.startswith("ErrorBudgetPolicy shop/strange cannot be read by this version")


async def test_a_gate_that_is_not_in_force_is_told() -> None:
    broken = frozen_policy()
    why = "the API server refused the gate"
    broken["status"]["conditions"] = [condition("Enforcing", "False", "GateRejected", why)]
    text = printed(await told(shop().put(POLICIES, broken)))
    assert f"! shop/default: Enforcing=False (GateRejected): {why}" in text


async def test_a_thaw_in_waves_is_told_while_it_lasts() -> None:
    api = shop()
    stored = frozen_policy()
    message = "1 of the 11 that were held still are; 1 are released at 10:31Z."
    stored["status"]["conditions"] = [condition("Thawing", "True", "ThawStaggered", message)]
    api.put(POLICIES, stored)
    found = await told(api)
    assert found.policies[0].thaw == message
    assert f"THAWING shop/default: {message}" in printed(found)
    api.put(POLICIES, frozen_policy())
    assert "THAWING" not in printed(await told(api))


async def test_of_many_workloads_the_first_are_shown_and_wide_shows_all() -> None:
    api = shop().put(DEPLOYMENTS, *(workload(name=f"many-{n:03}") for n in range(40)))
    found = await told(api)
    assert "... and 24 more: -o wide shows them all" in printed(found)
    assert "many-039" not in printed(found)
    assert "many-039" in printed(found, wide=True)


async def test_a_terminal_gets_colours_unless_the_user_wants_none() -> None:
    found = await told(shop())
    with patch.dict(os.environ, {"TERM": "xterm-256color", "COLUMNS": "160"}):
        assert "\x1b[1;31mdenied" in printed(found, Terminal())
        assert "\x1b" not in printed(found)
        with patch.dict(os.environ, {"NO_COLOR": "1"}):
            assert "\x1b[1;31m" not in printed(found, Terminal())


def run(monkeypatch: pytest.MonkeyPatch, api: ApiInMemory, *arguments: str) -> Any:
    api.serve(monkeypatch, status)
    return CliRunner().invoke(app, ["status", "-n", "shop", *arguments])


def test_json_and_yaml_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    as_json = json.loads(run(monkeypatch, shop(), "-o", "json").stdout)
    as_yaml = yaml.load(run(monkeypatch, shop(), "-o", "yaml").stdout, yaml.BaseLoader)
    assert as_json["kind"] == as_yaml["kind"] == "Status"
    assert as_json["policies"][0]["name"] == as_yaml["policies"][0]["name"] == "default"
    assert as_json.keys() == as_yaml.keys()
    StatusAnswer.model_validate(as_json)


def test_the_command_ends_with_one_where_it_can_tell_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = shop()
    api.forbidden = {"errorbudgetpolicies"}
    result = run(monkeypatch, api)
    assert result.exit_code == 1
    assert result.output.startswith("sluice status: missing right: list errorbudgetpolicies")
