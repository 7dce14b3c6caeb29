"""`sluice override`: break-glass, with a reason and an end."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sluice.api.durations import format_duration
from sluice.api.override import Effect
from sluice.cli import completion
from sluice.cli.check_files import Finding
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
from sluice.cli.pin import Pin, pin
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace


def override(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(
            help="Workloads, as `web` or `deployment/web`; all of the policy's if none.",
            autocompletion=completion.workloads,
        ),
    ] = None,
    policy: Policy = "default",
    reason: Reason = "",
    length: Length = "1h",
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="Only changes that run none but these images pass."),
    ] = None,
    pins: Annotated[
        list[str] | None,
        typer.Option(
            "--pin",
            help="Manifests of the change that is to pass, as for `kubectl apply -f`: only its "
            "images pass, and only its workloads if none are named.",
        ),
    ] = None,
    ticket: Ticket = "",
    dry_run: DryRun = "none",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Let deployments pass a freeze until a stated time (creates a GateOverride)."""
    why, lasts = reason_given(reason), lasting(length)
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    pinned = _pinned(pins or [])
    names = [name.rpartition("/")[2] for name in workloads or []] or list(pinned.workloads)
    only = list(dict.fromkeys([*(images or []), *pinned.images]))

    spec = {
        "policy": policy,
        "workloads": names,
        "effect": Effect.ALLOW.value,
        "images": only,
        "reason": why,
        "ticket": ticket,
    }
    trial = dry_run == "server"

    async def work(api: ApiServer) -> dict[str, Any]:
        return await create_for_known(api, spec, lasts, namespace=where, dry_run=trial)

    made = with_api(work, kubeconfig=kubeconfig, context=context)
    whom = ", ".join(names) or f"all workloads of ErrorBudgetPolicy {policy}"
    typer.echo(
        f"{created(made, dry_run=trial)}: changes of {whom} in {where} pass for "
        f"{format_duration(lasts)}, until {made['spec']['expiresAt']}."
    )
    if only:
        typer.echo(f"Only what runs {', '.join(only)} and nothing else passes.")
    if not trial:
        name = made["metadata"]["name"]
        typer.echo(f"End it early: kubectl -n {where} delete gateoverride {name}")


def _pinned(files: Sequence[str]) -> Pin:
    if not files:
        return Pin((), ())
    found = pin(files, sys.stdin.buffer.read)
    if isinstance(found, Finding):
        raise typer.BadParameter(str(found), param_hint="--pin")
    return found
