"""`sluice thaw --all`: the kill switch, which works with the controller down, too."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from sluice.api.policy import ErrorBudgetPolicy
from sluice.cli.cluster import (
    Context,
    DryRun,
    Kubeconfig,
    SystemNamespace,
    User,
    user,
    with_api,
)
from sluice.controller.lifting import NotLiftedError, lift, salvage
from sluice.controller.policy_writer import PolicyWriter
from sluice.kube import kill_switch
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache, Malformed
from sluice.kube.ledgers import LedgerStore
from sluice.kube.resources import CONFIG_MAPS, POLICIES
from sluice.settings import split
from sluice.telemetry.metrics import Metrics

_SEEN_BY_ALL = 15.0
"""Seconds until every controller and gate has seen the switch: they look every five, and a write
that began before may be on its way for ten."""


def thaw(
    everything: Annotated[
        bool, typer.Option("--all", help="Lift the enforcement of all policies in the cluster.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why, for whoever wonders later.")
    ] = "",
    watch_namespaces: Annotated[
        str, typer.Option(help="Lift in these namespaces only, separated by commas.")
    ] = "",
    uninstall: Annotated[
        bool,
        typer.Option(
            "--uninstall",
            help="For good: wait until the controller has seen it, release policies for deletion, "
            "and let the switch go with the ServiceAccount that runs this.",
        ),
    ] = False,
    scope: Annotated[
        Literal["cluster", "namespace"],
        typer.Option(
            "--scope", help="namespace: of a controller that was run so; it has no gates."
        ),
    ] = "cluster",
    dry_run: DryRun = "none",
    system_namespace: SystemNamespace = "sluice-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Lift all freezes at once and keep them lifted; works with the controller down.

    Engages the kill switch (a ConfigMap), deletes every gate and gives workloads back. Budgets go
    on being measured. It stays so until the ConfigMap is deleted.
    """
    if not everything:
        raise typer.BadParameter("say --all: a single freeze is lifted by `sluice override`")
    namespaces = split(watch_namespaces)

    async def engage(api: ApiServer, *, dry_run: bool = False) -> bool:
        why = reason or "no reason given"
        place = system_namespace
        return await _engage(api, namespace=place, reason=why, owned=uninstall, dry_run=dry_run)

    async def work(api: ApiServer) -> list[str]:
        engaged = await engage(api)
        if uninstall and engaged:
            await asyncio.sleep(_SEEN_BY_ALL)
        gated = scope == "cluster"
        problems = await _lift_all(api, namespaces=namespaces, release=uninstall, gated=gated)
        if engaged:
            await _tell_what_stays(api, system_namespace, uninstalled=uninstall)
        return problems

    async def trial(api: ApiServer) -> bool:
        engaged = await engage(api, dry_run=True)
        await _foresee(api, namespaces)
        return engaged

    if dry_run == "server":
        would = "would" if with_api(trial, kubeconfig=kubeconfig, context=context) else "could not"
        typer.echo(f"The kill switch {would} be engaged (server dry run); nothing was changed.")
        return
    problems = with_api(work, kubeconfig=kubeconfig, context=context)
    for problem in problems:
        typer.echo(f"sluice thaw: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _owners(who: User, namespace: str) -> list[dict[str, str]]:
    """The owner references to a ServiceAccount of `namespace`: none for anybody else.

    Of what a chart installs Helm deletes the ServiceAccount after its rights, so that the switch
    does not go before the controller can enforce nothing any more.
    """
    prefix = f"system:serviceaccount:{namespace}:"
    if not who.name.startswith(prefix):
        return []
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    return [{**account, "name": who.name.removeprefix(prefix), "uid": who.uid}]


async def _engage(
    api: ApiServer, *, namespace: str, reason: str, owned: bool, dry_run: bool
) -> bool:
    """Engage the switch; whether it could be, for which its namespace must be there.

    Raises:
        Exit: it is not there, and a controller may well be somewhere else.
    """
    who = await user(api)
    body = kill_switch.manifest(
        namespace=namespace,
        reason=reason,
        engaged_by=who.name,
        now=_now(),
        owners=_owners(who, namespace) if owned else [],
    )
    try:
        await api.create(CONFIG_MAPS, body, namespace=namespace, dry_run=dry_run)
    except ApiError as error:
        if error.conflict:
            return True  # it is engaged already, and by whom and why is not ours to overwrite
        if not _without_namespace(error):
            raise
        _tell_of_no_switch(namespace, alone=owned)
        return False
    return True


def _without_namespace(error: ApiError) -> bool:
    """Whether nothing can be created because the namespace is not there, or about to go.

    Source: the words of the API server's admission plugin NamespaceLifecycle.
    """
    return error.not_found or (error.forbidden and "it is being terminated" in error.message)


def _tell_of_no_switch(namespace: str, *, alone: bool) -> None:
    """Without a controller none is needed, and what it left behind is to be lifted all the same."""
    text = f"sluice thaw: namespace {namespace} is gone, so no kill switch is engaged"
    if not alone:
        typer.echo(
            f"{text}, and nothing was lifted: name the controller's namespace by "
            "--system-namespace, or say --uninstall if there is no controller any more",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(
        f"{text}; should a controller run in another one, it enforces again: name that by "
        "--system-namespace",
        err=True,
    )


async def _foresee(api: ApiServer, namespaces: Sequence[str]) -> None:
    """Tell which policies would be lifted, from what their statuses record."""
    cache = await _policies(api, namespaces)
    for key in sorted(cache.keys(POLICIES), key=str):
        found = cache.drop(key)
        policy = salvage(found) if isinstance(found, Malformed) else found
        assert isinstance(policy, ErrorBudgetPolicy)
        workloads = {(one.kind, one.name) for one in policy.status.workloads.changed}
        typer.echo(
            f"errorbudgetpolicy {key.namespace}/{key.name} would be lifted "
            f"({len(workloads)} workloads given back)"
        )


async def _lift_all(
    api: ApiServer, *, namespaces: Sequence[str], release: bool, gated: bool
) -> list[str]:
    """Lift policy by policy; what could not be lifted, in words.

    Admission policies are deleted only if there can be any (`gated`). With `release` the finalizers
    are taken off: there will be no controller to do it.
    """
    cache = await _policies(api, namespaces)
    problems: list[str] = []
    writer = PolicyWriter(
        api=api,
        cache=cache,
        metrics=Metrics(),
        post=lambda _: None,  # what is lifted is printed; the kill switch says who did, and why
        namespaces=namespaces,
        sees_gates=gated,
    )
    with _reported(problems, "gates that no ErrorBudgetPolicy wants any more"):
        await writer.sweep()
    for key in sorted(cache.keys(POLICIES), key=str):
        name = f"{key.namespace}/{key.name}"
        # Forgotten at once: what it changed must not be kept for it when the next one is lifted.
        found = cache.drop(key)
        with _reported(problems, f"ErrorBudgetPolicy {name}"):
            policy = salvage(found) if isinstance(found, Malformed) else found
            assert isinstance(policy, ErrorBudgetPolicy)
            undone = await lift(policy, api=api, cache=cache, writer=writer, now=_now())
            typer.echo(f"errorbudgetpolicy {name} lifted ({undone} workloads given back)")
            if release:
                await writer.release(policy)
                cache.drop(key)
    return problems


async def _tell_what_stays(api: ApiServer, namespace: str, *, uninstalled: bool) -> None:
    """The switch; and what an uninstall leaves: whoever installs again goes on with it."""
    typer.echo(
        "The kill switch is engaged; nothing is enforced anew until you run\n"
        f"  kubectl -n {namespace} delete configmap {kill_switch.NAME}"
    )
    if not uninstalled:
        return
    try:
        ledgers = str(len([one async for one in LedgerStore(api, namespace=namespace).list()]))
    except ApiError:
        ledgers = "all"  # how many there are is no reason not to uninstall
    typer.echo(
        "left on purpose: the definitions *.sluice.dev with all their objects\n"
        f"left on purpose: {ledgers} configmaps with what was counted, in namespace {namespace}"
    )


async def _policies(api: ApiServer, namespaces: Sequence[str]) -> Cache:
    """All policies; none where their definition is gone already, and they with it."""
    cache = Cache()
    try:
        for namespace in namespaces or (None,):
            async for body in api.list(POLICIES, namespace=namespace):
                cache.put(POLICIES, body)
    except ApiError as error:
        if not error.not_found:
            raise
    return cache


@contextmanager
def _reported(problems: list[str], what: str) -> Iterator[None]:
    """Whatever goes wrong with one policy must not keep the others from being lifted."""
    try:
        yield
    except (ApiError, NotLiftedError) as error:
        problems.append(f"not lifted: {what}: {error}")
    except Exception as error:  # noqa: BLE001 - a fault of ours is no reason to stay frozen
        problems.append(f"not lifted: {what}: {type(error).__name__}: {error}")


def _now() -> datetime:
    return datetime.now(UTC)
