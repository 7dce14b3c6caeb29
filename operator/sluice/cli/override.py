"""`sluice override`: break-glass, with a reason and an end."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sluice.api.durations import format_duration, parse_duration
from sluice.cli import completion
from sluice.cli.cluster import Context, DryRun, Kubeconfig, Namespace, Policy, whoami, with_api
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace
from sluice.kube.resources import OVERRIDES


def override(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(
            help="Workloads, as `web` or `deployment/web`; all of the policy's if none.",
            autocompletion=completion.workloads,
        ),
    ] = None,
    policy: Policy = "default",
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why, for the audit and the postmortem.")
    ] = "",
    length: Annotated[
        str, typer.Option("--for", help="How long: 30m, 2h. The policy sets the limit.")
    ] = "1h",
    ticket: Annotated[str, typer.Option("--ticket", help="An incident or a change request.")] = "",
    dry_run: DryRun = "none",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Let deployments pass a freeze until a stated time (creates a GateOverride)."""
    if len(reason.strip()) < 3:  # noqa: PLR2004 - the CRD's own bound
        raise typer.BadParameter("say why, for the audit: --reason 'fix for INC-4711'")
    try:
        lasts = parse_duration(length)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    names = [name.rpartition("/")[2] for name in workloads or []]

    async def create(api: ApiServer) -> dict[str, Any]:
        now = datetime.now(UTC)
        spec = {
            "policy": policy,
            "workloads": names,
            "effect": "Allow",
            "reason": reason,
            "ticket": ticket,
            "createdBy": await whoami(api),
            "expiresAt": (now + lasts).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        metadata = {"generateName": f"{policy}-", "namespace": where}
        body = {"metadata": metadata, "spec": spec}
        return await api.create(OVERRIDES, body, namespace=where, dry_run=dry_run == "server")

    made = with_api(create, kubeconfig=kubeconfig, context=context)
    whom = ", ".join(names) or f"all workloads of ErrorBudgetPolicy {policy}"
    created = "created" if dry_run == "none" else "created (server dry run)"
    typer.echo(
        f"gateoverride.sluice.dev/{made['metadata']['name']} {created}: changes of {whom} in "
        f"{where} pass for {format_duration(lasts)}, until {made['spec']['expiresAt']}."
    )
    if dry_run == "none":
        typer.echo(
            f"End it early: kubectl -n {where} delete gateoverride {made['metadata']['name']}"
        )
