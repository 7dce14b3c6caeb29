"""What people at a terminal are told of a stage that limits deployments."""

import io
from dataclasses import replace

import pytest

from sluice.cli.explain_change import Wanted
from sluice.cli.explain_facts import Question, find_out
from sluice.cli.explain_model import ExplainAnswer, Way, WayAnswer
from sluice.cli.explain_summary import explanation
from sluice.cli.explain_text import print_explanation
from sluice.cli.reader import Reader
from sluice.cli.status_facts import System, gather
from sluice.cli.status_summary import summary
from sluice.cli.status_text import print_status
from sluice.cli.workload_name import workload_named
from sluice.kube.resources import DEPLOYMENTS, OVERRIDES, POLICIES, REPLICA_SETS, ROLLOUTS
from tests.unit.cli.cluster import ApiInMemory
from tests.unit.gate.objects import NOW, replica_set, workload
from tests.unit.gate.test_limits import OLD, RECENT, approval, limiting, made


def shop(newest: str, *, approved: bool = False) -> ApiInMemory:
    """A Deployment that was deployed at `newest`; one deployment in 7d passes."""
    web = workload(image="web:2")
    api = ApiInMemory().put(POLICIES, limiting()).put(DEPLOYMENTS, web)
    api.put(REPLICA_SETS, made(replica_set(web, "web:1", 1), OLD))
    api.put(REPLICA_SETS, made(replica_set(web, "web:2", 2), newest))
    return api.put(OVERRIDES, approval()) if approved else api


async def told(api: ApiInMemory) -> ExplainAnswer:
    subject = workload_named("web", "shop")
    question = Question(subject, Wanted(), "", "sluice-system", server=False)
    return explanation(await find_out(api, question, clock=lambda: NOW))  # type: ignore[arg-type]


def way(found: ExplainAnswer, wanted: Way) -> WayAnswer:
    return next(it for it in found.ways if it.way is wanted)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


async def test_who_comes_too_early_is_told_when_the_next_may_pass_and_how_to_get_an_approval() -> (
    None
):
    found = await told(shop(RECENT))
    verdict = found.verdict
    assert (verdict.rule, verdict.admission, verdict.allowed) == ("Limited", "Limit", False)
    waits = way(found, Way.WAIT)
    assert waits.message == "its next deployment may pass after 2026-08-26T10:00:00Z"
    assert waits.at is not None
    approve = way(found, Way.APPROVE)
    assert (approve.command or "").startswith("kubectl sluice approve deployment/web -n shop")
    out = io.StringIO()
    print_explanation(found, out)
    assert "would be DENIED now" in out.getvalue()


async def test_what_is_in_time_or_approved_passes() -> None:
    in_time, approved = await told(shop(OLD)), await told(shop(RECENT, approved=True))
    assert (in_time.verdict.rule, approved.verdict.rule) == ("WithinLimit", "Approved")
    assert in_time.ways == approved.ways == []


async def test_the_status_says_who_waits_and_who_is_approved() -> None:
    policy = limiting()
    waits = {"last": RECENT, "next": "2026-08-26T10:00:00Z"}
    policy["status"]["decision"]["limit"] |= {
        "waiting": [{"kind": "Deployment", "name": name, **waits} for name in ("web", "approved")],
        "waitingCount": 2,
    }
    api = ApiInMemory().put(POLICIES, policy)
    for name in ("web", "approved", "free"):
        api.put(DEPLOYMENTS, workload(name=name))
    api.put(OVERRIDES, approval() | {"spec": approval()["spec"] | {"workloads": ["approved"]}})
    api.unknown = {ROLLOUTS.plural}
    facts = await gather(Reader(api), "shop", System("sluice-system", "sluice"))  # type: ignore[arg-type]
    found = summary(replace(facts, now=NOW))
    [told_policy] = found.policies
    meets = {one.name: (one.admission.value, one.rule) for one in told_policy.workloads or []}
    assert meets == {
        "web": ("Limit", "Limited"),
        "approved": ("Allow", "Approved"),
        "free": ("Allow", "WithinLimit"),
    }
    out = io.StringIO()
    print_status(found, out)
    assert "LIMITS" in out.getvalue()
    assert "limited" in out.getvalue()
