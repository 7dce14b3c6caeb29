"""The `sluice` command, and `kubectl sluice`, which is the same one."""

import typer

import sluice
from sluice.cli.check import check
from sluice.cli.crds import crds
from sluice.cli.override import override
from sluice.cli.run import run
from sluice.cli.thaw import thaw

app = typer.Typer(
    name="sluice",
    help="Error budgets that decide about deployments on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(check)
app.command()(crds)
app.command()(override)
app.command()(thaw)


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
