"""Which corrections an objective's numbers contain, and what is known of what they change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sluice.api.correction import BudgetCorrection
from sluice.api.slo import ServiceLevelObjective
from sluice.budget.corrections import Correction, Range, rounded
from sluice.budget.counts import Counts
from sluice.budget.effects import Effect
from sluice.budget.windows import DAY, HOUR, CalendarWindow, Window
from sluice.indicators.declared import window_of
from sluice.policy.selection import Labelled, select_objectives

_BEHIND = timedelta(days=376)
"""As far back as a year of the calendar, and the week before it, are looked at."""
_AHEAD = timedelta(days=368)
"""As far ahead as a year of the calendar ends."""


def selects(correction: BudgetCorrection, objective: ServiceLevelObjective) -> bool:
    """Whether a correction is about an objective of its namespace."""
    meta = objective.metadata
    chosen = select_objectives(correction.spec.objectives, [Labelled(meta.name, meta.labels)])
    return bool(chosen.names)


def ranges_of(correction: BudgetCorrection, day: datetime) -> tuple[Range, ...]:
    """Its times, rounded to slices: all that a window of some day may look at, and the first."""
    spec = correction.spec
    begins = [one.start for one in (spec.once, spec.recurrence) if one is not None]
    found = spec.occurrences(day - _BEHIND, max(day, *begins) + _AHEAD)
    return tuple(rounded(Range(start.timestamp(), end.timestamp())) for start, end in found)


@dataclass(frozen=True, slots=True)
class _Expanded:
    """The times of a correction as of a day."""

    uid: str
    day: datetime
    ranges: tuple[Range, ...]


class Applicable:
    """The corrections of each objective; what they change is put in by who measures it.

    A correction's times are worked out once a day.
    """

    def __init__(self) -> None:
        self._expanded: dict[tuple[str, str], _Expanded] = {}
        self._effects: dict[tuple[str, str], Mapping[str, Effect]] = {}

    def ranges(self, correction: BudgetCorrection, now: datetime) -> tuple[Range, ...]:
        """The times of a correction: of a year behind `now`, and of one ahead."""
        meta, day = correction.metadata, now.replace(hour=0, minute=0, second=0, microsecond=0)
        known = self._expanded.get((meta.namespace, meta.name))
        if known is None or (known.uid, known.day) != (meta.uid, day):
            known = _Expanded(meta.uid, day, ranges_of(correction, day))
            self._expanded[meta.namespace, meta.name] = known
        return known.ranges

    def of(
        self,
        objective: ServiceLevelObjective,
        corrections: Iterable[BudgetCorrection],
        at: float,
    ) -> list[Correction]:
        """Those of `corrections`, all of the objective's namespace, that it is to be measured with.

        Args:
            objective: whose window gives the times that matter.
            corrections: all of its namespace.
            at: Unix seconds.
        """
        now = datetime.fromtimestamp(at, UTC)
        start, end = _reach(window_of(objective.spec.window), at)
        found = []
        for correction in corrections:
            deleted = correction.metadata.deletion_timestamp is not None
            if deleted or not selects(correction, objective):
                continue
            ranges = tuple(
                one for one in self.ranges(correction, now) if one.end > start and one.start < end
            )
            if ranges:
                found.append(Correction(correction.metadata.name, ranges, _added(correction)))
        return found

    def put(self, objective: ServiceLevelObjective, effects: Iterable[Effect]) -> set[str]:
        """Take in what corrections change of an objective; those that do it as of now, or did."""
        meta = objective.metadata
        key, found = (meta.namespace, meta.name), {one.name: one for one in effects}
        before = self._effects.get(key, {})
        self._effects[key] = found
        return {
            name
            for name in before.keys() | found.keys()
            if _outline(before.get(name)) != _outline(found.get(name))
        }

    def drop(self, namespace: str, objective: str) -> set[str]:
        """Forget an objective that is gone; the corrections that changed it."""
        return set(self._effects.pop((namespace, objective), {}))

    def forget(self, namespace: str, correction: str) -> None:
        """Forget a correction that is gone."""
        self._expanded.pop((namespace, correction), None)

    def effect(self, namespace: str, objective: str, correction: str) -> Effect | None:
        """What a correction changes of an objective; None if nothing, or if that is not known."""
        return self._effects.get((namespace, objective), {}).get(correction)


def _reach(window: Window, at: float) -> tuple[float, float]:
    """The times whose corrections matter: those of the last period too, which is told of."""
    end = window.span(at).end if isinstance(window, CalendarWindow) else at + HOUR
    return at - window.kept - DAY, end


def _added(correction: BudgetCorrection) -> Counts | None:
    added = correction.spec.add
    return None if added is None else Counts(float(added.total), float(added.bad))


def _outline(effect: Effect | None) -> object:
    return None if effect is None else (effect.approximate, effect.points is None)
