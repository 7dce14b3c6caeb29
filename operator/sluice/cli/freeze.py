"""`sluice freeze`: a freeze by hand, with a reason and an end."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer

from sluice.api.durations import format_duration, parse_duration
from sluice.api.override import Effect
from sluice.api.policy import ErrorBudgetPolicy, Mode
from sluice.api.reading import read
from sluice.cli import completion
from sluice.cli.cluster import (
    AllNamespaces,
    Context,
    DryRun,
    Kubeconfig,
    Namespace,
    with_api,
)
from sluice.cli.gate_override import Length, Reason, Ticket, create, created, lasting, reason_given
from sluice.cli.reader import Reader, Unread
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace
from sluice.kube.resources import POLICIES


class UnknownPoliciesError(Exception):
    """A policy to freeze is not there, or is not to be seen; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A policy for which a freeze was created."""

    policy: ErrorBudgetPolicy
    made: dict[str, Any]


def freeze(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            help="The policies whose workloads are frozen.", autocompletion=completion.policies
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="All policies of the namespace; with -A all of the cluster."),
    ] = False,
    workloads: Annotated[
        list[str] | None,
        typer.Option(
            "--workload",
            "-w",
            help="Only this workload, as `web` or `deployment/web`; may be repeated.",
            autocompletion=completion.workloads,
        ),
    ] = None,
    reason: Reason = "",
    length: Length = "1h",
    ticket: Ticket = "",
    dry_run: DryRun = "none",
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Freeze deployments by hand until a stated time (creates a GateOverride).

    It holds whatever the budget is. Scaling, restarts and rollbacks pass, and so does a fix for
    which an override is created later. It comes into force by the controller, and ends without.
    """
    named = policies or []
    if bool(named) is everything:
        raise typer.BadParameter("name policies, or say --all")
    if all_namespaces and not everything:
        raise typer.BadParameter("-A goes with --all; a policy is named in one namespace")
    why, lasts = reason_given(reason), lasting(length)
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    spec = {
        "workloads": [name.rpartition("/")[2] for name in workloads or []],
        "effect": Effect.FREEZE.value,
        "reason": why,
        "ticket": ticket,
    }

    async def work(api: ApiServer) -> list[Frozen]:
        chosen = await _chosen(Reader(api), named, None if all_namespaces else where, lasts)
        return [
            Frozen(
                one,
                await create(
                    api,
                    {**spec, "policy": one.metadata.name},
                    lasts,
                    namespace=one.metadata.namespace,
                    dry_run=dry_run == "server",
                ),
            )
            for one in chosen
        ]

    try:
        made = with_api(work, kubeconfig=kubeconfig, context=context)
    except UnknownPoliciesError as error:
        typer.echo(f"sluice freeze: {error}", err=True)
        raise typer.Exit(1) from error
    for one in made:
        for line in _told(one, lasts, dry_run=dry_run == "server"):
            typer.echo(line)


async def _chosen(
    reader: Reader, named: Sequence[str], namespace: str | None, lasts: timedelta
) -> list[ErrorBudgetPolicy]:
    """The policies to freeze; none is frozen if one of them cannot be.

    Raises:
        UnknownPoliciesError: there are none, one is missing, or allows no freeze as long as this.
    """
    bodies = await reader.list(POLICIES, namespace)
    if isinstance(bodies, Unread):
        raise UnknownPoliciesError(bodies.problem)
    found = {body["metadata"]["name"]: body for body in bodies}
    missing = [name for name in named if name not in found]
    if missing or not bodies:
        there = ", ".join(sorted(found)) or "none"
        where = f"namespace {namespace}" if namespace else "the cluster"
        what = f"no ErrorBudgetPolicy {missing[0]}" if missing else "nothing to freeze"
        raise UnknownPoliciesError(f"{what} in {where}: there is {there}")
    chosen = [found[name] for name in dict.fromkeys(named)] if named else bodies
    return list(_freezable(chosen, lasts))


def _freezable(bodies: Iterable[dict[str, Any]], lasts: timedelta) -> Iterator[ErrorBudgetPolicy]:
    for body in bodies:
        policy, metadata = read(ErrorBudgetPolicy, body), body["metadata"]
        name = f"ErrorBudgetPolicy {metadata['namespace']}/{metadata['name']}"
        if isinstance(policy, list):
            raise UnknownPoliciesError(f"{name} cannot be read: {'; '.join(map(str, policy))}")
        allowed = policy.spec.overrides.max_duration
        if lasts > parse_duration(allowed):
            raise UnknownPoliciesError(
                f"{name} allows {allowed} at most (spec.overrides.maxDuration): "
                f"say --for {allowed}, or less"
            )
        yield policy


def _told(one: Frozen, lasts: timedelta, *, dry_run: bool) -> Iterator[str]:
    meta, spec = one.policy.metadata, one.made["spec"]
    whom = ", ".join(spec.get("workloads") or []) or "all workloads"
    effect = {
        Mode.ENFORCE: "are denied",
        Mode.WARN: "pass with a warning (its mode is Warn)",
        Mode.OBSERVE: "go on to pass (its mode is Observe: it is only recorded)",
    }[one.policy.spec.mode]
    yield (
        f"{created(one.made, dry_run=dry_run)}: changes of {whom} of ErrorBudgetPolicy "
        f"{meta.namespace}/{meta.name} {effect} for {format_duration(lasts)}, "
        f"until {spec['expiresAt']}."
    )
    if not dry_run:
        name = one.made["metadata"]["name"]
        yield f"End it early: kubectl -n {meta.namespace} delete gateoverride {name}"
