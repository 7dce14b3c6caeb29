"""What to write on one workload, so that it has what all policies want of it, and nothing else.

The protocol: write `records` to the policies' statuses, send `clear`, send `apply` (server-side, as
field manager `sluice`, without force), then write `remaining` to the statuses. A crash between any
two of these steps is made good by the next plan. One manager's apply is declarative, so one body
holds the union of what all policies want, and a body without a field releases it: the API server
then removes it only if nobody else has set it since.

Sluice overwrites nothing that it could not tell from a wish: a value that somebody else set stays
theirs, and nothing is recorded. The one exception is a field which the API server fills in and an
update left there, such as a StatefulSet's partition: it is taken over, and its previous value is
set again in the end.
Source: Kubernetes, "Server-Side Apply".
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sluice.api.policy import UndoRecord
from sluice.enforcement import mirror
from sluice.enforcement.hold import NONE
from sluice.enforcement.kinds import HOLDS
from sluice.enforcement.mirror import Mirror, Owned
from sluice.enforcement.names import UNDO
from sluice.enforcement.target import (
    Target,
    annotation,
    body,
    setting,
)

CONTESTED_AFTER = 2
"""Reverts by somebody else after which a field is left alone until the policy wants it no more."""

GRACE = timedelta(seconds=30)
"""How long after a write a differing value may be a cache that lags behind. It is written again,
and not counted as a revert."""

_MIRROR = annotation(UNDO)

Records = Mapping[str, Sequence[UndoRecord]]


@dataclass(frozen=True, slots=True)
class Want:
    """What one policy wants on a workload now; `policy` is its uid."""

    policy: str
    pause: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """A field that is not written, and why: `contested` if somebody took it back."""

    policy: str
    field: str
    contested: bool
    message: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write, in this order; None where there is nothing to do.

    Attributes:
        records: by policy uid, to be in its status before the workload is touched.
        clear: a JSON merge patch that removes left-overs and restores what was there before; 409
            if the object has changed meanwhile.
        apply: a server-side apply; 409 if somebody else set a field or the object is gone, 422 if
            there is another object of its name.
        force: whether `apply` takes a field over from somebody else.
        remaining: by policy uid, the records that remain once the rest is written.
        problems: what could not be done.
    """

    records: Records
    clear: dict[str, Any] | None
    apply: dict[str, Any] | None
    remaining: Records
    problems: tuple[Problem, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class _Wanted:
    policy: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What becomes of one wanted field."""

    record: UndoRecord | None = None
    write: bool = False
    problem: Problem | None = None

    @property
    def landed(self) -> UndoRecord | None:
        """The record once the API server has taken the write, if there is one.

        Before that it may refuse it, or never be asked: then nobody has taken anything back.
        """
        if self.record is None or not self.write:
            return self.record
        return self.record.model_copy(update={"confirmed": True})


def plan(target: Target, wants: Iterable[Want], records: Records, now: datetime) -> Changes:
    """Plan the writes on one workload.

    Args:
        target: the live workload.
        wants: what each policy that governs it wants of it; none to release everything.
        records: by policy uid, this workload's undo records; those of another uid of the same name
            are of an object that is gone, and are not among the remaining ones.
        now: the time.
    """
    before = [Owned(policy, one) for policy, some in records.items() for one in some]
    before = [one for one in before if one.record.uid == target.uid]
    wanted, problems = _wanted(target, wants)
    seen = _mirror(target)
    stale = _stale(target, seen, before)
    rulings = [(one, _rule(target, one, before, stale, now)) for one in wanted]
    after = [Owned(one.policy, ruling.record) for one, ruling in rulings if ruling.record]
    landed = [Owned(one.policy, it) for one, ruling in rulings if (it := ruling.landed)]
    values = {one.field: one.value for one, ruling in rulings if ruling.write}
    if values:
        written = [one for one in after if one.record.field in values]
        values[_MIRROR] = json.dumps(mirror.write(target.uid, written))
    values |= _for_good(target)
    leftovers = {
        **_leftovers(target, seen, stale, values),
        **_restored(target, seen, before, values),
    }
    force = any(target.takes_over(one) and one not in target.ours for one in values)
    problems += [ruling.problem for _, ruling in rulings if ruling.problem]
    applied = None
    if not _settled(target, values, frozenset(leftovers)):
        # What was cleared before has made a newer version.
        applied = body(target, values, pinned=force and not leftovers)
    return Changes(
        records=_by_policy([*before, *after], records),
        clear=setting(target, leftovers) if leftovers else None,
        apply=applied,
        force=force and applied is not None,
        remaining=_by_policy(landed, records),
        problems=tuple(problems),
    )


def _wanted(target: Target, wants: Iterable[Want]) -> tuple[list[_Wanted], list[Problem]]:
    """What is wanted of each field, by every policy that wants it: each has to remember it.

    One value a field: policies that disagree cannot both be right, so the first by uid is.
    """
    first: dict[str, _Wanted] = {}
    wanted, problems = [], []
    for want in sorted(wants, key=lambda want: want.policy):
        for one in _fields(target, want):
            if one.field == _MIRROR:
                problems.append(_problem(one, f"annotation {UNDO} is Sluice's own"))
            elif first.setdefault(one.field, one).value == one.value:
                wanted.append(one)
            else:
                other = first[one.field].policy
                problems.append(_problem(one, f"policy {other} sets it to another value"))
    return wanted, problems


def _fields(target: Target, want: Want) -> Iterator[_Wanted]:
    for key, value in want.annotations.items():
        yield _Wanted(want.policy, annotation(key), json.dumps(value))
    if want.pause and target.holdable:
        yield _Wanted(want.policy, target.hold.field, target.hold.text)


def _problem(wanted: _Wanted, why: str, *, contested: bool = False) -> Problem:
    message = f"{wanted.field} is not written: {why}"
    return Problem(wanted.policy, wanted.field, contested=contested, message=message)


def _mirror(target: Target) -> Mirror | None:
    """What the workload itself tells of changes of ours; None if nothing."""
    text = json.loads(target.value(_MIRROR))
    return mirror.read({UNDO: text} if text else {}, UNDO)


def _stale(target: Target, seen: Mirror | None, before: Sequence[Owned]) -> frozenset[str]:
    """Fields with a value that Sluice once wrote and that no record speaks of any more.

    A hold is among them only on a copy of the object (another uid): a rollback brings back
    annotations, not a pause, so on the object itself whoever paused it meant to.
    """
    if seen is None:
        return frozenset()
    known = {(one.policy, one.record.field, one.record.value) for one in before}
    copied = seen.uid != target.uid
    return frozenset(
        one.field
        for one in seen.changes
        if target.value(one.field) == one.value
        and (one.policy, one.field, one.value) not in known
        and (one.field not in HOLDS or (copied and one.field == target.hold.field))
    )


def _rule(
    target: Target, wanted: _Wanted, before: Sequence[Owned], stale: frozenset[str], now: datetime
) -> _Ruling:
    mine = [one for one in before if one.record.field == wanted.field]
    mine.sort(key=lambda one: one.policy != wanted.policy)
    free = wanted.field in stale or wanted.field in target.ours
    if not mine:
        return _first(target, wanted, now, free=free)
    # What was there before the latest of these writes is what the owner wanted last.
    latest = max((one.record for one in mine), key=lambda one: one.time)
    record = mine[0].record.model_copy(update={"previous": latest.previous})
    return _again(target, wanted, record, now, free=free)


def _first(target: Target, wanted: _Wanted, now: datetime, *, free: bool) -> _Ruling:
    """A field without a record: written if it may be, or is ours although the record is lost."""
    live = target.value(wanted.field)
    owner = target.others.get(wanted.field)
    if free:
        return _Ruling(_record(target, wanted, now, _mirrored(target, _mirror(target))), write=True)
    if live == wanted.value:
        return _Ruling()
    if owner is None and (live == NONE or target.takes_over(wanted.field)):
        return _Ruling(_record(target, wanted, now, live), write=True)
    return _Ruling(problem=_problem(wanted, f"{owner or 'somebody else'} set it to {live}"))


def _again(
    target: Target, wanted: _Wanted, record: UndoRecord, now: datetime, *, free: bool
) -> _Ruling:
    """A field that was to be written before: kept up, written again, or found to be taken back."""
    if record.reverts >= CONTESTED_AFTER:
        return _contested(wanted, record)
    live, owner = target.value(wanted.field), target.others.get(wanted.field)
    record = _confirmed(target, record)
    fresh = record
    if record.value != wanted.value:
        fresh = record.model_copy(update={"value": wanted.value, "time": now, "confirmed": False})
    if free or live == wanted.value or (live == record.value and owner is None):
        return _Ruling(fresh, write=True)
    if target.takes_over(wanted.field):
        fresh = fresh.model_copy(update={"previous": live})
    if record.confirmed and now - record.time > GRACE:
        counted = {"time": now, "confirmed": False, "reverts": record.reverts + 1}
        fresh = fresh.model_copy(update=counted)
        if fresh.reverts >= CONTESTED_AFTER:
            return _contested(wanted, fresh)
    if owner is not None:
        taken = record.confirmed or record.reverts > 0
        why = f"{owner} set it to {live}{' since' if taken else ''}"
        return _Ruling(fresh, problem=_problem(wanted, why, contested=taken))
    return _Ruling(fresh, write=True)


def _confirmed(target: Target, record: UndoRecord) -> UndoRecord:
    """The record, marked if the workload shows that the write it announces has been made."""
    there = record.field in target.ours and target.value(record.field) == record.value
    return record.model_copy(update={"confirmed": True}) if there else record


def _contested(wanted: _Wanted, record: UndoRecord) -> _Ruling:
    why = f"somebody else took it back {record.reverts} times"
    return _Ruling(record, problem=_problem(wanted, why, contested=True))


def _record(target: Target, wanted: _Wanted, now: datetime, previous: str) -> UndoRecord:
    return UndoRecord(
        kind=target.kind,
        name=target.name,
        uid=target.uid,
        field=wanted.field,
        previous=previous if target.takes_over(wanted.field) else NONE,
        value=wanted.value,
        time=now,
    )


def _mirrored(target: Target, seen: Mirror | None) -> str:
    """What the hold's field was before, as the workload itself tells; `null` if it does not."""
    field = target.hold.field
    told = [
        one.previous
        for one in (seen.changes if seen else ())
        if (one.field, one.value) == (field, target.value(field))
    ]
    return target.hold.restorable(told[0]) if told else NONE


def _leftovers(
    target: Target, seen: Mirror | None, stale: frozenset[str], values: Mapping[str, str]
) -> dict[str, str]:
    """Fields that an apply could not remove or set, because somebody else owns them too.

    Such as annotations that a rollback brought back: they are kubectl's now. Those that are wanted
    again are cleared all the same, so that they are only ours and go with the freeze. What takes
    over needs no clearing for that.
    """
    outdated = target.value(_MIRROR) not in (NONE, values.get(_MIRROR, NONE))
    taken = {one for one in values if target.takes_over(one)}
    candidates = (stale - taken) | ({_MIRROR} if outdated else frozenset())
    return {
        one: _mirrored(target, seen) if one == target.hold.field else NONE
        for one in candidates
        if one in target.others or one not in target.ours
    }


def _restored(
    target: Target, seen: Mirror | None, before: Sequence[Owned], values: Mapping[str, str]
) -> dict[str, str]:
    """The hold's field with the value that was taken over, if it is ours and wanted no more.

    Without such a value it is released, and the API server fills its default in, unless somebody
    else's update keeps it.
    """
    field, live = target.hold.field, target.value(target.hold.field)
    if field in values or field not in target.ours:
        return {}
    records = [it.record for it in before if (it.record.field, it.record.value) == (field, live)]
    latest = max(records, key=lambda one: one.time, default=None)
    previous = latest.previous if latest is not None else _mirrored(target, seen)
    previous = target.hold.restorable(previous)
    return {field: previous} if previous != NONE or field in target.shared else {}


def _for_good(target: Target) -> dict[str, str]:
    """What holds an object that is over, if it is ours: given back, it would begin anew."""
    hold = target.hold
    stays = target.over and hold.field in target.ours and target.value(hold.field) == hold.text
    return {hold.field: hold.text} if stays else {}


def _settled(target: Target, values: Mapping[str, str], cleared: frozenset[str]) -> bool:
    """Whether the apply of `values` would change nothing, once `cleared` are gone."""
    if values and cleared:
        return False
    return target.ours - cleared == frozenset(values) and all(
        target.value(field) == value for field, value in values.items()
    )


def _by_policy(owned: Iterable[Owned], policies: Iterable[str]) -> Records:
    """Records by policy, the later of two of a field; policies that have none any more too."""
    result: dict[str, dict[str, UndoRecord]] = {policy: {} for policy in policies}
    for one in owned:
        result.setdefault(one.policy, {})[one.record.field] = one.record
    return {policy: tuple(records.values()) for policy, records in result.items()}
