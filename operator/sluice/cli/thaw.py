"""`sluice thaw --all`: the kill switch, which works with the controller down, too."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sluice.cli.cluster import Context, Kubeconfig, whoami, with_api
from sluice.controller.lifting import NotLiftedError, lift
from sluice.controller.policy_writer import PolicyWriter
from sluice.kube import kill_switch
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache
from sluice.kube.resources import CONFIG_MAPS, POLICIES
from sluice.telemetry.metrics import Metrics


def thaw(
    everything: Annotated[
        bool, typer.Option("--all", help="Lift the enforcement of all policies in the cluster.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why, for whoever wonders later.")
    ] = "",
    system_namespace: Annotated[
        str, typer.Option("--system-namespace", help="The controller's namespace.")
    ] = "sluice-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Lift all freezes at once and keep them lifted; works with the controller down.

    Engages the kill switch (a ConfigMap), deletes every gate and gives workloads back. Budgets go
    on being measured. It stays so until the ConfigMap is deleted.
    """
    if not everything:
        raise typer.BadParameter("say --all: a single freeze is lifted by `sluice override`")

    async def work(api: ApiServer) -> list[str]:
        await _engage(api, namespace=system_namespace, reason=reason or "no reason given")
        return await _lift_all(api)

    problems = with_api(work, kubeconfig=kubeconfig, context=context)
    typer.echo(
        "The kill switch is engaged: nothing is enforced until you run\n"
        f"  kubectl -n {system_namespace} delete configmap {kill_switch.NAME}"
    )
    for problem in problems:
        typer.echo(f"sluice thaw: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


async def _engage(api: ApiServer, *, namespace: str, reason: str) -> None:
    now = _now()
    who = await whoami(api)
    body = kill_switch.manifest(namespace=namespace, reason=reason, engaged_by=who, now=now)
    try:
        await api.create(CONFIG_MAPS, body, namespace=namespace)
    except ApiError as error:
        # 409: it is engaged already, and by whom and why is not ours to overwrite.
        if not error.conflict:
            raise


async def _lift_all(api: ApiServer) -> list[str]:
    """Lift policy by policy; what could not be lifted, in words."""
    cache = Cache()
    async for body in api.list(POLICIES):
        cache.put(POLICIES, body)
    writer = PolicyWriter(
        api=api, cache=cache, metrics=Metrics(), identity="sluice thaw", clock=_now
    )
    await writer.sweep()
    problems = []
    for namespace in sorted({key.namespace for key in cache.keys(POLICIES)}):
        for policy in cache.policies(namespace):
            name = f"{namespace}/{policy.metadata.name}"
            try:
                undone = await lift(policy, api=api, cache=cache, writer=writer, now=_now())
            except (ApiError, NotLiftedError) as error:
                problems.append(f"ErrorBudgetPolicy {name}: {error}")
            else:
                typer.echo(f"errorbudgetpolicy {name} lifted ({undone} workloads given back)")
    return problems


def _now() -> datetime:
    return datetime.now(UTC)
