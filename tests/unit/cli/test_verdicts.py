"""The models say offline what the API server says: the same verdicts, of the same manifests."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.api import API_VERSION
from sluice.api.crds import RESOURCES, crd
from sluice.api.reading import Problem, read
from sluice.api.schema import RULES

TABLES = Path(__file__).parents[3] / "e2e" / "manifests"
MODELS = {resource.kind: resource.model for resource in RESOURCES}
OF_CHANGES = {
    ("GateOverride", "an override cannot be changed: delete it and create another"),
    ("BudgetCorrection", "a correction cannot be changed: delete it and create another"),
}


def rules(node: Any) -> Iterator[str]:
    """The messages of all CEL rules below a part of a CRD."""
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get(RULES, []))
        for child in node.values():
            yield from rules(child)
    elif isinstance(node, list):
        for child in node:
            yield from rules(child)


MESSAGES = {
    kind: set(rules(crd(resource))) for kind, resource in zip(MODELS, RESOURCES, strict=True)
}


def cases(*, refused: bool) -> list[Any]:
    return [
        pytest.param(kind, case, id=f"{kind}: {case['case']}")
        for kind in MODELS
        for case in yaml.safe_load((TABLES / f"{kind.lower()}.yaml").read_text())
        if ("refused" in case) is refused
    ]


def verdict(kind: str, case: dict[str, Any]) -> object:
    spec = {"spec": case["spec"]} if "spec" in case else {}
    metadata = {"name": case.get("name", "example")}
    return read(
        MODELS[kind], {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **spec}
    )


def of_ours(kind: str, refused: str) -> tuple[str, str] | None:
    """A rule's message that the API server's words hold, and how much of it; None if none."""
    parts = refused.split(": ")
    for first in range(len(parts)):
        words = ": ".join(parts[first:])
        for message in MESSAGES[kind]:
            if " " in words and words in message:
                return message, words
    return None


@pytest.mark.parametrize(("kind", "case"), cases(refused=False))
def test_what_the_api_server_lets_in_the_models_read(kind: str, case: dict[str, Any]) -> None:
    assert isinstance(verdict(kind, case), MODELS[kind])


@pytest.mark.parametrize(("kind", "case"), cases(refused=True))
def test_what_the_api_server_refuses_the_models_refuse_in_the_same_field_and_words(
    kind: str, case: dict[str, Any]
) -> None:
    problems = verdict(kind, case)
    assert isinstance(problems, list)
    assert all(isinstance(problem, Problem) for problem in problems)
    ours = of_ours(kind, case["refused"])
    if ours is not None:
        assert any(ours[1] in problem.message for problem in problems), problems
    path = re.match(r'(unknown field ")?(?P<path>spec[\w.\[\]]*)', case["refused"])
    if path is not None:
        assert any(problem.path and path["path"].startswith(problem.path) for problem in problems)


def test_every_rule_of_the_crds_is_broken_by_a_manifest_of_the_table() -> None:
    broken = {
        (kind, found[0])
        for kind, case in (parameter.values for parameter in cases(refused=True))
        if (found := of_ours(kind, case["refused"]))
    }
    stated = {(kind, message) for kind, messages in MESSAGES.items() for message in messages}
    assert stated - broken == OF_CHANGES
