"""Reads what `kubectl sluice status` tells about: with the user's rights, and no controller."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sluice.api.override import GateOverride
from sluice.api.reading import read
from sluice.api.slo import ServiceLevelObjective
from sluice.cli.reader import Object, Reader, Unread
from sluice.gate import kinds
from sluice.gate.memory import Memory
from sluice.kube import kill_switch
from sluice.kube.kill_switch import KillSwitch
from sluice.kube.resources import (
    CONFIG_MAPS,
    LEASES,
    OBJECTIVES,
    OPTIONAL,
    OVERRIDES,
    POLICIES,
    Resource,
)
from sluice.policy.admission import Governor, State


@dataclass(frozen=True, slots=True)
class System:
    """Where the controller is: its namespace and the name of its Lease."""

    namespace: str
    lease: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A workload: what a policy looks at."""

    kind: str
    namespace: str
    name: str
    state: State


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read at `now`.

    Attributes:
        now: The time, by the clock of this machine.
        namespace: The namespace; None for all.
        objectives: Those that can be read.
        governors: The policies that can be read, each with the overrides of its namespace.
        overrides: Those that can be read.
        subjects: The workloads, None where some cannot be listed.
        lease: The controller's Lease; None if there is none.
        switch: The kill switch; None if it is not engaged.
        problems: What could not be read, and why.
    """

    now: datetime
    namespace: str | None = None
    objectives: tuple[ServiceLevelObjective, ...] = ()
    governors: tuple[Governor, ...] = ()
    overrides: tuple[GateOverride, ...] = ()
    subjects: tuple[Subject, ...] | None = ()
    lease: Mapping[str, Any] | Unread | None = None
    switch: KillSwitch | Unread | None = None
    problems: tuple[str, ...] = field(default=())


class NothingToTellError(Exception):
    """Policies cannot be read, without which there is nothing to tell; the message says why."""


async def gather(reader: Reader, namespace: str | None, system: System) -> Facts:
    """Read the objects of `namespace`, of all namespaces if None.

    Raises:
        NothingToTellError: there is no right to read policies, or no answer.
    """
    policies = await reader.list(POLICIES, namespace)
    if isinstance(policies, Unread):
        raise NothingToTellError(policies.problem)
    objectives, overrides, subjects, lease, switch = await asyncio.gather(
        reader.list(OBJECTIVES, namespace),
        reader.list(OVERRIDES, namespace),
        _subjects(reader, namespace) if policies else _none(),
        reader.get(LEASES, system.lease, system.namespace, optional=True),
        read_switch(reader, system.namespace),
    )
    now = datetime.now(UTC)
    memory = Memory(clock=lambda: now)
    for body in policies:
        memory.put(POLICIES, body)
    for body in _found(overrides):
        memory.put(OVERRIDES, body)
    return Facts(
        now=now,
        namespace=namespace,
        objectives=tuple(_read_objectives(reader, _found(objectives))),
        governors=tuple(memory.all_governors()),
        overrides=tuple(_read_overrides(reader, _found(overrides))),
        subjects=subjects,
        lease=lease,
        switch=switch,
        problems=(*reader.problems, *_unreadable(memory, policies)),
    )


async def _none() -> tuple[Subject, ...]:
    return ()


async def read_switch(reader: Reader, namespace: str) -> KillSwitch | Unread | None:
    """The kill switch if it is engaged; most users may not read it."""
    found = await reader.get(CONFIG_MAPS, kill_switch.NAME, namespace, optional=True)
    return found if found is None or isinstance(found, Unread) else kill_switch.of(found)


async def _subjects(reader: Reader, namespace: str | None) -> tuple[Subject, ...] | None:
    """The workloads; Rollouts only where the cluster has them and the user may list them."""
    listed = await asyncio.gather(
        *(
            reader.list(kind, namespace, metadata_only=True, optional=kind.kind in OPTIONAL)
            for kind in kinds.WORKLOADS
        )
    )
    kinds_and_found = list(zip(kinds.WORKLOADS, listed, strict=True))
    if any(isinstance(it, Unread) and kind.kind not in OPTIONAL for kind, it in kinds_and_found):
        return None
    return tuple(_subject(kind, body) for kind, found in kinds_and_found for body in _found(found))


def _subject(kind: Resource, body: Object) -> Subject:
    metadata = body["metadata"]
    state = State(kinds.labels_of(kind.kind, body), kinds.is_controlled(body))
    return Subject(kind.kind, metadata.get("namespace", ""), metadata["name"], state)


def _found(listed: list[Object] | Unread) -> list[Object]:
    return [] if isinstance(listed, Unread) else listed


def _read_objectives(reader: Reader, bodies: Iterable[Object]) -> Iterable[ServiceLevelObjective]:
    for body in bodies:
        found = read(ServiceLevelObjective, body)
        if isinstance(found, list):
            reader.problems.append(_odd("ServiceLevelObjective", body, found))
        else:
            yield found


def _read_overrides(reader: Reader, bodies: Iterable[Object]) -> Iterable[GateOverride]:
    for body in bodies:
        found = read(GateOverride, body)
        if isinstance(found, list):
            reader.problems.append(_odd("GateOverride", body, found))
        else:
            yield found


def _odd(kind: str, body: Object, problems: Iterable[object]) -> str:
    metadata = body["metadata"]
    where = f"{kind} {metadata.get('namespace')}/{metadata['name']}"
    return f"{where} cannot be read by this version: {'; '.join(map(str, problems))}"


def _unreadable(memory: Memory, policies: Iterable[Object]) -> Iterable[str]:
    for namespace in sorted({body["metadata"].get("namespace", "") for body in policies}):
        for name in memory.unreadable(namespace):
            yield (
                f"ErrorBudgetPolicy {namespace}/{name} cannot be read by this version, and is "
                "left out here"
            )
