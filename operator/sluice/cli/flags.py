"""Settings as options of a command, so that there is one list of them."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

S = TypeVar("S", bound=BaseSettings)


def takes(settings: type[BaseSettings], *, prefix: str) -> Callable[[Callable[..., None]], Any]:
    """Give a command that takes anything the options that `settings` has.

    Typer reads a function's signature; here it is made from the fields. `prefix` begins the
    environment variables, which are named beside the flags.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = [_option(settings, name, prefix) for name in settings.model_fields]
        command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        return command

    return decorate


def _option(settings: type[BaseSettings], name: str, prefix: str) -> inspect.Parameter:
    """The setting `name` as an option of the command line."""
    field = settings.model_fields[name]
    flag = name.replace("_", "-")
    switch = field.annotation is bool
    option = typer.Option(
        f"--{flag}/--no-{flag}" if switch else f"--{flag}",
        envvar=prefix + name.upper(),
        help=field.description,
        show_default="" if field.default_factory else str(field.default or "none"),
    )
    annotation = bool | None if switch else str | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, option]
    )


def settings_from(settings: type[S], given: dict[str, Any], *, command: str) -> S:
    """The settings that flags and the environment give; what is wrong ends the command."""
    try:
        return settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            flag = f" --{name.replace('_', '-')}" if name else ""
            # Of a URL that cannot be read it is not known where in it a password stands.
            value = "" if name.endswith("_url") or not name else f" {problem['input']!r}"
            message = problem["msg"].removeprefix("Value error, ") if not name else problem["msg"]
            what = f"{flag}{value}:" if name else ""
            typer.echo(f"{command}:{what} {message}", err=True)
        raise typer.Exit(1) from error
