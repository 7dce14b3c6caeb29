"""What the examples say beyond what the API server can check."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.api import API_VERSION
from sluice.api.crds import RESOURCES
from sluice.api.policy import ErrorBudgetPolicy
from sluice.policy.validation import validate

EXAMPLES = Path(__file__).parents[3] / "examples"
MODELS = {resource.kind: resource.model for resource in RESOURCES}


def ours() -> list[Any]:
    return [
        pytest.param(manifest, id=f"{path.name}: {manifest['kind']}")
        for path in sorted(EXAMPLES.rglob("*.yaml"))
        for manifest in yaml.safe_load_all(path.read_text())
        if manifest["apiVersion"] == API_VERSION
    ]


@pytest.mark.parametrize("manifest", ours())
def test_the_models_read_an_example_and_find_no_problem(manifest: dict[str, Any]) -> None:
    read = MODELS[manifest["kind"]].model_validate(manifest)
    if isinstance(read, ErrorBudgetPolicy):
        assert validate(read.spec) == []


def test_there_are_examples_of_what_a_team_and_the_platform_write() -> None:
    kinds = {parameter.values[0]["kind"] for parameter in ours()}
    assert kinds == {
        "ServiceLevelObjective",
        "ErrorBudgetPolicy",
        "BudgetCorrection",
        "MetricSource",
    }
