"""Good and bad manifests, and what the API server says to the person who applies them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from e2e.harness import ControlPlane
from e2e.harness.programs import RELEASE
from sluice.api import API_VERSION
from sluice.api.crds import RESOURCES

pytestmark = pytest.mark.controlplane

MODELS: dict[str, type[BaseModel]] = {resource.kind: resource.model for resource in RESOURCES}


def _cases() -> Iterator[Any]:
    for kind in MODELS:
        table = Path(__file__).with_name(f"{kind.lower()}.yaml")
        for case in yaml.safe_load(table.read_text()):
            yield pytest.param(kind, case, id=f"{kind}: {case['case']}")


def _manifest(kind: str, case: dict[str, Any]) -> str:
    spec = {"spec": case["spec"]} if "spec" in case else {}
    metadata = {"name": case.get("name", "example")}
    return json.dumps({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **spec})


def told(refused: str) -> str:
    """What is to be read of a refusal: of an older release the field, the rest is worded anew."""
    if os.environ.get(RELEASE, "newest") == "newest":
        return refused
    field = re.match(r"[\w.\[\]]+", refused)
    assert field is not None
    return field[0]


@pytest.mark.parametrize(("kind", "case"), list(_cases()))
def test_the_api_server_says(
    control_plane: ControlPlane, namespace: str, kind: str, case: dict[str, Any]
) -> None:
    answer = control_plane.kubectl(
        *("-n", namespace, "apply", "--dry-run=server", "-o", "json", "-f", "-"),
        input=_manifest(kind, case),
        check=False,
    )
    if "refused" in case:
        assert answer.returncode != 0
        assert told(case["refused"]) in answer.stderr
    else:
        assert answer.returncode == 0, answer.stderr
        # What the API server lets in, with its defaults, the controller must be able to read.
        MODELS[kind].model_validate_json(answer.stdout)


def test_there_are_good_and_bad_manifests_of_every_kind() -> None:
    cases = [(case.values[0], "refused" in case.values[1]) for case in _cases()]
    assert set(cases) == {(kind, verdict) for kind in MODELS for verdict in (True, False)}
