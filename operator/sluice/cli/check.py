"""`sluice check`: evaluates SLOs and policies from files once, without a cluster."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from sluice.api.base import parse_time
from sluice.cli.check_evaluation import SOURCE, evaluate, unreadable
from sluice.cli.check_files import Document, Finding, read_all
from sluice.cli.check_objects import Declarations, declared
from sluice.cli.check_report import as_json, print_tables
from sluice.cli.check_verdict import Exit, exit_status, explanations
from sluice.controller.settings import base_url
from sluice.indicators.failure import Failure
from sluice.indicators.sql_reader import stated_sql
from sluice.settings import ENV_PREFIX

_EARLIEST = 1971
"""A year in which the longest window has begun after 1970, where the seconds of Unix begin."""
_URL_VARIABLE = f"{ENV_PREFIX}PROMETHEUS_URL"


class Output(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


def check(
    files: Annotated[
        list[str],
        typer.Option(
            "--filename",
            "-f",
            help="Manifests: a file, a directory, or - for standard input; may be repeated.",
        ),
    ],
    prometheus: Annotated[
        str | None,
        typer.Option(
            envvar=_URL_VARIABLE, help="URL of the Prometheus that objectives are measured in."
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="The time to evaluate, as 2026-08-20T10:04:00Z; now if none.")
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Tables for people, JSON for programs.")
    ] = Output.TABLE,
) -> None:
    """Evaluate SLOs and policies from files once, as the controller would; no cluster is needed.

    Exit status 0: all is well. 1: bad input, or a source that cannot be read.

    3: a budget is spent or a policy denies changes. 4: a budget is unknown.
    """
    url, time = _url(prometheus), _time(at)
    found = list(read_all(files, sys.stdin.buffer.read))
    declarations = declared(it for it in found if isinstance(it, Document))
    unread = [it for it in found if isinstance(it, Finding)]
    _tell_ignored(declarations)
    findings = [*unread, *declarations.findings, *_missing(declarations, url, unread=bool(unread))]
    if findings:
        # The user shall see all that is to be corrected at once, PromQL included.
        findings += asyncio.run(unreadable(declarations.objectives, url=url, at=time))
        _tell(str(finding) for finding in findings)
        raise typer.Exit(Exit.BAD_INPUT)
    result = asyncio.run(evaluate(declarations, url=url, at=time))
    if output is Output.JSON:
        typer.echo(as_json(result))
    else:
        print_tables(result, sys.stdout)
    _tell(explanations(result))
    raise typer.Exit(exit_status(result))


def _url(text: str | None) -> str | None:
    try:
        return base_url(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prometheus") from error


def _time(text: str | None) -> datetime:
    now = datetime.now(UTC)
    try:
        time = now if text is None else parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from error
    if time.tzinfo is None:
        raise typer.BadParameter("add a zone: 2026-08-20T10:04:00Z", param_hint="--at")
    if time > now:
        raise typer.BadParameter("this is in the future: nothing is known of it", param_hint="--at")
    if time.year < _EARLIEST:
        raise typer.BadParameter(f"nothing is known of before {_EARLIEST}", param_hint="--at")
    return time.astimezone(UTC).replace(microsecond=0)


def _missing(declarations: Declarations, url: str | None, *, unread: bool) -> Iterator[Finding]:
    """What the objects need and there is not."""
    for it in declarations.objectives:
        name, sql = it.object.spec.source.name, it.object.spec.indicator.sql
        if sql is not None:
            statement = stated_sql(sql)
            if isinstance(statement, Failure):
                yield Finding(it.where, statement.message)
            message = "spec.indicator.sql: there is no database here to measure it in; the "
            message += "controller does, in the MetricSource that spec.source.name names"
            yield Finding(it.where, message)
        elif name != SOURCE:
            message = f"spec.source.name: there is no {name!r} here, only {SOURCE!r} (--prometheus)"
            yield Finding(it.where, message)
    if url is None and any(it.object.spec.indicator.sql is None for it in declarations.objectives):
        message = "objectives cannot be measured: give Prometheus' URL by it or by "
        yield Finding("--prometheus", message + _URL_VARIABLE)
    anything = (
        *(declarations.objectives, declarations.policies),
        *(declarations.overrides, declarations.corrections),
    )
    if not (any(anything) or declarations.findings or unread):
        message = "there is no object of sluice.dev in these files: nothing was checked"
        yield Finding("--filename", message)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(f"sluice check: {line}", err=True)


def _tell_ignored(declarations: Declarations) -> None:
    count = declarations.ignored.total()
    if count:
        kinds = ", ".join(sorted(declarations.ignored))
        objects = "object" if count == 1 else "objects"
        _tell([f"ignored {count} {objects} of other kinds: {kinds}"])
