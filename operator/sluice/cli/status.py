"""`kubectl sluice status`: budgets, policies, freezes, and who is affected."""

import json
import sys
from enum import StrEnum
from typing import Annotated, TextIO

import typer
import yaml

from sluice.cli.cluster import (
    AllNamespaces,
    Context,
    Kubeconfig,
    LeaseName,
    Namespace,
    SystemNamespace,
    with_api,
)
from sluice.cli.reader import Reader
from sluice.cli.status_facts import Facts, NothingToTellError, System, gather
from sluice.cli.status_model import StatusAnswer
from sluice.cli.status_summary import summary
from sluice.cli.status_text import print_status
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace


class Output(StrEnum):
    """How it is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


def status(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Tables, all of it, or for programs.")
    ] = Output.TABLE,
    system_namespace: SystemNamespace = "sluice-system",
    lease_name: LeaseName = "sluice",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show budgets, policies, freezes and who is affected.

    It reads with your rights only, and needs neither the controller nor the gate: what it tells is
    what the controller last wrote, and it says if that is old.
    """
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)

    async def read(api: ApiServer) -> Facts:
        system = System(system_namespace, lease_name)
        return await gather(Reader(api), None if all_namespaces else where, system)

    try:
        facts = with_api(read, kubeconfig=kubeconfig, context=context)
    except NothingToTellError as error:
        typer.echo(f"sluice status: {error}", err=True)
        raise typer.Exit(1) from error
    _print(summary(facts), output, sys.stdout)


def _print(found: StatusAnswer, output: Output, out: TextIO) -> None:
    body = found.model_dump(mode="json", by_alias=True)
    match output:
        case Output.JSON:
            out.write(f"{json.dumps(body, indent=2)}\n")
        case Output.YAML:
            out.write(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))
        case Output.TABLE | Output.WIDE:
            print_status(found, out, wide=output is Output.WIDE)
