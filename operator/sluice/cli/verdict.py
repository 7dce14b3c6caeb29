"""`sluice verdict`: asks the gate whether a deployment would pass, for pipelines."""

import asyncio
import json
import time
from enum import IntEnum
from typing import Annotated, Any, Literal
from urllib.parse import quote

import aiohttp
import typer

from sluice.api.durations import parse_duration
from sluice.cli import completion
from sluice.cli.cluster import Context, Kubeconfig, Namespace
from sluice.kube.connection import current_namespace

_SECONDS = 10
_AGAIN = 15.0
"""Seconds between two questions while waiting."""


class Exit(IntEnum):
    """The exit status; 2 is that of a wrong command line."""

    ALLOWED = 0
    DENIED = 3
    UNKNOWN = 4


class GateError(Exception):
    """The gate could not be asked, or did not tell; the message says why."""


def verdict(
    workload: Annotated[
        str,
        typer.Argument(
            help="The workload, as `web` (a Deployment) or `statefulset/db`.",
            autocompletion=completion.workloads,
        ),
    ],
    url: Annotated[
        str,
        typer.Option(
            "--url",
            envvar="SLUICE_GATE_URL",
            help="URL of the gate's HTTP port: http://sluice-gate.sluice-system:8080",
        ),
    ],
    namespace: Namespace = None,
    user: Annotated[
        str,
        typer.Option("--user", help="Who deploys; matters if the policy exempts service accounts."),
    ] = "",
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--image", help="What it would run; matters if an override is pinned to images."
        ),
    ] = None,
    wait: Annotated[
        str, typer.Option("--wait", help="Ask again until it is allowed, for so long: 10m.")
    ] = "0s",
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="For people or for programs.")
    ] = "text",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Ask the gate whether a deployment of a workload would pass now.

    Exit status 0: it would. 3: it would be denied. 4: that is not known; the gate cannot be
    reached, the workload does not exist, or its policy has not decided.
    """
    try:
        patience = parse_duration(wait).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from error
    kind, _, name = workload.rpartition("/")
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    parts = (quote(part, safe="") for part in (where, kind or "Deployment", name))
    path = f"{url.rstrip('/')}/v1/verdict/{'/'.join(parts)}"
    query = [("user", user)] if user else []
    query += [("image", image) for image in images or []]
    end = time.monotonic() + patience
    while True:
        status = _tell(path, query, output=output)
        if status is Exit.ALLOWED or time.monotonic() >= end:
            raise typer.Exit(status)
        time.sleep(min(_AGAIN, max(end - time.monotonic(), 0.0)))


def _tell(path: str, query: list[tuple[str, str]], *, output: str) -> Exit:
    """Print one verdict; what it comes to."""
    try:
        found = asyncio.run(_ask(path, query))
    except GateError as error:
        typer.echo(f"sluice verdict: {error}", err=True)
        return Exit.UNKNOWN
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo(f"{found['admission']} ({found['rule']}): {found['message']}")
    if not found["known"]:
        return Exit.UNKNOWN
    return Exit.ALLOWED if found["allowed"] else Exit.DENIED


async def _ask(url: str, query: list[tuple[str, str]]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, params=query) as response,
        ):
            found = await response.json()
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        raise GateError(f"{url}: the gate does not answer ({type(error).__name__}: {error})") from (
            error
        )
    if not isinstance(found, dict) or not {"allowed", "known", "message"} <= found.keys():
        said = found.get("error") if isinstance(found, dict) else None
        raise GateError(f"{url}: {said or f'status {status}, and no verdict'}")
    return found
