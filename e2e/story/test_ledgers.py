"""What is counted outlives the controller, wherever it is killed, and Prometheus' memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from e2e.harness import Prometheus, ScrapeTarget, prometheus, wait_until
from e2e.harness.traffic import REQUESTS
from e2e.stack import NAMESPACE, SPENT, Controller, Service, Stack
from e2e.story.conftest import Start
from e2e.story.manifests import Object, objective
from e2e.story.team import OBJECTIVE, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.timeout(300)]

SLO = "availability"
SLICE, HOUR = 300, 3600
RATE, FAILING = 1.0, 0.004
SLACK = 5.0
"""Requests that may come between two looks at a counter."""

FAILURES = 7
TAKE_OVER = 60.0


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an objective says of its window."""

    end: float
    covered: float
    total: int
    bad: int
    reason: str

    def follow(self, before: "Numbers", *, failures: int, lost: float = 0.0) -> bool:
        """Whether these are `before` and what has happened since: good requests, one a second.

        The window begins at a full hour: if one has ended since, an hour of requests left it.

        Args:
            before: the numbers before.
            failures: the requests that failed since.
            lost: seconds of which Prometheus has forgotten all.
        """
        total = before.total + RATE * (self.end - before.end) + failures
        bad = before.bad + failures
        hours = int(self.end // HOUR - before.end // HOUR)
        least = total - RATE * lost - hours * RATE * HOUR - SLACK
        least_bad = bad - FAILING * RATE * (lost + hours * HOUR) - (2 if hours or lost else 0)
        return least <= self.total <= total + SLACK and least_bad <= self.bad <= bad


def numbers(team: Team) -> Numbers:
    status = team.get(OBJECTIVE, SLO)["status"]
    events, window = status["errorBudget"]["events"], status["window"]
    return Numbers(
        datetime.fromisoformat(window["end"]).timestamp(),
        float(window["covered"]),
        int(events["total"]),
        int(events["bad"]),
        team.condition("BudgetKnown", OBJECTIVE, SLO)["reason"],
    )


@dataclass(frozen=True)
class Ledger:
    """The ConfigMap of the team's objective."""

    team: Team
    uid: str

    @property
    def name(self) -> str:
        return f"sluice-ledger-{self.uid}"

    def get(self, suffix: str = "") -> Object | None:
        kubectl = self.team.stack.plane.kubectl
        shown = kubectl(
            *("-n", NAMESPACE, "get", "configmap", self.name + suffix),
            *("--ignore-not-found", "-o", "json"),
        ).stdout
        found: Object | None = json.loads(shown) if shown else None
        return found

    def patch(self, content: str) -> None:
        body = json.dumps({"binaryData": {"ledger": content}})
        kubectl = self.team.stack.plane.kubectl
        kubectl("-n", NAMESPACE, "patch", "configmap", self.name, "--type=merge", "-p", body)

    @property
    def content(self) -> str:
        found = self.get()
        return "" if found is None else found["binaryData"]["ledger"]

    def until_stored(self) -> None:
        self.team.until("stored", lambda: self.content != "", timeout=TAKE_OVER)


@pytest.fixture(scope="module")
def spent(everything: Stack) -> Service:
    """A service with failures all over its history; nobody but this module uses it."""
    return everything.take(SPENT.job)


@pytest.fixture
def forgetful(spent: Service) -> Iterator[Prometheus]:
    """A Prometheus that begins now, with the same targets."""
    targets = [ScrapeTarget(spent.job, spent.shop.address, "shop-0")]
    with prometheus(targets=targets) as running:
        # It knows what happens after it has seen the counters once.
        counters = f'{REQUESTS}{{job="{spent.job}"}}'
        wait_until(lambda: running.query(counters) != [], timeout=TAKE_OVER, what="a scrape")
        yield running


def declared(team: Team) -> Ledger:
    team.apply(objective(SPENT.job))
    return Ledger(team, team.field(OBJECTIVE, SLO, ".metadata.uid"))


def until_known(team: Team) -> None:
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name=SLO, timeout=TAKE_OVER)


def only(team: Team) -> str:
    """A controller's option with which it reads no ledger but the team's."""
    return f"--watch-namespaces={team.namespace}"


def reads(running: Controller, outcome: str) -> float:
    return running.metric(f'sluice_ledger_reads_total{{outcome="{outcome}"}}') or 0.0


def until_counted(team: Team, spent: Service) -> Numbers:
    """The numbers as of now: those that were published may be minutes old."""
    bad = numbers(team).bad
    spent.shop.inject(bad=FAILURES)
    team.until("counted", lambda: numbers(team).bad >= bad + FAILURES)
    return numbers(team)


def until_followed(
    team: Team,
    spent: Service,
    before: Numbers,
    *,
    lost: float = 0.0,
    timeout: float = TAKE_OVER,
) -> Numbers:
    """The numbers once some more requests have failed: exactly these are added to those before."""
    spent.shop.inject(bad=FAILURES)
    try:
        team.until(
            "the numbers go on",
            lambda: numbers(team).follow(before, failures=FAILURES, lost=lost),
            timeout=timeout,
        )
    except TimeoutError as error:
        error.add_note(f"before: {before}, after: {numbers(team)}")
        raise
    return numbers(team)


@pytest.mark.timeout(600)
def test_a_budget_outlives_a_prometheus_that_is_replaced_by_an_empty_one(
    team: Team, spent: Service, forgetful: Prometheus, start: Start
) -> None:
    first = start()
    ledger = declared(team)
    until_known(team)
    ledger.until_stored()
    # No failures of ours, so this test is the first: of the slices that are not stored yet nobody
    # knows any more.
    before = numbers(team)
    assert before.bad > 300
    first.kill()
    second = start(only(team), url=forgetful.url)
    # Of a slice whose beginning Prometheus has forgotten nothing counts before it is closed.
    closed = SLICE + 2 * TAKE_OVER
    after = until_followed(team, spent, before, lost=2 * SLICE + closed, timeout=closed)
    assert reads(second, "resumed") == 1
    assert after.reason == "BudgetKnown"
    assert after.covered > 98.5


def test_a_controller_that_is_killed_before_or_after_its_counts_are_stored_loses_none(
    team: Team, spent: Service, start: Start
) -> None:
    assert spent.job == SPENT.job
    first = start()
    team.until("leading", lambda: first.metric("sluice_leader") == 1)
    ledger = declared(team)
    first.kill()
    second = start()
    team.until("leading", lambda: second.metric("sluice_leader") == 1, timeout=TAKE_OVER)
    until_known(team)
    ledger.until_stored()
    stored, before = ledger.content, until_counted(team, spent)
    second.kill()
    third = start(only(team))
    until_followed(team, spent, before)
    assert reads(third, "resumed") == 1
    assert third.stop() == 0
    # What has closed since was stored at the end; nothing, if no slice has.
    assert (ledger.content != stored) is (numbers(team).end // SLICE > before.end // SLICE)


def test_a_damaged_ledger_is_set_aside_and_reported_and_the_budget_is_built_anew(
    team: Team, spent: Service, start: Start
) -> None:
    first = start()
    ledger = declared(team)
    until_known(team)
    ledger.until_stored()
    before = until_counted(team, spent)
    assert first.stop() == 0
    sound = ledger.content
    broken = sound[:200] + ("B" if sound[200] == "A" else "A") + sound[201:]
    ledger.patch(broken)
    second = start(only(team))
    team.until("set aside", lambda: ledger.get("-set-aside") is not None, timeout=TAKE_OVER)
    aside = ledger.get("-set-aside")
    assert aside is not None
    assert aside["binaryData"]["ledger"] == broken
    assert "checksum" in aside["metadata"]["annotations"]["sluice.dev/problem"]
    team.until("told", lambda: ("Warning", "LedgerSetAside") in team.events(OBJECTIVE, SLO))
    team.until("stored anew", lambda: ledger.content not in {"", broken})
    until_followed(team, spent, before)
    assert reads(second, "damaged") == 1


def test_a_ledger_goes_with_its_objective_and_another_of_its_name_starts_over(
    team: Team, start: Start
) -> None:
    start()
    ledger = declared(team)
    ledger.until_stored()
    team.kubectl("delete", OBJECTIVE, SLO)
    team.until("no ledger", lambda: ledger.get() is None)
    other = declared(team)
    assert other.uid != ledger.uid
    other.until_stored()
    assert ledger.get() is None


def test_the_standby_goes_on_from_what_the_leader_has_stored_at_its_end(
    team: Team, spent: Service, start: Start
) -> None:
    leader = start()
    team.until("a leader", lambda: leader.metric("sluice_leader") == 1)
    standby = start(only(team))
    team.until("a standby", lambda: standby.metric("sluice_synced") == 1)
    ledger = declared(team)
    until_known(team)
    ledger.until_stored()
    before = until_counted(team, spent)
    assert leader.stop() == 0
    team.until("a new leader", lambda: standby.metric("sluice_leader") == 1, timeout=10)
    until_followed(team, spent, before)
    assert reads(standby, "resumed") == 1
    assert reads(standby, "none") == 0


def test_an_indicator_that_is_edited_starts_over_and_an_objective_does_not(
    team: Team, spent: Service, start: Start
) -> None:
    assert spent.job == SPENT.job
    start()
    ledger = declared(team)
    until_known(team)
    ledger.until_stored()
    stored, before = ledger.content, numbers(team)
    team.apply(objective(SPENT.job, objective="98"))
    team.until("half spent", lambda: numbers_of(team)["allowed"] > 1.5 * before.total / 100)
    assert ledger.content == stored
    team.apply(objective(SPENT.job, window={"rolling": "12h"}))
    team.until("another ledger", lambda: ledger.content not in {"", stored})
    team.until("half the window", lambda: numbers(team).total < 0.6 * before.total)


def numbers_of(team: Team) -> dict[str, int]:
    events = team.get(OBJECTIVE, SLO)["status"]["errorBudget"]["events"]
    return {name: int(value) for name, value in events.items()}
