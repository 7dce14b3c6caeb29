"""`sluice approve`: lets one deployment of a workload pass a stage that limits them."""

from typing import Annotated, Any

import typer

from sluice.api.durations import format_duration
from sluice.api.override import Effect
from sluice.cli import completion
from sluice.cli.cluster import Context, DryRun, Kubeconfig, Namespace, Policy, with_api
from sluice.cli.gate_override import (
    Length,
    Reason,
    Ticket,
    create_for_known,
    created,
    lasting,
    reason_given,
)
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace


def approve(
    workloads: Annotated[
        list[str],
        typer.Argument(
            help="Workloads, as `web` or `deployment/web`.", autocompletion=completion.workloads
        ),
    ],
    policy: Policy = "default",
    reason: Reason = "",
    length: Length = "1h",
    ticket: Ticket = "",
    dry_run: DryRun = "none",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Let a deployment pass a stage that limits them (creates a GateOverride).

    One of each workload that is named. It lifts no freeze: for that there is `sluice override`.
    """
    why, lasts = reason_given(reason), lasting(length)
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    names = list(dict.fromkeys(name.rpartition("/")[2] for name in workloads))
    trial = dry_run == "server"
    spec = {
        "policy": policy,
        "workloads": names,
        "effect": Effect.APPROVE.value,
        "reason": why,
        "ticket": ticket,
    }

    async def work(api: ApiServer) -> dict[str, Any]:
        return await create_for_known(api, spec, lasts, namespace=where, dry_run=trial)

    made = with_api(work, kubeconfig=kubeconfig, context=context)
    typer.echo(
        f"{created(made, dry_run=trial)}: one deployment of each of {', '.join(names)} in {where} "
        f"passes a stage that limits them, within {format_duration(lasts)}, until "
        f"{made['spec']['expiresAt']}."
    )
    if not trial:
        name = made["metadata"]["name"]
        typer.echo(f"Take it back: kubectl -n {where} delete gateoverride {name}")
