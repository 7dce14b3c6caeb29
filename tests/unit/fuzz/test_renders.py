"""Whatever things are called: an admission policy has the same code, and the names as data."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from sluice.enforcement.cel import MAX_EXPRESSION
from sluice.enforcement.freeze import Freeze
from sluice.enforcement.native import render
from tests.unit.fuzz.cel_skeleton import NotCelError, skeleton
from tests.unit.fuzz.freezes import freezes, harmless
from tests.unit.fuzz.hostile import fuzzed


def expressions(manifests: tuple[dict[str, Any], ...]) -> Iterator[str]:
    """All CEL of admission policies."""
    for manifest in manifests:
        spec = manifest["spec"]
        for one in (*spec.get("matchConditions", ()), *spec.get("variables", ())):
            yield one["expression"]
        for one in spec.get("validations", ()):
            yield one["expression"]
            yield one["messageExpression"]


@fuzzed
@given(freezes())
def test_no_name_label_or_image_becomes_code(freeze: Freeze) -> None:
    found = [*expressions(render(freeze).manifests)]
    assert [skeleton(it) for it in found] == [
        skeleton(it) for it in expressions(render(harmless(freeze)).manifests)
    ]


@fuzzed
@given(freezes(huge=True))
def test_a_policy_can_be_sent_and_named_whatever_it_is_about(freeze: Freeze) -> None:
    manifests = render(freeze).manifests
    for text in expressions(manifests):
        assert len(text) <= MAX_EXPRESSION
        assert text.isascii()
    json.dumps(manifests, allow_nan=False).encode()
    names = [it["metadata"]["name"] for it in manifests]
    assert len(set(names)) == len(names) / 2
    assert all(len(name) <= 253 for name in names)


@pytest.mark.parametrize(
    "text",
    ["'a", "'a' 'b'b\\'", "'\\x'", "(1", "1)", "(]", "a ; b", "'a\nb'", "a # b", "a = b"],
)
def test_what_is_no_cel_is_found_out(text: str) -> None:
    with pytest.raises(NotCelError):
        skeleton(text)


def test_what_was_data_and_is_code_shows() -> None:
    assert skeleton("object.name == 'a'") == ["object", ".", "name", "==", "<string>"]
    assert skeleton("object.name == 'a' || true") != skeleton("object.name == 'b'")
