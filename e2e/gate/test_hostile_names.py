"""Whatever things are called: the API server compiles every expression of a freeze."""

from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings

from e2e.harness import ControlPlane
from sluice.enforcement.freeze import Freeze
from sluice.enforcement.native import render
from tests.unit.fuzz.freezes import freezes
from tests.unit.fuzz.hostile import EXAMPLES

pytestmark = pytest.mark.controlplane

PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies?dryRun=All"
KIND = "ValidatingAdmissionPolicy"


def refused(plane: ControlPlane, manifest: dict[str, Any]) -> list[str]:
    """The expressions of a manifest that the API server refuses, by their fields.

    It looks at all of a manifest: what no object may be called does not hide what follows.
    """
    if plane.local is None:
        pytest.skip(f"no direct way to the API server of provider {plane.provider}")
    status, answer = plane.local.api().request("POST", PATH, manifest)
    if status == HTTPStatus.CREATED:
        return []
    assert status == HTTPStatus.UNPROCESSABLE_ENTITY, answer
    fields = [cause["field"] for cause in answer["details"]["causes"]]
    return [it for it in fields if it.lower().endswith("expression")]


def policies(freeze: Freeze) -> list[dict[str, Any]]:
    """Its admission policies."""
    return [it for it in render(freeze).manifests if it["kind"] == KIND]


# A tenth: the API server takes ten times as long for one as the parser in tests/unit/fuzz.
@settings(max_examples=EXAMPLES // 10)
@given(freeze=freezes())
def test_no_name_label_or_image_keeps_an_expression_from_being_compiled(
    control_plane: ControlPlane, freeze: Freeze
) -> None:
    for manifest in policies(freeze):
        assert refused(control_plane, manifest) == []


@settings(max_examples=10)
@given(freeze=freezes())
def test_an_expression_that_is_none_shows_whatever_else_is_wrong(
    control_plane: ControlPlane, freeze: Freeze
) -> None:
    first, *_ = policies(freeze)
    first["spec"]["validations"][0]["expression"] = "1 +"
    assert refused(control_plane, first) == ["spec.validations[0].expression"]
