"""The `sluice` command, and `kubectl sluice`, which is the same one.

A command's module is imported when that command is called: `--version` and `--help` wait for none.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

import sluice
from sluice.cli.examples import epilog

_SETTINGS: dict[str, Any] = {"context_settings": {"help_option_names": ["-h", "--help"]}}
COMMANDS = {
    "run": "Run the controller: measure budgets, decide, freeze and thaw.",
    "gate": (
        "Run the gate: tell the API server, pipelines and rollouts what the policies have decided."
    ),
    "check": (
        "Evaluate SLOs and policies from files once, as the controller would; no cluster is needed."
    ),
    "crds": "Print the CustomResourceDefinitions, write them into directories, or apply them.",
    "approve": "Let a deployment pass a stage that limits them (creates a GateOverride).",
    "explain": "Explain whether a deployment would pass now, why, and what would.",
    "freeze": "Freeze deployments by hand until a stated time (creates a GateOverride).",
    "override": "Let deployments pass a freeze until a stated time (creates a GateOverride).",
    "status": "Show budgets, policies, freezes and who is affected.",
    "thaw": "Lift all freezes at once and keep them lifted; works with the controller down.",
    "verdict": "Ask the gate whether a deployment of a workload would pass now.",
}
"""The commands, each in the module of its name, and the first sentence of their help."""


class _Commands(TyperGroup):
    """Lists the commands without importing them, and imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        listed = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}
        super().__init__(**{**settings, "commands": listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, with its name and its arguments."""
        name, listed, rest = super().resolve_command(ctx, args)
        program = str(ctx.find_root().info_name)
        return name, listed and command(str(name), program=program), rest


def command(name: str, *, program: str) -> Any:
    """The command of a name, imported; its examples call `program`."""
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", **_SETTINGS)
    function = getattr(import_module(f"sluice.cli.{name}"), name)
    alone.command(name, epilog=epilog(name, program=program))(function)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="sluice",
    cls=_Commands,
    help="Error budgets that decide about deployments on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **_SETTINGS,
)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        typer.echo(f"sluice {sluice.__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of `sluice`."""
    app()


def kubectl_plugin() -> None:
    """Entry point of `kubectl-sluice`: kubectl finds it by this name."""
    app(prog_name="kubectl sluice")
