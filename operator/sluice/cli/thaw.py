"""`sluice thaw --all`: the kill switch, which works with the controller down, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from sluice.api.policy import ErrorBudgetPolicy
from sluice.cli.cluster import Context, Kubeconfig, whoami, with_api
from sluice.controller.lifting import NotLiftedError, lift, salvage
from sluice.controller.policy_writer import PolicyWriter
from sluice.kube import kill_switch
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.cache import Cache, Malformed
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
        "The kill switch is engaged; nothing is enforced anew until you run\n"
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
    problems: list[str] = []
    async for body in api.list(POLICIES):
        cache.put(POLICIES, body)
    writer = PolicyWriter(
        api=api, cache=cache, metrics=Metrics(), identity="sluice thaw", clock=_now
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
    return problems


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
