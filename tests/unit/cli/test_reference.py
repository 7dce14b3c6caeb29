"""The reference of the command line, and the examples in it and in `--help`."""

import os
import shlex
from pathlib import Path

import pytest

from sluice.cli.examples import EXAMPLES
from sluice.cli.main import COMMANDS, command
from tests.unit.cli.reference import page, section

PAGE = Path(__file__).parents[3] / "docs/reference/kubectl-sluice.md"
FOR_THE_CLUSTER = {"run", "gate", "crds"}
"""Commands that people do not type at a cluster."""


def test_the_reference_is_in_step_with_the_commands() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page())
    assert page() == PAGE.read_text()


def test_every_command_for_people_has_examples() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys() - FOR_THE_CLUSTER


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, them in EXAMPLES.items() for line, _ in them]
)
def test_an_example_is_a_command_line_that_the_command_takes(
    name: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_GATE_URL", "http://gate")
    called, *arguments = shlex.split(line)
    assert called == name
    found = command(name, program="sluice").make_context(name, arguments)
    assert found.args == []


def test_the_reference_names_every_option_and_every_field() -> None:
    text = "\n".join(section("status"))
    assert "| `--output`, `-o` | `table` |" in text
    assert "`table`, `wide`, `json`, `yaml`." in text
    assert "| `policies[].workloads[].held` | list of strings |" in text
