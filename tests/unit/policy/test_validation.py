"""What is wrong with a policy's spec that the schema cannot say."""

from typing import Any

import pytest

from sluice.policy.validation import validate
from tests.unit.policy.examples import spec_of


def burn(value: str, window: str = "1h") -> dict[str, Any]:
    return {"burnRateAbove": {"window": window, "value": value}}


def stages(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A spec with a first stage and one for each condition: S1, S2, ..."""
    severe = [{"name": f"S{number}", "when": when} for number, when in enumerate(conditions, 1)]
    return {"stages": [{"name": "S0"}, *severe]}


def annotated(key: str, value: str = "on") -> dict[str, Any]:
    return {
        "stages": [
            {"name": "S0"},
            {"name": "S1", "when": {"remainingBelow": "20"}, "annotate": {key: value}},
        ]
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        stages({"remainingBelow": "50"}, {"remainingBelow": "20"}, {"remainingBelow": "-10"}),
        stages({"remainingBelow": "95"}),
        stages(burn("3"), burn("6"), burn("14.4")),
        stages(burn("6"), burn("3", "6h")),
        stages({"level": "Warning"}, {"level": "Critical"}, {"level": "Page"}),
        stages({"remainingBelow": "20"}, {"remainingBelow": "20", **burn("6")}),
        stages({"remainingBelow": "20"}, {"remainingBelow": "80", **burn("6")}),
        stages({"remainingBelow": "100", **burn("6")}),
        stages(burn("6"), {"remainingBelow": "20"}),
        annotated("example.com/freeze", "$(policy) $(stage) $(objective) $(since)"),
        annotated("freeze"),
        annotated("notkubernetes.io/freeze"),
        {"recovery": {"above": "0", "for": "1s"}},
    ],
)
def test_a_spec_that_can_be_decided_has_no_problem(fields: dict[str, Any]) -> None:
    assert validate(spec_of(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "path", "says"),
    [
        (
            stages({"remainingBelow": "20"}, {"remainingBelow": "50"}),
            "spec.stages[2].when",
            "S2 holds whenever S1 does, so that S1 is never in force",
        ),
        (
            stages({"remainingBelow": "20"}, {"remainingBelow": "20.0"}),
            "spec.stages[2].when",
            "remainingBelow falling",
        ),
        (
            stages({"remainingBelow": "20"}, burn("6"), {"remainingBelow": "30"}),
            "spec.stages[3].when",
            "S3 holds whenever S1 does",
        ),
        (stages(burn("6"), burn("3")), "spec.stages[2].when", "burnRateAbove and level rising"),
        (
            stages({"level": "Page"}, {"level": "Critical"}),
            "spec.stages[2].when",
            "S2 holds whenever S1 does",
        ),
        (
            stages({"remainingBelow": "20", **burn("6")}, {"remainingBelow": "20"}),
            "spec.stages[2].when",
            "S2 holds whenever S1 does",
        ),
        (
            stages({"remainingBelow": "95.1"}),
            "spec.stages[1].when.remainingBelow",
            "S1 can never be left: with recovery.above 5 that takes 100.1% of the budget",
        ),
        (
            annotated("example.com/freeze", "$(team)"),
            "spec.stages[1].annotate[example.com/freeze]",
            "$(team) is no variable",
        ),
        (
            annotated("sluice.dev/frozen"),
            "spec.stages[1].annotate[sluice.dev/frozen]",
            "keys under sluice.dev are reserved",
        ),
        (
            annotated("kubectl.kubernetes.io/restartedAt"),
            "spec.stages[1].annotate[kubectl.kubernetes.io/restartedAt]",
            "keys under kubernetes.io are reserved",
        ),
        (
            annotated("x.k8s.io/y"),
            "spec.stages[1].annotate[x.k8s.io/y]",
            "keys under k8s.io are reserved",
        ),
        (
            annotated("a key"),
            "spec.stages[1].annotate[a key]",
            "this is no annotation key",
        ),
        (
            annotated("a/b/c"),
            "spec.stages[1].annotate[a/b/c]",
            "this is no annotation key",
        ),
        (
            {
                "stages": [
                    {"name": "Healthy"},
                    {
                        "name": "Warning",
                        "when": {"remainingBelow": "50"},
                        "admission": "Limit",
                        "limit": {"interval": "0s"},
                    },
                ]
            },
            "spec.stages[1].limit.interval",
            "0s is too short",
        ),
        ({"recovery": {"for": "0s"}}, "spec.recovery.for", "0s is too short"),
        ({"whenBlind": {"holdFor": "0m"}}, "spec.whenBlind.holdFor", "0m is too short"),
        ({"whenBlind": {"holdFor": "999ms"}}, "spec.whenBlind.holdFor", "at least 1s"),
        ({"overrides": {"maxDuration": "0d"}}, "spec.overrides.maxDuration", "0d is too short"),
    ],
)
def test_a_problem_says_where_it_is_and_what_to_do(
    fields: dict[str, Any], path: str, says: str
) -> None:
    [problem] = validate(spec_of(**fields))
    assert problem.path == path
    assert says in problem.message
    assert str(problem) == f"{path}: {problem.message}"


def test_all_problems_are_reported_together() -> None:
    fields = {**annotated("sluice.dev/x", "$(team)"), "recovery": {"for": "0s"}}
    assert [problem.path for problem in validate(spec_of(**fields))] == [
        "spec.stages[1].annotate[sluice.dev/x]",
        "spec.stages[1].annotate[sluice.dev/x]",
        "spec.recovery.for",
    ]
