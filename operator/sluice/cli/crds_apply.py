"""`sluice crds --apply`: the definitions of a cluster, brought up to date."""

from pathlib import Path

import typer

from sluice.api.crds import RESOURCES, crd
from sluice.cli.cluster import with_api
from sluice.kube.api_server import ApiServer
from sluice.kube.resources import CUSTOM_RESOURCES


def apply_all(*, kubeconfig: Path | None, context: str | None) -> None:
    """Apply every definition, server-side; a refusal ends the command with status 1 and one line.

    Needs the rights to patch these by their names, and to create those that are new.
    """
    with_api(_apply, kubeconfig=kubeconfig, context=context)


async def _apply(api: ApiServer) -> None:
    for resource in RESOURCES:
        await api.apply(CUSTOM_RESOURCES, crd(resource))
        typer.echo(f"customresourcedefinition {resource.name} applied")
