"""Who is released now and who later, of the workloads that a policy holds and wants to no more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.api.conditions import Claim, ConditionType
from sluice.api.policy import ErrorBudgetPolicy, Stagger, ThawStatus, UndoRecord
from sluice.api.reasons import Reason
from sluice.enforcement.kinds import CHAOS
from sluice.enforcement.plan import Want
from sluice.enforcement.target import Target
from sluice.policy.explanation import minute
from sluice.policy.thaw import ends_at, wave, wave_size

_ALL_AT_ONCE = Stagger(within="0s")


@dataclass(frozen=True, slots=True)
class Thawing:
    """A thaw at one moment.

    Attributes:
        records: the policy's undo records. What is released while others are kept is marked, so
            that a write which failed is made again without waiting for a wave, and takes the place
            of nobody in one.
        kept: the uids of workloads that are held on until a later wave.
        status: what is to be remembered; None if none is under way.
        news: reason and note of an Event, where it has begun or is over.
    """

    records: Sequence[UndoRecord]
    kept: frozenset[str] = frozenset()
    status: ThawStatus | None = None
    news: tuple[Reason, str] | None = None


def thawing(
    policy: ErrorBudgetPolicy,
    wants: Iterable[tuple[Target, Want]],
    *,
    at_once: bool,
    now: datetime,
) -> Thawing:
    """The thaw of a policy, as far as it is at `now`.

    Args:
        policy: the policy, with what it remembers.
        wants: the workloads that it governs, each with what it wants of it; others are not kept.
        at_once: whether everything is released, as by the kill switch.
        now: the time.
    """
    wants = list(wants)
    recorded = {(one.uid, one.field): one for one in policy.status.workloads.changed}
    wanted = {(it.uid, it.hold.field) for it, want in wants if want.pause}
    held = [
        one
        for target, want in wants
        if not want.pause
        and target.holdable
        and (one := recorded.get((target.uid, target.hold.field))) is not None
        and not one.released
        and _in_force(target, one)
    ]
    # Faults are injected again when all that was deployed meanwhile has been let go.
    held.sort(key=lambda one: (one.kind in CHAOS, one.time, one.kind, one.name))
    before = policy.status.thaw
    stagger = _ALL_AT_ONCE if at_once else policy.spec.recovery.stagger
    step = wave(before, held=len(held), stagger=stagger, now=now)
    kept = frozenset(one.uid for one in held[step.size :])
    going = {(one.uid, one.field) for one in held[: step.size]} if kept else set()
    return Thawing(
        records=tuple(_marked(one, going, wanted) for one in policy.status.workloads.changed),
        kept=kept,
        status=step.thaw,
        news=_news(before, step.thaw, stagger, interrupted=bool(wanted)),
    )


def claim(thaw: ThawStatus | None, stagger: Stagger) -> list[Claim]:
    """The condition `Thawing`, while a thaw is under way."""
    if thaw is None:
        return []
    message = _progress(thaw, stagger)
    return [Claim(ConditionType.THAWING, "True", Reason.THAW_STAGGERED, message)]


def _in_force(target: Target, record: UndoRecord) -> bool:
    """Whether what holds a workload is still ours; whoever took it off released it by hand."""
    return record.field in target.ours and target.value(record.field) == record.value


def _marked(
    record: UndoRecord, going: set[tuple[str, str]], wanted: set[tuple[str, str]]
) -> UndoRecord:
    key = (record.uid, record.field)
    released = (record.released or key in going) and key not in wanted
    return record.model_copy(update={"released": released})


def _news(
    before: ThawStatus | None, after: ThawStatus | None, stagger: Stagger, *, interrupted: bool
) -> tuple[Reason, str] | None:
    if before is None and after is not None:
        return Reason.THAW_STAGGERED, _progress(after, stagger)
    if before is not None and after is None and not interrupted:
        return Reason.THAW_COMPLETED, f"The last of the {before.total} that were held are released."
    return None


def _progress(thaw: ThawStatus, stagger: Stagger) -> str:
    following = min(thaw.held, wave_size(thaw.total, stagger))
    return (
        f"{thaw.held} of the {thaw.total} that were held still are; {following} are released at "
        f"{minute(thaw.next_at)}, the last at {minute(ends_at(thaw, stagger))}. Who cannot wait "
        "takes the hold off by hand, as by kubectl rollout resume deployment/NAME."
    )
