"""The threat model names the tests that show it: they must exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(
    set(re.findall(r"`((?:tests|e2e|docs)/[^`]+)`", (ROOT / "docs/security.md").read_text()))
)


def test_it_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert (ROOT / path).exists()
    if test:
        found = ast.parse((ROOT / path).read_text()).body
        assert test in {
            one.name for one in found if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        }
