"""When a workload was deployed last, and when a limit lets it be deployed again.

Nothing is written down for this: the cluster retains the revisions of every workload, and the API
server stamps when each was made. Why that is the best clock there is: docs/adr/0012.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sluice.api.durations import parse_duration
from sluice.api.policy import Exemptions
from sluice.policy.fingerprint import Fingerprint

DECLARATION = 256
"""Characters of an annotation at most that is kept of a revision: longer ones declare nothing."""

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Holds the whole manifest, which is nobody's business here."""


class Limiting(Protocol):
    """A limit, of a spec or as a status records it."""

    @property
    def interval(self) -> str | None:
        """One deployment passes in this time; None if time is no matter."""

    @property
    def approval(self) -> str | None:
        """Whether it needs an approval; None if not."""


UNAPPROVED = "a deploy needs an approval"
"""Why a limit denies what may pass by its time."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A revision of a workload.

    Attributes:
        created: When its object was made; the API server's clock.
        deploys: Its pod template.
        annotations: Those of the workload when it was made, which the controllers copy.
    """

    created: datetime
    deploys: Fingerprint
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """When a workload was deployed last, and when it may be deployed again under a limit."""

    last: datetime
    next: datetime

    def waits(self, now: datetime) -> bool:
        """Whether it may not be deployed yet."""
        return now < self.next


def pace(limit: Limiting, last: datetime) -> Pace:
    """The pace of a workload that was deployed at `last`; it never waits without an interval."""
    interval = timedelta(0) if limit.interval is None else parse_duration(limit.interval)
    return Pace(last, last + interval)


def passes(limit: Limiting, found: Pace | None, now: datetime, *, approved: bool) -> bool:
    """Whether a limit lets a workload be deployed.

    An approval stands in for the interval, but where one is required anyway: there a deployment
    needs both, and only an override makes it pass before its time.
    """
    waits = found is not None and found.waits(now)
    if limit.approval is not None:
        return approved and not waits
    return approved or not waits


def last_deploy(revisions: Iterable[Deployed], exemptions: Exemptions) -> datetime | None:
    """When a workload was deployed last, its creation included; None if nothing counts.

    A restart makes a revision too, and so does a change of an exempt type; neither counts. What
    goes back to an earlier revision makes none.
    """
    return max((one.created for one in counted(revisions, exemptions)), default=None)


def counted(revisions: Iterable[Deployed], exemptions: Exemptions) -> list[Deployed]:
    """The revisions that were deployments, the oldest first.

    Of those that differ by exempt annotations only, it is the first.
    """
    first: dict[object, Deployed] = {}
    found = []
    for one, before in _in_order(revisions):
        content = _content(one.deploys, exemptions)
        if content in first:
            continue
        first[content] = one
        if before is None or not _is_declared(before, one, exemptions):
            found.append(one)
    return found


def _in_order(
    revisions: Iterable[Deployed],
) -> Iterator[tuple[Deployed, Deployed | None]]:
    """Each revision with the one before it."""
    before = None
    for one in sorted(revisions, key=lambda it: it.created):
        yield one, before
        before = one


def _content(deploys: Fingerprint, exemptions: Exemptions) -> object:
    notes = {key: it for key, it in deploys.notes.items() if key not in exemptions.template_keys}
    return deploys.rest, frozenset(notes.items())


def _is_declared(before: Deployed, after: Deployed, exemptions: Exemptions) -> bool:
    return newly_declared(before.annotations, after.annotations, exemptions)


def newly_declared(old: Mapping[str, str], new: Mapping[str, str], exemptions: Exemptions) -> bool:
    """Whether labels or annotations declare a change of an exempt type that they did not before.

    A declaration that is there already is one of an earlier change: left in a manifest it must not
    let the next one pass.
    """
    key = exemptions.change_type_key
    value = new.get(key)
    if value is None or value == old.get(key):
        return False
    return any(
        value == one or value.startswith((f"{one}.", f"{one}/")) for one in exemptions.change_types
    )


def declarations(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Of an object's annotations those that may declare a type of change."""
    return {
        key: value
        for key, value in (annotations or {}).items()
        if len(value) <= DECLARATION and key != _LAST_APPLIED
    }


def why_not(limit: Limiting, found: Pace | None, now: datetime) -> str:
    """What the author of a change reads that a limit does not let pass."""
    if found is None or not found.waits(now):
        return UNAPPROVED
    return too_early(limit, found)


def too_early(limit: Limiting, found: Pace) -> str:
    """What the author of a change reads that comes too early."""
    return (
        f"one deploy in {limit.interval}: the last was {_second(found.last)}, "
        f"the next may pass after {_second(found.next)}"
    )


def _second(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
