"""Manual freezes: a person's decision in place of the one that the budgets lead to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.api.override import Effect, GateOverride
from sluice.api.policy import Admission, Mode
from sluice.api.reasons import Reason
from sluice.policy.decision import Decision, reached
from sluice.policy.explanation import ByHand
from sluice.policy.override import Active, began


@dataclass(frozen=True, slots=True)
class Apart:
    """A manual freeze of some of a policy's workloads: they meet it beside the policy's decision.

    Attributes:
        override: The GateOverride's name.
        workloads: Names of the workloads, at least one.
        decision: What their changes meet by it.
    """

    override: str
    workloads: tuple[str, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Ruled:
    """What holds under a policy: one decision for all, and the manual freezes of some."""

    decision: Decision
    apart: tuple[Apart, ...] = ()

    @property
    def enforces(self) -> bool:
        """Whether changes of any workload are denied or warned about."""
        return self.strictest.effective is not Admission.ALLOW

    @property
    def strictest(self) -> Decision:
        """The one that hinders most; the one for all where others only equal it."""
        decisions = (self.decision, *(one.decision for one in self.apart))
        return max(decisions, key=lambda one: one.severity)


def rule(
    decision: Decision, overrides: Iterable[tuple[GateOverride, Active]], *, mode: Mode
) -> Ruled:
    """What holds when people have frozen by hand.

    Args:
        decision: The decision by the budgets.
        overrides: The policy's active overrides, of any effect, with their ends.
        mode: How far the policy reaches.
    """
    freezes = [one for one in overrides if one[0].spec.effect is Effect.FREEZE]
    everywhere = [one for one in freezes if not one[0].spec.workloads]
    apart = tuple(
        Apart(
            override.metadata.name,
            tuple(override.spec.workloads),
            _frozen(decision, [(override, active)], mode, also_until=None),
        )
        for override, active in freezes
        if override.spec.workloads
    )
    if not everywhere:
        return Ruled(decision, apart)
    return Ruled(_frozen(decision, everywhere, mode, also_until=decision.expires), apart)


def explained(override: GateOverride, active: Active) -> ByHand:
    """Who did what by an active override, until when and why."""
    spec = override.spec
    act = "frozen by hand" if spec.effect is Effect.FREEZE else "let pass"
    return ByHand(spec.created_by, active.until, spec.ticket, spec.reason, act)


def _frozen(
    decision: Decision,
    freezes: Sequence[tuple[GateOverride, Active]],
    mode: Mode,
    *,
    also_until: datetime | None,
) -> Decision:
    """The newest of `freezes` as a decision, which lasts as long as any of them.

    A denial by budget that outlasts them (`also_until`) is not interrupted when they end.
    """
    newest, active = max(freezes, key=lambda one: (began(one[0]), one[0].metadata.name))
    effective = reached(Admission.DENY, mode)
    ends = [one.until for _, one in freezes] + ([also_until] if also_until else [])
    return replace(
        decision,
        replaces=decision,
        effective=effective,
        since=began(newest),
        reason=Reason.MANUAL_FREEZE,
        cause=explained(newest, active),
        objective=None,
        remaining=None,
        recovered_at=None,
        expires=None if effective is Admission.ALLOW else max(ends),
    )
