"""`sluice run`: the controller."""

import asyncio
from typing import Any

import typer

from sluice.cli.flags import settings_from, takes
from sluice.controller.app import run as run_controller
from sluice.controller.settings import Settings
from sluice.kube.connection import NoClusterError
from sluice.settings import ENV_PREFIX


@takes(Settings, prefix=ENV_PREFIX)
def run(**given: Any) -> None:
    """Run the controller: measure budgets, decide, freeze and thaw.

    Every flag can also be set by an environment variable, which is named beside it.
    """
    settings = settings_from(Settings, given, command="sluice run")
    try:
        asyncio.run(run_controller(settings))
    except (NoClusterError, OSError) as error:
        typer.echo(f"sluice run: {error}", err=True)
        raise typer.Exit(1) from error
    except ExceptionGroup as group:
        for part in group.exceptions:
            typer.echo(f"sluice run: a part of the controller failed: {part!r}", err=True)
        raise typer.Exit(1) from group
