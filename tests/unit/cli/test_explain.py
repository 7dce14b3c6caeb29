"""`kubectl sluice explain`: the verdict, where it comes from, and what would pass."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sluice.cli import explain
from sluice.cli.explain import exit_status
from sluice.cli.explain_change import UnusableChangeError, Wanted
from sluice.cli.explain_facts import CannotTellError, Question, find_out
from sluice.cli.explain_model import ExplainAnswer, Way, WayAnswer
from sluice.cli.explain_summary import explanation
from sluice.cli.explain_text import print_explanation
from sluice.cli.main import app
from sluice.cli.rules import SAYS
from sluice.cli.workload_name import workload_named
from sluice.kube.api_server import ApiError
from sluice.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    OVERRIDES,
    POLICIES,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from sluice.policy.admission import Rule
from tests.unit.cli.cluster import ApiInMemory
from tests.unit.cli.golden import is_golden
from tests.unit.gate.objects import (
    GOVERNED,
    NOW,
    ROBOT,
    SINCE,
    Object,
    controller_revision,
    override,
    policy,
    replica_set,
    template,
    workload,
)

BY_GATE = 'deployments.apps "web" is forbidden: ValidatingAdmissionPolicy denied request: FROZEN by'
BY_RIGHTS = 'deployments.apps "web" is forbidden: User "ann" cannot patch resource "deployments"'


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def shop(**spec: Any) -> ApiInMemory:
    """A frozen Deployment in its fifth revision, and a StatefulSet in its second."""
    web, db = workload(), workload("StatefulSet", "db", image="db:2")
    api = ApiInMemory().put(POLICIES, policy(**spec))
    api.put(DEPLOYMENTS, web).put(STATEFUL_SETS, db)
    for number, image in enumerate(("web:0.6", "web:0.7", "web:0.8", "web:0.9", "web:1"), 1):
        api.put(REPLICA_SETS, replica_set(web, image, number))
    for number in (1, 2):
        api.put(CONTROLLER_REVISIONS, controller_revision(db, f"db:{number}", number))
    return api


async def told(
    api: ApiInMemory, name: str = "web", *, user: str = "", server: bool = False, **wanted: Any
) -> ExplainAnswer:
    subject = workload_named(name, "shop")
    question = Question(subject, Wanted(**wanted), user, "sluice-system", server)
    found = await find_out(api, question, clock=lambda: NOW)  # type: ignore[arg-type]
    return explanation(found)


def printed(found: ExplainAnswer) -> str:
    out = io.StringIO()
    print_explanation(found, out)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def manifest(image: str = "web:2", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": GOVERNED},
        "spec": {"template": template(image), **spec},
    }


def one(found: ExplainAnswer, way: Way) -> WayAnswer:
    return next(it for it in found.ways if it.way is way)


async def test_a_denied_deployment_is_explained() -> None:
    exemptions = {"changeTypes": ["security"], "serviceAccounts": [ROBOT]}
    found = await told(shop(exemptions=exemptions))
    is_golden("explain-denied.txt", printed(found))
    text = json.dumps(found.model_dump(mode="json", by_alias=True), indent=2)
    is_golden("explain-denied.json", f"{text}\n")


async def test_a_denial_by_a_gate_that_the_api_server_refuses_is_told_to_be_none() -> None:
    body, api = policy(), shop()
    why = {"reason": "GateRejected", "message": "The API server refuses a gate: no."}
    times = {"lastTransitionTime": SINCE, "observedGeneration": 1}
    body["status"]["conditions"] = [{"type": "Enforcing", "status": "False", **why, **times}]
    found = await told(api.put(POLICIES, body))
    assert not found.verdict.allowed
    (problem,) = found.problems
    assert problem == (
        "ErrorBudgetPolicy shop/default may deny nothing (GateRejected): "
        "The API server refuses a gate: no."
    )


async def test_a_deployment_that_passes_is_explained() -> None:
    found = await told(shop(admission="Warn"))
    is_golden("explain-warned.txt", printed(found))
    assert found.ways == []


@pytest.mark.parametrize(
    ("wanted", "rule", "allowed"),
    [
        ({}, "Deploys", False),
        ({"images": {"web": "web:2"}}, "Deploys", False),
        ({"images": {"web": "web:1"}}, "Unchanged", True),
        ({"images": {"web": "web:0.7"}}, "Rollback", True),
        ({"manifest": manifest()}, "Deploys", False),
        ({"manifest": manifest("web:1", replicas=7)}, "Unchanged", True),
        ({"manifest": manifest("web:0.9")}, "Rollback", True),
    ],
)
async def test_the_change_that_is_asked_about_is_judged_by_the_rules_of_the_gates(
    wanted: dict[str, Any], rule: str, allowed: bool
) -> None:
    found = await told(shop(), **wanted)
    assert (found.verdict.rule, found.verdict.allowed) == (rule, allowed)
    assert found.rule == SAYS[Rule(rule)]
    assert exit_status(found) == (0 if allowed else 3)


async def test_a_manifest_is_judged_with_the_defaults_of_the_api_server() -> None:
    api = shop()
    await told(api, manifest=manifest())
    [(resource, body, dry_run)] = api.created
    assert (resource, dry_run) == (DEPLOYMENTS, True)
    assert body["metadata"] == {
        "labels": GOVERNED,
        "generateName": "sluice-explain-",
        "namespace": "shop",
    }


async def test_a_manifest_without_the_policys_label_leaves_the_policy_if_it_had_applied_it() -> (
    None
):
    unlabelled = {**manifest("web:1"), "metadata": {"name": "web"}}
    set_by_another = await told(shop(), manifest=unlabelled)
    assert set_by_another.verdict.rule == "Unchanged"
    applied = {"metadata": {"labels": GOVERNED}}
    notes = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)}
    api = shop().put(DEPLOYMENTS, workload(annotations=notes))
    assert (await told(api, manifest=unlabelled)).verdict.rule == "Leaves"


async def test_a_declared_type_of_change_passes() -> None:
    api = shop(exemptions={"changeTypes": ["security"]})
    declared = manifest()
    declared["metadata"]["annotations"] = {"sluice.dev/change-type": "security.CVE-2026-1"}
    found = await told(api, manifest=declared)
    assert (found.verdict.rule, found.verdict.allowed) == ("ChangeType", True)


@pytest.mark.parametrize(
    ("api", "says", "rule"),
    [
        (shop().put(OVERRIDES, override(workloads=["web"])), "An override lets", "Override"),
        (shop(admission=None), "has not decided anything yet", "Undecided"),
        (shop(expires="2026-08-20T10:20:00Z"), "is the controller running?", "Expired"),
        (shop(workloads={"selector": {"matchLabels": {"a": "b"}}}), "No Error", "NoPolicy"),
    ],
)
async def test_why_a_deployment_passes_is_said(api: ApiInMemory, says: str, rule: str) -> None:
    found = await told(api)
    assert found.verdict.allowed
    assert found.verdict.rule == rule
    assert says in printed(found)
    assert exit_status(found) == (4 if rule in {"Undecided", "Expired"} else 0)


async def test_that_it_is_sluice_itself_is_said_of_what_passes_for_that() -> None:
    frozen = policy()
    frozen["status"]["workloads"] = {"governed": 1, "own": ["Deployment/web"]}
    found = await told(shop().put(POLICIES, frozen))
    assert (found.verdict.allowed, found.verdict.rule) == (True, "Own")
    said = "Deployment shop/web is a part of Sluice itself, which no ErrorBudgetPolicy governs."
    assert said in printed(found)
    assert not (await told(shop().put(POLICIES, frozen), "sts/db")).verdict.allowed


async def test_a_freeze_by_hand_of_one_workload_is_met_by_that_one_only() -> None:
    frozen = policy(admission="Allow")
    by_hand = {
        "name": "move",
        "effect": "Freeze",
        "workloads": ["db"],
        "since": "2026-08-20T10:04:00Z",
        "expires": "2026-08-20T11:00:00Z",
        "admission": "Deny",
        "message": "ann froze it by hand until 2026-08-20T11:00Z: the database is moved.",
    }
    frozen["status"]["overrides"] = [by_hand]
    api = shop().put(POLICIES, frozen)
    assert (await told(api)).verdict.allowed
    found = await told(api, "sts/db")
    assert (found.verdict.rule, found.verdict.reason) == ("Deploys", "ManualFreeze")
    assert "froze it by hand" in printed(found)


async def test_it_is_asked_for_whoever_asks_or_for_somebody_else() -> None:
    assert (await told(shop())).user == "ann"
    found = await told(shop(), user=ROBOT)
    assert (found.user, found.verdict.rule) == (ROBOT, "ExemptUser")


async def test_a_workload_that_is_not_there_is_not_known() -> None:
    found = await told(shop(), "wbe")
    assert exit_status(found) == 4
    assert "Deployment shop/wbe does not exist" in printed(found)


async def test_revisions_are_offered_newest_first_and_never_the_one_that_runs() -> None:
    found = await told(shop())
    rollbacks = [it for it in found.ways if it.way is Way.ROLLBACK]
    assert [it.message for it in rollbacks] == [
        f"back to revision {number} (web:0.{number + 5})" for number in (4, 3, 2, 1)
    ]
    assert rollbacks[0].command == "kubectl -n shop rollout undo deployment/web --to-revision=4"
    assert "revision 1 " not in printed(found)
    [only] = [it for it in (await told(shop(), "sts/db")).ways if it.way is Way.ROLLBACK]
    assert only.message == "back to revision 1 (db:1)"
    assert only.command == "kubectl -n shop rollout undo statefulset/db --to-revision=1"


async def test_what_kubectl_refuses_while_a_deployment_is_paused_is_not_offered() -> None:
    paused = workload()
    paused["spec"]["paused"] = True
    found = await told(shop().put(DEPLOYMENTS, paused))
    for way in (Way.ROLLBACK, Way.RESTART):
        assert one(found, way).possible is False
        assert "kubectl refuses while it is paused" in one(found, way).message


async def test_a_restart_is_offered_only_if_the_policy_exempts_it() -> None:
    assert one(await told(shop()), Way.RESTART).possible
    found = await told(shop(exemptions={"templateKeys": []}))
    assert Way.RESTART not in {it.way for it in found.ways}


@pytest.mark.parametrize(
    ("reason", "timers", "says", "at"),
    [
        ("StageEntered", {}, "ends when 25% of the budget are left for 30m", "2026-09-01T10:00:00"),
        (
            "Recovering",
            {"recoveringSince": "2026-08-20T10:20:00Z"},
            "the budget has recovered: it ends 2026-08-20T10:50Z if that holds",
            "2026-08-20T10:50:00",
        ),
        (
            "BlindHolding",
            {"blindSince": "2026-08-20T10:10:00Z"},
            "the budget is unknown: after 2026-08-20T11:10Z deployments pass",
            "2026-08-20T11:10:00",
        ),
        (
            "ManualFreeze",
            {},
            "somebody froze by hand: it ends 2026-08-20T11:00Z, or with its GateOverride",
            "2026-08-20T11:00:00",
        ),
        ("BlindClosed", {}, "it ends when that is known again, and good", None),
    ],
)
async def test_how_long_to_wait_follows_from_why_it_is_frozen(
    reason: str, timers: dict[str, str], says: str, at: str | None
) -> None:
    frozen = policy()
    frozen["status"]["timers"] = timers
    frozen["status"]["decision"]["reason"] = reason
    wait = one(await told(shop().put(POLICIES, frozen)), Way.WAIT)
    assert says in wait.message
    assert (wait.at.isoformat()[:19] if wait.at else None) == at


@pytest.mark.parametrize(("granted", "says"), [(True, "you may create one"), (False, "may not")])
async def test_an_override_is_offered_with_whether_it_is_allowed(granted: bool, says: str) -> None:
    api = shop()
    api.granted = granted
    found = one(await told(api), Way.OVERRIDE)
    assert found.possible is granted
    assert says in found.message
    assert found.command == (
        "kubectl sluice override deployment/web -n shop --policy default --reason '...' --for 1h"
    )


@pytest.mark.parametrize(
    ("plural", "says"),
    [
        ("deployments", "missing right: get deployments.apps in namespace shop: ask for it"),
        ("errorbudgetpolicies", "missing right: list errorbudgetpolicies.sluice.dev"),
    ],
)
async def test_without_the_workload_or_the_policies_there_is_no_verdict(
    plural: str, says: str
) -> None:
    api = shop()
    api.forbidden = {plural}
    with pytest.raises(CannotTellError) as error:
        await told(api)
    assert str(error.value).startswith(says)


async def test_without_the_right_to_read_revisions_a_rollback_is_not_known() -> None:
    api = shop()
    api.forbidden = {"replicasets"}
    anything = await told(api)
    assert exit_status(anything) == 3
    assert one(anything, Way.ROLLBACK).possible is None
    assert "missing right: list replicasets.apps in namespace shop" in printed(anything)
    image = await told(api, images={"web": "web:0.9"})
    assert (image.verdict.rule, exit_status(image)) == ("RevisionsUnknown", 4)


async def test_an_override_that_cannot_be_seen_may_let_it_pass() -> None:
    api = shop()
    api.forbidden = {"gateoverrides"}
    found = await told(api)
    assert exit_status(found) == 4
    assert "missing right: list gateoverrides.sluice.dev in namespace shop" in printed(found)


async def test_the_right_that_a_manifest_needs_is_named() -> None:
    class Api(ApiInMemory):
        async def create(self, resource: Any, body: Object, **more: Any) -> Object:
            if resource is DEPLOYMENTS:
                text = 'is forbidden: User "ann" cannot create resource "deployments"'
                raise ApiError(status=403, reason="Forbidden", message=text)
            return await super().create(resource, body, **more)

    api = Api()
    api.objects = shop().objects
    with pytest.raises(UnusableChangeError, match="or use --image") as error:
        await told(api, manifest=manifest())
    assert "missing right: create deployments.apps in namespace shop" in str(error.value)


async def test_a_container_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UnusableChangeError, match="there is no container 'wbe': it has web"):
        await told(shop(), images={"wbe": "web:2"})


@pytest.mark.parametrize(
    ("message", "outcome", "status", "says"),
    [
        (None, "Allowed", 0, "lets it pass, which differs"),
        (BY_GATE, "Denied", 3, "API server denies it"),
        (BY_RIGHTS, "Unknown", 4, "missing right: patch deployments.apps in namespace shop"),
        ("no more than 3", "Unknown", 4, "refused, not by a freeze: no more than 3"),
    ],
)
async def test_what_the_api_server_says_counts(
    message: str | None, outcome: str, status: int, says: str
) -> None:
    api = shop()
    if message is not None:
        api.refusal = ApiError(status=403, reason="Forbidden", message=message)
    for wanted in ({}, {"images": {"web": "web:2"}}, {"manifest": manifest()}):
        found = await told(api, server=True, **wanted)
        assert found.server is not None
        assert found.server.outcome == outcome
        assert exit_status(found) == status
        assert says in printed(found)
    probe, image, applied = api.changed
    assert probe["spec"]["template"]["spec"]["containers"] == [
        {"name": "web", "image": "sluice.dev/explain:dry-run"}
    ]
    assert image["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert applied["metadata"] == {"name": "web", "namespace": "shop", "labels": GOVERNED}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("web", "deployment/web"),
        ("deploy/web", "deployment/web"),
        ("Deployments.apps/web", "deployment/web"),
        ("sts/db", "statefulset/db"),
        ("daemonsets/log", "daemonset/log"),
        ("rollout/web", "rollout/web"),
    ],
)
def test_a_workload_is_named_as_with_kubectl(text: str, reference: str) -> None:
    assert workload_named(text, "shop").reference == reference


@pytest.mark.parametrize("text", ["pod/web", "/web", "deployment/", ""])
def test_what_names_no_workload_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        workload_named(text, "shop")


def test_every_rule_is_told_in_words() -> None:
    assert SAYS.keys() == set(Rule)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: str | None = None) -> Any:
    shop(expires="2099-01-01T00:00:00Z").serve(monkeypatch, explain)
    return CliRunner().invoke(app, ["explain", "-n", "shop", *arguments], input=stdin)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["web"], 3, "would be DENIED now"),
        (["web", "--image", "web=web:0.9"], 0, "would PASS now"),
        (["web", "-f", "-"], 3, "the manifest would be DENIED now"),
        (["wbe"], 4, "NOT KNOWN"),
        (["web", "--image", "web"], 2, "write CONTAINER=IMAGE"),
        (["web", "--image", "a=b", "-f", "-"], 2, "not both"),
        (["pod/web"], 2, "names no workload"),
        (["sts/db", "-f", "-"], 2, "there is no StatefulSet shop/db in it, but Deployment web"),
        (
            ["web", "--image", "a=b"],
            1,
            "sluice explain: Deployment shop/web: there is no container",
        ),
    ],
)
def test_the_exit_status_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, says: str
) -> None:
    result = run(monkeypatch, *arguments, stdin=json.dumps(manifest()))
    assert result.exit_code == status
    assert says in " ".join(result.output.replace("│", " ").split())


def test_a_file_is_searched_for_the_workload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = {**manifest("web:1"), "metadata": {"name": "web", "namespace": "cellar"}}
    path = tmp_path / "all.yaml"
    path.write_text("\n---\n".join(json.dumps(it) for it in (elsewhere, manifest())))
    assert run(monkeypatch, "web", "-f", str(path)).exit_code == 3
    as_json = json.loads(run(monkeypatch, "web", "-f", str(path), "-o", "json").stdout)
    assert as_json["verdict"]["rule"] == "Deploys"
    ExplainAnswer.model_validate(as_json)
