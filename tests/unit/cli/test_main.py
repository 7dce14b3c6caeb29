"""The command line as a whole: what it lists, and what it imports for that."""

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from sluice.cli.main import COMMANDS, app, kubectl_plugin

runner = CliRunner()

HEAVY = {"aiohttp", "kopf", "kubernetes", "numpy", "psycopg", "sluice.api", "sluice.controller"}
IMPORTED = """
import sys
from sluice.cli.main import main
sys.argv = ["sluice", *sys.argv[1:]]
try:
    main()
finally:
    print("\\n".join(["IMPORTED", *sys.modules]))
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a call of the command has imported."""
    code = [sys.executable, "-c", IMPORTED, *arguments]
    ran = subprocess.run(code, capture_output=True, text=True, check=False, timeout=60)
    return set(ran.stdout.partition("IMPORTED")[2].split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], []])
def test_what_needs_no_command_imports_none(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert "sluice.cli.main" in modules
    assert not modules & HEAVY
    assert not {f"sluice.cli.{name}" for name in COMMANDS} & modules


def test_a_command_imports_itself_and_no_other() -> None:
    modules = imported("crds", "--help")
    assert {f"sluice.cli.{name}" for name in COMMANDS} & modules == {"sluice.cli.crds"}
    assert not modules & {"aiohttp", "kopf", "kubernetes", "numpy"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_sentence_of_its_own_help(name: str) -> None:
    function = getattr(import_module(f"sluice.cli.{name}"), name)
    assert (function.__doc__ or "").partition("\n")[0] == COMMANDS[name]
    for listed in (["--help"], ["-h"]):
        assert f" {name} " in runner.invoke(app, listed).output
    shown = runner.invoke(app, [name, "-h"])
    assert shown.exit_code == 0
    assert f"sluice {name} [OPTIONS]" in shown.output


def test_a_command_that_is_misspelt_is_answered_with_the_right_one() -> None:
    result = runner.invoke(app, ["overide"])
    assert result.exit_code == 2
    assert "No such command 'overide'. Did you mean 'override'?" in result.output


def test_as_a_plugin_it_calls_itself_by_the_plugins_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl-sluice", "thaw", "-h"])
    with pytest.raises(SystemExit):
        kubectl_plugin()
    assert "kubectl sluice thaw [OPTIONS]" in capsys.readouterr().out
