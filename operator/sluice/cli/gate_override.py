"""What the commands share that create a GateOverride: who, why, until when."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from sluice.api.durations import parse_duration
from sluice.cli.cluster import whoami
from sluice.cli.reader import Reader, Unread
from sluice.kube.api_server import ApiServer
from sluice.kube.resources import OVERRIDES, POLICIES

_SHORTEST = 3
"""Characters of a reason; the CRD's own bound."""

Reason = Annotated[
    str, typer.Option("--reason", "-r", help="Why, for the audit and the postmortem.")
]
Length = Annotated[str, typer.Option("--for", help="How long: 30m, 2h. The policy sets the limit.")]
Ticket = Annotated[str, typer.Option("--ticket", help="An incident or a change request.")]


def reason_given(reason: str) -> str:
    """The reason, which must be one.

    Raises:
        BadParameter: there is none.
    """
    if len(reason.strip()) < _SHORTEST:
        raise typer.BadParameter("say why, for the audit: --reason 'fix for INC-4711'")
    return reason


def lasting(length: str) -> timedelta:
    """How long it lasts, from the text of `--for`.

    Raises:
        BadParameter: it is no duration.
    """
    try:
        return parse_duration(length)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error


async def create_for_known(
    api: ApiServer, spec: Mapping[str, Any], lasts: timedelta, *, namespace: str, dry_run: bool
) -> dict[str, Any]:
    """Create an override of a policy that there is, as `create` does.

    Raises:
        Exit: there is no such policy; it is said which there are.
    """
    await _require_policy(api, spec["policy"], namespace=namespace)
    return await create(api, spec, lasts, namespace=namespace, dry_run=dry_run)


async def _require_policy(api: ApiServer, name: str, *, namespace: str) -> None:
    """See to it that an override is of a policy that there is: of no other it becomes active.

    Whoever may not see policies may create overrides all the same.

    Raises:
        Exit: there is no such policy; it is said which there are.
    """
    found = await Reader(api).list(POLICIES, namespace)
    if isinstance(found, Unread):
        return
    names = sorted(body["metadata"]["name"] for body in found)
    if name not in names:
        typer.echo(
            f"sluice: no ErrorBudgetPolicy {name} in namespace {namespace}: there is "
            f"{', '.join(names) or 'none'}; name it by --policy, its namespace by --namespace",
            err=True,
        )
        raise typer.Exit(1)


async def create(
    api: ApiServer, spec: Mapping[str, Any], lasts: timedelta, *, namespace: str, dry_run: bool
) -> dict[str, Any]:
    """Create an override in the name of whoever asks, from now on for as long as it `lasts`."""
    complete = {
        **spec,
        "createdBy": await whoami(api),
        "expiresAt": f"{datetime.now(UTC) + lasts:%Y-%m-%dT%H:%M:%SZ}",
    }
    metadata = {"generateName": f"{spec['policy']}-", "namespace": namespace}
    body = {"metadata": metadata, "spec": complete}
    return await api.create(OVERRIDES, body, namespace=namespace, dry_run=dry_run)


def created(made: Mapping[str, Any], *, dry_run: bool) -> str:
    """What was created, as kubectl says it."""
    trial = " (server dry run)" if dry_run else ""
    return f"gateoverride.sluice.dev/{made['metadata']['name']} created{trial}"
