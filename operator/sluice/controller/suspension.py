"""Which objects a stage suspends, and which it spares so that the way out stays open. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.api.override import Effect, GateOverride
from sluice.api.owners import controller_of
from sluice.api.policy import ErrorBudgetPolicy, Mode
from sluice.controller.suspendable import Suspendable
from sluice.enforcement.kinds import SUSPENDED
from sluice.enforcement.kinds.suspended import own
from sluice.policy.decision import Decision
from sluice.policy.own import Installation
from sluice.policy.selection import WorkloadName


@dataclass(frozen=True, slots=True)
class Suspended:
    """What is suspended.

    Attributes:
        names: kind and name of each object.
        spared: what the stage asks for and is not done, and why, for people.
    """

    names: tuple[WorkloadName, ...] = ()
    spared: tuple[str, ...] = ()


def kinds(
    policy: ErrorBudgetPolicy,
    decision: Decision,
    *,
    killed: bool,
    overrides: Iterable[GateOverride],
) -> frozenset[str]:
    """The kinds that are to be suspended now.

    None while the kill switch is engaged (`killed`) or outside of mode Enforce. What deploys goes
    on while one of the active `overrides` lets something pass, which must have a way in.
    """
    asked = decision.stage_spec.suspend
    if asked is None or killed or policy.spec.mode is not Mode.ENFORCE:
        return frozenset()
    passing = {Effect.ALLOW} if decision.limit is None else {Effect.ALLOW, Effect.APPROVE}
    overridden = any(one.spec.effect in passing for one in overrides)
    return frozenset(one for one in asked.kinds if not (overridden and SUSPENDED[one].deploys))


def suspended(
    policy: ErrorBudgetPolicy,
    decision: Decision,
    wanted: frozenset[str],
    there: Suspendable,
    installation: Installation,
) -> Suspended:
    """The objects of the kinds `wanted` that the stage selects, among those that there are.

    An object with a controller is its owner's. One that applies objects of Sluice is spared: while
    it is suspended nobody could change the very policy, or objective, that suspends it by Git. So
    is one that applies the `installation` itself, whose fix would not come.
    """
    asked = decision.stage_spec.suspend
    if asked is None:
        return Suspended()
    selector = asked.selector if asked.selector is not None else policy.spec.workloads.selector
    names, spared = [], []
    for one in there.objects:
        labels = dict(one["metadata"].get("labels") or {})
        if one["kind"] not in wanted or controller_of(one) or not selector.matches(labels):
            continue
        name = WorkloadName(one["kind"], one["metadata"]["name"])
        if (ours := own(one, installation)) is not None:
            spared.append(f"{name.kind} {name.name} is not suspended: it applies {ours}")
        else:
            names.append(name)
    spared += [
        f"no {kind} is suspended: the cluster does not have this kind"
        for kind in there.unserved
        if kind in wanted
    ]
    return Suspended(tuple(names), tuple(spared))
