"""Brings one ErrorBudgetPolicy up to date: gather, decide, have it carried out."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sluice.api.durations import parse_duration
from sluice.api.override import Effect, GateOverride
from sluice.api.policy import ErrorBudgetPolicy, Mode
from sluice.controller import policy_plan
from sluice.controller.burning import Burning
from sluice.controller.complaint import Complaints
from sluice.controller.enforcer import Enforcer, Gathered
from sluice.controller.lifting import lift, salvage
from sluice.controller.policy_writer import PolicyWriter
from sluice.controller.resync import WAIT, Resync
from sluice.controller.settings import Settings
from sluice.controller.standings import Standings
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.kill_switch import KillSwitch, Unread
from sluice.kube.resources import POLICIES, WORKLOADS
from sluice.policy.decision import Decision, decide
from sluice.policy.manual import Ruled, rule
from sluice.policy.override import Active, in_force
from sluice.policy.selection import (
    Labelled,
    WorkloadName,
    select_objectives,
    select_workloads,
)
from sluice.policy.status import memory_from_status
from sluice.policy.validation import validate

_FIRST_LOOK = 60.0
"""Seconds, from when this process began to lead, in which a policy waits for its objectives to be
measured: that nothing is known for a moment then is no reason to call a policy blind."""
_SPREAD = 5.0
"""Seconds over which those that have waited in vain are decided after that."""

_AGAIN = 5.0
"""Seconds until a write on a workload that failed is tried again."""


class Policies:
    """The reconciler of ErrorBudgetPolicies."""

    def __init__(
        self,
        *,
        settings: Settings,
        served: Callable[[], frozenset[str]],
        api: ApiServer,
        cache: Cache,
        standings: Standings,
        burning: Burning,
        writer: PolicyWriter,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        kill_switch: Callable[[], KillSwitch | Unread | None],
    ) -> None:
        self._settings = settings
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._standings = standings
        self._writer = writer
        self._enforcer = Enforcer(
            settings=settings,
            served=served,
            api=api,
            cache=cache,
            burning=burning,
            writer=writer,
        )
        self._clock = clock
        self._monotonic = monotonic
        self._began = monotonic()
        self._kill_switch = kill_switch

        self._resync = Resync(
            api=api,
            tools=settings.resync,
            argocd_namespace=settings.argocd_namespace,
            writer=writer,
        )

    def begin(self) -> None:
        """This process begins to lead: what it once saw is of the past."""
        self._began = self._monotonic()
        self._writer.begin()

    async def reconcile(self, key: Key) -> float | None:
        """Decide and carry the decision out; seconds until the policy is due again."""
        now = self._clock()
        found = self._cache.get(key)
        if isinstance(found, ErrorBudgetPolicy):
            if found.metadata.deletion_timestamp is not None:
                await self._thaw(found, now)
                return None
            problems = validate(found.spec)
            if not problems:
                return await self._reconcile(found, now)
            lifted = await self._suspend(found, now)
            status = policy_plan.invalid_status(found, problems, now)
            if lifted:
                # Nothing is left of it, so that other policies need not keep it up.
                workloads = status.workloads.model_copy(update={"changed": []})
                status = status.model_copy(update={"workloads": workloads, "thaw": None})
            await self._writer.status(found, status)
        elif isinstance(found, Malformed):
            if found.deleting:
                await self._thaw(salvage(found), now)
                return None
            await self._suspend(salvage(found), now)
            await self._complaints.tell(POLICIES, found, now=now)
        else:
            await self._writer.sweep()
            return None
        return self._later()

    async def _reconcile(self, policy: ErrorBudgetPolicy, now: datetime) -> float:
        # It is due again at once when the kill switch is read, or an objective of it is measured.
        waits = self._began + _FIRST_LOOK - self._monotonic()
        unmeasured = self._unmeasured(policy) and not self._frozen_anew(policy, now)
        if waits > 0 and (isinstance(self._kill_switch(), Unread) or unmeasured):
            if isinstance(self._kill_switch(), KillSwitch):
                await self._lift(policy, now)
            return waits + random.uniform(0.0, _SPREAD)  # noqa: S311 - jitter, not a secret
        gathered = self._gather(policy, now)
        ruled = _decide(gathered, now)
        resync_at = await self._resynced(gathered, ruled.decision, now)
        carried_out = await self._enforcer.carry_out(gathered, ruled, now, resync_at=resync_at)
        if carried_out is None:
            return _AGAIN
        gathered = replace(gathered, policy=carried_out)
        due = self._next(gathered, ruled.decision.by_budget, now)
        if resync_at is None:
            return due
        return min(due, max((resync_at - now).total_seconds(), 1.0))

    async def _resynced(
        self, gathered: Gathered, decision: Decision, now: datetime
    ) -> datetime | None:
        """Ask GitOps tools to try again, if it is time; when it will be, if not."""
        due = self._resync.due(gathered.policy, decision, now)
        if due is None or due > now:
            return due
        done = await self._resync.ask(gathered.policy, gathered.governed, now)
        return None if done else now.replace(microsecond=0) + WAIT

    async def _suspend(self, policy: ErrorBudgetPolicy, now: datetime) -> bool:
        """Lift what is enforced for a policy that can't be decided, once its last freeze has ended.

        What was decided holds as long as that freeze would without a controller; the kill switch
        ends it at once. Whether it was lifted.
        """
        decision = policy.status.decision
        ended = decision is None or decision.expires is None or decision.expires <= now
        due = ended or isinstance(self._kill_switch(), KillSwitch)
        if due:
            await self._lift(policy, now)
        return due

    async def _lift(self, policy: ErrorBudgetPolicy, now: datetime) -> None:
        await lift(policy, api=self._api, cache=self._cache, writer=self._writer, now=now)

    async def _thaw(self, policy: ErrorBudgetPolicy, now: datetime) -> None:
        """Undo everything of a policy that is being deleted, and let it go."""
        await self._lift(policy, now)
        await self._writer.release(policy)

    def _unmeasured(self, policy: ErrorBudgetPolicy) -> bool:
        """Whether any objective that the policy selects was not measured yet."""
        namespace = policy.metadata.namespace
        unseen = [
            Labelled(it.metadata.name, it.metadata.labels)
            for it in self._cache.objectives(namespace)
            if self._standings.get(namespace, it.metadata.name) is None
        ]
        return bool(select_objectives(policy.spec.objectives, unseen).names)

    def _frozen_anew(self, policy: ErrorBudgetPolicy, now: datetime) -> bool:
        """Whether somebody has frozen by hand since the policy was last decided."""
        told = {one.name for one in policy.status.overrides}
        return any(
            override.spec.effect is Effect.FREEZE and override.metadata.name not in told
            for override, _ in self._active(policy, now)
        )

    def _active(
        self, policy: ErrorBudgetPolicy, now: datetime
    ) -> list[tuple[GateOverride, Active]]:
        return in_force(policy, self._cache.overrides(policy.metadata.namespace), now)

    def _gather(self, policy: ErrorBudgetPolicy, now: datetime) -> Gathered:
        """Everything that the decision depends on; no request is made for it."""
        namespace = policy.metadata.namespace
        objectives = {it.metadata.name: it for it in self._cache.objectives(namespace)}
        selection = select_objectives(
            policy.spec.objectives,
            [Labelled(name, it.metadata.labels) for name, it in objectives.items()],
        )
        own = self._settings.installation.within(namespace)
        every_one = self._cache.workloads(namespace)
        workloads = [it for it in every_one if not it.controlled]
        changed = {record.kind for record in policy.status.workloads.changed}
        return Gathered(
            policy=policy,
            states=(
                *(self._standings.of(objectives[name]) for name in selection.names),
                *selection.missing,
            ),
            governed=select_workloads(
                policy.spec.workloads,
                [(WorkloadName(it.kind, it.key.name), it.labels) for it in workloads],
                own=own,
            ),
            own=own,
            existing=frozenset({it.kind for it in every_one} | (changed & WORKLOADS.keys())),
            marked=any(it.marked for it in workloads),
            switch=switch if isinstance(switch := self._kill_switch(), KillSwitch) else None,
            overrides=tuple(self._active(policy, now)),
        )

    def _later(self) -> float:
        return self._settings.interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter

    def _next(self, gathered: Gathered, decision: Decision, now: datetime) -> float:
        """The next interval, or the end of a wait that ends before."""
        policy = gathered.policy
        hold = parse_duration(policy.spec.when_blind.hold_for)
        ends = [active.until for _, active in gathered.overrides]
        if decision.recovering_since is not None:
            ends.append(decision.recovering_since + parse_duration(policy.spec.recovery.for_))
        if decision.blind_since is not None:
            ends.append(decision.blind_since + hold)
        if decision.expires is not None:
            ends.append(decision.expires - hold / 2)  # when it is due for renewal
        ends += self._waiting(policy)
        if policy.status.thaw is not None:
            ends.append(policy.status.thaw.next_at)
        # What has ended already is nothing to wait for: it would be due again every second.
        waits = [max((end - now).total_seconds(), 1.0) for end in ends if end >= now]
        return min([self._later(), *waits])

    def _waiting(self, policy: ErrorBudgetPolicy) -> list[datetime]:
        """When workloads that wait for a limit are due, as its status has just been written."""
        found = self._cache.get(
            Key(POLICIES.plural, policy.metadata.namespace, policy.metadata.name)
        )
        decision = found.status.decision if isinstance(found, ErrorBudgetPolicy) else None
        limit = decision.limit if decision is not None else None
        return [one.next for one in limit.waiting] if limit is not None else []


def _decide(gathered: Gathered, now: datetime) -> Ruled:
    policy = gathered.policy
    spec = policy.spec
    if gathered.switch is not None:
        # The kill switch makes every policy an observer: what it would do stays visible.
        spec = spec.model_copy(update={"mode": Mode.OBSERVE})
    decision = decide(
        spec=spec,
        policy_name=policy.metadata.name,
        namespace=policy.metadata.namespace,
        objectives=gathered.states,
        before=memory_from_status(policy.status),
        now=now,
    )
    return rule(decision, gathered.overrides, mode=spec.mode)
