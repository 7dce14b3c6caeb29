"""Completion of names by the shell, for `sluice` and for `kubectl sluice`.

kubectl asks a program `kubectl_complete-<plugin>` and prints what that does: a line each, the help
behind a tab, and a directive at the end. Source: Kubernetes, "Extend kubectl with plugins", and
cobra, "Shell completions", directives `NoFileComp` (4) and default (0).
"""

import asyncio
import io
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path

import typer

from sluice.gate import kinds
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.connection import NoClusterError, configuration, current_namespace
from sluice.kube.resources import POLICIES, WORKLOADS, Resource

_FILES = {"-f", "--filename", "--kubeconfig"}
"""Options whose value is a file, which shells complete themselves."""
_SECONDS = 3.0
"""A shell that waits longer seems to be stuck."""


def workloads(ctx: typer.Context, incomplete: str) -> list[str]:
    """`deployment/web` and the like, of the namespace that the command line names."""
    kind, slash, _ = incomplete.partition("/")
    if not slash:
        offered = [f"{it.kind.lower()}/" for it in WORKLOADS.values()]
        return [one for one in offered if one.startswith(incomplete.lower())]
    known = kinds.kind_named(kind)
    resource = next((it for it in kinds.WORKLOADS if it.kind == known), None)
    if resource is None:
        return []
    names = _names(ctx, resource)
    return [one for one in (f"{kind}/{name}" for name in names) if one.startswith(incomplete)]


def policies(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of policies."""
    return [name for name in _names(ctx, POLICIES) if name.startswith(incomplete)]


def namespaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of namespaces, where the user may list them."""
    found = _names(ctx, Resource("", "v1", "namespaces", "Namespace", namespaced=False))
    return [name for name in found if name.startswith(incomplete)]


def _names(ctx: typer.Context, resource: Resource) -> list[str]:
    """The names of objects; none where they cannot be had: a shell has no room for reasons."""
    given = ctx.params
    kubeconfig = Path(given["kubeconfig"]) if given.get("kubeconfig") else None
    context = given.get("context")
    namespace = given.get("namespace") or current_namespace(kubeconfig=kubeconfig, context=context)

    async def read(api: ApiServer) -> list[str]:
        listed = api.list(resource, namespace=namespace, metadata_only=True)
        return sorted([body["metadata"]["name"] async for body in listed])

    try:
        return asyncio.run(_connected(read, kubeconfig, context))
    except (NoClusterError, ApiError, TimeoutError):
        return []


async def _connected(
    read: Callable[[ApiServer], Awaitable[list[str]]], kubeconfig: Path | None, context: str | None
) -> list[str]:
    async with asyncio.timeout(_SECONDS):
        api = ApiServer(await configuration(kubeconfig=kubeconfig, context=context))
        try:
            return await read(api)
        finally:
            await api.close()


def kubectl_complete() -> None:
    """Entry point of `kubectl_complete-sluice`: what kubectl offers behind `kubectl sluice`."""
    words = sys.argv[1:] or [""]
    if len(words) > 1 and words[-2] in _FILES:
        sys.stdout.write(":0\n")
        return
    # typer's own protocol for the shell fish, which prints what kubectl expects.
    os.environ |= {
        "_SLUICE_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": shlex.join(["sluice", *words]),
    }
    from sluice.cli.main import app  # noqa: PLC0415 - it imports this module's callers

    printed = io.StringIO()
    with suppress(SystemExit), redirect_stdout(printed):
        app(prog_name="sluice")
    # Where nothing fits an empty line is printed, which kubectl would offer.
    offered = [line for line in printed.getvalue().splitlines() if line]
    sys.stdout.write("\n".join([*offered, ":4\n"]))
