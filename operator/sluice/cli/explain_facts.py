"""Reads what a verdict on a change of one workload needs: with the user's own rights."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sluice.api.policy import ErrorBudgetPolicy
from sluice.cli.cluster import may, whoami
from sluice.cli.explain_change import Object, Wanted, applied, change_of, with_images, with_probe
from sluice.cli.explain_model import ServerAnswer
from sluice.cli.explain_server import defaulted, try_out
from sluice.cli.reader import Reader, Unread
from sluice.cli.status_facts import read_switch
from sluice.cli.status_summary import switch_told_by
from sluice.cli.workload_name import WorkloadName
from sluice.gate.judge import Judge
from sluice.gate.memory import Memory
from sluice.kube.api_server import ApiServer
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    OVERRIDES,
    POLICIES,
    REPLICA_SETS,
    ROLLOUTS,
    Resource,
)
from sluice.policy.admission import Verdict


class CannotTellError(Exception):
    """There is no verdict without what could not be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        workload: About which workload.
        wanted: About which change of it.
        user: Who would make it; whoever asks if empty.
        system_namespace: Where the kill switch is.
        server: Whether the API server is to try the change out.
    """

    workload: WorkloadName
    wanted: Wanted
    user: str
    system_namespace: str
    server: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """What was found out.

    Attributes:
        now: The time, by the clock of this machine.
        question: What was asked.
        user: Who would make the change.
        live: The workload as it is; None if there is none.
        judge: What the gates go by, filled with what was read.
        verdict: What they would say; None without a workload.
        retained: The objects that its revisions are retained as; None if they cannot be read.
        overrides_read: Whether the overrides are known.
        may_override: Whether whoever asks may create one; None if that is not known.
        server: What the API server says, if it was asked.
        problems: What could not be read, and why.
    """

    now: datetime
    question: Question
    user: str
    live: Object | None
    judge: Judge
    verdict: Verdict | None
    retained: tuple[Object, ...] | None = ()
    overrides_read: bool = True
    may_override: bool | None = None
    server: ServerAnswer | None = None
    problems: tuple[str, ...] = ()


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def find_out(
    api: ApiServer, question: Question, *, clock: Callable[[], datetime] = _utc_now
) -> Explained:
    """Read, judge, and ask the API server if it is to be asked.

    Raises:
        CannotTellError: the workload or the policies cannot be read.
        UnusableChangeError: the change makes no sense.
        ApiError: the manifest was refused.
    """
    reader, workload = Reader(api), question.workload
    live, judge, overrides_read = await _read(reader, question, clock)
    retained, asker, allowed = await asyncio.gather(
        _retained(reader, workload),
        whoami(api),
        may(api, "create", OVERRIDES, workload.namespace),
    )
    for resource, body in retained or ():
        judge.memory.put(resource, body)
    if retained is not None or not question.wanted.is_known:
        judge.memory.listed([workload.namespace])
    user = question.user or asker
    changed = await _changed(api, question, live) if live is not None else None
    return Explained(
        now=judge.now,
        question=question,
        user=user,
        live=live,
        judge=judge,
        verdict=_verdict(judge, workload, live, changed, user=user),
        retained=None if retained is None else tuple(body for _, body in retained),
        overrides_read=overrides_read,
        may_override=allowed,
        server=await _tried(api, question, live),
        problems=tuple(reader.problems),
    )


async def _read(
    reader: Reader, question: Question, clock: Callable[[], datetime]
) -> tuple[Object | None, Judge, bool]:
    """The workload, a judge who knows the policies, and whether the overrides are known."""
    workload = question.workload
    live, policies, overrides, switch = await asyncio.gather(
        reader.get(workload.resource, workload.name, workload.namespace),
        reader.list(POLICIES, workload.namespace),
        reader.list(OVERRIDES, workload.namespace),
        read_switch(reader, question.system_namespace),
    )
    if isinstance(live, Unread):
        raise CannotTellError(live.problem)
    if isinstance(policies, Unread):
        raise CannotTellError(policies.problem)
    known = [] if isinstance(overrides, Unread) else overrides
    judge = _judge(clock(), policies, known, switch)
    return live, judge, not isinstance(overrides, Unread)


def _judge(
    now: datetime,
    policies: Iterable[Object],
    overrides: Iterable[Object],
    switch: KillSwitch | Unread | None,
) -> Judge:
    memory = Memory(clock=lambda: now)
    for body in policies:
        memory.put(POLICIES, body)
    for body in overrides:
        memory.put(OVERRIDES, body)
    judge = Judge(memory, clock=lambda: now)
    judge.switch = _known_switch(switch, (one.policy for one in memory.all_governors()))
    return judge


def _known_switch(
    switch: KillSwitch | Unread | None, policies: Iterable[ErrorBudgetPolicy]
) -> KillSwitch | None:
    """Few may read the switch itself, but policies tell when it is engaged."""
    if not isinstance(switch, Unread):
        return switch
    told = switch_told_by(policies)
    return None if told is None else KillSwitch(reason=told, engaged_by="")


async def _retained(reader: Reader, workload: WorkloadName) -> list[tuple[Resource, Object]] | None:
    replicated = workload.resource in {DEPLOYMENTS, ROLLOUTS}
    resource = REPLICA_SETS if replicated else CONTROLLER_REVISIONS
    found = await reader.list(resource, workload.namespace)
    return None if isinstance(found, Unread) else [(resource, body) for body in found]


async def _changed(api: ApiServer, question: Question, live: Object) -> Object | None:
    wanted = question.wanted
    if wanted.images:
        return with_images(live, wanted.images)
    if wanted.manifest is None:
        return None
    body = await defaulted(api, question.workload, wanted.manifest)
    return applied(live, wanted.manifest, body)


def _verdict(
    judge: Judge,
    workload: WorkloadName,
    live: Object | None,
    changed: Object | None,
    *,
    user: str,
) -> Verdict | None:
    if live is None:
        return None
    change = change_of(workload, live, changed, user=user)
    return judge.verdict(change, owner=live["metadata"]["uid"])


async def _tried(api: ApiServer, question: Question, live: Object | None) -> ServerAnswer | None:
    if not question.server or live is None:
        return None
    wanted = question.wanted
    if wanted.manifest is not None:
        return await try_out(api, question.workload, manifest=wanted.manifest)
    changed = with_images(live, wanted.images) if wanted.images else with_probe(live)
    return await try_out(api, question.workload, changed=changed)
