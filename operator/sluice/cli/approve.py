"""`sluice approve`: lets one deployment of a workload pass a stage that limits them."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sluice.api.durations import format_duration, parse_duration
from sluice.api.override import Effect
from sluice.cli.cluster import Context, Kubeconfig, Namespace, whoami, with_api
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace
from sluice.kube.resources import OVERRIDES


def approve(
    workloads: Annotated[
        list[str], typer.Argument(help="Workloads, as `web` or `deployment/web`.")
    ],
    policy: Annotated[
        str, typer.Option("--policy", "-p", help="The ErrorBudgetPolicy that limits them.")
    ] = "default",
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why, for the audit and the postmortem.")
    ] = "",
    length: Annotated[
        str, typer.Option("--for", help="How long: 30m, 2h. The policy sets the limit.")
    ] = "1h",
    ticket: Annotated[str, typer.Option("--ticket", help="An incident or a change request.")] = "",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Let a deployment pass a stage that limits them (creates a GateOverride).

    One of each workload that is named. It lifts no freeze: for that there is `sluice override`.
    """
    if len(reason.strip()) < 3:  # noqa: PLR2004 - the CRD's own bound
        raise typer.BadParameter("say why, for the audit: --reason 'reviewed in CHG-4711'")
    try:
        lasts = parse_duration(length)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    names = list(dict.fromkeys(name.rpartition("/")[2] for name in workloads))

    async def create(api: ApiServer) -> dict[str, Any]:
        ends = datetime.now(UTC) + lasts
        spec = {
            "policy": policy,
            "workloads": names,
            "effect": Effect.APPROVE.value,
            "reason": reason,
            "ticket": ticket,
            "createdBy": await whoami(api),
            "expiresAt": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }
        metadata = {"generateName": f"{policy}-", "namespace": where}
        return await api.create(OVERRIDES, {"metadata": metadata, "spec": spec}, namespace=where)

    made = with_api(create, kubeconfig=kubeconfig, context=context)
    typer.echo(
        f"gateoverride.sluice.dev/{made['metadata']['name']} created: one deployment of each of "
        f"{', '.join(names)} in {where} passes a stage that limits them, within "
        f"{format_duration(lasts)}, until {made['spec']['expiresAt']}."
    )
    typer.echo(f"Take it back: kubectl -n {where} delete gateoverride {made['metadata']['name']}")
