"""All that is known of one objective's window: the counts, how far back they go, and since when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sluice.budget.alerts import Alert, alerts
from sluice.budget.budget import (
    Budget,
    Measured,
    Objective,
    Outlook,
    UnknownBudget,
    UnknownReason,
    measure,
    share,
)
from sluice.budget.burnrate import WINDOWS, BurnRate, burn_rates
from sluice.budget.corrected import CorrectedLedger
from sluice.budget.corrections import Correction, Range
from sluice.budget.counts import SLICE, Counts, Slices
from sluice.budget.cut_hours import CutHours
from sluice.budget.effects import Corrected, changed
from sluice.budget.forecast import Forecast, History, forecast, period_forecast
from sluice.budget.ledger import Ledger
from sluice.budget.ring import Kept, Rows
from sluice.budget.slicing import Slicing
from sluice.budget.windows import HOUR, RECENT, Bounds, CalendarWindow, Window


@dataclass(frozen=True, slots=True)
class Origin:
    """Unix seconds; `data_begins` is `first_sample` if nothing earlier is known of the source."""

    first_sample: int
    data_begins: float

    def newborn(self, start: float) -> Range:
        """The time after `start` in which there were data, but not of the service."""
        return Range(max(start, self.data_begins), max(start, self.first_sample))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured and what it comes to; `forecast` only of a known budget.

    Attributes:
        pace: about how many seconds lie between two samples; None if that is not known.
    """

    measured: Measured
    budget: Budget | UnknownBudget
    burn_rates: tuple[BurnRate, ...]
    forecast: Forecast | None
    alerts: tuple[Alert, ...] = ()
    corrected: Corrected | None = None
    pace: int | None = None


class Account:
    """The counts of one objective's window; who measures it writes them.

    Attributes:
        window: the time that the objective is about.
        ledger: the counts.
        oldest: Unix seconds down to which they were read; None before anything was.
        origin: since when there are data; None while that is not known.
        corrections: what every evaluation is to leave out or to add.
        cuts_read: how often slices were taken in that the ledger has only an hour of.
    """

    __slots__ = (
        "_cuts",
        "_slicing",
        "corrections",
        "cuts_read",
        "ledger",
        "oldest",
        "origin",
        "window",
    )

    def __init__(self, window: Window, *, slicing: Slicing | None = None) -> None:
        self.window = window
        self.ledger = Ledger(window.kept, slicing=slicing)
        self.oldest: int | None = None
        self.origin: Origin | None = None
        self.corrections: tuple[Correction, ...] = ()
        self.cuts_read = 0
        self._cuts = CutHours(slicing)
        self._slicing = slicing

    def begin(self, now: float) -> None:
        """Forget all; hours begin from now on as the window's at `now` do."""
        self.ledger = Ledger(
            self.window.kept, anchor=self.window.anchor(now), slicing=self._slicing
        )
        self.oldest = self.origin = None
        self._cuts.clear()

    def resume(
        self,
        kept: Kept,
        *,
        anchor: int,
        oldest: int,
        origin: Origin | None,
        cuts: Mapping[int, Rows],
    ) -> None:
        """Forget all and go on with what another account of the same window had.

        Args:
            kept: what its ledger kept.
            anchor: where that ledger's hours begin.
            oldest: see `Account`.
            origin: see `Account`.
            cuts: its `cuts`.

        Raises:
            ValueError: it was an account of another window; nothing has changed then.
        """
        self.ledger = Ledger(self.window.kept, anchor=anchor, slicing=self._slicing).resume(kept)
        self.oldest, self.origin = oldest, origin
        self._cuts.resume(cuts)

    def cuts(self) -> dict[int, Rows]:
        """The slices of the hours that corrections cut, by where these begin, in Unix seconds."""
        return self._cuts.kept()

    def complete(self, now: float) -> bool:
        """Whether all is read that the window needs at `now`."""
        return self.oldest is not None and self.oldest <= self.window.needs(now)

    def settled(self, time: float) -> bool:
        """Whether all slices up to `time` are closed."""
        return self.ledger.closed is not None and self.ledger.closed >= time

    def counts(self, start: float, end: float) -> Counts:
        """What was counted between two times; a slice that is partly inside, in proportion."""
        return self.ledger.between(start, end)

    def correct(self, corrections: Sequence[Correction], now: float) -> list[int]:
        """Let these corrections apply to what is evaluated from now on.

        Returns:
            Where the hours begin, Unix seconds, whose slices are needed for that and not known
            (any more): `cut` takes them in. Until then their parts are counted in proportion.
        """
        self.corrections = tuple(corrections)
        closed, fine, oldest = self.ledger.closed, self.ledger.fine_since, self.oldest
        if closed is None or fine is None or oldest is None:
            return []
        start = max(self.window.needs(now), oldest)
        hours = self._corrected(self.corrections).cut_hours(start, closed)
        self._cuts.retain(hours)
        for hour in self._cuts.missing(hours):
            # The last two slices may be read again.
            if fine <= hour and hour + HOUR + 2 * SLICE <= closed:
                self._put(hour, self.ledger.slices(hour, hour + HOUR))
        return [hour for hour in self._cuts.missing(hours) if hour < fine]

    def rewrite(self, slices: Slices) -> None:
        """Write closed slices of the last three days over what was counted of them."""
        self.ledger.put(slices)
        self._cuts.drop(slices.first * SLICE)

    def cut(self, hour: int, slices: Slices) -> None:
        """Take in the twelve slices of the hour that begins at `hour`."""
        self._put(hour, slices)
        self.cuts_read += 1

    def _put(self, hour: int, slices: Slices) -> None:
        self._cuts.put(hour, slices, self.ledger.between(hour, hour + HOUR))

    def evaluate(self, objective: Objective, now: float) -> Evaluation:
        """The budget at `now`, from what was read so far."""
        ledger, bounds = self._corrected(self.corrections), self.window.bounds(now)
        measured = self._measured(ledger, bounds)
        unknown = self._backfilling(now)
        budget = unknown or measure(objective, measured)
        until = ledger.known_until(now)
        # Alerts look back on the same times as burn rates.
        last = dict(zip(WINDOWS, ledger.last(WINDOWS, until), strict=True))
        # What is added is no sign of how things go on.
        hour = ledger.left(until - HOUR, until) if self.corrections else last[HOUR]
        known = isinstance(budget, Budget)
        return Evaluation(
            measured=measured,
            budget=budget,
            burn_rates=burn_rates(objective, last),
            alerts=alerts(objective, last),
            forecast=self._forecast(objective, ledger, measured, hour) if known else None,
            corrected=None if unknown else self._changed(objective, bounds),
        )

    def closing(self, objective: Objective, now: float) -> Budget | None:
        """The budget with which the calendar period before that of `now` has closed.

        None if it is not known: it was not read as a whole, or its last slice is not closed yet.

        Args:
            objective: what was promised for that period.
            now: Unix seconds in the period after it.
        """
        if not isinstance(self.window, CalendarWindow):
            return None
        end = self.window.span(now).start
        start = self.window.span(end - 1).start
        if self.oldest is None or self.oldest > start or not self.settled(end):
            return None
        ledger = self._corrected(self.corrections)
        budget = measure(objective, self._measured(ledger, Bounds(start, end), rest=0.0))
        return budget if isinstance(budget, Budget) else None

    def spent(
        self, objective: Objective, start: float, end: float, *, now: float
    ) -> Decimal | None:
        """Points of the budget of the window at `now` that were spent between two times.

        By what went wrong then, corrections applied; that bad events leave a rolling window gives
        nothing back. None while the budget is not known.

        Args:
            objective: what was promised.
            start: Unix seconds; what is before the window does not count.
            end: Unix seconds.
            now: Unix seconds, up to which was read.
        """
        ledger, bounds = self._corrected(self.corrections), self.window.bounds(now)
        measured = self._measured(ledger, bounds)
        known = self._backfilling(now) is None and isinstance(measure(objective, measured), Budget)
        if not known:
            return None
        start, end = max(start, bounds.start), min(end, bounds.end)
        bad = ledger.between(start, end).bad if start < end else 0.0
        return share(objective, measured, bad)

    def _corrected(self, corrections: Sequence[Correction]) -> CorrectedLedger:
        return CorrectedLedger(self.ledger, corrections, self._cuts, self._slicing)

    def _measured(
        self, ledger: CorrectedLedger, bounds: Bounds, rest: float | None = None
    ) -> Measured:
        """What was counted; `rest` are the seconds that a period goes on, if not as usual."""
        outlook, newest = None, ledger.newest_covered(bounds.end)
        if isinstance(self.window, CalendarWindow):
            until = ledger.known_until(bounds.end)
            if rest is None:
                rest = self.window.span(bounds.end).end - until
            ahead = ledger.excluded.seconds(until, until + rest)
            outlook = Outlook(rest, ledger.left(until - RECENT, until), ahead)
        newborn = self.origin.newborn(bounds.start) if self.origin else Range(0.0, 0.0)
        return Measured(
            bounds=bounds,
            seen=ledger.between(bounds.start, bounds.end),
            newborn=max(0.0, newborn.length - ledger.excluded.seconds(newborn.start, newborn.end)),
            newest=None if newest is None else min(newest, bounds.end),
            outlook=outlook,
            excluded=ledger.excluded.seconds(bounds.start, bounds.end),
        )

    def _forecast(
        self, objective: Objective, ledger: CorrectedLedger, measured: Measured, last_hour: Counts
    ) -> Forecast:
        bounds = measured.bounds
        if measured.outlook is not None:
            return period_forecast(objective, measured, last_hour)
        return forecast(
            History(
                objective=objective,
                measured=measured,
                hours=ledger.by_hour(bounds.start, bounds.end),
                last_hour=last_hour,
            )
        )

    def _changed(self, objective: Objective, bounds: Bounds) -> Corrected | None:
        def remaining(corrections: Sequence[Correction]) -> Decimal | None:
            budget = measure(objective, self._measured(self._corrected(corrections), bounds))
            return budget.remaining if isinstance(budget, Budget) else None

        return changed(self.corrections, bounds, self._corrected, remaining)

    def _backfilling(self, now: float) -> UnknownBudget | None:
        if self.complete(now):
            return None
        start = self.window.needs(now)
        read = 0.0 if self.oldest is None else (now - self.oldest) / (now - start)
        return UnknownBudget(
            UnknownReason.BACKFILLING, f"reading the window's history: {read:.0%} are read"
        )
