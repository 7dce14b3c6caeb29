"""What the commands that talk to a cluster share: how it is reached, and as whom."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from sluice.cli import completion
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.connection import NoClusterError, configuration
from sluice.kube.resources import SELF_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_REVIEWS, Resource

Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Kubeconfig to use, as with kubectl.")
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="The kubeconfig's context; its current one if left out."),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace; the context's if left out.",
        autocompletion=completion.namespaces,
    ),
]
Policy = Annotated[
    str,
    typer.Option(
        "--policy", "-p", help="The ErrorBudgetPolicy.", autocompletion=completion.policies
    ),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="All namespaces, in place of one.")
]
SystemNamespace = Annotated[
    str, typer.Option("--system-namespace", help="The controller's namespace.")
]
DryRun = Annotated[
    Literal["none", "server"],
    typer.Option("--dry-run", help="server: have it checked by the API server, change nothing."),
]
LeaseName = Annotated[str, typer.Option("--lease-name", help="The name of its Lease.")]

T = TypeVar("T")


def with_api(
    work: Callable[[ApiServer], Awaitable[T]], *, kubeconfig: Path | None, context: str | None
) -> T:
    """Do `work` with a connection; a refusal ends the command with status 1 and one line."""

    async def connected() -> T:
        api = ApiServer(await configuration(kubeconfig=kubeconfig, context=context))
        try:
            return await work(api)
        finally:
            await api.close()

    try:
        return asyncio.run(connected())
    except (NoClusterError, ApiError) as error:
        typer.echo(f"sluice: {error}", err=True)
        raise typer.Exit(1) from error


@dataclass(frozen=True, slots=True)
class User:
    """Somebody as the API server sees them; only ServiceAccounts are sure to have a uid."""

    name: str
    uid: str


async def user(api: ApiServer) -> User:
    """Who we are (SelfSubjectReview, Kubernetes 1.28)."""
    found = (await api.create(SELF_SUBJECT_REVIEWS, {}))["status"]["userInfo"]
    return User(str(found["username"]), str(found.get("uid", "")))


async def whoami(api: ApiServer) -> str:
    """The user name that the API server sees."""
    return (await user(api)).name


async def may(api: ApiServer, verb: str, resource: Resource, namespace: str) -> bool | None:
    """Whether the user has a right; None if that cannot be found out."""
    asked = {
        "verb": verb,
        "group": resource.group,
        "resource": resource.plural,
        "namespace": namespace,
    }
    body = {"spec": {"resourceAttributes": asked}}
    try:
        review = await api.create(SELF_SUBJECT_ACCESS_REVIEWS, body)
    except ApiError:
        return None
    return bool(review["status"].get("allowed"))
