"""Whatever is applied and whatever a source answers: an exact condition, and nobody else is hit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.stack import Controller, Stack
from e2e.story.manifests import DENY, Object, objective, policy
from e2e.story.source import Answer, Proxy, proxy
from e2e.story.team import OBJECTIVE, POLICY, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

GOOD = "availability"


@dataclass(frozen=True)
class Watched:
    """A team with a good objective, whose numbers must go on while others are broken."""

    team: Team
    controller: Controller

    def total(self) -> int:
        return int(self.team.field(OBJECTIVE, GOOD, ".status.errorBudget.events.total"))

    def assert_unharmed(self) -> None:
        before = self.total()
        self.team.service.shop.inject(total=5000, bad=100)
        self.team.until("the good one goes on", lambda: self.total() >= before + 5000)
        assert self.controller.daemon.exit_code is None


@pytest.fixture(scope="module")
def prom(everything: Stack) -> Iterator[Proxy]:
    with proxy(everything.prometheus.url) as running:
        yield running


@pytest.fixture(scope="module")
def watched(everything: Stack, prom: Proxy) -> Iterator[Watched]:
    running = everything.run("--query-timeout=1", url=prom.url)
    try:
        with everything.plane.namespace("bad-input") as namespace:
            team = Team(everything, namespace, everything.take())
            team.apply(objective(team.service.job))
            team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name=GOOD)
            yield Watched(team, running)
        assert running.daemon.exit_code is None
    finally:
        code = running.stop()
    assert code == 0
    assert "Traceback" not in running.log, running.log


def ratio(total: str, bad: str = 'http_requests_total{code="500"}') -> Object:
    return {"indicator": {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}}}


def latency(threshold: str) -> Object:
    metric = "http_request_duration_seconds"
    selector = 'job="service-0"'
    return {
        "indicator": {"latency": {"metric": metric, "selector": selector, "threshold": threshold}}
    }


STALLED_OBJECTIVES = {
    "a syntax error": (
        ratio('http_requests_total{job="a"'),
        "InvalidQuery",
        "spec.indicator.ratio.total.metric: 'http_requests_total{job=\"a\"': 1:28: parse error: ",
    ),
    "an expression": (
        ratio("sum(http_requests_total)"),
        "InvalidQuery",
        (
            "spec.indicator.ratio.total.metric: 'sum(http_requests_total)': a vector selector "
            "alone is needed, without functions, operators or ranges"
        ),
    ),
    "a gauge": (
        ratio("process_start_time_seconds", "http_requests_total"),
        "NotACounter",
        (
            "process_start_time_seconds is a gauge, and events can be counted only by a counter, "
            "whose value never decreases"
        ),
    ),
    "an unknown source": (
        ratio("http_requests_total") | {"source": {"name": "thanos"}},
        "SourceNotFound",
        "spec.source.name: no source 'thanos'; there are: default",
    ),
    "a threshold between buckets": (
        latency("300ms"),
        "BucketNotFound",
        (
            "spec.indicator.latency.threshold: 300ms (0.3 s) is no bucket boundary of "
            "http_request_duration_seconds_bucket; nearest: 0.25 s and 0.5 s"
        ),
    ),
    "a threshold above all buckets": (
        latency("10s"),
        "BucketNotFound",
        (
            "spec.indicator.latency.threshold: 10s (10 s) is no bucket boundary of "
            "http_request_duration_seconds_bucket; nearest: 2.5 s"
        ),
    ),
}


@pytest.mark.parametrize("case", STALLED_OBJECTIVES)
def test_an_objective_that_cannot_be_measured_is_stalled_with_the_exact_reason(
    watched: Watched, case: str
) -> None:
    spec, reason, message = STALLED_OBJECTIVES[case]
    name = case.replace(" ", "-")
    watched.team.apply(objective("none", name=name, **spec))
    stalled = watched.team.until_condition("Stalled", reason, of=OBJECTIVE, name=name)
    assert stalled["status"] == "True"
    assert stalled["message"].startswith(message), stalled["message"]
    ready = watched.team.condition("Ready", OBJECTIVE, name)
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert watched.team.condition("BudgetKnown", OBJECTIVE, name)["reason"] == reason
    watched.assert_unharmed()


def test_a_metric_that_is_always_the_same_has_no_events(watched: Watched) -> None:
    watched.team.apply(objective("none", name="up", **ratio("up", 'up{job="none"}')))
    found = watched.team.until_condition("BudgetKnown", "TooFewEvents", of=OBJECTIVE, name="up")
    assert found["message"].startswith("0 events")
    watched.assert_unharmed()


def test_a_selector_that_selects_nothing_is_no_data_and_not_an_empty_budget(
    watched: Watched,
) -> None:
    watched.team.apply(objective("no-such-job", name="nothing"))
    unknown = watched.team.until_condition("BudgetKnown", "NoData", of=OBJECTIVE, name="nothing")
    assert unknown["status"] == "False"
    assert watched.team.get(OBJECTIVE, "nothing")["status"]["level"] == "Unknown"
    watched.assert_unharmed()


def vector(value: str, *, series: int = 1, of_range: bool = False) -> str:
    """An answer of Prometheus with that value for whatever was asked."""
    labels: list[Object] = [
        {"sluice_side": side, "sluice_part": part, "n": str(number)}
        for number in range(series)
        for side in ("total", "bad")
        for part in ("moved", "matched", "seen", "present", "value")
    ]
    kind, field = ("matrix", "values") if of_range else ("vector", "value")
    pair: list[Any] = [1.0, value]
    result: list[Any] = [{"metric": one, field: [pair] if of_range else pair} for one in labels]
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


ANSWERS = {
    "401": (Answer("no", 401, "text/plain"), "SourceUnauthorized", "refused access (HTTP 401)"),
    "late": (Answer("{}", seconds=2), "SourceTimeout", "has not answered within 1 s"),
    "a login page": (
        Answer("<html><title>Log in</title></html>", 200, "text/html"),
        "InvalidResponse",
        (
            "answered HTTP 200 with text/html in place of JSON, beginning "
            "'<html><title>Log in</title></html>': check that the URL is Prometheus' own and not "
            "that of a login page"
        ),
    ),
    "broken JSON": (Answer('{"status": "succ'), "InvalidResponse", "answered JSON that cannot be"),
    "a bare list": (Answer("[]"), "InvalidResponse", "answered JSON that is no object"),
    "HTTP 500": (Answer("oops", 500, "text/plain"), "SourceError", "answered HTTP 500: oops"),
    "Prometheus' own error": (
        Answer('{"status":"error","errorType":"execution","error":"too many samples"}', 422),
        "SourceError",
        "failed (execution): too many samples",
    ),
    "strings for numbers": (
        Answer(vector("many"), range_body=vector("many", of_range=True)),
        "InvalidResponse",
        "that cannot be read (ValueError: could not convert string to float: 'many')",
    ),
}


@pytest.fixture
def spoilt(watched: Watched, prom: Proxy, everything: Stack) -> Iterator[Team]:
    """A second objective of the team, of a service that the source can be made to misanswer."""
    team = Team(everything, watched.team.namespace, everything.take("service-0"))
    prom.job = team.service.job
    team.apply(objective(team.service.job, name="spoilt"))
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name="spoilt")
    try:
        yield team
    finally:
        prom.answer = None


def test_whatever_the_source_answers_is_said_and_harms_nobody_else(
    watched: Watched, spoilt: Team, prom: Proxy
) -> None:
    kept = spoilt.get(OBJECTIVE, "spoilt")["status"]["errorBudget"]["consumed"]
    for case, (answer, reason, message) in ANSWERS.items():
        prom.answer = answer
        ready = spoilt.until_condition("Ready", reason, of=OBJECTIVE, name="spoilt")
        spoilt.until(
            f"{case}: {message}",
            lambda message=message: (  # type: ignore[misc]
                message in spoilt.condition("Ready", OBJECTIVE, "spoilt")["message"]
            ),
        )
        assert ready["status"] == "False"
        assert "Stalled" not in [one["type"] for one in spoilt.conditions(OBJECTIVE, "spoilt")]
    found = spoilt.get(OBJECTIVE, "spoilt")["status"]
    assert found["errorBudget"]["consumed"] == kept
    watched.assert_unharmed()
    prom.answer = None
    spoilt.until_condition("Ready", "Reconciled", of=OBJECTIVE, name="spoilt")
    spoilt.service.spend(30)
    # Of the budget of 24 hours, 30 %. By the time of the hour the window is up to an hour longer,
    # or has left behind as much of the first of these hours as has passed since they were written.
    spoilt.until(
        "measured again",
        lambda: (
            30 * 24 / 25
            <= float(spoilt.get(OBJECTIVE, "spoilt")["status"]["errorBudget"]["consumed"])
            <= 30 * 24 / 23
        ),
    )


BAD_POLICIES = {
    "two-of-a-threshold": (
        [
            {"name": "Healthy"},
            {"name": "Warning", "when": {"remainingBelow": "20"}, "admission": "Warn"},
            DENY,
        ],
        (
            "spec.stages[2].when: Exhausted holds whenever Warning does, so that Warning is never "
            "in force: order the stages from mild to severe, with remainingBelow falling and "
            "burnRateAbove and level rising"
        ),
    ),
    "unknown-variable": (
        [{"name": "Healthy"}, DENY | {"annotate": {"team.example/by": "$(polciy)"}}],
        (
            "spec.stages[1].annotate[team.example/by]: $(polciy) is no variable: use one of "
            "$(policy), $(stage), $(objective), $(since)"
        ),
    ),
    "interval": (
        [
            {"name": "Healthy"},
            DENY | {"admission": "Limit", "limit": {"interval": "10ms"}},
        ],
        "spec.stages[1].limit.interval: 10ms is too short: it must be at least 1s",
    ),
    "reserved-key": (
        [{"name": "Healthy"}, DENY | {"annotate": {"app.kubernetes.io/frozen": "yes"}}],
        (
            "spec.stages[1].annotate[app.kubernetes.io/frozen]: keys under kubernetes.io are "
            "reserved: use a domain of your own"
        ),
    ),
}


@pytest.mark.parametrize("name", BAD_POLICIES)
def test_a_policy_that_makes_no_sense_is_stalled_with_path_and_advice(
    watched: Watched, name: str
) -> None:
    stages, message = BAD_POLICIES[name]
    watched.team.apply(policy(name=name, stages=stages))
    stalled = watched.team.until_condition("Stalled", "InvalidSpec", name=name)
    assert stalled["message"] == message
    ready = watched.team.condition("Ready", POLICY, name)
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "InvalidSpec", message)
    watched.assert_unharmed()


def test_a_policy_that_is_corrected_goes_on(watched: Watched) -> None:
    stages, _ = BAD_POLICIES["reserved-key"]
    watched.team.apply(policy(name="corrected", stages=stages))
    watched.team.until_condition("Stalled", "InvalidSpec", name="corrected")
    watched.team.apply(policy(name="corrected", objectives={"names": [GOOD]}))
    watched.team.until_condition("Ready", "Reconciled", name="corrected")
    assert "Stalled" not in [one["type"] for one in watched.team.conditions(POLICY, "corrected")]


def test_a_policy_whose_selector_matches_nothing_is_blind_and_says_so(watched: Watched) -> None:
    nobody = {"selector": {"matchLabels": {"app": "nobody"}}}
    watched.team.apply(policy(name="nobody", objectives=nobody))
    blind = watched.team.until_condition("BudgetKnown", "NoObjectives", name="nobody")
    assert (blind["status"], blind["message"]) == (
        "False",
        (
            "spec.objectives selects no ServiceLevelObjective in this namespace: correct the "
            "selector or label an objective"
        ),
    )
    assert watched.team.condition("Ready", POLICY, "nobody")["status"] == "True"


GONE = (
    "ServiceLevelObjective gone does not exist in the policy's namespace: "
    "create it or take it out of spec.objectives.names"
)


def test_a_policy_that_names_a_missing_objective_says_which(watched: Watched) -> None:
    watched.team.apply(policy(name="missing", objectives={"names": [GOOD, "gone"]}))
    watched.team.until_condition("BudgetKnown", "BudgetKnown", name="missing")
    known = watched.team.condition("BudgetKnown", POLICY, "missing")
    assert (known["status"], known["message"]) == (
        "True",
        GONE,
    )


def test_a_policy_of_nothing_but_missing_objectives_is_blind(watched: Watched) -> None:
    watched.team.apply(policy(name="ghosts", objectives={"names": ["gone"]}))
    blind = watched.team.until_condition("BudgetKnown", "ObjectiveNotFound", name="ghosts")
    assert (blind["status"], blind["message"]) == (
        "False",
        GONE,
    )
