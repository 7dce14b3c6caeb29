"""`sluice run`: the controller."""

import asyncio
import inspect
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from sluice.controller.app import run as run_controller
from sluice.controller.settings import ENV_PREFIX, Settings
from sluice.kube.connection import NoClusterError


def run(**given: Any) -> None:
    """Run the controller: measure budgets, decide, freeze and thaw.

    Every flag can also be set by an environment variable, which is named beside it.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0])
            flag = "--" + name.replace("_", "-")
            # Of a URL that cannot be read it is not known where in it a password stands.
            value = "" if name.endswith("_url") else f" {problem['input']!r}"
            typer.echo(f"sluice run: {flag}{value}: {problem['msg']}", err=True)
        raise typer.Exit(1) from error
    try:
        asyncio.run(run_controller(settings))
    except (NoClusterError, OSError) as error:
        typer.echo(f"sluice run: {error}", err=True)
        raise typer.Exit(1) from error
    except ExceptionGroup as group:
        for part in group.exceptions:
            typer.echo(f"sluice run: a part of the controller failed: {part!r}", err=True)
        raise typer.Exit(1) from group


def _option(name: str) -> inspect.Parameter:
    """The setting `name` as an option of the command line."""
    field = Settings.model_fields[name]
    flag = name.replace("_", "-")
    switch = field.annotation is bool
    option = typer.Option(
        f"--{flag}/--no-{flag}" if switch else f"--{flag}",
        envvar=ENV_PREFIX + name.upper(),
        help=field.description,
        show_default="" if field.default_factory else str(field.default or "none"),
    )
    annotation = bool | None if switch else str | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, option]
    )


# Typer reads a function's signature: it is made from the settings, so that there is one list.
run.__signature__ = inspect.Signature([_option(name) for name in Settings.model_fields])  # type: ignore[attr-defined]
