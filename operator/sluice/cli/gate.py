"""`sluice gate`: the admission webhook and the verdict API."""

import asyncio
from typing import Any

import typer

from sluice.cli.flags import settings_from, takes
from sluice.gate.app import run as run_gate
from sluice.gate.settings import GateSettings
from sluice.kube.connection import NoClusterError
from sluice.settings import ENV_PREFIX


@takes(GateSettings, prefix=ENV_PREFIX)
def gate(**given: Any) -> None:
    """Run the gate: tell the API server, pipelines and rollouts what the policies have decided.

    It writes nothing and answers from memory, so that there can be several. Every flag can also be
    set by an environment variable, which is named beside it.
    """
    settings = settings_from(GateSettings, given, command="sluice gate")
    try:
        asyncio.run(run_gate(settings))
    except (NoClusterError, OSError) as error:
        typer.echo(f"sluice gate: {error}", err=True)
        raise typer.Exit(1) from error
    except ExceptionGroup as group:
        for part in group.exceptions:
            typer.echo(f"sluice gate: a part of the gate failed: {part!r}", err=True)
        raise typer.Exit(1) from group
