"""Carries out what was decided for an ErrorBudgetPolicy: gates, workloads, status, Events."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sluice.api.override import GateOverride
from sluice.api.policy import MOST_RECORDS, ErrorBudgetPolicy, Mode, Transition, UndoRecord
from sluice.api.reasons import Reason
from sluice.controller import aims, limits, policy_plan, suspension
from sluice.controller.aims import Aim
from sluice.controller.burning import Burning
from sluice.controller.chaos import read_chaos, select_chaos
from sluice.controller.lifting import read_live
from sluice.controller.limits import Turn
from sluice.controller.policy_plan import Live, Outcome
from sluice.controller.policy_writer import PolicyWriter
from sluice.controller.settings import Settings
from sluice.controller.suspendable import read_suspendable
from sluice.controller.thawing import Thawing, thawing
from sluice.enforcement.kinds.rollout import ROLLOUT
from sluice.enforcement.native import Rendered
from sluice.enforcement.plan import Changes, Records, Want
from sluice.enforcement.remarks import remarks
from sluice.enforcement.target import Target
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache
from sluice.kube.kill_switch import KillSwitch
from sluice.policy.decision import Decision
from sluice.policy.manual import Ruled
from sluice.policy.objective import ObjectiveState
from sluice.policy.override import Active
from sluice.policy.selection import WorkloadName
from sluice.policy.status import history


@dataclass(frozen=True, slots=True)
class Gathered:
    """What deciding needs, read from memory."""

    policy: ErrorBudgetPolicy
    states: tuple[ObjectiveState, ...]
    governed: tuple[WorkloadName, ...]
    own: frozenset[WorkloadName]
    """The workloads of Sluice itself in its namespace, which are not governed."""
    existing: frozenset[str]
    """The kinds of workloads that there are in its namespace, or were when they were changed."""
    marked: bool
    switch: KillSwitch | None
    overrides: tuple[tuple[GateOverride, Active], ...]
    """Those of it that are active, with their ends."""


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a decision asks for.

    Attributes:
        workloads: what is wanted on governed workloads.
        chaos: what is wanted on selected chaos experiments.
        suspends: the kinds that are suspended.
        gates: whether admission policies are.
        counts: whether deployments are counted.
    """

    workloads: Want
    chaos: Want
    suspends: frozenset[str]
    gates: bool
    counts: bool

    @property
    def writes(self) -> bool:
        """Whether anything is to be written on objects of others."""
        holds = self.workloads.pause or self.chaos.pause or self.suspends
        return bool(holds or self.workloads.annotations)


@dataclass(frozen=True, slots=True)
class _Round:
    """One evaluation, with what was read for it from the API server."""

    gathered: Gathered
    ruled: Ruled
    wishes: _Wishes
    live: Live
    turns: Sequence[Turn]
    now: datetime


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written on objects of others, and remembered of it.

    Attributes:
        changes: the writes.
        before: undo records that must be stored before them.
        after: those that stay once all is written.
        thaw: how far a thaw is.
        failed: what could not be planned.
        spared: what was to be suspended and goes on, and why.
    """

    changes: Sequence[tuple[Target, Changes]]
    before: Sequence[UndoRecord]
    after: Sequence[UndoRecord]
    thaw: Thawing
    failed: tuple[str, ...]
    spared: tuple[str, ...]


class Enforcer:
    """Has the API server hold what was decided, and tells of it."""

    def __init__(
        self,
        *,
        settings: Settings,
        served: Callable[[], frozenset[str]],
        api: ApiServer,
        cache: Cache,
        burning: Burning,
        writer: PolicyWriter,
    ) -> None:
        self._settings = settings
        self._served = served
        self._api = api
        self._cache = cache
        self._burning = burning
        self._writer = writer

    async def carry_out(
        self, gathered: Gathered, ruled: Ruled, now: datetime, *, resync_at: datetime | None
    ) -> ErrorBudgetPolicy | None:
        """Gates first, since they are what protects; then the record, then the workloads.

        The policy with its new status; None if not everything was written. `resync_at` is for the
        status: when GitOps tools are asked to try again.
        """
        this = await self._round(gathered, ruled, now)
        policy, wishes = gathered.policy, this.wishes
        if wishes.gates or wishes.writes or policy.status.workloads.changed:
            policy = await self._writer.hold(policy)
        outcome = await self._gates(policy, this)
        plan = await self._plan(policy, this)
        outcome = replace(outcome, spared=plan.spared)
        told = self._told(this)
        # The status may be written twice, and tells what has changed once.
        status = partial(
            policy_plan.status_of,
            ruled=ruled,
            governed=len(gathered.governed),
            own=gathered.own,
            overrides=gathered.overrides,
            history=history(policy.status.history, told),
            switch=gathered.switch,
            limit=limits.in_status(ruled.decision, this.turns),
            now=now,
            thaw=plan.thaw.status,
            resync_at=resync_at,
        )
        if set(plan.before) - set(policy.status.workloads.changed):
            first = status(policy, outcome=outcome, records=plan.before)
            policy = await self._writer.status(policy, first)
        failed = await self._writer.workloads(plan.changes)
        outcome = _written(outcome, this, plan, failed)
        # After a failure the records stay: what was written and what was not is not known.
        after = plan.before if failed else plan.after
        written = status(policy, outcome=outcome, records=after)
        policy = await self._writer.status(policy, written)
        self._announce(policy, ruled.decision, told, plan.thaw)
        if outcome.rejected is None and not (wishes.gates or after or wishes.writes):
            await self._writer.release(policy)
        return None if failed else policy

    async def _round(self, gathered: Gathered, ruled: Ruled, now: datetime) -> _Round:
        policy, killed = gathered.policy, gathered.switch is not None
        wishes = _Wishes(
            workloads=aims.want(policy, ruled.decision, killed=killed),
            chaos=aims.want_chaos(policy, ruled.decision, killed=killed),
            suspends=suspension.kinds(
                policy,
                ruled.decision,
                killed=killed,
                overrides=[one for one, _ in gathered.overrides],
            ),
            gates=ruled.enforces and self._settings.writes_gates,
            counts=ruled.enforces and ruled.decision.limit is not None,
        )
        live = await self._live(gathered, wishes)
        turns = limits.turns(
            policy,
            ruled.decision,
            governed=gathered.governed,
            live=live,
            overrides=gathered.overrides,
            now=now,
        )
        return _Round(gathered, ruled, wishes, live, turns, now)

    async def _live(self, gathered: Gathered, wishes: _Wishes) -> Live:
        policy = gathered.policy
        touches = wishes.writes or policy.status.workloads.changed
        if not (wishes.gates or wishes.counts or touches or gathered.marked):
            return Live()
        return await read_live(
            policy,
            api=self._api,
            cache=self._cache,
            kinds=sorted(gathered.existing),
            revisions_of=_looked_back(gathered, wishes),
        )

    async def _gates(self, policy: ErrorBudgetPolicy, this: _Round) -> Outcome:
        """Write the admission policies, and delete those that are wanted no more."""
        existing = await self._writer.gates_of(policy, expected=this.wishes.gates)
        rendered = Rendered(())
        if this.wishes.gates:
            rendered = policy_plan.gates(
                policy,
                this.ruled,
                governed=this.gathered.governed,
                own=this.gathered.own,
                kinds=self._served(),
                live=this.live,
                overrides=this.gathered.overrides,
                limit=limits.in_gate(this.ruled.decision, this.turns),
                there=existing.there,
                now=this.now,
            )
        return Outcome(
            elsewhere=self._settings.denied_elsewhere,
            ungated=not (self._settings.writes_gates or self._settings.denied_elsewhere),
            rejected=await self._writer.gates(policy, existing, rendered.manifests),
            dropped=tuple(one.message for one in rendered.dropped),
        )

    async def _plan(self, policy: ErrorBudgetPolicy, this: _Round) -> _Plan:
        """Plan what is written on objects of others; nothing new if it were too much."""
        wishes, live, now = this.wishes, this.live, this.now
        chaos = await read_chaos(
            policy, api=self._api, tools=self._settings.chaos_tools, wanted=wishes.chaos.pause
        )
        there = await read_suspendable(policy, api=self._api, wanted=wishes.suspends)
        stopped = suspension.suspended(
            policy, this.ruled.decision, wishes.suspends, there, self._settings.installation
        )
        kept = [*chaos.kept, *there.kept]
        overrides = [one for one, _ in this.gathered.overrides]
        passing, others = aims.let_pass(this.ruled.decision, live, overrides)
        in_waves = (
            Aim(wishes.workloads, this.gathered.governed, others),
            Aim(
                wishes.chaos,
                select_chaos(policy.spec.chaos, chaos),
                replace(live, workloads=chaos.objects, retained=()),
            ),
        )
        # Released at once: they are few, and what fixes the rest comes through them.
        suspends = Want(policy.metadata.uid, pause=True)
        at_once = (
            Aim(suspends, stopped.names, replace(live, workloads=there.objects, retained=())),
            Aim(replace(wishes.workloads, pause=False), this.gathered.governed, passing),
        )
        every_one = (*in_waves, *at_once)
        lifted = this.gathered.switch is not None or policy.spec.mode is not Mode.ENFORCE
        thaw = thawing(policy, aims.wants(in_waves), at_once=lifted, now=now)
        changes = aims.changes_of(policy, every_one, now=now, thaw=thaw)
        before = [*_own(policy, (one.records for _, one in changes)), *kept]
        failed = (*chaos.problems, *there.problems)
        if len(before) > MOST_RECORDS:
            failed = (aims.too_many(len(before)), *failed)
            released = [replace(aim, wanted=None) for aim in every_one]
            changes = aims.changes_of(policy, released, now=now)
            before, thaw = policy.status.workloads.changed, Thawing(())
        after = [*_own(policy, (one.remaining for _, one in changes)), *kept]
        return _Plan(changes, before, after, thaw, failed, stopped.spared)

    def _told(self, this: _Round) -> list[Transition]:
        """What has changed since the last status, newest first."""
        policy, now = this.gathered.policy, this.now
        return policy_plan.transitions_of(
            policy,
            this.ruled,
            this.gathered.overrides,
            burned=lambda one: self._burning.of(policy, one.since, min(now, one.expires)),
            now=now,
        )

    def _announce(
        self,
        policy: ErrorBudgetPolicy,
        decision: Decision,
        told: Sequence[Transition],
        thaw: Thawing,
    ) -> None:
        """Post Events about what has changed."""
        if decision.transition is not None:
            self._writer.announce(policy, decision.by_budget)
        for one in told:
            if one.override is not None:
                reason = Reason(one.reason)
                self._writer.tell(policy, reason, one.message, action="Override")
        if thaw.news is not None:
            self._writer.tell(policy, *thaw.news, action="Thaw")


def _looked_back(gathered: Gathered, wishes: _Wishes) -> set[str]:
    """The governed kinds whose revisions matter: for gates and limits all.

    For holding it is those of Rollouts, which a rollback frees; during a thaw some still are held.
    """
    governed = {it.kind for it in gathered.governed}
    if wishes.gates or wishes.counts:
        return governed
    held = any(
        (one.kind, one.field) == (ROLLOUT.name, ROLLOUT.hold.field)
        for one in gathered.policy.status.workloads.changed
    )
    return governed & {ROLLOUT.name} if wishes.workloads.pause or held else set()


def _written(outcome: Outcome, this: _Round, plan: _Plan, failed: Sequence[str]) -> Outcome:
    """The outcome once workloads have been written, of which `failed` could not be."""
    uid = this.gathered.policy.metadata.uid
    problems = [it for _, one in plan.changes for it in one.problems]
    held = {
        WorkloadName(target.kind, target.name)
        for target, one in plan.changes
        for record in one.remaining.get(uid, ())
        if record.field == target.hold.field
    }
    return replace(
        outcome,
        failed=(*plan.failed, *failed),
        problems=tuple(it for it in problems if it.policy == uid),
        remarks=tuple(remarks(set(this.gathered.governed), this.live.workloads, held)),
    )


def _own(policy: ErrorBudgetPolicy, by_policy: Iterable[Records]) -> list[UndoRecord]:
    """The undo records of `policy` in all plans."""
    return [record for one in by_policy for record in one.get(policy.metadata.uid, ())]
