"""What a policy wants of objects of others, and the writes that follow from it. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sluice.api.override import Effect, GateOverride
from sluice.api.policy import MOST_RECORDS, ErrorBudgetPolicy, Mode, UndoRecord
from sluice.controller.policy_plan import Live
from sluice.controller.thawing import Thawing
from sluice.enforcement.kinds import HOLDS
from sluice.enforcement.plan import Changes, Want, plan
from sluice.enforcement.target import Target, annotation_key
from sluice.policy.decision import Decision
from sluice.policy.expansion import UnknownVariable, annotations
from sluice.policy.fingerprint import images_of
from sluice.policy.override import admits, lifts, means
from sluice.policy.selection import WorkloadName


def want(policy: ErrorBudgetPolicy, decision: Decision, *, killed: bool) -> Want:
    """What the policy wants on each workload that it governs, which is for its stage to say.

    Only mode Enforce wants anything, and nothing is wanted while the kill switch is engaged.
    """
    uid = policy.metadata.uid
    expanded = annotations(decision.by_budget)
    if killed or policy.spec.mode is not Mode.ENFORCE or isinstance(expanded, UnknownVariable):
        return Want(uid)
    return Want(uid, pause=decision.stage_spec.pause_rollouts, annotations=expanded)


def want_chaos(policy: ErrorBudgetPolicy, decision: Decision, *, killed: bool) -> Want:
    """What the policy wants on each chaos experiment that it selects, under the same conditions."""
    enforces = policy.spec.mode is Mode.ENFORCE and not killed
    return Want(policy.metadata.uid, pause=enforces and decision.stage_spec.pause_chaos)


@dataclass(frozen=True, slots=True)
class Aim:
    """What a policy wants of some objects.

    Attributes:
        wanted: what it wants of those that it governs; None to release all.
        governed: which ones it does.
        live: all of the namespace.
    """

    wanted: Want | None
    governed: tuple[WorkloadName, ...]
    live: Live


def let_pass(
    decision: Decision, live: Live, overrides: Iterable[GateOverride]
) -> tuple[Live, Live]:
    """The workloads that an active override lets pass, and the others.

    A hold would stop what admission has let through.

    One that is pinned to images lets a workload go once its template runs nothing else; an approval
    does while there is a limit, until it ends.

    Args:
        decision: What holds for all workloads, by the budgets or by hand.
        live: All workloads.
        overrides: The policy's active overrides, of any effect.
    """
    passing = [
        one
        for one in overrides
        if lifts(one, frozen_by_hand=decision.frozen_by_hand)
        or (decision.limit is not None and one.spec.effect is Effect.APPROVE)
    ]
    parted: dict[bool, list[Mapping[str, Any]]] = {True: [], False: []}
    for it in live.workloads:
        passes = any(
            means(one, {it["metadata"]["name"]})
            and admits(one, images_of(it["spec"].get("template") or {}))
            for one in passing
        )
        parted[passes].append(it)
    return replace(live, workloads=parted[True]), replace(live, workloads=parted[False])


def wants(aims: Iterable[Aim]) -> list[tuple[Target, Want]]:
    """The objects that are governed, each with what is wanted of it."""
    found = []
    for aim in aims:
        if aim.wanted is None:
            continue
        governed = set(aim.governed)
        targets = (Target.of(it, aim.live.retained) for it in aim.live.workloads)
        found += [(it, aim.wanted) for it in targets if WorkloadName(it.kind, it.name) in governed]
    return found


def changes_of(
    policy: ErrorBudgetPolicy, aims: Iterable[Aim], *, now: datetime, thaw: Thawing | None = None
) -> list[tuple[Target, Changes]]:
    """The writes of all aims, see `workload_changes`."""
    return [
        change
        for aim in aims
        for change in workload_changes(
            policy, aim.wanted, governed=aim.governed, live=aim.live, now=now, thaw=thaw
        )
    ]


def workload_changes(
    policy: ErrorBudgetPolicy,
    wanted: Want | None,
    *,
    governed: Iterable[WorkloadName],
    live: Live,
    now: datetime,
    thaw: Thawing | None = None,
) -> list[tuple[Target, Changes]]:
    """The writes on workloads, so that they carry what `wanted` says and nothing else of ours.

    Those that `thaw` keeps are held as well. Without one all is released at once.
    """
    uid, governed_names = policy.metadata.uid, set(governed)
    mine = policy.status.workloads.changed if thaw is None else thaw.records
    changes = []
    for workload in live.workloads:
        target = Target.of(workload, live.retained)
        name = WorkloadName(target.kind, target.name)
        records = {uid: [one for one in mine if WorkloadName(one.kind, one.name) == name]}
        for other, theirs in (live.others or {}).items():
            records[other] = [one for one in theirs if one.uid == target.uid]
        wants = [_kept(other, theirs) for other, theirs in records.items() if other != uid]
        if wanted is not None and name in governed_names:
            kept = thaw is not None and target.uid in thaw.kept
            wants.append(replace(wanted, pause=wanted.pause or kept))
        changes.append((target, plan(target, wants, records, now)))
    return changes


def too_many(count: int) -> str:
    """Why the policy changes no workload at all."""
    return (
        f"pauseRollouts, pauseChaos, suspend and annotate are not carried out: they would be "
        f"{count} changes, and a policy can remember {MOST_RECORDS}; govern fewer workloads with it"
    )


def _kept(uid: str, records: Iterable[UndoRecord]) -> Want:
    """What another policy has written down to want: it alone decides about taking it back."""
    pause, notes = False, {}
    for record in records:
        key = annotation_key(record.field)
        if record.field in HOLDS:
            pause = pause or not record.released
        elif key is not None:
            notes[key] = str(json.loads(record.value))
    return Want(uid, pause=pause, annotations=notes)
